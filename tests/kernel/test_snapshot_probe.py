# SPDX-License-Identifier: Apache-2.0
"""Choosing a snapshot driver by trying."""

import os
from pathlib import Path

from sampan.snapshot.driver import OverlayDriver
from sampan.snapshot.probe import choose_driver
from suites.private_mounts import run_with_private_mounts


def test_overlay_is_chosen_where_it_works_and_leaves_no_trace(tmp_path: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    assert isinstance(choose_driver(str(tmp_path)), OverlayDriver)
    assert os.listdir(tmp_path) == []
    assert Path("/proc/self/mountinfo").read_text() == before


def test_copy_is_chosen_on_an_overlay(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    program = """
from sampan.snapshot.probe import choose_driver
place = sys.argv[1]
mount("overlay", place + "/merged", "overlay", 0,
      f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work")
print(choose_driver(place + "/merged").name, os.listdir(place + "/merged"))
"""
    assert run_with_private_mounts(program, str(tmp_path)).stdout == "copy []\n"
