# SPDX-License-Identifier: Apache-2.0
"""What each command of `sampan-runtime` does."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

from sampan import __version__
from sampan.errors import Conflict, InvalidArgument
from sampan.linux import process as processes
from sampan.linux.cgroup import discover_hierarchies
from sampan.linux.socket import send_fds
from sampan.runtime import container
from sampan.runtime import execute as further
from sampan.runtime.features import describe_features, example_config
from sampan.runtime.foreground import relay
from sampan.runtime.registry import Entry, Registry, new_entry
from sampan.runtime.state import OCI_VERSION, root_path
from sampan.runtime.sync import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

STDIO = (0, 1, 2)


def version() -> str:
    """Return what `--version` prints: containerd and Docker read the second and third line."""
    return f"sampan-runtime version {__version__}\nspec: {OCI_VERSION}"


def create(options: argparse.Namespace) -> None:
    """Make a container; its first process waits at a socket in the state directory."""
    init, _ = _create(options, console_socket=_required_console(options))
    init.close()


def _create(options: argparse.Namespace, *, console_socket: str | None) -> tuple[container.Init, Entry]:
    registry = Registry(options.root)
    bundle = os.path.abspath(options.bundle)
    directory = registry.reserve(options.id)
    try:
        listener = _listen(directory)
        init = container.create(
            bundle, container_id=options.id, stdio=STDIO, seccomp_cache=f"{registry.root}/.seccomp",
            listener=listener, keep_fds=options.preserve_fds, debug=_debug(options),
        )  # fmt: skip
        listener.close()
        rootfs = root_path(container.read_config(bundle), bundle)
        entry = new_entry(directory, options.id, bundle=bundle, rootfs=rootfs, pid=init.pid)
        entry.save()
    except BaseException:
        registry.remove(options.id)
        raise
    _warn(init.warnings)
    if console_socket:
        _send_console(console_socket, init.console_fd)
    _write_pid_file(options.pid_file, init.pid)
    return init, entry


def _listen(directory: str) -> socket.socket:
    """Listen at start.sock, by a short name: a socket's path has 107 bytes at most."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{fd}/start.sock")
    finally:
        os.close(fd)
    listener.listen(1)
    return listener


def _required_console(options: argparse.Namespace) -> str | None:
    """A terminal needs somebody who takes its master side, and the reverse."""
    config = container.read_config(options.bundle)
    terminal = bool((config.get("process") or {}).get("terminal"))
    if terminal and not options.console_socket:
        raise InvalidArgument("cannot allocate tty if runtime will detach without setting console socket")
    if not terminal and options.console_socket:
        raise InvalidArgument("cannot use console socket if runtime will not detach or allocate tty")
    return str(options.console_socket) if options.console_socket else None


