# SPDX-License-Identifier: Apache-2.0
"""A stage for tests of the shim: a busybox root, a launcher, and everything swept away afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import select
import shutil
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from sampan.linux.cgroup import Cgroup, discover_hierarchies
from sampan.network.endpoint import plan_endpoint
from sampan.shim.control import HeldPorts, LauncherControl, Shim
from sampan.shim.exitstatus import ExitStatus
from sampan.shim.launcher import Launcher

DEADLINE_S = 10.0
APPLETS = "sh cat echo env false head id ip kill ls mkdir mount ps seq sleep stty test touch true tty yes dd"
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"]


def story(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Make a test of a coroutine, with a deadline."""

    async def play(scene: Scene, **arguments: object) -> None:
        try:
            await asyncio.wait_for(test(scene=scene, **arguments), DEADLINE_S * 3)
        finally:
            scene.hang_up()

    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        asyncio.run(play(**arguments))

    return run


class Client:
    """A client of the Engine API after the hijack: its own end, and the end that goes to the shim."""

    def __init__(self, *, stdin: bool = False, stdout: bool = True, stderr: bool = True) -> None:
        self.sock, self._theirs = socket.socketpair()
        self.sock.setblocking(False)
        self.fd = self._theirs.fileno()
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self._rest = b""
        self.detach_keys = ""
        self.initial = b""

    def passed_on(self) -> None:
        """The shim has it: close our copy, as the engine does."""
        self._theirs.close()

    def close(self) -> None:
        """Vanish."""
        self._theirs.close()
        self.sock.close()

    async def type(self, data: bytes) -> None:
        """Send input."""
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def read(self) -> bytes:
        """What comes next, b"" at the end."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, 1 << 20), DEADLINE_S)

    async def read_until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`."""
        data = b""
        while mark not in data:
            piece = await self.read()
            assert piece, f"ended before {mark!r}: {data!r}"
            data += piece
        end = data.index(mark) + len(mark)
        self._rest = data[end:]
        return data[:end]

    async def read_all(self) -> bytes:
        """Everything to the end."""
        data = bytearray()
        while piece := await self.read():
            data += piece
        return bytes(data)


def unframe(data: bytes) -> dict[int, bytes]:
    """Docker's frames taken apart: what each stream said."""
    streams: dict[int, bytes] = {}
    while data:
        stream, length = struct.unpack_from(">BxxxI", data)
        assert len(data) >= 8 + length, "a frame is cut off"
        streams[stream] = streams.get(stream, b"") + data[8 : 8 + length]
        data = data[8 + length :]
    return streams


