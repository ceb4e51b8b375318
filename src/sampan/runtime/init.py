# SPDX-License-Identifier: Apache-2.0
"""The container's first process, from its clone to the program's first instruction.

`run_init` never returns. Each stage has a name, and whatever goes wrong is told to the parent with it (see
`sync` for the conversation). Everything is imported and planned before the clone: from here on there is only
the container's own file system to import from, and that is not to be trusted.
"""

from __future__ import annotations

import gc
import os
import socket

from sampan.linux import credentials, mount, namespace, process
from sampan.linux.syscall import SyscallError
from sampan.runtime.failure import encode_failure
from sampan.runtime.hooks import run_hooks
from sampan.runtime.reaper import ANNOTATION, split_init
from sampan.runtime.scheduling import apply_personality
from sampan.runtime.stdio import give_stdio, install_stdio, mount_console, open_console, use_console
from sampan.runtime.sync import Channel
from sampan.runtime.sysctl import write_sysctls
from sampan.runtime.user import home_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from sampan.runtime.program import Program
    from sampan.runtime.steps import Step

PROPAGATION = {
    "private": mount.MS_PRIVATE,
    "slave": mount.MS_SLAVE,
    "shared": mount.MS_SHARED,
    "unbindable": mount.MS_UNBINDABLE,
}


class InitOrder:
    """All that the child needs to know, made before it exists."""

    __slots__ = (
        "cgroup_tasks", "keep_fds", "listener", "program", "rootfs", "rootfs_tree", "spec", "state", "stdio",
        "steps",
    )  # fmt: skip

    def __init__(
        self,
        spec: dict[str, Any],
        *,
        state: dict[str, Any],
        program: Program,
        steps: Sequence[Step],
        rootfs: str,
        rootfs_tree: int,
        cgroup_tasks: list[int],
        stdio: tuple[int, int, int],
        listener: socket.socket | None,
        keep_fds: int,
    ) -> None:
        self.spec, self.state, self.program, self.steps = spec, state, program, steps
        self.rootfs, self.rootfs_tree, self.cgroup_tasks = rootfs, rootfs_tree, cgroup_tasks
        self.stdio, self.listener, self.keep_fds = stdio, listener, keep_fds

    @property
    def linux(self) -> dict[str, Any]:
        """The config's Linux section."""
        return self.spec.get("linux") or {}

    def has(self, kind: str) -> bool:
        """Tell whether the container gets a new namespace of that kind."""
        entry = self.namespace(kind)
        return entry is not None and not entry.get("path")

    def namespace(self, kind: str) -> dict[str, Any] | None:
        """Return the config's entry for a kind of namespace."""
        return next((n for n in self.linux.get("namespaces") or () if n["type"] == kind), None)

    def descriptors(self) -> set[int]:
        """Return what the child needs of the parent's descriptors."""
        needed = {*self.stdio, *self.cgroup_tasks, self.rootfs_tree, *range(3, 3 + self.keep_fds)}
        needed.update(fd for step in self.steps for fd in step.descriptors())
        if self.listener is not None:
            needed.add(self.listener.fileno())
        return needed

    def hooks(self, name: str) -> list[dict[str, Any]]:
        """Return the hooks of one point in the life cycle."""
        return (self.spec.get("hooks") or {}).get(name) or []


def run_init(order: InitOrder, channel: Channel) -> NoReturn:
    """Be the container's first process."""
    gc.disable()  # a collection would write to, and so copy, every page shared with the parent
    init = _Init(order, channel)
    try:
        process.keep_descriptors({*order.descriptors(), channel.sock.fileno()})
        init.build()
        init.wait_for_start()
        init.run()
    except BaseException as error:  # noqa: BLE001 - the parent decides; nothing may unwind into its copied stack
        init.report(error)
    finally:
        os._exit(1)


