# SPDX-License-Identifier: Apache-2.0
"""The command line: docker's words, in front of the Engine API.

Start-up time counts: modules that every command loads import nothing slow, and a command's own module is
imported only when it is the one asked for. Only `output` prints.
"""
