# SPDX-License-Identifier: Apache-2.0
"""A module a command; `sampan.cli.catalogue` says which is where."""
