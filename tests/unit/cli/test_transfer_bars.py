# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from sampan.api.transfers import format_bar, transfer_line
from sampan.cli.transfer_bars import Layer, TransferBars, format_left
from sampan.image.transfer import Line


def test_a_moving_layer_shows_rate_and_time_left() -> None:
    layer = Layer("abc")
    layer.update("Downloading", 0, 10_000_000, 0.0)
    layer.update("Downloading", 5_000_000, 10_000_000, 2.0)
    bar = "=" * 15 + ">" + " " * 14
    assert layer.line(2.0) == f"abc: Downloading [{bar}] 5MB/10MB 2.5MB/s 2s"
    layer.update("Pull complete", 0, 0, 3.0)
    assert layer.line(3.0) == "abc: Pull complete"


@pytest.mark.parametrize(("seconds", "words"), [(4.6, "5s"), (200.0, "3m20s"), (7500.0, "2h05m")])
def test_time_left(seconds: float, words: str) -> None:
    assert format_left(seconds) == words


def test_layers_are_drawn_again_in_place_and_other_lines_stay() -> None:
    reading, writing = os.pipe()
    bars = TransferBars(writing)
    bars.message({"status": "Pulling from x", "id": "1"})
    for name in ("a", "b"):
        bars.message({"status": "Pulling fs layer", "id": name, "progressDetail": {}})
    bars.close()
    bars.message({"status": "Status: \x1b[2Jdone"})
    os.close(writing)
    with os.fdopen(reading, newline="") as file:
        shown = file.read()
    assert shown.startswith("1: Pulling from x\n\x1b[2Ka: Pulling fs layer\n\x1b[1A\r\x1b[2Ka: ")
    assert "\x1b[2Kb: Pulling fs layer\n" in shown
    assert shown.endswith("\nStatus:  [2Jdone\n")


def test_a_line_of_progress_is_dockers() -> None:
    assert transfer_line(Line("Downloading", "abc", 512, 1024, is_step=True)) == {
        "status": "Downloading",
        "progressDetail": {"current": 512, "total": 1024},
        "progress": "[=========================>                         ]     512B/1.024kB",
        "id": "abc",
    }
    assert transfer_line(Line("Pull complete", "abc", is_step=True)) == {
        "status": "Pull complete",
        "progressDetail": {},
        "id": "abc",
    }
    assert transfer_line(Line("Digest: x")) == {"status": "Digest: x"}
    assert transfer_line(Line("", aux={"Tag": "1"})) == {"progressDetail": {}, "aux": {"Tag": "1"}}


def test_a_bar_is_full_at_the_end_and_not_before() -> None:
    assert format_bar(1, 1) == f"[{'=' * 50}>]       1B/1B"
    assert format_bar(0, 10).startswith("[>" + " " * 49)
