# SPDX-License-Identifier: Apache-2.0
"""Everything that has a name, in one SQLite database."""
