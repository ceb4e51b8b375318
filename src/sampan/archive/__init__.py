# SPDX-License-Identifier: Apache-2.0
"""Tar archives: reading hostile ones, writing deterministic ones, and layers between them and directories."""
