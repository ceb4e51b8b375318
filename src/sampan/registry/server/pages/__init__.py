# SPDX-License-Identifier: Apache-2.0
"""The registry's pages for people: repositories, tags, layers, sizes and signatures."""
