# SPDX-License-Identifier: Apache-2.0
"""Where routes find what they serve: aiohttp's typed application keys."""

from __future__ import annotations

from aiohttp import web

from sampan.engine.engine import Engine

ENGINE: web.AppKey[Engine] = web.AppKey("engine", Engine)
