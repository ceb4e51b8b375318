# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from sampan.engine.process_columns import format_elapsed, format_tty
from sampan.engine.process_options import plan_layout, render_table
from sampan.engine.processes import read_clock, read_process
from sampan.errors import InvalidArgument


def titles(*options: str) -> list[str]:
    return render_table(plan_layout(options), [], read_clock())[0]


def test_the_default_is_the_full_format() -> None:
    assert titles("-ef") == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]


def test_bsd_options() -> None:
    assert titles("aux") == [
        "USER",
        "PID",
        "%CPU",
        "%MEM",
        "VSZ",
        "RSS",
        "TTY",
        "STAT",
        "START",
        "TIME",
        "COMMAND",
    ]


@pytest.mark.parametrize("options", [["-o", "pid,comm=NAME"], ["-eo", "pid,comm=NAME"], ["-opid,comm=NAME"]])
def test_columns_by_name(options: list[str]) -> None:
    assert titles(*options) == ["PID", "NAME"]


def test_unknown_options_and_columns_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="unsupported option -Z"):
        plan_layout(["-Z"])
    with pytest.raises(InvalidArgument, match="unknown column nonsense"):
        plan_layout(["-o", "pid,nonsense"])


def test_formats() -> None:
    assert format_elapsed(59) == "00:59"
    assert format_elapsed(59, padded=True) == "00:00:59"
    assert format_elapsed(90061) == "1-01:01:01"
    assert format_tty(0) == "?"
    assert format_tty(136 << 8 | 3) == "pts/3"


def test_a_row_is_what_ps_says() -> None:
    columns = "pid,ppid,user,pgid,sid,tty,nlwp,comm"
    process = read_process(os.getpid())
    assert process is not None
    (row,) = render_table(plan_layout(["-o", columns]), [process], read_clock())[1]
    ps = shutil.which("ps")
    assert ps is not None
    said = subprocess.run(
        [ps, "--no-headers", "-o", columns, "-q", str(os.getpid())],
        capture_output=True,
        text=True,
        check=True,
    )
    assert row == said.stdout.split()


def test_a_process_that_is_gone_is_none() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert read_process(child.pid) is None
