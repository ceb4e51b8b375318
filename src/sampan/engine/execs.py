# SPDX-License-Identifier: Apache-2.0
"""Programs run inside a container that already runs.

Source: Engine API v1.51, "Exec". Nothing of an exec is written to disk: it cannot outlive its container's run.
Holds: one that has ended can be asked for its exit code for at least five minutes, as in Docker; after ten at
most it is forgotten, and with its container at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sampan.engine.create import program_env
from sampan.engine.hostca import add_missing
from sampan.engine.model import Attachment, Container
from sampan.engine.names import new_id
from sampan.engine.privileges import plan_capabilities
from sampan.engine.resources import plan_rlimits
from sampan.engine.security import parse_security_options
from sampan.errors import Conflict, InvalidArgument, NotFound, SampanError
from sampan.schema.container import ContainerConfig, ExecCreate
from sampan.shim.control import StartFailed
from sampan.shim.keys import parse_detach_keys

if TYPE_CHECKING:
    from sampan.engine.containers import Containers
    from sampan.engine.hostca import HostCa
    from sampan.engine.spec import Host

STDERR_FRAME = 2
EXEC_FAILED = "OCI runtime exec failed: exec failed: unable to start container process: "
CANNOT_START = 126
SWEEP_INTERVAL_S = 300.0


@dataclass(slots=True)
class Exec:
    """One program asked for inside a container: what, and how far it is."""

    id: str
    container: Container
    create: ExecCreate
    running: bool = False
    started: bool = False
    exit_code: int | None = None
    pid: int = 0
    size: tuple[int, int] | None = field(default=None)
    can_remove: bool = False
    """Found ended by one sweep; the next forgets it."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Execs:
    """All execs of the running containers, by id."""

    def __init__(self, containers: Containers, host: Host, host_ca: HostCa) -> None:
        self._containers = containers
        self._host_ca = host_ca
        self._host = host
        self._by_id: dict[str, Exec] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._by_id)

    def create(self, container: Container, create: ExecCreate) -> str:
        """Remember what is to be run; nothing runs yet."""
        if not create.cmd or not create.cmd[0]:
            raise InvalidArgument("No exec command specified")
        check_detach_keys(create.detach_keys, "escape")
        _require_running(container)
        process = Exec(new_id(), container, create)
        self._by_id[process.id] = process
        container.exec_ids.append(process.id)
        self._sweep_later()
        self._containers.publish(container, f"exec_create: {' '.join(create.cmd)}", execID=process.id)
        return process.id

    def find(self, exec_id: str) -> Exec:
        """The exec of this id, or NotFound in Docker's words."""
        process = self._by_id.get(exec_id)
        if process is None:
            raise NotFound(f"No such exec instance: {exec_id}")
        return process

    def require_startable(self, process: Exec) -> None:
        """Refuse before the connection becomes a stream what can be refused."""
        _require_running(process.container)
        if process.started:
            state = "is already running" if process.running else "has already run"
            raise Conflict(f"exec command {process.id} {state}")

    async def start(
        self, process: Exec, attachment: Attachment | None, *, console_size: list[int] | None = None
    ) -> None:
        """Run it; with an attachment its streams go straight to the client."""
        shim = process.container.shim
        if shim is None:
            raise Conflict(f"container {process.container.id} is not running")
        process.started = process.running = True
        size = console_size or process.create.console_size
        try:
            process.pid = await shim.exec(
                process.id,
                self._plan_process(process, size),
                attachment=attachment,
                user=process.create.user or process.container.config.user,
                group_add=process.container.host_config.group_add or (),
                on_exit=lambda code: self._exited(process, code),
            )
        except SampanError as error:
            self._end(process, error.exit_code if isinstance(error, StartFailed) else CANNOT_START)
            raise
        command = " ".join(process.create.cmd or ())
        self._containers.publish(process.container, f"exec_start: {command}", execID=process.id)
        if process.size and process.running:
            await shim.resize(process.id, *process.size)

    def _exited(self, process: Exec, exit_code: int) -> None:
        self._end(process, exit_code)
        self._containers.publish(process.container, "exec_die", execID=process.id, exitCode=str(exit_code))

    def _end(self, process: Exec, exit_code: int) -> None:
        process.running, process.exit_code = False, exit_code
        process.ended.set()
        if process.id in process.container.exec_ids:
            process.container.exec_ids.remove(process.id)

    def _plan_process(self, process: Exec, size: list[int] | None) -> dict[str, Any]:
        """An OCI runtime-spec `process` object; the user is resolved inside the container."""
        create, container = process.create, process.container
        config, host = container.config, container.host_config
        capabilities = plan_capabilities(
            self._host.capabilities,
            add=host.cap_add or (),
            drop=host.cap_drop or (),
            privileged=host.privileged or create.privileged,
        )
        with_exec_env = ContainerConfig(env=[*(config.env or []), *(create.env or [])], tty=create.tty)
        env = program_env(with_exec_env, hostname=config.hostname)
        if self._host_ca.is_wanted(host.annotations):
            env = add_missing(env, self._host_ca.environment())
        planned: dict[str, Any] = {
            "terminal": create.tty,
            "user": {"uid": 0, "gid": 0},
            "args": create.cmd,
            "env": env,
            "cwd": create.working_dir or config.working_dir or "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
            "noNewPrivileges": parse_security_options(host.security_opt or ()).no_new_privileges,
            "rlimits": plan_rlimits(host.ulimits or []),
        }
        if host.oom_score_adj:
            planned["oomScoreAdj"] = host.oom_score_adj
        if size and any(size):
            planned["consoleSize"] = {"height": size[0], "width": size[1]}
        return planned

    def report_failure(self, process: Exec, fd: int, error: SampanError) -> None:
        """The connection is a stream already: the reason goes out as what the program would say."""
        before = "" if isinstance(error, Conflict) else EXEC_FAILED
        text = f"{before}{error.message}\r\n".encode()
        head = b"" if process.create.tty else struct.pack(">B3xI", STDERR_FRAME, len(text))
        with contextlib.suppress(OSError):
            os.write(fd, head + text)

    async def resize(self, process: Exec, rows: int, columns: int) -> None:
        """Set the size of its terminal, now or when it starts."""
        process.size = (rows, columns)
        if process.running and process.pid and process.container.shim is not None:
            await process.container.shim.resize(process.id, rows, columns)

    def inspect(self, process: Exec) -> dict[str, Any]:
        """An ExecInspectResponse."""
        if process.running and process.container.shim is not None:
            process.container.shim.catch_up()
        create = process.create
        command = create.cmd or [""]
        return {
            "ID": process.id,
            "Running": process.running,
            "ExitCode": process.exit_code,
            "ProcessConfig": {
                "tty": create.tty,
                "entrypoint": command[0],
                "arguments": command[1:],
                "privileged": create.privileged,
                **({"user": create.user} if create.user else {}),
            },
            "OpenStdin": create.attach_stdin,
            "OpenStderr": create.attach_stderr,
            "OpenStdout": create.attach_stdout,
            "CanRemove": process.can_remove,
            "ContainerID": process.container.id,
            "DetachKeys": create.detach_keys,
            "Pid": process.pid,
        }

    async def wait(self, process: Exec) -> int:
        """The exit code of an exec that was started, when it has ended."""
        await process.ended.wait()
        assert process.exit_code is not None
        return process.exit_code

    async def signal(self, process: Exec, number: int) -> None:
        """Send a signal to its program; one that has ended takes none."""
        shim = process.container.shim
        if process.running and shim is not None:
            await shim.signal_exec(process.id, number)

    def _sweep_later(self) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_INTERVAL_S, self._sweep_and_go_on)

    def _sweep_and_go_on(self) -> None:
        self._sweeping = None
        self.sweep()
        if self._by_id:
            self._sweep_later()

    def sweep(self) -> None:
        """Forget what the last sweep found ended; mark what has ended since."""
        for process in list(self._by_id.values()):
            if process.can_remove:
                del self._by_id[process.id]
            elif process.id not in process.container.exec_ids:
                process.can_remove = True

    def drop(self, container: Container) -> None:
        """Forget all execs of a container that is removed."""
        container.exec_ids.clear()
        for process in [each for each in self._by_id.values() if each.container is container]:
            del self._by_id[process.id]

    def close(self) -> None:
        """The engine ends."""
        if self._sweeping is not None:
            self._sweeping.cancel()

    def forget(self, process: Exec) -> None:
        """Nobody will ask for this one again: the engine's own."""
        self._by_id.pop(process.id, None)
        with contextlib.suppress(ValueError):
            process.container.exec_ids.remove(process.id)


def check_detach_keys(text: str, what: str) -> None:
    """Refuse keys that nobody can type, before anything else."""
    try:
        parse_detach_keys(text)
    except InvalidArgument:
        raise InvalidArgument(f"Invalid {what} keys ({text}) provided") from None


def _require_running(container: Container) -> None:
    if not container.state.is_running or container.shim is None:
        raise Conflict(f"container {container.id} is not running")
    if container.state.status == "paused":
        raise Conflict(f"Container {container.name} is paused, unpause the container before exec")
