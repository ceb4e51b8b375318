# SPDX-License-Identifier: Apache-2.0
"""Do one thing to many containers at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import BoundedSemaphore, Thread

from sampan.compose.observed import ObservedContainer
from sampan.compose.running.report import Report
from sampan.compose.running.runner import MOST_AT_ONCE
from sampan.errors import NotFound, NotModified, SampanError


def do_each(
    containers: Sequence[ObservedContainer],
    action: Callable[[ObservedContainer], None],
    report: Report,
    *,
    working: str,
    done: str,
    at_once: int = 0,
) -> None:
    """`action` for each; all are tried, and the first failure is raised."""
    places = BoundedSemaphore(at_once or MOST_AT_ONCE)
    failures: list[BaseException] = []

    def work(container: ObservedContainer) -> None:
        subject = f"Container {container.name}"
        with places:
            report.working(subject, working)
            try:
                action(container)
            except (NotModified, NotFound):
                report.done(subject, done)
            except SampanError as error:
                report.failed(subject, "Error", error.message)
                failures.append(error)
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that asked
                failures.append(error)
            else:
                report.done(subject, done)

    threads = [Thread(target=work, args=(each,), daemon=True) for each in containers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
