# SPDX-License-Identifier: Apache-2.0
"""Another OCI runtime, called by its command line (``--runtime PATH``).

Implements: the commands that runc, crun and youki share: create, start, exec, kill, pause, resume, delete, with
``--root``, ``--log`` and ``--console-socket``. The command that creates runs in the maker's namespaces, the others
do not need to; the container it leaves becomes the keeper's child, since the keeper is the subreaper.
"""

from __future__ import annotations

import json
import os
import socket

from sampan.errors import Internal
from sampan.linux.cgroup import Cgroup, discover_hierarchies
from sampan.linux.socket import recv_fds
from sampan.runtime.container import read_config
from sampan.runtime.failure import ExecFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sampan.shim.order import Order, Terms

_NOT_FOUND = ("executable file not found", "no such file or directory")
_NOT_EXECUTABLE = ("permission denied", "exec format error", "is a directory")


class ExternalDriver:
    """One container, made by a command."""

    __slots__ = ("_execs", "_root", "_terms", "pid", "warnings")

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._root = terms.runtime.get("root") or f"{terms.run_dir}/runtime"
        self._execs = 0
        self.pid = -1
        self.warnings: list[str] = []

    def create(self, order: Order, stdio: tuple[int, int, int]) -> int:
        """Write the bundle's config.json and have the container made from it."""
        os.makedirs(self._root, mode=0o700, exist_ok=True)
        with open(f"{self._terms.bundle}/config.json", "w", encoding="utf-8") as file:
            json.dump(order.spec, file)
        arguments = ["create", "--bundle", self._terms.bundle]
        self.pid, console_fd = self._make(arguments, stdio, terminal=self._terms.is_terminal)
        return console_fd

    def start(self) -> None:
        """Let the program run."""
        self._run(["start", self._terms.id])

    def hand_over(self) -> dict[str, int]:
        """The keeper finds everything by the container's name."""
        return {}

    def take_over(self, pid: int, fds: dict[str, int]) -> None:
        """Go on with the container."""
        assert not fds
        self.pid = pid

    def execute(self, process: dict[str, Any], stdio: tuple[int, int, int]) -> tuple[int, int]:
        """Run one more process in the container."""
        self._execs += 1
        path = f"{self._root}/exec-{self._execs}.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(process, file)
        try:
            terminal = bool(process.get("terminal"))
            return self._make(["exec", "--detach", "--process", path], stdio, terminal=terminal)
        finally:
            os.unlink(path)

    def signal(self, number: int, *, everyone: bool = False) -> None:
        """Send a signal to the first process, or to every process."""
        if not everyone:
            os.kill(self.pid, number)  # our child: its number is taken until we collect it
            return
        self._cgroup().kill()

    def pause(self) -> None:
        """Freeze every process."""
        self._run(["pause", self._terms.id])

    def resume(self) -> None:
        """Let them go on."""
        self._run(["resume", self._terms.id])

    def was_out_of_memory(self) -> bool:
        """Tell whether the kernel killed a process for its memory."""
        return self._cgroup().oom_kills() > 0

    def delete(self) -> None:
        """Kill what is left and remove the runtime's own state."""
        try:
            self._run(["delete", "--force", self._terms.id])
        except (Internal, ExecFailed):  # nothing was made, or it is gone already
            return

    def _cgroup(self) -> Cgroup:
        """The container's group, whose path the order has chosen."""
        linux = read_config(self._terms.bundle).get("linux") or {}
        path = linux.get("cgroupsPath") or f"/{self._terms.id}"
        return Cgroup.select(path, discover_hierarchies())

    def _make(self, arguments: list[str], stdio: tuple[int, int, int], *, terminal: bool) -> tuple[int, int]:
        """Run a command that leaves a process behind; return its pid and its terminal's master, or -1."""
        pid_file = f"{self._root}/{arguments[0]}.pid"
        arguments = [*arguments, "--pid-file", pid_file]
        if not terminal:
            self._run([*arguments, self._terms.id], stdio)
            return _read_pid(pid_file), -1
        path = f"{self._root}/console.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            try:
                listener.listen(1)
                self._run([*arguments, "--console-socket", path, self._terms.id], stdio)
                connection, _ = listener.accept()
            finally:
                os.unlink(path)
        with connection:
            _, fds = recv_fds(connection, 4096)
        return _read_pid(pid_file), fds[0]

    def _run(self, arguments: Sequence[str], stdio: tuple[int, int, int] | None = None) -> None:
        """Run the command to its end; raise what it logged if that is bad."""
        log = f"{self._root}/{arguments[0]}.log"
        command = self._terms.runtime["path"]
        options = ["--root", self._root, "--log", log, "--log-format", "json"]
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(stdio or ())]
        pid = os.posix_spawnp(
            command, [command, *options, *arguments], {"PATH": os.defpath}, file_actions=actions
        )
        _, status = os.waitpid(pid, 0)
        message = _last_error(log)
        _unlink(log)
        if status:
            raise _failure(message or f"{command} {arguments[0]} failed with status {status}")


def _failure(message: str) -> Exception:
    """Tell from the words, which runc's users and Docker's clients know, whether the program is to blame."""
    words = message.lower()
    if "exec" in words:
        if any(each in words for each in _NOT_FOUND):
            return ExecFailed(2, message)
        if any(each in words for each in _NOT_EXECUTABLE):
            return ExecFailed(13, message)
    return Internal(message)


def _last_error(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as log:
            entries = [json.loads(line) for line in log]
    except (OSError, ValueError):
        return ""
    errors = [entry["msg"] for entry in entries if entry.get("level") in ("error", "fatal")]
    return str(errors[-1]) if errors else ""


def _read_pid(path: str) -> int:
    with open(path, encoding="ascii") as file:
        pid = int(file.read())
    os.unlink(path)
    return pid


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
