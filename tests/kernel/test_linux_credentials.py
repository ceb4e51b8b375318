# SPDX-License-Identifier: Apache-2.0
"""User and groups, set by the system calls themselves."""

from __future__ import annotations

import subprocess
import sys

BECOME = """
import os
from sampan.linux import credentials

credentials.set_groups([7, 4000000000])
credentials.set_group(12)
credentials.set_user({user})
print(os.getgroups(), os.getresgid(), os.getresuid())
try:
    credentials.set_user(0)
except PermissionError as error:
    print(error)
"""


def test_user_and_groups_are_set_and_there_is_no_way_back() -> None:
    assert _say(BECOME.format(user=4000000001)).splitlines() == [
        "[7, 4000000000] (12, 12, 12) (4000000001, 4000000001, 4000000001)",
        "setresuid: operation not permitted",
    ]


def test_nobody_may_have_no_groups() -> None:
    assert (
        _say(
            "from sampan.linux import credentials; import os; credentials.set_groups([]); print(os.getgroups())"
        )
        == "[]\n"
    )


def _say(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True
    ).stdout
