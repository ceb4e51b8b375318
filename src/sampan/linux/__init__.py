# SPDX-License-Identifier: Apache-2.0
"""The only door to the kernel: system calls through ctypes, netlink, and what is built directly on them."""