class _Init:
    __slots__ = ("channel", "order", "root", "stage")

    def __init__(self, order: InitOrder, channel: Channel) -> None:
        self.order, self.channel = order, channel
        self.stage = "start"
        self.root = order.rootfs_tree

    def report(self, error: BaseException) -> None:
        """Tell the parent, if it is still there to hear it."""
        try:
            self.channel.send("failed", **encode_failure(error, self.stage))
        except OSError:
            os._exit(1)

    def build(self) -> None:
        """Make the container around this process, up to the moment before its program."""
        order = self.order
        self.stage = "enter cgroups"
        for tasks in order.cgroup_tasks:
            os.write(tasks, b"0")
            os.close(tasks)
        self._enter_namespaces()
        os.setsid()
        os.umask(0)  # modes given in the config are meant as they are
        self._set_names()
        self._attach_root()
        for step in order.steps:
            self.stage = step.describe()
            step.apply(self.root)
        console = self._open_console()
        self._run_early_hooks()
        self._pivot()
        self._finish_root()
        self.stage = "set up standard streams"
        if console is None:
            install_stdio(order.stdio)
        else:
            use_console(console[1])
        self._find_program()
        self.channel.send("ready", [console[0]] if console else ())
        if console:
            os.close(console[0])

    def _enter_namespaces(self) -> None:
        order = self.order
        if order.has("user"):
            self.stage = "wait for the user namespace's maps"
            self.channel.expect("mapped")
        if order.namespace("user") is not None:
            self.stage = "become root of the user namespace"
            credentials.set_group(0)
            credentials.set_user(0)
        if order.has("cgroup"):  # only now, so that its root is the group just entered
            self.stage = "enter cgroup namespace"
            namespace.unshare(namespace.CLONE_NEWCGROUP)
        self.stage = "join session keyring"
        process.join_new_session_keyring(f"_ses.{order.state['id']}")

    def _set_names(self) -> None:
        spec = self.order.spec
        if spec.get("hostname"):
            self.stage = "set hostname"
            process.set_hostname(spec["hostname"])
        if spec.get("domainname"):
            self.stage = "set domainname"
            process.set_domainname(spec["domainname"])

    def _attach_root(self) -> None:
        """Cut this mount namespace off from the host's and attach the container's root in it."""
        self.stage = "cut mount propagation"
        word = self.order.linux.get("rootfsPropagation") or "rslave"
        kind = PROPAGATION[word.removeprefix("r")]
        mount.set_attributes("/", propagation=kind, recursive=word.startswith("r"))
        self.stage = f"attach rootfs {self.order.rootfs}"
        if kind == mount.MS_SHARED:
            _make_parent_private(self.order.rootfs)
        try:
            mount.attach_at(self.root, self.order.rootfs)
        except (
            PermissionError
        ):  # a user namespace that may not walk there; any place below the old root will do
            mount.attach_at(self.root, "/")

    def _open_console(self) -> tuple[int, int] | None:
        if not self.order.program.process.get("terminal"):
            return None
        self.stage = "open console"
        console = open_console(self.root, self.order.program.process)
        mount_console(self.root, console[1])
        return console

    def _run_early_hooks(self) -> None:
        order = self.order
        if order.hooks("prestart") or order.hooks("createRuntime"):
            self.channel.send("hooks")
            self.channel.expect("continue")
        self.stage = "createContainer hook"
        run_hooks(order.hooks("createContainer"), order.state)

    def _pivot(self) -> None:
        """Make the root this namespace's own and let go of the host's (pivot_root(2), NOTES)."""
        self.stage = "pivot_root"
        old_root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fchdir(self.root)
        mount.pivot_root(".", ".")
        os.fchdir(old_root)
        mount.set_attributes(".", propagation=mount.MS_SLAVE, recursive=True)  # the umount stays in here
        mount.umount(".", mount.MNT_DETACH)
        os.close(old_root)
        os.chdir("/")

    def _finish_root(self) -> None:
        """What must be done from inside: kernel settings, the root's own propagation and write protection."""
        order = self.order
        self.stage = "write sysctl"
        write_sysctls(order.linux.get("sysctl") or {})
        word = order.linux.get("rootfsPropagation")
        if word in ("shared", "slave", "unbindable", "rshared", "rslave", "runbindable"):
            self.stage = "set rootfs propagation"
            kind = PROPAGATION[word.removeprefix("r") if word not in PROPAGATION else word]
            mount.set_attributes("/", propagation=kind, recursive=word not in PROPAGATION)
        self.stage = "enter working directory"
        os.umask(0o022)
        order.program.enter_directory(create=True)
        if (order.spec.get("root") or {}).get("readonly"):
            self.stage = "make root read-only"
            mount.set_attributes("/", on=mount.MOUNT_ATTR_RDONLY)

    def _find_program(self) -> None:
        self.stage = "find program"
        program = self.order.program
        give_stdio(program.uid)
        program.environment.setdefault("HOME", home_of(program.uid))
        program.find()

    def wait_for_start(self) -> None:
        """Stand still until somebody says "start"; leave if there is nobody any more who could."""
        listener = self.order.listener
        if listener is not None:
            self.channel.close()
            connection, _ = listener.accept()
            self.channel = Channel(connection)
            listener.close()
        self.stage = "wait for start"
        self.channel.expect("start")

    def run(self) -> NoReturn:
        """Become the program."""
        order = self.order
        self.stage = "startContainer hook"
        run_hooks(order.hooks("startContainer"), {**order.state, "status": "created"})
        self.stage = "set up process"
        process.mark_close_on_exec(3 + order.keep_fds)
        process.reset_signals()
        apply_personality(order.linux.get("personality"))
        order.program.become()
        if (order.spec.get("annotations") or {}).get(ANNOTATION) == "true":
            split_init()
        order.program.execute()


def _make_parent_private(path: str) -> None:
    """Make the mount that holds `path` private: pivot_root and the root's own mount demand it."""
    while True:
        try:
            mount.set_attributes(path, propagation=mount.MS_PRIVATE)
        except SyscallError:  # EINVAL: not the root of a mount
            if path == "/":
                raise
            path = path.rpartition("/")[0] or "/"
        else:
            return
