# SPDX-License-Identifier: Apache-2.0
"""Build caches that travel: a machine that has nothing builds without running a step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from build_place import BuildPlace
from sampan.build.caches.places import CachePlace, parse_export, parse_import
from sampan.errors import SampanError
from sampan.image.store import Image
from sampan.registry.credentials import ANONYMOUS
from sampan.registry.repository import Registries
from sampan.transport.opening import Surroundings

TEXT = """\
FROM scratch AS made
RUN write /a one
RUN write /b two
FROM scratch
WORKDIR /app
COPY --from=made /a /
COPY file /
RUN write /c three
"""


def nobody() -> Any:
    raise AssertionError("no engine is asked")


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[BuildPlace, BuildPlace]]:
    both = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        both.append(BuildPlace(tmp_path / name))
        both[-1].write("file", "content")
    yield both[0], both[1]
    for place in both:
        place.close()


def exporting(folder: Path, more: str = "") -> CachePlace:
    return parse_export(f"type=local,dest={folder}{more}")


def importing(folder: Path) -> CachePlace:
    return parse_import(f"type=local,src={folder}")


def build(place: BuildPlace, text: str = TEXT, **options: Any) -> Image:
    around = Surroundings(Registries(), lambda _: ANONYMOUS, nobody)
    return place.build(text, transports=around, **options)


def test_a_machine_that_has_nothing_runs_no_step(
    places: tuple[BuildPlace, BuildPlace], tmp_path: Path
) -> None:
    here, there = places
    first = build(here, cache_to=(exporting(tmp_path / "cache"),))
    assert len(here.executor.steps) == 3
    again = build(there, cache_from=(importing(tmp_path / "cache"),))
    assert there.executor.steps == []
    assert all(there.cached().values())
    assert again.id == first.id
    build(there)
    assert there.executor.steps == []


def test_what_changed_is_made_anew_on_what_was_brought(
    places: tuple[BuildPlace, BuildPlace], tmp_path: Path
) -> None:
    here, there = places
    build(here, cache_to=(exporting(tmp_path / "cache"),))
    there.write("file", "other")
    build(there, cache_from=(importing(tmp_path / "cache"),))
    assert there.executor.commands == ["write /c three"]


def test_results_made_here_stand_for_their_equals(
    places: tuple[BuildPlace, BuildPlace], tmp_path: Path
) -> None:
    here, there = places
    first = build(here, cache_to=(exporting(tmp_path / "cache"),))
    build(there, TEXT.partition("FROM scratch\nWORKDIR")[0] + "FROM scratch\nWORKDIR /app\n")
    build(there, "FROM scratch\nWORKDIR /app\n")
    again = build(there, cache_from=(importing(tmp_path / "cache"),))
    assert "write /c three" not in there.executor.commands
    assert again.chain_ids == first.chain_ids


def test_only_the_images_own_layers_go_with_it_as_min(
    places: tuple[BuildPlace, BuildPlace], tmp_path: Path
) -> None:
    here, there = places
    build(here, cache_to=(exporting(tmp_path / "cache", ",mode=min"),))
    build(there, cache_from=(importing(tmp_path / "cache"),))
    assert there.executor.commands == ["write /a one", "write /b two"]


def test_a_second_export_sends_nothing_that_is_there(
    places: tuple[BuildPlace, BuildPlace], tmp_path: Path
) -> None:
    here, _ = places
    folder = tmp_path / "cache"
    build(here, cache_to=(exporting(folder),))
    blobs = sorted(path.name for path in (folder / "blobs" / "sha256").iterdir())
    build(here, cache_to=(exporting(folder),))
    assert sorted(path.name for path in (folder / "blobs" / "sha256").iterdir()) == blobs


def test_a_layer_that_is_not_what_it_says_is_refused(
    places: tuple[BuildPlace, BuildPlace], tmp_path: Path
) -> None:
    here, there = places
    folder = tmp_path / "cache"
    build(here, cache_to=(exporting(folder),))
    index = json.loads((folder / "index.json").read_text())
    digest = index["manifests"][0]["digest"].partition(":")[2]
    layers = json.loads((folder / "blobs" / "sha256" / digest).read_text())["layers"]
    blob = folder / "blobs" / "sha256" / layers[0]["digest"].partition(":")[2]
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(SampanError, match="digest"):
        build(there, cache_from=(importing(folder),))


def test_a_cache_that_is_not_there_does_not_stop_a_build(
    places: tuple[BuildPlace, BuildPlace], tmp_path: Path
) -> None:
    here, _ = places
    build(here, cache_from=(importing(tmp_path / "none"),))
    assert len(here.executor.steps) == 3


def test_single_stages_are_left_out_of_the_cache(places: tuple[BuildPlace, BuildPlace]) -> None:
    here, _ = places
    build(here)
    build(here, no_cache_stages=("made",))
    assert here.executor.commands[:2] == ["write /a one", "write /b two"]
