# SPDX-License-Identifier: Apache-2.0
"""A real engine in a folder of its own, the commands that talk to it, and proof that it leaves nothing behind."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from checked_api import UnixConnection

SAMPAN = [sys.executable, "-m", "sampan.cli.main"]
BUSYBOX = "/bin/busybox"
START_LIMIT_S = 30.0
COMMAND_LIMIT_S = 60.0


class EngineProcess:
    """One engine on its own roots; `sampan` and `docker` run the two command lines against it."""

    def __init__(self, base: Path) -> None:
        self.data = base / "data"
        self.run = base / "run"
        self.socket = self.run / "engine.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SAMPAN_", "DOCKER_"))},
            "SAMPAN_DATA_ROOT": str(self.data),
            "SAMPAN_RUN_ROOT": str(self.run),
            "SAMPAN_HOST": f"unix://{self.socket}",
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(base / "docker"),
            "HOME": str(base),
        }

    def start(self) -> None:
        """Start it in the foreground of a child and wait until it answers."""
        base = self.data.parent
        base.mkdir(parents=True, exist_ok=True)
        with open(base / "engine.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sampan.daemon.main"], env=self.environment, stdout=log, stderr=log
            )
        wait_until(self.answers, "the engine answers", limit_s=START_LIMIT_S)

    def answers(self) -> bool:
        """Whether it listens; not asked by a command, which would start another where none does."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the engine ended: {(self.data.parent / 'engine.log').read_text()}")
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def kill(self) -> None:
        """kill -9: no chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """The ordinary end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def sampan(self, *args: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
        """Run our command line."""
        return self._command([*SAMPAN, *args], check=check, **options)

    def docker(self, *args: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
        """Run Docker's command line against this engine."""
        return self._command(["docker", *args], check=check, **options)

    def _command(
        self, argv: list[str], *, check: bool, **options: object
    ) -> subprocess.CompletedProcess[str]:
        settings: dict[str, object] = {"stdin": subprocess.DEVNULL} if "input" not in options else {}
        settings |= {
            "capture_output": True,
            "text": True,
            "timeout": COMMAND_LIMIT_S,
            "env": self.environment,
        } | options
        done = subprocess.run(argv, **settings)  # type: ignore[call-overload]
        if check and done.returncode != 0:
            raise AssertionError(f"{argv} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done  # type: ignore[no-any-return]

    def out(self, *args: str) -> str:
        """What a command of ours prints, without the newline."""
        return self.sampan(*args).stdout.strip()

    def remove_everything(self) -> None:
        """All containers, also those that a failed test left; asked without a command, for this is often done."""
        with contextlib.suppress(OSError):  # no engine is left, which the test itself says better
            for container in self._api("GET", "/containers/json?all=1"):
                self._api("DELETE", f"/containers/{container['Id']}?force=1")

    def assert_nothing_runs(self) -> None:
        """Neither containers nor steps of builds, once those that were told to end have done so."""
        wait_until(lambda: not self.running(), lambda: f"nothing runs, but {self.running()}")

    def running(self) -> list[str]:
        """The containers and the steps of builds that have a process or will have one."""
        return os.listdir(self.run / "containers")

    def remove_nameless_images(self) -> None:
        """Images that have lost their names to newer ones."""
        with contextlib.suppress(OSError):
            self._api("POST", "/images/prune")

    def _api(self, method: str, path: str) -> Any:
        client = UnixConnection(self.socket)
        with contextlib.closing(client):
            client.request(method, path)
            return json.loads(client.getresponse().read() or b"null")

    def destroy(self) -> None:
        """Stop it, remove its containers, its network and its files."""
        if self.process is None or self.process.poll() is not None:
            with contextlib.suppress(AssertionError):
                self.start()
        self.remove_everything()
        self.stop()
        self.sampan("engine", "stop", check=False)  # one that a command of the test has started
        shutil.rmtree(self.data.parent, ignore_errors=True)


class CommandLine:
    """One of the two command lines: `sampan` or `docker`."""

    def __init__(self, engine: EngineProcess, name: str) -> None:
        self.engine = engine
        self.name = name
        self.argv = SAMPAN if name == "sampan" else ["docker"]

    def __call__(self, *args: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return self.engine._command([*self.argv, *args], check=check, **options)

    def out(self, *args: str) -> str:
        """What it prints, without the newline."""
        return self(*args).stdout.strip()

    def fails(self, code: int, *args: str, **options: object) -> str:
        """It exits with this code; what it says on stderr."""
        done = self(*args, check=False, **options)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stderr

    @contextlib.contextmanager
    def running(self, *args: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
        """It runs, with pipes, as long as the block; killed at its end."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | options
        with subprocess.Popen([*self.argv, *args], env=self.engine.environment, **pipes) as client:  # type: ignore[call-overload]
            try:
                yield client
            finally:
                client.kill()


@functools.cache
def busybox_tar() -> bytes:
    """A root filesystem with busybox, its applets as links, and the files a user name needs."""
    out = io.BytesIO()
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in (
            "bin",
            "etc",
            "tmp",
            "root",
            "home",
            "home/user",
            "proc",
            "sys",
            "dev",
            "var",
            "usr",
            "usr/bin",
        ):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(info)
        tar.add(BUSYBOX, "bin/busybox")
        for applet in applets:
            if applet != "busybox":
                info = tarfile.TarInfo(f"bin/{applet}")
                info.type, info.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(info)
        _add_text(
            tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n"
        )
        _add_text(tar, "etc/group", "root:x:0:\nmail:x:8:\nuser:x:1000:\nextra:x:2000:user\n")
    return out.getvalue()


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(text), 0o644
    tar.addfile(info, io.BytesIO(text.encode()))


def import_busybox(engine: EngineProcess) -> None:
    """Make the image `busybox` that most tests use."""
    argv = [*SAMPAN, "import", "--change", 'CMD ["sh"]', "-", "busybox:latest"]
    subprocess.run(argv, input=busybox_tar(), env=engine.environment, check=True, capture_output=True)


def wait_until(
    condition: Callable[[], object], what: str | Callable[[], str], *, limit_s: float = 20.0
) -> None:
    """Poll until something holds, or fail saying what did not."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that has ended may still wait to be reaped by a stranger."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.contextmanager
def running_engine(base: Path) -> Iterator[EngineProcess]:
    """An engine with the busybox image, destroyed afterwards."""
    engine = EngineProcess(base)
    try:
        engine.start()
        import_busybox(engine)
        yield engine
    finally:
        engine.destroy()
