# SPDX-License-Identifier: Apache-2.0
"""The blocking Engine API client: what the command line and other people's Python programs use.

Start-up time counts here, so modules below import C-level modules (`_socket`, `_json`) in place of their
Python fronts, which would load `enum`, `re` and `selectors` for nothing.
"""
