# SPDX-License-Identifier: Apache-2.0
"""The receiver against clients that tell lies: nothing outside its folder is ever touched."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.buildkit.messages import files
from sampan.buildkit.messages.files import Packet, Stat
from sampan.buildkit.protobuf import encode_message
from sampan.buildkit.receiving import FOLDER, TreeReceiver
from sampan.errors import InvalidArgument, SampanError

END = Packet(files.STAT)


def told(path: str, mode: int = 0o644, **more: int | str) -> Packet:
    return Packet(files.STAT, Stat(path, mode, **more))  # type: ignore[arg-type]


def folder(path: str) -> Packet:
    return told(path, files.GO_DIRECTORY | 0o755)


def link(path: str, target: str) -> Packet:
    return told(path, files.GO_SYMLINK | 0o777, linkname=target)


def receive(place: Path, *packets: Packet) -> list[int]:
    """Feed packets and finish; the files that were asked for."""
    place.mkdir(exist_ok=True)
    receiver = TreeReceiver(str(place))
    try:
        wanted = receiver.feed([encode_message(packet) for packet in packets])
        if receiver.is_complete:
            receiver.finish()
        return wanted
    finally:
        receiver.close()


def content(number: int, data: bytes) -> tuple[Packet, Packet]:
    return Packet(files.DATA, id=number, data=data), Packet(files.DATA, id=number)


def test_only_what_changed_is_asked_for(tmp_path: Path) -> None:
    place = tmp_path / "place"
    tree = (folder("d"), told("d/a", size=1, mtime_ns=5), told("d/b", size=1, mtime_ns=5), END)
    assert receive(place, *tree, *content(1, b"A"), *content(2, b"B")) == [1, 2]
    assert receive(place, *tree) == []
    assert (place / FOLDER / "d/a").read_text() == "A"
    assert os.stat(place / FOLDER / "d/a").st_mtime_ns == 5
    changed = (folder("d"), told("d/a", size=1, mtime_ns=6), END)
    assert receive(place, *changed, *content(1, b"C")) == [1]
    assert (place / FOLDER / "d/a").read_text() == "C"
    assert os.listdir(place / FOLDER / "d") == ["a"]


def test_a_transfer_that_broke_begins_anew(tmp_path: Path) -> None:
    place = tmp_path / "place"
    receive(place, told("a", size=1), END, *content(0, b"A"))
    assert receive(place, told("a", size=1), told("b", size=1), END) == [1]  # and no content comes
    assert receive(place, told("a", size=1), END, *content(0, b"A")) == [0]


def test_a_file_that_changed_while_it_was_sent_is_asked_for_again(tmp_path: Path) -> None:
    place = tmp_path / "place"
    receive(place, told("a", size=5), END, *content(0, b"short"[:3]))
    assert receive(place, told("a", size=5), END, *content(0, b"whole")) == [0]


def test_kinds_of_files(tmp_path: Path) -> None:
    place = tmp_path / "place"
    receive(
        place,
        told("a", 0o755 | files.GO_SETUID, size=1),
        told("b", 0o755, size=1, linkname="a"),
        told("f", files.GO_FIFO | 0o600),
        link("l", "/etc/passwd"),
        END,
        *content(0, b"A"),
    )
    root = place / FOLDER
    assert root.joinpath("a").stat().st_mode & 0o7777 == 0o4755
    assert root.joinpath("a").samefile(root / "b")
    assert root.joinpath("f").is_fifo()
    assert os.readlink(root / "l") == "/etc/passwd"


@pytest.mark.parametrize(
    "packets",
    [
        (told("/etc/x"),),
        (told("../x"),),
        (folder("d"), told("d/../../x")),
        (told("a//b"),),
        (told("."),),
        (told(""),),
        (told("a\0b"),),
        (told("d/x"),),  # its folder was not told
        (told("a"), told("a")),
        (told("a"), folder("a")),
        (link("l", "/tmp"), told("l/x")),
        (folder("d"), link("d", "/tmp"), told("d/x")),
        (told("h", linkname="/etc/passwd"),),
        (told("h", linkname="../../outside"),),
        (told("s", files.GO_SOCKET),),
        (told("i", files.GO_IRREGULAR),),
        (Packet(files.DATA, id=0, data=b"x"),),
        (told("a"), END, *content(0, b"x"), *content(0, b"y")),
        (Packet(9),),
    ],
)
def test_lies_are_refused(tmp_path: Path, packets: tuple[Packet, ...]) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    with pytest.raises(InvalidArgument):
        receive(tmp_path / "place", *packets)
    assert outside.read_text() == "untouched"
    assert sorted(os.listdir(tmp_path)) == ["outside", "place"]


def test_a_folder_that_was_a_link_is_made_anew(tmp_path: Path) -> None:
    place = tmp_path / "place"
    receive(place, link("l", str(tmp_path)), END)
    receive(place, folder("l"), told("l/x", size=1), END, *content(1, b"x"))
    assert not (tmp_path / "x").exists()
    assert (place / FOLDER / "l/x").read_text() == "x"


def test_a_client_that_gives_up_says_why(tmp_path: Path) -> None:
    with pytest.raises(SampanError, match="client: permission denied"):
        receive(tmp_path / "place", Packet(files.ERROR, data=b"permission denied"))


NAMES = st.sampled_from(["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "l", "l/a", "..", "/a"])
MODES = st.sampled_from([0o644, files.GO_DIRECTORY | 0o755, files.GO_SYMLINK | 0o777, files.GO_FIFO, 0])
STATS = st.builds(
    Stat,
    NAMES,
    MODES,
    size=st.integers(0, 2),
    mtime_ns=st.integers(0, 2),
    linkname=st.sampled_from(["", "a", "/tmp", ".."]),
)
PACKETS = st.builds(
    Packet, st.sampled_from([0, 0, 0, 2, 2, 3]), st.none() | STATS, st.integers(0, 4), st.binary(max_size=2)
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(PACKETS, max_size=12), max_size=3))
def test_no_packets_reach_outside(tmp_path: Path, transfers: list[list[Packet]]) -> None:
    for packets in transfers:
        with contextlib.suppress(SampanError, OSError):
            receive(tmp_path / "place", *packets)
    assert set(os.listdir(tmp_path)) <= {"place"}
    assert set(os.listdir(tmp_path / "place") if (tmp_path / "place").exists() else ()) <= {
        FOLDER,
        "index",
        "index.new",
    }
