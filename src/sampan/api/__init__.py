# SPDX-License-Identifier: Apache-2.0
"""The Docker Engine API over HTTP: one file a resource, errors become statuses in one place.

Nothing is decided here: a route checks what came in, asks the engine, and writes what goes out.
"""
