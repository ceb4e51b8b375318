# SPDX-License-Identifier: Apache-2.0
"""A further process in a running container (`docker exec`).

The child enters the container's groups and namespaces and takes on the same limits as the first process. It
is made undumpable before: from the moment it is in the container's pid namespace, a program there could
otherwise trace it and get at the host's descriptors (CVE-2016-9962). If the caller's children are not born in
that pid namespace, an intermediate process joins it (see `spawn`); a caller that wants many execs spares that
by joining once with `setns(pidfd, CLONE_NEWPID)`.
"""

from __future__ import annotations

import contextlib
import os
import signal

from sampan.linux import credentials, namespace, process
from sampan.linux.cgroup import discover_hierarchies
from sampan.linux.socket import seqpacket_pair
from sampan.runtime.container import plan_cgroup, release
from sampan.runtime.failure import encode_failure
from sampan.runtime.limits import apply_oom_score, apply_rlimits
from sampan.runtime.program import Program
from sampan.runtime.seccomp_cache import filter_for
from sampan.runtime.spawn import spawn_through
from sampan.runtime.state import namespaces_of
from sampan.runtime.stdio import give_stdio, install_stdio, open_console, use_console
from sampan.runtime.sync import Channel
from sampan.runtime.user import home_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from sampan.linux.cgroup import Hierarchy


class Process:
    """A process that runs in a container; the caller is its parent and reaps it."""

    __slots__ = ("console_fd", "pid", "pidfd", "warnings")

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid, self.pidfd, self.console_fd = pid, pidfd, -1
        self.warnings: list[str] = []

    def signal(self, number: int) -> None:
        """Send it a signal."""
        process.pidfd_send_signal(self.pidfd, number)


def exec_process(
    init_pidfd: int,
    spec: dict[str, Any],
    process_spec: dict[str, Any],
    *,
    stdio: tuple[int, int, int],
    seccomp_cache: str,
    container_id: str = "",
    console: bool = False,
    hierarchies: tuple[Hierarchy, ...] | None = None,
    keep_fds: int = 0,
) -> Process:
    """Run `process_spec` (the runtime-spec's process) in the container; returns when its program runs."""
    init_pid = pid_of(init_pidfd)
    cgroup = plan_cgroup(spec, container_id, discover_hierarchies() if hierarchies is None else hierarchies)
    program = Program({**process_spec, "terminal": console}, filter_for(spec, seccomp_cache))
    tasks, unified_fd = cgroup.open_entrances()
    ours, theirs = seqpacket_pair()
    joiner = _Joiner(init_pidfd, init_pid, spec, program, tasks=tasks, stdio=stdio, keep_fds=keep_fds)
    try:
        running = Process(*joiner.spawn(Channel(theirs), unified_fd))
        theirs.close()
        return _complete(running, Channel(ours), process_spec)
    finally:
        ours.close()
        theirs.close()
        for fd in [*tasks, *([unified_fd] if unified_fd is not None else [])]:
            os.close(fd)


def _complete(running: Process, channel: Channel, process_spec: dict[str, Any]) -> Process:
    try:
        fds = channel.expect("ready")
        running.console_fd = fds[0] if fds else -1
        running.warnings += apply_rlimits(running.pid, process_spec.get("rlimits") or ())
        running.warnings += apply_oom_score(running.pid, process_spec.get("oomScoreAdj"))
        release(channel)
    except BaseException:
        _discard(running)
        raise
    return running


def _discard(running: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        running.signal(signal.SIGKILL)
    os.waitpid(running.pid, 0)
    for fd in (running.pidfd, running.console_fd):
        if fd >= 0:
            os.close(fd)


class _Joiner:
    """The child's side."""

    __slots__ = ("init_pid", "keep_fds", "namespaces", "pidfd", "program", "spec", "stage", "stdio", "tasks")

    def __init__(
        self,
        pidfd: int,
        init_pid: int,
        spec: dict[str, Any],
        program: Program,
        *,
        tasks: list[int],
        stdio: tuple[int, int, int],
        keep_fds: int,
    ) -> None:
        self.pidfd, self.init_pid, self.spec, self.program = pidfd, init_pid, spec, program
        self.tasks, self.stdio, self.keep_fds = tasks, stdio, keep_fds
        self.namespaces = namespace.different_namespaces(init_pid)
        self.stage = "start"

    def spawn(self, channel: Channel, cgroup_fd: int | None) -> tuple[int, int]:
        """Bring the child into being in the container's pid namespace."""
        if not self.namespaces & namespace.CLONE_NEWPID or namespace.children_share_pids(self.init_pid):
            pid, pidfd = namespace.clone(0, cgroup_fd=cgroup_fd)
            if pid == 0:
                self._run(channel)
            return pid, pidfd
        return spawn_through(self._join_pids, lambda: self._run(channel), 0, cgroup_fd)

    def _join_pids(self) -> None:
        process.set_dumpable(False)
        namespace.setns(self.pidfd, namespace.CLONE_NEWPID)

    def _run(self, channel: Channel) -> NoReturn:
        try:
            self._join(channel)
            channel.expect("start")
            self.stage = "set up process"
            process.mark_close_on_exec(3 + self.keep_fds)
            process.reset_signals()
            self.program.become()
            self.program.execute()
        except BaseException as error:  # noqa: BLE001 - told to the parent; nothing may unwind into its stack
            channel.send("failed", **encode_failure(error, self.stage))
        finally:
            os._exit(1)

    def _join(self, channel: Channel) -> None:
        process.set_dumpable(False)
        keep = {*self.stdio, *self.tasks, self.pidfd, channel.sock.fileno(), *range(3, 3 + self.keep_fds)}
        process.keep_descriptors(keep)
        self.stage = "enter cgroups"
        for tasks in self.tasks:
            os.write(tasks, b"0")
        self.stage = "join namespaces"
        namespace.setns(self.pidfd, self.namespaces & ~namespace.CLONE_NEWPID)
        if any(entry["type"] == "user" for entry in namespaces_of(self.spec)):
            credentials.set_group(0)
            credentials.set_user(0)
        os.setsid()
        process.join_new_session_keyring("_ses")
        console = self._set_up_streams()
        self.stage = "enter working directory"
        self.program.enter_directory(create=False)
        self.stage = "find program"
        give_stdio(self.program.uid)
        self.program.environment.setdefault("HOME", home_of(self.program.uid))
        self.program.find()
        channel.send("ready", [console] if console is not None else ())

    def _set_up_streams(self) -> int | None:
        """Take the given descriptors, or a terminal of the container's devpts; return its master."""
        self.stage = "set up standard streams"
        if not self.program.process.get("terminal"):
            install_stdio(self.stdio)
            return None
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        master, slave = open_console(root, self.program.process)
        os.close(root)
        use_console(slave)
        return master


def pid_of(pidfd: int) -> int:
    """Return the pid that a pidfd stands for, in the pid namespace of the /proc mounted here."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key == "Pid" and int(value) > 0:
                return int(value)
    raise ProcessLookupError(3, "no such process")
