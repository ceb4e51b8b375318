# SPDX-License-Identifier: Apache-2.0
"""Which requests outlive their clients, and that what they do is done."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from sampan.api.app import RESOURCES
from sampan.api.completion import is_completed
from sampan.engine.tasks import Background

ROUTES = [route for resource in RESOURCES for route in resource.routes if isinstance(route, web.RouteDef)]


def names(*, completed: bool) -> set[str]:
    return {f"{route.method} {route.path}" for route in ROUTES if is_completed(route) is completed}


@pytest.mark.parametrize(
    "route",
    [
        "POST /containers/create",
        "POST /containers/{id}/start",
        "POST /containers/{id}/stop",
        "POST /containers/{id}/restart",
        "DELETE /containers/{id}",
        "POST /containers/{id}/update",
        "POST /networks/{id}/connect",
        "DELETE /volumes/{name}",
        "POST /commit",
    ],
)
def test_a_change_is_carried_out(route: str) -> None:
    assert route in names(completed=True)


@pytest.mark.parametrize(
    "route",
    [
        "POST /containers/{id}/attach",
        "POST /containers/{id}/wait",
        "POST /build",
        "POST /images/create",
        "POST /images/load",
        "POST /images/{name:.+}/push",
        "GET /events",
        "GET /containers/{id}/logs",
        "GET /containers/json",
    ],
)
def test_a_stream_ends_with_its_client(route: str) -> None:
    assert route in names(completed=False)


def test_work_goes_on_when_the_one_who_waits_is_cancelled() -> None:
    async def main() -> None:
        background, done = Background(), asyncio.Event()

        async def work() -> None:
            await asyncio.sleep(0.01)
            done.set()

        waiting = asyncio.ensure_future(background.complete(work(), name="work"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await background.drain(1.0)
        assert done.is_set()

    asyncio.run(main())


def test_who_waits_gets_the_result_or_the_error() -> None:
    async def main() -> None:
        background = Background()
        assert await background.complete(asyncio.sleep(0, "result"), name="work") == "result"

        async def fail() -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await background.complete(fail(), name="work")

    asyncio.run(main())
