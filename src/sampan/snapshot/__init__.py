# SPDX-License-Identifier: Apache-2.0
"""Layered root filesystems: what containers and build steps write on, and what images are made of."""
