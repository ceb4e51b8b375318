# SPDX-License-Identifier: Apache-2.0
"""A build's events become BuildKit's lines."""

from __future__ import annotations

import json
import os
import signal
from base64 import b64decode, b64encode
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sampan.cli.progress import Trace, format_bytes, format_status
from sampan.cli.progress_live import LiveProgress, frame
from sampan.cli.progress_plain import PlainProgress
from sampan.cli.progress_raw import RawProgress

SECOND = 1_000_000_000
START = 1_000 * SECOND


def vertex(vertex_id: str, name: str, at: float = 0, end: float | None = None, **more: Any) -> dict[str, Any]:
    completed = None if end is None else int(START + end * SECOND)
    return {
        "type": "vertex",
        "id": vertex_id,
        "name": name,
        "started_ns": int(START + at * SECOND),
        "completed_ns": completed,
        "cached": False,
        "error": None,
        **more,
    }


def log(vertex_id: str, data: bytes) -> dict[str, Any]:
    return {"type": "log", "id": vertex_id, "stream": 1, "data": b64encode(data).decode()}


def plain(events: list[dict[str, Any]], *, now: float = 0.5) -> list[str]:
    lines: list[str] = []
    progress = PlainProgress(lines.append, lambda: int(START + now * SECOND))
    for event in events:
        progress.event(event)
    progress.close()
    return lines


def test_a_build_reads_as_buildkits() -> None:
    assert plain(
        [
            vertex("a", "[internal] load build definition from Dockerfile"),
            vertex("a", "[internal] load build definition from Dockerfile", end=0.04),
            vertex("b", "[1/3] FROM docker.io/library/busybox:latest", end=0, cached=True),
            vertex("c", "[2/3] WORKDIR /code", end=0, cached=True),
            vertex("d", "[3/3] RUN echo hi"),
            log("d", b"hi\nthere\n"),
            vertex("d", "[3/3] RUN echo hi", end=0.34),
        ]
    ) == [
        "#1 [internal] load build definition from Dockerfile",
        "#1 DONE 0.0s",
        "",
        "#2 [1/3] FROM docker.io/library/busybox:latest",
        "#2 CACHED",
        "",
        "#3 [2/3] WORKDIR /code",
        "#3 CACHED",
        "",
        "#4 [3/3] RUN echo hi",
        "#4 0.500 hi",
        "#4 0.500 there",
        "#4 DONE 0.3s",
    ]


def test_a_vertex_that_is_left_and_taken_up_again_is_named_again() -> None:
    assert plain(
        [
            vertex("a", "one"),
            vertex("b", "two"),
            log("a", b"x\n"),
            vertex("b", "two", end=1),
            vertex("a", "one", end=2),
        ]
    ) == [
        "#1 one",
        "#1 ...",
        "",
        "#2 two",
        "#2 ...",
        "",
        "#1 one",
        "#1 0.500 x",
        "#1 ...",
        "",
        "#2 two",
        "#2 DONE 1.0s",
        "",
        "#1 one",
        "#1 DONE 2.0s",
    ]


