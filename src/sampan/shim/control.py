# SPDX-License-Identifier: Apache-2.0
"""The engine's side: ordering containers and talking to the shims they live in.

Holds: nothing here blocks the event loop; each shim's `on_exit` is called exactly once, however the end is
learnt (told, found in exit.json, or concluded from the shim's death) and unless `close` comes first; a
launcher that died is replaced at the next order. Descriptors handed in stay the caller's, who closes them
afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sampan import errors
from sampan.errors import Internal, InvalidArgument, SampanError, Unavailable
from sampan.linux.socket import seqpacket_pair
from sampan.shim.connection import socket_address
from sampan.shim.exitstatus import LOST_EXIT_CODE, ExitStatus
from sampan.shim.launcher import Launcher
from sampan.shim.link import Link, send_when_possible
from sampan.shim.protocol import HELD_AT_ONCE, VERSION

if TYPE_CHECKING:
    from sampan.shim.protocol import Message

_KILLED_EXIT_CODE = 137
_SIGKILL = 9


class StartFailed(InvalidArgument):
    """The program could not be run: exit code 127 where there is no such file, else 126."""

    def __init__(self, message: str, exit_code: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class Attachment(Protocol):
    """A client's connection: a stream socket, what it wants, and what it has typed already."""

    fd: int
    stdin: bool
    stdout: bool
    stderr: bool
    detach_keys: str
    initial: bytes


class HeldPorts(Protocol):
    """Sockets that hold ports: each with its name among the `targets` that calls are passed on to, or ""."""

    @property
    def fds(self) -> Sequence[int]:
        """The descriptors."""

    @property
    def relays(self) -> Sequence[str]:
        """As many names."""

    @property
    def targets(self) -> Mapping[str, tuple[str, int]]:
        """Address and port by name."""


OnExit = Callable[["Shim", ExitStatus], None]


