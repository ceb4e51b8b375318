# SPDX-License-Identifier: Apache-2.0
"""Finding the program in the container, and saying why there is none in the words that Docker's users know.

Those words come from Go's exec.LookPath, by way of runc; clients tell 126 from 127 by them.
"""

from __future__ import annotations

import errno
import os
import stat

from sampan.linux.syscall import describe_errno
from sampan.runtime.failure import ExecFailed

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_program(name: str, environment: dict[str, str]) -> str:
    """Return the path to execute; the caller is already in the container's root and working directory."""
    if "/" in name:
        _require_executable(name)
        return name
    for directory in environment.get("PATH", DEFAULT_PATH).split(":"):
        path = f"{directory or '.'}/{name}"
        if name and _refusal(path) == 0:
            return path
    raise ExecFailed(errno.ENOENT, f'exec: "{name}": executable file not found in $PATH')


def _require_executable(name: str) -> None:
    number = _refusal(name)
    if number in (errno.EISDIR, errno.EACCES):
        raise ExecFailed(number, f'exec: "{name}": {describe_errno(number)}')
    if number:
        raise ExecFailed(number, f'exec: "{name}": stat {name}: {describe_errno(number)}')


def _refusal(path: str) -> int:
    """Return the errno for which `path` cannot be run, 0 if it looks as if it could."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return error.errno or errno.ENOENT
    if stat.S_ISDIR(mode):
        return errno.EISDIR
    return 0 if mode & 0o111 else errno.EACCES


def exec_failure(name: str, error: OSError) -> ExecFailed:
    """Describe an execve that failed though the file is there: no interpreter, wrong format, no right."""
    number = error.errno or errno.EIO
    if number == errno.EACCES:
        return ExecFailed(number, f'exec: "{name}": {describe_errno(number)}')
    return ExecFailed(number, f"exec {name}: {describe_errno(number)}")
