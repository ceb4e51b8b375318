# SPDX-License-Identifier: Apache-2.0
"""The history of builds: what is kept, for how long, and how it is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.build.errors import BuildFailed
from sampan.build.history.asked import describe_request
from sampan.build.history.entry import Asked, Entry, Failure, build_name, decode_entry, encode_entry
from sampan.build.history.events import (
    LOG_LIMIT_BYTES,
    OUTPUT_LIMIT_BYTES,
    Clipping,
    EventWriter,
    decode_event,
    read_events,
)
from sampan.build.history.filters import parse_alternatives, parse_filters
from sampan.build.history.inspecting import inspect_entry
from sampan.build.history.store import BuildHistory
from sampan.build.progress import LogEvent, MaterialEvent, StatusEvent, VertexEvent, WarningEvent
from sampan.build.request import BuildRequest
from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.metadata.database import Database

SECOND = 1_000_000_000
EVENTS = (
    VertexEvent("v1", "[1/2] FROM x", started_ns=1),
    LogEvent("v1", 2, b"\xff\n"),
    StatusEvent("v1", "transferring", current=5, total=6, completed=True),
    WarningEvent("Odd: it is", file="Dockerfile", line=3, last_line=4, detail="why", url="http://x"),
    MaterialEvent("pkg:docker/x", "sha256:1"),
    VertexEvent("v1", "name \udcff", started_ns=1, completed_ns=2, cached=True, error="bad", result="abc"),
)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[BuildHistory]:
    database = Database(str(tmp_path / "state.db"))
    yield BuildHistory(database, str(tmp_path / "history"), entries=3, size_bytes=10_000)
    database.close()


def record(history: BuildHistory, ref: str, *, said: bytes = b"", error: BaseException | None = None) -> None:
    async def run() -> None:
        with history.recorded("sampan", lambda: Asked({"target": ref}), ref=ref) as recording:
            recording.tell(VertexEvent("v1", "step", started_ns=1))
            recording.tell(LogEvent("v1", 1, said))
            recording.tell(VertexEvent("v1", "step", started_ns=1, completed_ns=2, cached=True))
            recording.response = {"image": "x"}
            if error is not None:
                raise error

    with contextlib.suppress(BuildFailed, asyncio.CancelledError):
        asyncio.run(run())


def refs(history: BuildHistory) -> list[str]:
    return [entry.ref for entry in history.entries()]


class TestStore:
    def test_a_build_is_known_while_it_runs_and_after(self, history: BuildHistory) -> None:
        async def run() -> None:
            with history.recorded("sampan", lambda: Asked({"target": "t"}), ref="one") as recording:
                assert refs(history) == []  # it has said nothing yet
                recording.tell(EVENTS[0])
                assert history.find("one").status == "running"
                with pytest.raises(Conflict):
                    history.remove("one")

        asyncio.run(run())
        entry = history.find("^0")
        assert (entry.ref, entry.status, entry.name, entry.total_steps) == ("one", "completed", "t", 1)
        assert [event.to_json() for _, event in history.events("one")] == [EVENTS[0].to_json()]

    def test_one_that_says_nothing_is_none(self, history: BuildHistory) -> None:
        with history.recorded("sampan", lambda: Asked({})):
            pass
        assert refs(history) == []

    def test_how_it_ended(self, history: BuildHistory) -> None:
        record(history, "good")
        record(history, "bad", error=BuildFailed("it broke", vertex="step", exit_code=3, hint="mend it"))
        record(history, "stopped", error=asyncio.CancelledError())
        assert [entry.status for entry in history.entries()] == ["completed", "error", "canceled"]
        assert history.find("bad").failure == Failure("it broke", code=3, hint="mend it", vertex="step")
        assert history.find("good").response == {"image": "x"}
        assert history.find("good").cached_steps == 1

    def test_the_oldest_go_but_not_the_pinned(self, history: BuildHistory, tmp_path: Path) -> None:
        record(history, "pinned")
        history.pin("pinned", pinned=True)
        for number in range(5):
            record(history, f"build{number}")
        assert refs(history) == ["pinned", "build2", "build3", "build4"]
        assert len(os.listdir(tmp_path / "history")) == 4

    def test_in_the_long_run_there_are_no_more_than_may_be(self, tmp_path: Path) -> None:
        database = Database(str(tmp_path / "state.db"))
        history = BuildHistory(database, str(tmp_path / "history"), entries=20)
        for number in range(70):
            record(history, f"build{number}")
            assert len(history.entries()) <= 20
        assert refs(history)[-1] == "build69"
        assert 18 <= len(refs(history)) == len(os.listdir(tmp_path / "history"))
        database.close()

    def test_large_logs_make_others_go(self, history: BuildHistory) -> None:
        record(history, "small")
        record(history, "large", said=os.urandom(20_000))
        assert refs(history) == ["large"]

    def test_names_by_which_a_build_is_found(self, history: BuildHistory) -> None:
        for ref in ("abcde1", "abcde2", "other"):
            record(history, ref)
        assert [history.find(f"^{number}").ref for number in range(3)] == ["other", "abcde2", "abcde1"]
        assert history.find("").ref == "other"
        assert history.find("othe").ref == "other"
        for wrong, words in (
            ("abcde", 'no record found for ref "abcde"'),
            ("oth", "no record found"),
            ("^3", "no completed build found with offset 3"),
        ):
            with pytest.raises(NotFound, match=words):
                history.find(wrong)
        with pytest.raises(InvalidArgument, match="invalid offset"):
            history.find("^x")

    def test_it_is_forgotten_with_its_file(self, history: BuildHistory, tmp_path: Path) -> None:
        record(history, "../../etc/passwd")
        history.remove("../../etc/passwd")
        assert refs(history) == []
        assert os.listdir(tmp_path / "history") == []
        with pytest.raises(NotFound):
            history.remove("../../etc/passwd")

    def test_an_engine_that_was_killed_leaves_an_interrupted_build(
        self, history: BuildHistory, tmp_path: Path
    ) -> None:
        stray = tmp_path / "history/stray.zst"
        database = Database(str(tmp_path / "state.db"))

        async def run() -> None:
            with history.recorded("sampan", lambda: Asked({}), ref="cut") as recording:
                for event in EVENTS:
                    recording.tell(event)
                recording.flush()
                stray.touch()
                later = BuildHistory(database, str(tmp_path / "history"))
                later.sweep()
                entry = later.find("cut")
                assert entry.failure == Failure("the engine ended while this was built")
                assert entry.status == "error"
                told = [event.to_json() for _, event in later.events("cut")]
                assert told == [event.to_json() for event in EVENTS]

        asyncio.run(run())
        assert not stray.exists()
        database.close()

    def test_whoever_watches_sees_all_of_it(self, history: BuildHistory) -> None:
        async def run() -> None:
            with history.recorded("sampan", lambda: Asked({}), ref="one") as recording:
                recording.tell(EVENTS[0])
                live = history.live("one")
                assert live is not None
                watching = asyncio.ensure_future(watch(history))
                for event in EVENTS[1:]:
                    await asyncio.sleep(0)
                    recording.tell(event)
            assert await watching == [event.to_json() for event in EVENTS]

        async def watch(history: BuildHistory) -> list[dict[str, object]]:
            live = history.live("one")
            assert live is not None
            return [event.to_json() async for events in live.watch() for _, event in events]

        asyncio.run(run())


class TestEvents:
    @pytest.mark.parametrize("event", EVENTS)
    def test_they_are_read_as_they_were_written(self, event: VertexEvent) -> None:
        assert decode_event(event.to_json()).to_json() == event.to_json()

    def test_a_file_whose_end_is_missing_is_read_as_far_as_it_goes(self, tmp_path: Path) -> None:
        path = tmp_path / "log"
        writer = EventWriter(str(path))
        for number in range(100):
            writer.write(number, VertexEvent(f"v{number}", "x", started_ns=0, completed_ns=1))
        writer.close()
        whole = path.read_bytes()
        for size in (0, 3, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size] + bytes(8 if size > 3 else 0))
            moments = [moment for moment, _ in read_events(str(path))]
            assert moments == list(range(len(moments)))
        assert list(read_events(str(tmp_path / "none"))) == []

    def test_what_a_step_says_is_cut_off_somewhere(self) -> None:
        clipping = Clipping()
        kept = [clipping.take(LogEvent("v1", 1, bytes(LOG_LIMIT_BYTES // 2 + 1))) for _ in range(4)]
        assert kept[1] is not None
        assert kept[1].data.endswith(b"log limit 2MiB reached]\n")
        assert kept[2:] == [None, None]
        assert clipping.take(LogEvent("v2", 1, b"x")) is not None

    def test_what_a_build_says_is_cut_off_somewhere(self) -> None:
        clipping = Clipping()
        said = [clipping.take(LogEvent(f"v{number}", 1, bytes(LOG_LIMIT_BYTES))) for number in range(12)]
        assert sum(len(event.data) for event in said if event) <= OUTPUT_LIMIT_BYTES + 4096


class TestFilters:
    ENTRY = Entry(
        "abc",
        "sampan",
        created_ns=100 * SECOND,
        completed_ns=130 * SECOND,
        attributes={"vcs:source": "https://example.com/a.git"},
        failure=Failure("x"),
    )

    @pytest.mark.parametrize(
        ("word", "passes"),
        [
            ("status=error", True),
            ("status=err", False),
            ("status!=error", False),
            ("status==error", True),
            ("ref=b", True),
            ("ref==b", False),
            ("ref~=b", True),
            ("ref!=abc", False),
            ("repository=example.com", True),
            ("repository=other", False),
            ("duration>=30s", True),
            ("duration>30s", False),
            ("duration<1m", True),
            ("startedAt<=30s", True),
            ("startedAt>10s", False),
            ("completedAt>=1970-01-01T00:02:10Z", True),
            ("completedAt>1970-01-01T00:02:10Z", False),
        ],
    )
    def test_one(self, word: str, passes: bool) -> None:
        assert parse_filters([word], now_ns=140 * SECOND)(self.ENTRY) is passes

    @pytest.mark.parametrize(
        ("word", "words"),
        [
            ("status", "invalid filter"),
            ("size=3", "unsupported filter"),
            ("status>3", "expected = or !="),
            ("duration=3s", "expected <=, <, >= or >"),
            ("duration>soon", "invalid duration soon"),
            ("startedAt>soon", "invalid time soon"),
        ],
    )
    def test_wrong_ones_are_refused(self, word: str, words: str) -> None:
        with pytest.raises(InvalidArgument, match=words):
            parse_filters([word], now_ns=0)

    def test_several(self) -> None:
        assert not parse_filters(["status=error", "ref=x"], now_ns=0)(self.ENTRY)
        assert parse_alternatives(["ref~=x", "status==error,ref~=a"], now_ns=0)(self.ENTRY)
        assert not parse_alternatives(["ref~=x", "status==error,ref~=x"], now_ns=0)(self.ENTRY)
        assert parse_alternatives([], now_ns=0)(self.ENTRY)

    @given(st.text(alphabet="status=<>!~duration 3s,\"'", max_size=20))
    def test_anything_is_parsed_or_refused(self, word: str) -> None:
        with contextlib.suppress(InvalidArgument):
            parse_alternatives([word], now_ns=0)(self.ENTRY)


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"context": "/home/me/app", "filename": "Dockerfile"}, "app"),
        ({"context": "/home/me/app", "filename": "dev.Dockerfile"}, "app/dev.Dockerfile"),
        ({"context": "/home/me/app", "filename": "sub/Dockerfile", "target": "t"}, "app/sub (t)"),
        ({"context": "/home/me/app", "filename": "/elsewhere/Dockerfile"}, "app/elsewhere"),
        ({"context": "https://example.com/a.git"}, "https://example.com/a.git"),
        ({"target": "t"}, "t"),
        ({"vcs:localdir:context": "sub"}, "sub"),
        ({"build-arg:BUILDKIT_BUILD_NAME": "mine", "target": "t"}, "mine"),
        ({}, ""),
    ],
)
def test_what_a_build_is_called(attributes: dict[str, str], name: str) -> None:
    assert build_name(attributes) == name


def test_what_was_asked_is_told_without_passwords() -> None:
    request = BuildRequest(
        "/x",
        dockerfile="dev",
        build_args={"A": "1", "UNSET": None},
        labels={"l": None},
        target="t",
        no_cache=True,
        pull=True,
        named_contexts={"n": "https://me:token@example.com/n.git"},
    )
    assert describe_request(request, "https://token@example.com/a.git") == {
        "filename": "dev",
        "context": "https://example.com/a.git",
        "target": "t",
        "image-resolve-mode": "pull",
        "no-cache": "",
        "build-arg:A": "1",
        "label:l": "",
        "context:n": "https://example.com/n.git",
    }


def test_an_entry_is_read_as_it_was_written() -> None:
    entry = Entry("r", "c", 1, attributes={"a": "b"}, failure=Failure("m"), completed_ns=2)
    assert decode_entry(encode_entry(entry)) == entry


def test_inspect_tells_what_failed_and_its_last_lines() -> None:
    entry = Entry("r", "c", SECOND, completed_ns=3 * SECOND, failure=Failure("bad", vertex="s", code=4))
    said = b"".join(b"line %d\n" % number for number in range(30))
    events = [
        (1, VertexEvent("v", "s", started_ns=SECOND)),
        (1, LogEvent("v", 1, said)),
        (1, VertexEvent("v", "s", started_ns=SECOND, completed_ns=2 * SECOND, error="bad")),
    ]
    found = inspect_entry(entry, events, now_ns=0)
    assert (found["Status"], found["Duration"]) == ("failed", 2 * SECOND)
    assert found["Error"]["Code"] == 4
    assert found["Error"]["Logs"] == [f"line {number}" for number in range(14, 30)]
    assert found["Steps"][0]["Duration"] == SECOND
