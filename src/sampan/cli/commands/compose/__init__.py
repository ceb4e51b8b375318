# SPDX-License-Identifier: Apache-2.0
"""A module a subcommand of ``sampan compose``; `sampan.cli.catalogue` says which is where."""
