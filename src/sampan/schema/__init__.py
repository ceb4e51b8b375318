# SPDX-License-Identifier: Apache-2.0
"""The shapes of the Docker Engine API (v1.51), as typed values.

Names inside are Python's, names on the wire are Docker's; `msgspec` converts and checks. A client may send
null wherever Go's encoder writes nil, so lists and maps are optional here and normalised by who uses them.
"""