class Scene:
    """One launcher and its containers."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.log_path = str(base / "launcher.log")
        self.control = LauncherControl(start=partial(Launcher.start, self.log_path))
        self.root = make_root(base / "image")
        self.cgroup = f"/sampan-test-{os.getpid()}-{time.monotonic_ns()}"
        self.pidfds: list[int] = []
        self.shims: list[Shim] = []
        self.clients: list[Client] = []
        self.exits: dict[str, asyncio.Future[ExitStatus]] = {}

    def order(self, name: str, *args: str, tty: bool = False, **changes: Any) -> dict[str, Any]:
        """An order for a container `name` that runs `args`."""
        run = self.base / "run" / name
        for path in (run / "bundle", self.base / name / "upper", self.base / name / "work"):
            path.mkdir(parents=True, exist_ok=True)
        return {
            "id": name,
            "run_dir": str(run),
            "spec": self.spec(name, args, tty=tty),
            "rootfs": {
                "type": "overlay",
                "lower": [str(self.root)],
                "upper": str(self.base / name / "upper"),
                "work": str(self.base / name / "work"),
            },
            "network": plan_endpoint(),
            "log": {"path": str(run / "log")},
            "seccomp_cache": str(self.base / "seccomp"),
            "start": True,
            **changes,
        }

    def spec(self, name: str, args: tuple[str, ...], *, tty: bool) -> dict[str, Any]:
        """A small runtime-spec."""
        return {
            "ociVersion": "1.0.2",
            "process": self.process(*args, tty=tty),
            "root": {"path": "rootfs"},
            "hostname": name,
            "mounts": [
                mounted("/proc", "proc", "nosuid", "noexec", "nodev"),
                mounted("/dev", "tmpfs", "nosuid", "mode=755", "size=65536k"),
                mounted("/dev/pts", "devpts", "newinstance", "ptmxmode=0666", "mode=0620"),
            ],
            "linux": {
                "namespaces": [{"type": each} for each in ("mount", "uts", "pid", "ipc")],
                "cgroupsPath": f"{self.cgroup}/{name}",
                "resources": {},
            },
        }

    def process(self, *args: str, tty: bool = False) -> dict[str, Any]:
        """A runtime-spec process."""
        return {
            "terminal": tty,
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
        }

    def client(self, **wants: bool) -> Client:
        """A client to attach."""
        client = Client(**wants)
        self.clients.append(client)
        return client

    async def launch(self, order: dict[str, Any], *clients: Client, hold: HeldPorts | None = None) -> Shim:
        """Launch a container; `ended` tells its end."""
        ended = self.exits[order["id"]] = asyncio.get_running_loop().create_future()
        shim = await self.control.launch(
            order, attachments=clients, hold=hold, on_exit=lambda _, status: ended.set_result(status)
        )
        for client in clients:
            client.passed_on()
        self.watch(shim)
        return shim

    def watch(self, shim: Shim) -> None:
        """Remember whom to end at the end."""
        self.shims.append(shim)
        for pid in (shim.shim_pid, shim.pid):
            with contextlib.suppress(ProcessLookupError):
                self.pidfds.append(os.pidfd_open(pid))

    async def attach(self, shim: Shim, **wants: bool) -> Client:
        """Attach a new client."""
        client = self.client(**wants)
        await shim.attach(client)
        client.passed_on()
        return client

    async def ended(self, name: str) -> ExitStatus:
        """How the container ended."""
        return await asyncio.wait_for(self.exits[name], DEADLINE_S)

    async def run(self, name: str, *args: str, **changes: Any) -> tuple[ExitStatus, bytes]:
        """Run a container to its end: status and what it said, in frames or raw."""
        client = self.client()
        await self.launch(self.order(name, *args, **changes), client)
        output = await client.read_all()
        return await self.ended(name), output

    def hang_up(self) -> None:
        """Let go of all shims, while the event loop still runs."""
        for shim in self.shims:
            shim.close()

    def close(self) -> None:
        """End and remove everything."""
        self.control.close()
        LauncherControl.unreleased.clear()
        for client in self.clients:
            client.close()
        for pidfd in self.pidfds:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for pidfd in self.pidfds:
            assert select.select([pidfd], [], [], DEADLINE_S)[0], "a process does not end"
            os.close(pidfd)
        Cgroup(self.cgroup, discover_hierarchies()).remove()  # runc makes it in every hierarchy
        shutil.rmtree(self.base / "run", ignore_errors=True)


def mounted(destination: str, kind: str, *options: str) -> dict[str, Any]:
    """A mount of a runtime-spec."""
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def make_root(path: Path) -> Path:
    """A root file system with busybox in it."""
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "data"):
        (path / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", path / "bin/busybox")
    for applet in APPLETS.split():
        (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n")
    (path / "etc/group").write_text("root:x:0:\napp:x:1001:\nextra:x:7:app\n")
    (path / "etc/note").write_text("not a program\n")
    return path


async def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds that has no event of its own."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S} s"
        await asyncio.sleep(0.005)


async def death_of(pidfd: int) -> None:
    """Wait for the end of a process and close its descriptor."""
    loop = asyncio.get_running_loop()
    dead = loop.create_future()
    loop.add_reader(pidfd, dead.set_result, None)
    await asyncio.wait_for(dead, DEADLINE_S)
    loop.remove_reader(pidfd)
    os.close(pidfd)