class Shim:
    """One container's shim; made by `LauncherControl.launch` or `Shim.connect`."""

    def __init__(self, run_dir: str, sock: socket.socket, on_exit: OnExit | None) -> None:
        loop = asyncio.get_running_loop()
        self.run_dir = run_dir
        self.pid = 0
        """The container's first process."""
        self.shim_pid = 0
        self.started_ns = 0
        """When the program was started, 0 while it has not been."""
        self.is_paused = False
        self.warnings: list[str] = []
        """Limits that could not be set, of a container made just now."""
        self.exit_status: ExitStatus | None = None
        self._on_exit = on_exit
        self._exec_exits: dict[str, Callable[[int], None]] = {}
        self._created: asyncio.Future[None] = loop.create_future()
        self._started: asyncio.Future[None] = loop.create_future()
        self._released: asyncio.Future[None] = loop.create_future()
        self._link = Link(sock, on_event=self._receive_event, on_end=self._end)

    @classmethod
    async def connect(cls, run_dir: str, on_exit: OnExit | None = None) -> Shim | None:
        """Find the shim that lives in `run_dir`; None if nobody listens there (see `find_exit_status`)."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            with socket_address(run_dir) as address:
                sock.connect(address)
        except OSError:
            sock.close()
            return None
        shim = cls(run_dir, sock, on_exit)
        try:
            await shim._created
        except SampanError:
            return None
        return shim

    async def start(self) -> None:
        """Start the program of a container that was ordered without `start`."""
        reply = await self._request("start")
        self.started_ns = reply["started_ns"]

    async def attach(self, attachment: Attachment) -> None:
        """Give a client the program's streams."""
        await self._request("attach", [attachment.fd], **describe_attachment(attachment))

    async def exec(
        self,
        exec_id: str,
        process: Mapping[str, Any],
        *,
        attachment: Attachment | None = None,
        user: str = "",
        group_add: Sequence[str] = (),
        on_exit: Callable[[int], None] | None = None,
    ) -> int:
        """Run one more program (a runtime-spec process) and return its pid; StartFailed if it cannot run.

        `on_exit` gets its exit code, before the client sees the end of its stream.
        """
        if on_exit:
            self._exec_exits[exec_id] = on_exit
        try:
            reply = await self._request(
                "exec",
                [attachment.fd] if attachment else (),
                exec_id=exec_id,
                process=process,
                user=user,
                group_add=list(group_add),
                attach=describe_attachment(attachment) if attachment else None,
            )
        except SampanError:  # nothing runs; who stops waiting for the answer still hears of the end
            self._exec_exits.pop(exec_id, None)
            raise
        pid: int = reply["pid"]
        return pid

    async def signal(self, number: int, *, everyone: bool = False) -> None:
        """Send a signal to the container's first process, or to all of them."""
        await self._request("signal", signal=number, all=everyone)

    async def signal_exec(self, exec_id: str, number: int) -> None:
        """Send a signal to an exec's program; to one that has ended it is lost."""
        await self._request("signal-exec", exec_id=exec_id, signal=number)

    async def resize(self, exec_id: str, rows: int, columns: int) -> None:
        """Set the size of a terminal: of an exec, or with an empty id the container's."""
        await self._request("resize", exec_id=exec_id, rows=rows, columns=columns)

    async def pause(self) -> None:
        """Freeze every process."""
        await self._request("pause", paused=True)
        self.is_paused = True

    async def resume(self) -> None:
        """Let them go on."""
        await self._request("pause", paused=False)
        self.is_paused = False

    async def hold(self, ports: HeldPorts) -> None:
        """Have descriptors kept open until the container has ended, and calls that arrive there passed on."""
        for start in range(0, len(ports.fds), HELD_AT_ONCE):
            chosen = slice(start, start + HELD_AT_ONCE)
            message = {"op": "hold", "relays": ports.relays[chosen], "targets": ports.targets}
            await self._link.send(message, ports.fds[chosen])

    async def relay(self, targets: Mapping[str, tuple[str, int]]) -> None:
        """Have calls that arrive at held ports passed on elsewhere from now on."""
        await self._link.send({"op": "hold", "targets": targets})

    def catch_up(self) -> None:
        """Learn what the shim has said already: a client that saw a stream's end may ask before we read it."""
        self._link.receive_pending()

    async def wait_released(self) -> None:
        """Wait until the container has ended and has given up its mounts, cgroups, network and ports."""
        await asyncio.shield(self._released)

    def close(self) -> None:
        """Let go: the container goes on, and `on_exit` will not be called."""
        self._on_exit = None
        self._link.close()
        self._forget()

    async def _made(self, *, with_program: bool) -> None:
        """Wait for the container, and for its program's start; who stops waiting leaves both to come."""
        await asyncio.shield(self._created)
        if with_program:
            await asyncio.shield(self._started)

    async def _abandon(self, *, with_program: bool) -> None:
        """End a container that is still being made, and wait until nothing of it is left."""
        self._on_exit = None
        with contextlib.suppress(SampanError):
            await self._made(with_program=with_program)
            await self.signal(_SIGKILL)
        await self.wait_released()
        self.close()

    async def _request(self, op: str, fds: Sequence[int] = (), **arguments: object) -> Message:
        reply = await self._link.request(op, fds, **arguments)
        if error := reply.get("error"):
            raise rebuild_error(error)
        return reply

    def _receive_event(self, message: Message) -> None:
        match message["event"]:
            case "created":
                self.pid, self.shim_pid = message["pid"], message["shim_pid"]
                self.warnings = message.get("warnings", [])
                _resolve(self._created)
            case "started":
                self.started_ns = message["started_ns"]
                _resolve(self._started)
            case "failed":
                self._fail(rebuild_error(message["error"]))
            case "state":
                self._take_state(message)
            case "exec-exited":
                self._exec_exited(message["exec_id"], message["exit_code"])
            case "exited":
                self._exited(ExitStatus.of_message(message))
            case "released":
                _resolve(self._released)

    def _take_state(self, message: Message) -> None:
        self.pid, self.shim_pid = message["pid"], message["shim_pid"]
        self.started_ns, self.is_paused = message["started_ns"], message["paused"]
        _resolve(self._created)
        if message["exit"]:
            self._exited(ExitStatus.of_message(message["exit"]))

    def _exited(self, status: ExitStatus) -> None:
        if self.exit_status is not None:
            return
        self.exit_status = status
        for exec_id in list(self._exec_exits):
            self._exec_exited(exec_id, _KILLED_EXIT_CODE)
        if self._on_exit:
            self._on_exit(self, status)

    def _exec_exited(self, exec_id: str, exit_code: int) -> None:
        if on_exit := self._exec_exits.pop(exec_id, None):
            on_exit(exit_code)

    def _end(self) -> None:
        """The shim has gone: in peace, before anything was started, or killed."""
        was_running = self.started_ns and self.exit_status is None
        self._fail(Unavailable("the container's shim ended unexpectedly"))
        if was_running:
            self._exited(find_exit_status(self.run_dir, started_ns=self.started_ns))
        self._forget()

    def _fail(self, error: SampanError) -> None:
        for future in (self._created, self._started):
            if not future.done():
                future.set_exception(error)
                future.exception()  # not everybody waits for both
        self._on_exit = self._on_exit if self.started_ns else None

    def _forget(self) -> None:
        _resolve(self._released)
        if LauncherControl.unreleased.get(self.run_dir) is self:
            del LauncherControl.unreleased[self.run_dir]


