# SPDX-License-Identifier: Apache-2.0
"""What of the objects needs no containers: lines of logs, limits of output, builds that cannot be read in place."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.client.address import Address
from sampan.client.api import Engine
from sampan.client.objects.client import Client
from sampan.client.objects.loglines import iter_log_lines
from sampan.client.objects.result import ProgramFailed, Result, TimedOut
from sampan.client.objects.streams import Output
from sampan.errors import Conflict
from scripted_engine import ScriptedEngine, answer

OUT_OF_REACH = b'{"message":"context cannot be read in place: the client is another user"}'
BUILT = b'{"stream":"Step 1/1 : FROM scratch\\n"}\n{"aux":{"ID":"sha256:1"}}\n'


@pytest.fixture
def client(scripted: ScriptedEngine) -> Iterator[Client]:
    with Client(Engine(Address(path=scripted.path))) as client:
        yield client


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=9).map(lambda b: b.replace(b"0", b"\n"))))
)
def test_lines_of_a_log_are_whole_and_none_is_lost(frames: list[tuple[int, bytes]]) -> None:
    lines = list(iter_log_lines(iter(frames)))
    streams = [b"".join(data for number, data in frames if number == stream) for stream in (1, 2)]
    assert sorted(lines) == sorted(line for stream in streams for line in io.BytesIO(stream).readlines())


@given(st.lists(st.binary(max_size=8)), st.one_of(st.none(), st.integers(0, 40)))
def test_output_is_kept_up_to_its_limit(pieces: list[bytes], limit: int | None) -> None:
    output, whole = Output(limit), b"".join(pieces)
    for piece in pieces:
        output.add(piece)
    assert output.data == whole[:limit]
    assert output.truncated == (limit is not None and len(whole) > limit)


def test_a_result_is_checked() -> None:
    good = Result(0, b"\xffok", b"")
    assert good.ok
    assert good.check() is good
    assert good.text == "\ufffdok"
    with pytest.raises(ProgramFailed, match="program exited with code 2: why"):
        Result(2, b"", b"why\n").check()
    with pytest.raises(TimedOut):
        Result(0, b"", b"", timed_out=True).check()


def test_a_folder_that_the_engine_cannot_read_is_sent(
    scripted: ScriptedEngine, client: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch")
    (folder / "file").write_bytes(b"data")
    scripted.on("POST /build", answer(409, OUT_OF_REACH), answer(200, BUILT))
    said: list[str] = []
    assert client.images.build(folder, tag="t", on_progress=said.append).id == "sha256:1"
    assert said == ["Step 1/1 : FROM scratch\n"]
    _, in_place, sent = scripted.asked
    assert in_place.query["sampan.context"] == [str(folder)]
    assert (sent.query["dockerfile"], sent.query["t"]) == (["Dockerfile"], ["t"])
    with tarfile.open(fileobj=io.BytesIO(sent.body)) as archive:
        assert sorted(archive.getnames()) == ["Dockerfile", "file"]


def test_a_refusal_of_another_kind_is_not_tried_again(
    scripted: ScriptedEngine, client: Client, tmp_path: Path
) -> None:
    scripted.on("POST /build", answer(409, b'{"message":"busy"}'))
    with pytest.raises(Conflict, match="busy"):
        client.images.build(tmp_path)
    assert scripted.lines == ["GET /_ping", "POST /build"]


def test_an_engine_of_others_is_sent_the_folder_and_the_text(
    scripted: ScriptedEngine, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"data")
    fields = {"Server": "Docker/20.10 (linux)", "Api-Version": "1.41"}
    scripted.on("GET /_ping", answer(200, b"OK", fields=fields))
    scripted.on("POST /build", answer(200, BUILT))
    client.images.build(tmp_path, text="FROM scratch")
    sent = scripted.asked[-1]
    assert "sampan.context" not in sent.query
    assert client.engine.version == "1.41", "a body that is made while it is sent cannot be sent twice"
    with tarfile.open(fileobj=io.BytesIO(sent.body)) as archive:
        assert "file" in archive.getnames()
        (name,) = sent.query["dockerfile"]
        text = archive.extractfile(name)
        assert text is not None
        assert text.read() == b"FROM scratch"


def test_what_a_block_raised_is_not_hidden_by_an_engine_that_went_away(
    scripted: ScriptedEngine, client: Client
) -> None:
    scripted.on("GET /containers/a/json", json={"Id": "a"})
    scripted.on("DELETE /containers/a", answer(500, b'{"message":"on fire"}'))
    with pytest.raises(ZeroDivisionError), client.containers.get("a"):
        raise ZeroDivisionError


def test_a_container_that_is_going_already_is_no_error(scripted: ScriptedEngine, client: Client) -> None:
    scripted.on("GET /containers/a/json", json={"Id": "a"})
    scripted.on(
        "DELETE /containers/a", answer(409, b'{"message":"removal of container a is already in progress"}')
    )
    with client.containers.get("a"):
        pass
    scripted.on("DELETE /containers/a", answer(409, b'{"message":"is used"}'))
    with pytest.raises(Conflict, match="is used"), client.containers.get("a"):
        pass
