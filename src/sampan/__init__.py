# SPDX-License-Identifier: Apache-2.0
"""Sampan: Docker's build, share and run as one Python package."""

__version__ = "0.1.0"
