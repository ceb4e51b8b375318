# SPDX-License-Identifier: Apache-2.0
"""Each case of tests/cases/build gives the image, or the error, that Docker gives."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from build_cases import BASE, Case, case_names, expected_of, open_case, read_case, serving
from described_images import compare, describe_error, describe_images
from integration.engine_process import running_engine
from sampan.cli.build_context import FolderContext
from sampan.cli.build_options import FLAGS, plan_query, plan_secrets
from sampan.cli.flags import parse_flags
from sampan.client.address import Address
from sampan.client.api import Engine
from sampan.client.contexts import locate_dockerfile
from sampan.errors import SampanError

AT_ONCE = 2


@pytest.fixture(scope="module")
def results(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[str, Any]]:
    """The chosen cases built, two at a time, and what came of each; the images are read from one archive.

    The engine is theirs alone: to throw it away is quicker than to remove hundreds of images.
    """
    directory = tmp_path_factory.mktemp("cases")
    cases = [open_case(name, directory) for name in chosen(request.session)]
    archive = directory / "images.tar"
    with (
        running_engine(tmp_path_factory.mktemp("cases-engine")) as process,
        contextlib.closing(Engine(Address(path=str(process.socket)))) as engine,
    ):
        with serving(directory), ThreadPoolExecutor(AT_ONCE) as pool:
            errors = list(pool.map(lambda case: build(engine, case), cases))
        built = [case.tag for case, error in zip(cases, errors, strict=True) if error is None]
        with archive.open("wb") as out:
            out.writelines(engine.images.save([BASE, *built]))
    images = describe_images(archive, BASE)
    yield {case.name: error or images[case.tag] for case, error in zip(cases, errors, strict=True)}
    shutil.rmtree(directory)


def chosen(session: pytest.Session) -> list[str]:
    """The cases that this run tests."""
    items = (item for item in session.items if isinstance(item, pytest.Function))
    return [item.callspec.params["name"] for item in items if item.function is test_builds_as_docker_does]


def build(engine: Engine, case: Case) -> dict[str, str] | None:
    """Do what ``sampan build`` does with the case's flags: None, or the error."""
    for flags in case.builds:
        try:
            message = _build_once(engine, case, flags)
        except SampanError as error:
            message = str(error)
        if message:
            return describe_error(message)
    return None


def _build_once(engine: Engine, case: Case, flags: list[str]) -> str:
    options, _ = parse_flags(FLAGS, [_placed(case, word) for word in flags])
    context = str(case.place / "context")
    named = options.text("file")
    source = FolderContext(context, locate_dockerfile(context, named))
    query = plan_query(options, {}) | source.place()
    message = ""
    for line in engine.images.build(
        query, None, fields=plan_secrets(options.several("secret"), {})
    ).iter_json():
        if "errorDetail" in line:
            message = line["errorDetail"]["message"]
    return message


def _placed(case: Case, word: str) -> str:
    """The flag with its paths in the case's place: two threads share one working directory."""
    start, found, path = word.rpartition("=")
    if path.startswith(("context/", "./")):
        return f"{start}{found}{case.place / path}"
    return word


@pytest.mark.parametrize("name", case_names())
def test_builds_as_docker_does(results: dict[str, Any], name: str) -> None:
    about = read_case(name)["about"]
    differences = compare(results[name], expected_of(name))
    assert not differences, "\n".join([about, *differences])


def test_what_is_not_as_docker_s_has_its_reason() -> None:
    other = {name for name in case_names() if expected_of(name) != expected_of(name, of="docker")}
    assert other == {name for name in case_names() if read_case(name).get("differs")}
