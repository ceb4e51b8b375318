# SPDX-License-Identifier: Apache-2.0
"""A bundle with a busybox root, run by our runtime, and everything swept away afterwards."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sampan import runtime
from sampan.linux import process
from sampan.linux.cgroup import Cgroup, discover_hierarchies
from sampan.runtime.container import plan_cgroup
from sampan.runtime.features import MASKED_PATHS, READONLY_PATHS, default_mounts
from sampan.runtime.seccomp_profile import docker_profile_to_oci, load_default_profile

DEADLINE_MS = 15_000
GROUP = f"/sampan-test-{os.getpid()}"
APPLETS = (
    "sh cat echo env false head id kill ls mkdir mknod mount ps pwd readlink seq sleep stty tail test touch "
    "true tty dd hostname grep wc yes od stat umount sysctl ulimit trap unshare nice chmod ip"
)
CAPABILITIES = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
    "CAP_AUDIT_WRITE",
]  # fmt: skip
"""Docker's fourteen."""


class Outcome:
    """How a program ended and what it said."""

    def __init__(self, code: int, out: str, err: str, warnings: list[str], oom_kills: int) -> None:
        self.code, self.out, self.err, self.warnings, self.oom_kills = code, out, err, warnings, oom_kills

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Bundle:
    """A place for containers of one test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rootfs = path / "rootfs"
        self.cache = path.parent / "seccomp"
        self._count = 0
        self._inits: list[tuple[runtime.Init, dict[str, Any]]] = []
        make_root(self.rootfs)

    def spec(self, *arguments: str, **process_changes: Any) -> dict[str, Any]:
        """Docker's default config for a program; `process_changes` replace members of its process."""
        self._count += 1
        return {
            "ociVersion": "1.2.0",
            "process": {
                "args": list(arguments),
                "cwd": "/",
                "env": ["PATH=/bin"],
                "user": {"uid": 0, "gid": 0},
                "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
                **process_changes,
            },
            "root": {"path": "rootfs"},
            "hostname": "box",
            "mounts": copy.deepcopy(default_mounts()),
            "linux": {
                "cgroupsPath": f"{GROUP}/{self._count}",
                "namespaces": [{"type": t} for t in ("mount", "pid", "network", "ipc", "uts", "cgroup")],
                "maskedPaths": list(MASKED_PATHS),
                "readonlyPaths": list(READONLY_PATHS),
                "resources": {"devices": [{"allow": False, "access": "rwm"}]},
                "seccomp": docker_profile_to_oci(load_default_profile(), CAPABILITIES),
            },
        }

    def create(self, spec: dict[str, Any], stdio: tuple[int, int, int], **options: Any) -> runtime.Init:
        init = runtime.create(
            str(self.path), container_id=f"test{self._count}", stdio=stdio, seccomp_cache=str(self.cache),
            spec=spec, **options,
        )  # fmt: skip
        self._inits.append((init, spec))
        return init

    def run(self, *arguments: str, spec: dict[str, Any] | None = None, stdin: bytes = b"") -> Outcome:
        """Run a program to its end."""
        spec = self.spec(*arguments) if spec is None else spec
        with streams(stdin) as (stdio, read):
            init = self.create(spec, stdio)
            init.start()
            code = wait(init.pid, init.pidfd)
            kills = init.cgroup.oom_kills()
            self.remove(init)
            return Outcome(code, *read(), init.warnings, kills)

    @contextlib.contextmanager
    def running(self, *arguments: str, spec: dict[str, Any] | None = None) -> Iterator[Running]:
        """Have a container run for the body's sake."""
        spec = self.spec(*(arguments or ("sleep", "1000"))) if spec is None else spec
        with streams(b"") as (stdio, _):
            init = self.create(spec, stdio)
            init.start()
            try:
                yield Running(self, init, spec)
            finally:
                self.remove(init)

    def remove(self, init: runtime.Init) -> None:
        for entry in [entry for entry in self._inits if entry[0] is init]:
            self._inits.remove(entry)
            with contextlib.suppress(ProcessLookupError):
                init.signal(signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(init.pid, 0)
            runtime.delete(init.id, entry[1])
            init.close()
            left = [path for path in init.cgroup.directories() if os.path.exists(path)]
            assert left == []

    def close(self) -> None:
        for init, _ in list(self._inits):
            self.remove(init)
        Cgroup(GROUP, discover_hierarchies()).remove()


class Running:
    """A container that runs."""

    def __init__(self, bundle: Bundle, init: runtime.Init, spec: dict[str, Any]) -> None:
        self.bundle, self.init, self.spec = bundle, init, spec

    @property
    def cgroup(self) -> Cgroup:
        return plan_cgroup(self.spec, self.init.id, discover_hierarchies())

    def execute(self, *arguments: str, **changes: Any) -> Outcome:
        """Run a further program to its end."""
        with streams(b"") as (stdio, read):
            running = self.start(*arguments, stdio=stdio, **changes)
            code = wait(running.pid, running.pidfd)
            os.close(running.pidfd)
            return Outcome(code, *read(), running.warnings, 0)

    def start(
        self, *arguments: str, stdio: tuple[int, int, int], console: bool = False, **changes: Any
    ) -> runtime.Process:
        return runtime.exec_process(
            self.init.pidfd, self.spec, {**self.spec["process"], "args": list(arguments), **changes},
            stdio=stdio, seccomp_cache=str(self.bundle.cache), container_id=self.init.id, console=console,
        )  # fmt: skip


def make_root(rootfs: Path) -> None:
    """Make a root that has busybox and three accounts."""
    for name in ("bin", "etc", "tmp", "proc", "sys", "dev", "home/bob"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", rootfs / "bin/busybox")
    for applet in APPLETS.split():
        (rootfs / "bin" / applet).symlink_to("busybox")
    (rootfs / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n")
    (rootfs / "etc/group").write_text("root:x:0:\nbob:x:1000:\nwheel:x:10:bob\n")
    (rootfs / "tmp").chmod(0o1777)


@contextlib.contextmanager
def streams(stdin: bytes) -> Iterator[tuple[tuple[int, int, int], Any]]:
    """Descriptors for a program, and a function that returns what it wrote to them."""
    fds = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    os.pwrite(fds[0], stdin, 0)
    try:
        yield (fds[0], fds[1], fds[2]), lambda: tuple(os.pread(fd, 1 << 20, 0).decode() for fd in fds[1:])
    finally:
        for fd in fds:
            os.close(fd)


def wait(pid: int, pidfd: int) -> int:
    """Return the exit code, 128 + signal where there was one."""
    assert process.has_ended(pidfd, DEADLINE_MS), "the program did not end in time"
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code