class LauncherControl:
    """The launcher, and a new one when that has died."""

    unreleased: dict[str, Shim] = {}  # noqa: RUF012 - shared on purpose: run directories are one namespace
    """The shim last known in each run directory, until it has given up all that the next needs."""

    def __init__(
        self, launcher: Launcher | None = None, *, start: Callable[[], Launcher] = Launcher.start
    ) -> None:
        self._launcher = launcher
        self._start = start
        self._replacing = asyncio.Lock()
        self._sending = asyncio.Lock()
        if launcher:
            launcher.sock.setblocking(False)

    async def launch(
        self,
        order: Mapping[str, Any],
        *,
        attachments: Sequence[Attachment] = (),
        hold: HeldPorts | None = None,
        on_exit: OnExit | None = None,
    ) -> Shim:
        """Have a container made (see `sampan.shim.order`) and, with `start`, started.

        Raises StartFailed where the program cannot be run, else the error that a step of the way met; nothing
        is left of the container then, and neither when the caller is cancelled.
        """
        run_dir = order["run_dir"]
        if previous := self.unreleased.get(run_dir):
            await previous.wait_released()
        message = {**order, "version": VERSION, "attach": [describe_attachment(each) for each in attachments]}
        ours, theirs = seqpacket_pair()
        try:
            await self._send(message, [theirs.fileno(), *(each.fd for each in attachments)])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        shim = Shim(run_dir, ours, on_exit)
        try:
            if hold is not None:
                await shim.hold(hold)
            await shim._made(with_program=bool(order.get("start")))
        except asyncio.CancelledError:
            await shim._abandon(with_program=bool(order.get("start")))
            raise
        except BaseException:
            shim.close()
            raise
        self.unreleased[run_dir] = shim
        return shim

    def close(self) -> None:
        """Let the launcher end; containers go on."""
        if self._launcher:
            self._launcher.close()
            self._launcher = None

    async def _send(self, message: Message, fds: Sequence[int]) -> None:
        """Send an order; if the launcher is dead, to its successor. One at a time waits for room."""
        async with self._sending:
            launcher = await self._ensure_launcher(dead=None)
            try:
                await send_when_possible(launcher.sock, message, fds)
            except Unavailable:
                launcher = await self._ensure_launcher(dead=launcher)
                await send_when_possible(launcher.sock, message, fds)

    async def _ensure_launcher(self, *, dead: Launcher | None) -> Launcher:
        async with self._replacing:
            if self._launcher is None or self._launcher is dead:
                replacing = asyncio.ensure_future(self._replace(dead))
                try:
                    await asyncio.shield(replacing)
                except asyncio.CancelledError:  # a thread cannot be, and its launcher serves the next order
                    await asyncio.wait([replacing])
                    raise
            assert self._launcher is not None
            return self._launcher

    async def _replace(self, dead: Launcher | None) -> None:
        if dead:
            await asyncio.to_thread(dead.close)
        self._launcher = await asyncio.to_thread(self._start)
        self._launcher.sock.setblocking(False)


def find_exit_status(run_dir: str, *, started_ns: int = 0) -> ExitStatus:
    """Return what the shim that lived in `run_dir` left, or that the container is lost."""
    lost = ExitStatus(LOST_EXIT_CODE, started_ns=started_ns, finished_ns=time.time_ns())
    return ExitStatus.read(run_dir) or lost


def describe_attachment(attachment: Attachment) -> Message:
    """Return the request that goes with an attachment's descriptor."""
    return {
        "stdin": attachment.stdin,
        "stdout": attachment.stdout,
        "stderr": attachment.stderr,
        "detach_keys": attachment.detach_keys,
        "initial": attachment.initial.decode("latin-1"),
    }


def rebuild_error(described: Message) -> SampanError:
    """Return the error that a shim described, of the same kind."""
    message, hint = described["message"], described.get("hint")
    if "exit_code" in described:
        return StartFailed(message, described["exit_code"], hint=hint)
    kind = getattr(errors, described["kind"], Internal)
    error: SampanError = kind(message, hint=hint)
    return error


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
