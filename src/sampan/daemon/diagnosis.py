# SPDX-License-Identifier: Apache-2.0
"""What the engine is doing right now: SIGUSR1 has it written to the log, as with dockerd."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from types import FrameType

logger = logging.getLogger(__name__)


def log_activity() -> None:
    """Log each task and each thread with the line it stands at, and how many files are open."""
    for line in describe_activity():
        logger.info("%s", line)


def describe_activity() -> Iterator[str]:
    """One line for each."""
    tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
    yield f"{len(tasks)} tasks, {threading.active_count()} threads, {len(os.listdir('/proc/self/fd'))} open files"
    for task in tasks:
        yield f"task {task.get_name()}: {' < '.join(_places(task.get_stack())) or 'about to run'}"
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        place = traceback.extract_stack(frame, limit=1)[-1]
        yield f"thread {names.get(ident, ident)}: {_format_place(place.name, place.filename, place.lineno)}"


def _places(stack: list[FrameType]) -> Iterator[str]:
    for frame in reversed(stack):
        yield _format_place(frame.f_code.co_qualname, frame.f_code.co_filename, frame.f_lineno)


def _format_place(function: str, path: str, line: int | None) -> str:
    return f"{function} ({'/'.join(path.split('/')[-2:])}:{line})"