def _send_console(path: str, fd: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        send_fds(connection, b"/dev/ptmx", [fd])


def _write_pid_file(path: str | None, pid: int) -> None:
    if not path:
        return
    temporary = f"{os.path.dirname(os.path.abspath(path))}/.{os.path.basename(path)}"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(str(pid))
    os.rename(temporary, path)


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        sys.stderr.write(f"warning: {warning}\n")


def _debug(options: argparse.Namespace) -> Any:
    return (lambda line: sys.stderr.write(f"{line}\n")) if options.debug else None


def start(options: argparse.Namespace) -> None:
    """Connect to the waiting process and say "start"."""
    _start(Registry(options.root).load(options.id))


def _start(entry: Entry) -> None:
    if entry.status(discover_hierarchies()) != "created":
        raise Conflict("cannot start a container that has stopped or is running")
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = os.open(entry.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{fd}/start.sock")
        os.unlink("start.sock", dir_fd=fd)
        container.release(Channel(connection))
    finally:
        os.close(fd)
        connection.close()
    _warn(container.run_poststart(entry.spec, entry.id, entry.record["bundle"], entry.pid))


def run(options: argparse.Namespace) -> int:
    """Create and start; then wait and clean up, unless detached."""
    detached_console = _required_console(options) if options.detach else None
    init, entry = _create(options, console_socket=detached_console)
    try:
        _start(entry)
        if options.detach:
            return 0
        code = relay(init.pid, init.pidfd, init.console_fd)
    except BaseException:
        container.discard(init)
        _forget(options.root, entry)
        raise
    finally:
        init.close()
    if not options.keep:
        _forget(options.root, entry)
    return code


def execute(options: argparse.Namespace) -> int:
    """Run a further process; wait for it unless detached."""
    registry = Registry(options.root)
    entry = registry.load(options.id)
    status = entry.status(discover_hierarchies())
    if status in ("stopped", "paused"):
        raise Conflict(f"cannot exec in a {status} container")
    process = _process_of(options, entry.spec["process"])
    pidfd = processes.pidfd_open(entry.pid)
    running = further.exec_process(
        pidfd, entry.spec, process, stdio=STDIO, seccomp_cache=f"{registry.root}/.seccomp",
        container_id=entry.id, console=bool(process.get("terminal")), keep_fds=options.preserve_fds,
    )  # fmt: skip
    _warn(running.warnings)
    _write_pid_file(options.pid_file, running.pid)
    if options.console_socket and running.console_fd >= 0:
        _send_console(options.console_socket, running.console_fd)
        running.console_fd = -1
    if options.detach:
        return 0
    return relay(running.pid, running.pidfd, running.console_fd)


def _process_of(options: argparse.Namespace, base: dict[str, Any]) -> dict[str, Any]:
    """Return the process to run: a file, or the container's own with what the options change."""
    if options.process:
        with open(options.process, "rb") as file:
            process: dict[str, Any] = json.load(file)
        return {**process, "terminal": process.get("terminal") or options.tty}
    arguments = options.args[1:] if options.args[:1] == ["--"] else options.args
    process = {**base, "args": arguments, "terminal": options.tty}
    process["env"] = [*(base.get("env") or ()), *options.env]
    if options.cwd:
        process["cwd"] = options.cwd
    if options.user:
        uid, _, gid = options.user.partition(":")
        process["user"] = {"uid": int(uid), "gid": int(gid or 0)}
    if options.additional_gids:
        process["user"] = {**(process.get("user") or {}), "additionalGids": options.additional_gids}
    if options.no_new_privs:
        process["noNewPrivileges"] = True
    for name in options.cap:
        sets = process.get("capabilities") or {}
        process["capabilities"] = {key: [*(sets.get(key) or ()), name] for key in _CAP_SETS}
    return process


_CAP_SETS = ("bounding", "effective", "permitted")


def kill(options: argparse.Namespace) -> None:
    """Send a signal."""
    entry = Registry(options.root).load(options.id)
    number = parse_signal(options.signal)
    if options.all and number == signal.SIGKILL:
        container.plan_cgroup(entry.spec, entry.id, discover_hierarchies()).kill()
        return
    if options.all:
        for pid in container.plan_cgroup(entry.spec, entry.id, discover_hierarchies()).pids():
            os.kill(pid, number)
        return
    if not entry.pid:
        raise Conflict("container not running")
    os.kill(entry.pid, number)


def parse_signal(text: str) -> int:
    """Read `9`, `KILL` or `SIGKILL`."""
    if text.isdecimal():
        return int(text)
    name = text.upper()
    number = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
    if not isinstance(number, signal.Signals):
        raise InvalidArgument(f"unknown signal {text!r}")
    return int(number)


def delete(options: argparse.Namespace) -> None:
    """Remove what a stopped container leaves; with force also a running one, and none is fine."""
    registry = Registry(options.root)
    if options.force and not os.path.exists(f"{registry.directory(options.id)}/state.json"):
        return
    entry = registry.load(options.id)
    status = entry.status(discover_hierarchies())
    if status not in ("stopped", "created") and not options.force:
        raise Conflict(f"cannot delete container {options.id} that is not stopped: {status}")
    if entry.pid:
        pidfd = processes.pidfd_open(entry.pid)
        container.plan_cgroup(entry.spec, entry.id, discover_hierarchies()).kill()
        processes.pidfd_send_signal(pidfd, signal.SIGKILL)
        processes.has_ended(pidfd, 10_000)
        os.close(pidfd)
    _forget(options.root, entry)


def _forget(root: str, entry: Entry) -> None:
    _warn(container.delete(entry.id, entry.spec, bundle=entry.record["bundle"]))
    Registry(root).remove(entry.id)


def pause(options: argparse.Namespace) -> None:
    """Freeze the container's group."""
    entry = Registry(options.root).load(options.id)
    if entry.status(discover_hierarchies()) != "running":
        raise Conflict("container not running")
    container.plan_cgroup(entry.spec, entry.id, discover_hierarchies()).freeze()


def resume(options: argparse.Namespace) -> None:
    """Thaw the container's group."""
    entry = Registry(options.root).load(options.id)
    if entry.status(discover_hierarchies()) != "paused":
        raise Conflict("container not paused")
    container.plan_cgroup(entry.spec, entry.id, discover_hierarchies()).thaw()


def state(options: argparse.Namespace) -> None:
    """Print the state document."""
    _print_json(Registry(options.root).load(options.id).state(discover_hierarchies()))


def list_all(options: argparse.Namespace) -> None:
    """Print all containers."""
    hierarchies = discover_hierarchies()
    states = [entry.state(hierarchies) for entry in Registry(options.root).list()]
    if options.quiet:
        sys.stdout.write("".join(f"{each['id']}\n" for each in states))
    elif options.format == "json":
        _print_json(states)
    else:
        columns = ("id", "pid", "status", "bundle", "created", "owner")
        rows = [
            [name.upper() for name in columns],
            *([str(each[name]) for name in columns] for each in states),
        ]
        widths = [max(len(row[n]) for row in rows) for n in range(len(columns))]
        for row in rows:
            line = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            sys.stdout.write(line.rstrip() + "\n")


def ps(options: argparse.Namespace) -> None:
    """Print the pids of the container's processes, as the host sees them."""
    entry = Registry(options.root).load(options.id)
    pids = container.plan_cgroup(entry.spec, entry.id, discover_hierarchies()).pids()
    if options.format == "json":
        _print_json(pids)
        return
    sys.stdout.write("PID        CMD\n")
    for pid in pids:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        sys.stdout.write(f"{pid:<10} {command}\n")


def features(_: argparse.Namespace) -> None:
    """Print the features document."""
    _print_json(describe_features())


def spec(options: argparse.Namespace) -> None:
    """Write an example config.json, if there is none."""
    path = f"{options.bundle}/config.json"
    try:
        with open(path, "x", encoding="utf-8") as file:
            json.dump(example_config(), file, indent="\t")
    except FileExistsError:
        raise Conflict(f"file {path} exists, remove it first") from None


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
