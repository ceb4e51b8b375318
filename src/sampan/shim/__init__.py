# SPDX-License-Identifier: Apache-2.0
"""One small process a container, and the launcher that forks it.

Start reading at `protocol` (who talks to whom), then `launcher` and `shim`. `control` is the engine's side
and the only module here that knows asyncio; everything else runs in the launcher and its children, which
load nothing that they do not need.
"""
