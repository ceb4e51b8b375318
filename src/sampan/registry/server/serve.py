# SPDX-License-Identifier: Apache-2.0
"""A registry in the foreground: this process holds the sockets and forks workers, and forks another when one dies.

Each worker has a listening socket of its own on the same port (SO_REUSEPORT), so that the kernel shares connections
among them. The sockets are this process's, too: what waits in a dead worker's queue is its successor's.
If this process is killed, the kernel ends the workers.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence

from sampan.errors import Unavailable
from sampan.linux.process import set_parent_death_signal
from sampan.registry.server.storage.store import Store
from sampan.registry.server.telemetry import Telemetry
from sampan.registry.server.worker import WORKER_SIGNALS, Plan, open_gate, run_worker

MOST_DEFAULT_WORKERS = 8
_QUICK_DEATH_S = 1.0
_BACKLOG = 1024


def default_workers() -> int:
    """Two a processor: where many clients run beside us, the scheduler shares processors by the head."""
    return min(2 * len(os.sched_getaffinity(0)), MOST_DEFAULT_WORKERS)


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """So many sockets on one port; with port 0 the kernel chooses it."""
    sockets: list[socket.socket] = []
    try:
        # Sockets that share a port would share it with another registry's, too; one that does not share finds out.
        _bind(host, port, shared=False).close()
        for _ in range(count):
            sockets.append(_bind(host, port, shared=True))
            port = sockets[0].getsockname()[1]
            sockets[-1].listen(_BACKLOG)
    except OSError as error:
        raise Unavailable(f"listen on {host}:{port}: {(error.strerror or str(error)).lower()}") from error
    return sockets


def prepare(plan: Plan) -> None:
    """Find out what is wrong with a plan before anything is started."""
    Store(plan.root)
    open_gate(plan)
    if plan.certificate:
        plan.certificate.load()


def serve(plan: Plan, sockets: Sequence[socket.socket]) -> int:
    """Run until SIGTERM or SIGINT; the exit status."""
    telemetry = Telemetry(len(sockets))

    def work(place: int) -> None:
        telemetry.row = place
        telemetry.reset_gauges()
        run_worker(plan, sockets[place], telemetry)

    return _Supervisor(sockets, work).run()


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound


class _Supervisor:
    def __init__(self, sockets: Sequence[socket.socket], work: Callable[[int], None]) -> None:
        self._sockets = sockets
        self._work = work
        self._workers: dict[int, tuple[int, float]] = {}
        self._is_ending = False

    def run(self) -> int:
        for number in WORKER_SIGNALS:
            signal.signal(number, self._end)
        signal.signal(signal.SIGHUP, self._renew)
        for place in range(len(self._sockets)):
            self._start(place)
        failures = 0
        while self._workers:
            pid, status = os.wait()
            place, since = self._workers.pop(pid)
            if self._is_ending:
                failures += status != 0
                continue
            if status and time.monotonic() - since < _QUICK_DEATH_S:
                self._end()  # it would die again, and again
                failures += 1
                continue
            self._start(place)
        return 1 if failures else 0

    def _start(self, place: int) -> None:
        # Signals wait until the worker can take them: one that kills it while it starts would look like a failure.
        signal.pthread_sigmask(signal.SIG_BLOCK, WORKER_SIGNALS)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_worker(place, parent)
        self._workers[pid] = place, time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WORKER_SIGNALS)
        if self._is_ending:  # the signal came before it was known
            os.kill(pid, signal.SIGTERM)

    def _become_worker(self, place: int, parent: int) -> None:
        status = 1
        try:
            set_parent_death_signal(signal.SIGKILL)
            if os.getppid() != parent:  # it was killed before that
                os._exit(status)
            signal.signal(
                signal.SIGHUP, signal.SIG_IGN
            )  # a terminal that goes away is the first process's business
            for other in self._sockets:
                if other is not self._sockets[place]:
                    other.close()
            self._work(place)
            status = 0
        except BaseException:  # noqa: BLE001 - the last frame of this process
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _renew(self, *_: object) -> None:
        """New workers read certificates and passwords anew."""
        for pid in list(self._workers):
            os.kill(pid, signal.SIGTERM)

    def _end(self, *_: object) -> None:
        self._is_ending = True
        for pid in list(self._workers):
            os.kill(pid, signal.SIGTERM)
