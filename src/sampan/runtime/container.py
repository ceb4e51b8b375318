# SPDX-License-Identifier: Apache-2.0
"""The parent's side: make a container from a bundle, start it, delete what is left of it.

`create` returns when everything is in place and the program is one "start" away. The caller becomes the
parent of the container's first process and has to reap it. It must have one thread only.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal

from sampan.errors import InvalidArgument, Unsupported
from sampan.linux import mount, process
from sampan.linux.cgroup import Cgroup, discover_hierarchies
from sampan.linux.cgroup_limits import apply_limits, extra_controllers
from sampan.linux.socket import seqpacket_pair
from sampan.runtime.failure import SetupFailed
from sampan.runtime.hooks import run_hooks, run_late_hooks
from sampan.runtime.init import InitOrder, run_init
from sampan.runtime.limits import apply_oom_score, apply_rlimits
from sampan.runtime.mounts import plan_root
from sampan.runtime.program import Program
from sampan.runtime.seccomp_cache import filter_for
from sampan.runtime.spawn import gets_new_user_namespace, spawn, write_id_maps
from sampan.runtime.state import hooks_of, root_path, state_of
from sampan.runtime.sync import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from sampan.linux.cgroup import Hierarchy
    from sampan.runtime.steps import Step


class Init:
    """A created container: its first process waits for `start`."""

    __slots__ = ("_channel", "_spec", "bundle", "cgroup", "console_fd", "id", "pid", "pidfd", "warnings")

    def __init__(self, container_id: str, bundle: str, spec: dict[str, Any], cgroup: Cgroup) -> None:
        self.id, self.bundle, self._spec, self.cgroup = container_id, bundle, spec, cgroup
        self.pid = self.pidfd = self.console_fd = -1
        self.warnings: list[str] = []
        self._channel: Channel | None = None

    def start(self) -> None:
        """Let the program run; ExecFailed says why it could not. Hooks after the start may add warnings."""
        if self._channel is None:
            raise InvalidArgument(f"container {self.id}: already started")
        channel, self._channel = self._channel, None
        try:
            release(channel)
        finally:
            channel.close()
        self.warnings += run_poststart(self._spec, self.id, self.bundle, self.pid)

    def hand_over(self) -> socket.socket | None:
        """Give away the conversation: who has it may start the program with `release`. None: it has started."""
        channel, self._channel = self._channel, None
        return channel.sock if channel else None

    def signal(self, number: int) -> None:
        """Send a signal to the first process."""
        process.pidfd_send_signal(self.pidfd, number)

    def state(self, status: str) -> dict[str, Any]:
        """Return the runtime-spec's state document."""
        return state_of(self._spec, self.id, self.bundle, status, self.pid)

    def close(self) -> None:
        """Close the descriptors; a container not yet started ends with them."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        for fd in (self.pidfd, self.console_fd):
            if fd >= 0:
                os.close(fd)
        self.pidfd = self.console_fd = -1


def release(channel: Channel) -> None:
    """Say "start" and wait for the end of the conversation, which is the program's beginning."""
    try:
        channel.send("start")
    except (BrokenPipeError, ConnectionResetError):
        raise SetupFailed("container process ended before it was started", stage="start") from None
    channel.expect("")


def run_poststart(spec: dict[str, Any], container_id: str, bundle: str, pid: int) -> list[str]:
    """Run the hooks that follow the program's start; their failures are warnings."""
    return run_late_hooks(hooks_of(spec, "poststart"), state_of(spec, container_id, bundle, "running", pid))


def create(
    bundle: str,
    *,
    container_id: str,
    stdio: tuple[int, int, int],
    seccomp_cache: str,
    spec: dict[str, Any] | None = None,
    hierarchies: tuple[Hierarchy, ...] | None = None,
    listener: socket.socket | None = None,
    keep_fds: int = 0,
    sibling: bool = False,
    dies_with_parent: bool = False,
    debug: Callable[[str], None] | None = None,
) -> Init:
    """Make the container that `bundle` describes; on failure nothing of it is left.

    `hierarchies` may be handed in by a caller that makes many containers. `keep_fds` descriptors from 3 on
    are passed to the program. A `sibling` becomes a child of this process' parent.
    `dies_with_parent` has the kernel kill it when its parent ends. `debug` gets the plan, a line a step.
    """
    spec = read_config(bundle) if spec is None else spec
    cgroup = plan_cgroup(spec, container_id, discover_hierarchies() if hierarchies is None else hierarchies)
    refuse_unsupported(spec)
    steps = plan_root(spec, bundle, cgroup, has_kcore=os.path.exists("/proc/kcore"))
    if debug:
        for step in steps:
            debug(step.describe())
    program = Program(spec.get("process") or {}, filter_for(spec, seccomp_cache))
    program.dies_with_parent = dies_with_parent
    init = Init(container_id, bundle, spec, cgroup)
    try:
        _prepare_cgroup(init)
        _launch(init, steps, program, stdio=stdio, listener=listener, keep_fds=keep_fds, sibling=sibling)
    except BaseException:
        discard(init)
        raise
    return init


