# SPDX-License-Identifier: Apache-2.0
"""The Engine API as objects, for Python programs: `sampan.connect()` gives the `Client`.

Everything here is said in terms of the calls in `sampan.client`, which the command line makes, too; nothing
here speaks HTTP. Objects hold an id and ask the engine whenever a property is read, so nothing goes stale.
Errors are the kinds of `sampan.errors`. A client and its objects may be shared between threads: each call
takes a connection of its own from the client's idle ones.
"""