def test_a_failure_ends_with_its_last_words() -> None:
    lines: list[str] = []
    progress = PlainProgress(lines.append, lambda: START + SECOND // 4)
    error = 'process "/bin/sh -c false" did not complete successfully: exit code: 1'
    progress.event(vertex("a", "[2/2] RUN false"))
    progress.event(log("a", b"".join(b"line %d\n" % n for n in range(20)) + b"no end"))
    progress.event(vertex("a", "[2/2] RUN false", end=0.3, error=error))
    assert lines[-2:] == ["#1 0.300 no end", f"#1 ERROR: {error}"]
    failure = list(progress.trace.failure())
    assert failure[:3] == ["------", " > [2/2] RUN false:", "0.250 line 11"]
    assert failure[-2:] == ["0.300 no end", "------"]
    assert len(failure) == 13


def test_cancelled_steps_are_no_failure() -> None:
    progress = PlainProgress([].append, lambda: START)
    progress.event(vertex("a", "x", end=1, error="cancelled"))
    assert list(progress.trace.failure()) == []


def test_a_bar_drawn_over_itself_shows_its_last_state() -> None:
    assert plain([vertex("a", "x"), log("a", b"10%\r50%\r100%\r\n")])[-1] == "#1 0.500 100%"


def test_a_transfer_is_shown_at_its_beginning_and_end() -> None:
    status = {"type": "status", "id": "a", "name": "transferring context:", "total": 0}
    assert plain(
        [
            vertex("a", "x"),
            {**status, "current": 100, "completed": False},
            {**status, "current": 200, "completed": False},
            {**status, "current": 1_234_567, "completed": True},
        ]
    )[1:] == ["#1 transferring context: 100B", "#1 transferring context: 1.23MB done"]


def test_warnings_name_their_place() -> None:
    warning = {"type": "warning", "text": "FromAsCasing", "file": "Dockerfile", "line": 3}
    assert plain([vertex("a", "load"), vertex("a", "load", end=1), warning, vertex("b", "x")]) == [
        "#1 load",
        "#1 DONE 1.0s",
        "",
        "#1 load",
        "#1 WARN: FromAsCasing (line 3)",
        "",
        "#2 x",
    ]


def test_warnings_are_told_again_at_the_end() -> None:
    trace = Trace()
    assert list(trace.caution()) == []
    for line in (3, 5):
        trace.take({"type": "warning", "text": "FromAsCasing", "file": "Dockerfile", "line": line}, 0)
    assert list(trace.caution()) == [
        "",
        " 2 warnings found (use --check to expand):",
        " - FromAsCasing (line 3)",
        " - FromAsCasing (line 5)",
    ]


@given(st.lists(st.binary(max_size=8), max_size=10))
def test_output_is_the_same_however_it_is_cut(pieces: list[bytes]) -> None:
    whole = plain([vertex("a", "x"), log("a", b"".join(pieces))])
    assert plain([vertex("a", "x"), *(log("a", piece) for piece in pieces)]) == whole


def test_the_live_display_counts_and_keeps_the_last_lines() -> None:
    trace = Trace()
    for event in (vertex("a", "done", end=1), vertex("b", "runs"), vertex("c", "old", end=0, cached=True)):
        trace.vertex(event).update(event)
    trace.vertices["b"].take_output(b"".join(b"%d\n" % n for n in range(9)), START)
    lines = [(text, right) for text, right, _ in frame(trace, START, START + 2 * SECOND, finished=False)]
    assert lines == [
        ("[+] Building 2.0s (2/3)", ""),
        (" => done", "1.0s"),
        (" => runs", "2.0s"),
        *((f" => => # {n}", "") for n in range(3, 9)),
        (" => CACHED old", "0.0s"),
    ]


def test_the_live_display_is_drawn_to_its_end_and_leaves_no_timer() -> None:
    read, write = os.pipe()
    before = signal.getsignal(signal.SIGALRM)
    progress = LiveProgress(write)
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    progress.event(vertex("a", "[1/1] FROM x", end=2))
    progress.close()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
    os.close(write)
    drawn = os.read(read, 10_000).decode()
    assert "(1/1) FINISHED\n" in drawn
    assert " => [1/1] FROM x" in drawn
    os.close(read)


def test_sizes_and_transfers_are_worded_as_buildkits() -> None:
    assert [format_bytes(n) for n in (5, 1500, 2_340_000)] == ["5B", "1.50kB", "2.34MB"]
    status = {"name": "x:", "current": 5, "total": 10, "completed": False}
    assert format_status(status) == "x: 5B / 10B"


def raw(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines: list[str] = []
    progress = RawProgress(lines.append, lambda: START + SECOND // 2)
    for event in events:
        progress.event(event)
    progress.close()
    return [json.loads(line) for line in lines]


def test_raw_progress_is_buildx_s() -> None:
    warning = {"type": "warning", "text": "Odd", "file": "Dockerfile", "line": 3, "last_line": 4, "url": "u"}
    status = {
        "type": "status",
        "id": "a",
        "name": "transferring",
        "current": 5,
        "total": 9,
        "completed": True,
    }
    material = {"type": "material", "uri": "u", "digest": "d"}
    begun, ended, said, moved, warned = raw(
        [
            vertex("a", "x"),
            vertex("a", "x", end=1.25, cached=True),
            log("a", b"hi\n"),
            status,
            warning,
            material,
        ]
    )
    digest = begun["vertexes"][0]["digest"]
    assert begun == {"vertexes": [{"digest": digest, "name": "x", "started": "1970-01-01T00:16:40Z"}]}
    assert ended["vertexes"][0]["completed"] == "1970-01-01T00:16:41.25Z"
    assert ended["vertexes"][0]["cached"] is True
    moment = "1970-01-01T00:16:40.5Z"
    assert said == {"logs": [{"vertex": digest, "stream": 1, "data": "aGkK", "timestamp": moment}]}
    assert moved["statuses"][0] == {
        "id": "transferring",
        "vertex": digest,
        "name": "transferring",
        "total": 9,
        "current": 5,
        "timestamp": moment,
        "started": moment,
        "completed": moment,
    }
    (told,) = warned["warnings"]
    assert (told["vertex"], told["level"], told["url"]) == (digest, 1, "u")
    assert b64decode(told["short"]) == b"Odd (line 3)"
    assert told["range"] == [{"start": {"line": 3}, "end": {"line": 4}}]


def test_the_live_view_says_what_came_of_each_step() -> None:
    trace = Trace()
    for event in (
        vertex("a", "[internal] load build definition from Dockerfile", end=0.1),
        {"type": "warning", "text": "Odd", "file": "Dockerfile", "line": 3},
        {"type": "status", "id": "a", "name": "transferring:", "current": 5, "total": 0, "completed": True},
        vertex("b", "one", end=0.1, cached=True),
        vertex("c", "two", end=0.1, error="bad"),
        vertex("d", "three", end=0.1, error="cancelled"),
        vertex("e", "four", at=0.5),
        log("e", b"".join(b"line %d\n" % number for number in range(9))),
    ):
        trace.take(event, START)
    lines = [text for text, _, _ in frame(trace, START, START + SECOND, finished=False)]
    assert lines == [
        "[+] Building 1.0s (4/5)",
        " => [internal] load build definition from Dockerfile",
        " => => transferring: 5B",
        " => WARN: Odd (line 3)",
        " => CACHED one",
        " => ERROR two",
        " => CANCELED three",
        " => four",
        *(f" => => # line {number}" for number in range(3, 9)),
    ]