def refuse_unsupported(spec: dict[str, Any]) -> None:
    """Refuse what would otherwise be left out in silence."""
    linux = spec.get("linux") or {}
    for key in ("mountLabel", "intelRdt", "netDevices", "memoryPolicy"):
        if linux.get(key):
            raise Unsupported(f"linux.{key} is not supported by this runtime")
    if ":" in (linux.get("cgroupsPath") or ""):
        raise Unsupported("linux.cgroupsPath: systemd's form slice:prefix:name is not supported")


def read_config(bundle: str) -> dict[str, Any]:
    """Return the bundle's config.json."""
    with open(f"{bundle}/config.json", "rb") as file:
        spec: dict[str, Any] = json.load(file)
    return spec


def plan_cgroup(spec: dict[str, Any], container_id: str, hierarchies: tuple[Hierarchy, ...]) -> Cgroup:
    """Decide where the container's group is and which hierarchies it needs."""
    linux = spec.get("linux") or {}
    path = linux.get("cgroupsPath") or f"/sampan/{container_id}"
    return Cgroup.select(path, hierarchies, extra_controllers(linux.get("resources") or {}))


def _prepare_cgroup(init: Init) -> None:
    resources = (init._spec.get("linux") or {}).get("resources") or {}
    with stage(f"set up cgroup {init.cgroup.path}"):
        init.cgroup.create()
        init.warnings += apply_limits(init.cgroup, resources)


def _launch(
    init: Init,
    steps: Sequence[Step],
    program: Program,
    *,
    stdio: tuple[int, int, int],
    listener: socket.socket | None,
    keep_fds: int,
    sibling: bool,
) -> None:
    """Clone the child and talk it through (see `sync`)."""
    spec = init._spec
    rootfs = root_path(spec, init.bundle)
    tasks, unified_fd = init.cgroup.open_entrances()
    opened = [*tasks, *([unified_fd] if unified_fd is not None else [])]
    ours, theirs = seqpacket_pair()
    try:
        opened.append(_open_rootfs(rootfs))
        for step in steps:
            with stage(step.describe()):
                step.prepare()
        order = InitOrder(
            spec, state=init.state("creating"), program=program, steps=steps, rootfs=rootfs,
            rootfs_tree=opened[-1], cgroup_tasks=tasks, stdio=stdio, listener=listener, keep_fds=keep_fds,
        )  # fmt: skip
        with stage("make namespaces"):
            init.pid, init.pidfd = spawn(
                spec, lambda: run_init(order, Channel(theirs)), unified_fd, sibling=sibling
            )
        theirs.close()
        init._channel = Channel(ours)
        _converse(init, init._channel)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
        for fd in opened:
            os.close(fd)
        for step in steps:
            step.close()


def _open_rootfs(rootfs: str) -> int:
    """Take a private copy of the root's mount, which the child attaches in its own namespace."""
    with stage("open rootfs"):
        tree = mount.open_tree(rootfs, recursive=True)
        mount.set_attributes(dir_fd=tree, propagation=mount.MS_PRIVATE, recursive=True)
        return tree


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Have an error of the system say during what it came."""
    try:
        yield
    except OSError as error:
        raise SetupFailed(f"{name}: {error}", stage=name, errno=error.errno or 0) from error


def _converse(init: Init, channel: Channel) -> None:
    """Answer the child until it is ready, then set what only the parent may."""
    spec = init._spec
    if gets_new_user_namespace(spec):
        with stage("map users"):
            write_id_maps(init.pid, spec["linux"])
        channel.send("mapped")
    if hooks_of(spec, "prestart") or hooks_of(spec, "createRuntime"):
        channel.expect("hooks")
        state = init.state("creating")
        run_hooks([*hooks_of(spec, "prestart"), *hooks_of(spec, "createRuntime")], state)
        channel.send("continue")
    fds = channel.expect("ready")
    init.console_fd = fds[0] if fds else -1
    process_spec = spec.get("process") or {}
    init.warnings += apply_rlimits(init.pid, process_spec.get("rlimits") or ())
    init.warnings += apply_oom_score(init.pid, process_spec.get("oomScoreAdj"))


def discard(init: Init) -> None:
    """Kill and reap the first process, if there is one, and remove the groups."""
    if init.pidfd >= 0:
        with contextlib.suppress(ProcessLookupError):
            init.signal(signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(init.pid, 0)
    init.close()
    init.cgroup.remove()


def delete(
    container_id: str,
    spec: dict[str, Any],
    *,
    bundle: str = "",
    pid: int = 0,
    hierarchies: tuple[Hierarchy, ...] | None = None,
) -> list[str]:
    """Remove what a container leaves when its first process is gone: its groups. Runs the poststop hooks."""
    plan_cgroup(spec, container_id, discover_hierarchies() if hierarchies is None else hierarchies).remove()
    state = state_of(spec, container_id, bundle, "stopped", pid)
    return run_late_hooks(hooks_of(spec, "poststop"), state)
