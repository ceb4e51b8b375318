# SPDX-License-Identifier: Apache-2.0
"""Searches on registries that answer them as the Hub does, and on those whose catalogue has to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from kernel.registry_scene import RegistryScene, run
from sampan.errors import InvalidArgument
from sampan.registry import search
from sampan.registry.credentials import ANONYMOUS
from sampan.registry.search import SearchRequest, search_hub
from scripted_registry import ScriptedRegistry


def test_the_answer_of_a_search_is_read_as_far_as_it_is_one(tmp_path: Path) -> None:
    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:
            items: list[object] = [
                {"name": "few", "star_count": 3, "description": "a", "is_official": True},
                {"name": "many", "star_count": 30},
                {"name": None, "star_count": "x"},
                "none",
            ]

            async def fault(request: web.Request, _: int) -> web.StreamResponse | None:
                assert (request.path, dict(request.query)) == ("/v1/search", {"q": "app/x", "n": "25"})
                return web.json_response({"results": items})

            registry.fault = fault
            for request, names in (
                (SearchRequest(f"{registry.host}/app/x"), ["few", "many", ""]),
                (SearchRequest(f"{registry.host}/app/x", least_stars=4), ["many"]),
                (SearchRequest(f"{registry.host}/app/x", is_official=True), ["few"]),
            ):
                found = await search_hub(scene.registries.transport, request, ANONYMOUS)
                assert [one["name"] for one in found] == names
            with pytest.raises(InvalidArgument, match="outside the range"):
                await search_hub(scene.registries.transport, SearchRequest("x", 101), ANONYMOUS)

    run(work)


def test_a_catalogue_that_does_not_end_is_not_searched_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_MOST_PAGES", 5)

    async def work() -> None:
        async with ScriptedRegistry() as registry, RegistryScene(tmp_path) as scene:

            async def fault(request: web.Request, count: int) -> web.StreamResponse | None:
                if request.path == "/v1/search":
                    return web.Response(status=404)
                if request.path != "/v2/_catalog":
                    return None
                link = f'</v2/_catalog?n=1000&last={count}>; rel="next"'
                return web.json_response({"repositories": [f"app{count}", "b"]}, headers={"Link": link})

            registry.fault = fault
            request = SearchRequest(f"{registry.host}/APP")
            found = await search_hub(scene.registries.transport, request, ANONYMOUS)
            assert [one["name"] for one in found] == [f"{registry.host}/app{count}" for count in range(5)]

    run(work)
