# SPDX-License-Identifier: Apache-2.0
"""One docker-registry on the loopback of each engine's network, and an image of some 250 MB to move.

The image is made of what the machine has: libraries, Python's own and programs, in four layers; the second image has
one layer more. Engines get both as a docker archive, without a network.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from engines import IMAGE, LABEL, PREFIX, Engine
from probing import free_port, within
from scenarios import Goal, Scenario

ARCHIVES = (f"{IMAGE}-python:1", f"{IMAGE}-python:2")
LAYERS = (
    (("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"), 80 << 20),
    (("/usr/lib/python3", "/usr/lib/python3.11", "/usr/lib/python3.13"), 100 << 20),
    (("/usr/share/perl", "/usr/share/doc", "/usr/share/zoneinfo"), 30 << 20),
    (("/usr/bin",), 40 << 20),
    (("/usr/sbin",), 10 << 20),
)
STARTS_S = 20.0


def write_python_archives(folder: str) -> list[str]:
    """Two docker archives, the second with one layer more."""
    os.makedirs(folder)
    layers = [_write_layer(f"{folder}/layer-{n}.tar", *layer) for n, layer in enumerate(LAYERS)]
    return [
        _write_archive(f"{folder}/{n}.tar", layers[: len(layers) - 1 + n], name)
        for n, name in enumerate(ARCHIVES)
    ]


def _write_layer(path: str, roots: Sequence[str], limit: int) -> str:
    taken = 0
    with tarfile.open(path, "w") as tar:
        for root in roots:
            for folder, children, names in os.walk(root):
                children.sort()
                for name in sorted(names):
                    file = f"{folder}/{name}"
                    if taken < limit:
                        tar.add(file, file.lstrip("/"), recursive=False)
                        taken += os.lstat(file).st_size
    return path


def _write_archive(path: str, layers: Sequence[str], name: str) -> str:
    with tarfile.open(path, "w") as tar:
        diff_ids = []
        for layer in layers:
            with open(layer, "rb") as file:
                diff_ids.append(hashlib.file_digest(file, "sha256").hexdigest())
            tar.add(layer, f"{diff_ids[-1]}.tar")
        key, _, value = LABEL.partition("=")
        config = {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
            "os": "linux",
            "config": {"Labels": {key: value}},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{one}" for one in diff_ids]},
        }
        raw = json.dumps(config).encode()
        member = f"{hashlib.sha256(raw).hexdigest()}.json"
        item = {"Config": member, "RepoTags": [name], "Layers": [f"{one}.tar" for one in diff_ids]}
        for file_name, data in ((member, raw), ("manifest.json", json.dumps([item]).encode())):
            info = tarfile.TarInfo(file_name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


class Registry:
    """A docker-registry of one engine, empty at first."""

    def __init__(self, engine: Engine) -> None:
        self.folder = tempfile.mkdtemp(prefix=f"{PREFIX}-registry-", dir="/var/tmp")
        port = free_port(engine.namespace)
        self.host = f"127.0.0.1:{port}"
        settings = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": f"{self.folder}/data"}, "delete": {"enabled": True}},
            "http": {"addr": self.host, "secret": "bench"},
        }
        with open(f"{self.folder}/config.yml", "w", encoding="utf-8") as file:
            json.dump(settings, file)  # which is YAML, too
        # A child is in the network of the thread that starts it.
        self._process = within(engine.namespace, self._start)
        atexit.register(self.close)  # also after Ctrl-C, when no scenario is finished
        within(engine.namespace, lambda: self._wait(port))

    def empty(self) -> None:
        """Forget all images."""
        shutil.rmtree(f"{self.folder}/data", ignore_errors=True)

    def close(self) -> None:
        atexit.unregister(self.close)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        argv = ["docker-registry", "serve", f"{self.folder}/config.yml"]
        return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + STARTS_S
        while time.monotonic() < deadline:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        self.close()
        raise TimeoutError("docker-registry does not listen")


@dataclass(slots=True)
class Transfer(Scenario):
    """Of one of two images, which `archives` hold; `is_second`: the second, while the first is there already."""

    archives: tuple[str, str] = ("", "")
    is_second: bool = False
    registries: dict[str, Registry] = field(default_factory=dict)

    def takes(self, engine: Engine) -> bool:
        return engine.takes(self.key) and shutil.which("docker-registry") is not None

    def prepare(self, engine: Engine) -> None:
        self.registries[engine.name] = Registry(engine)
        for archive, name in zip(self.archives, ARCHIVES, strict=True):
            engine.run("load", "-q", "-i", archive)
            engine.run("tag", name, self.name(engine, name))
            engine.run("rmi", name)

    def name(self, engine: Engine, archive: str) -> str:
        """What an image is called on the engine's registry."""
        return f"{self.registries[engine.name].host}/{archive.rpartition('/')[2]}"

    def names(self, engine: Engine) -> tuple[str, str]:
        """Of both."""
        first, second = (self.name(engine, one) for one in ARCHIVES)
        return first, second

    def move(self, engine: Engine, verb: str, name: str) -> float:
        """Milliseconds."""
        insecure = ("--tls-verify=false",) if "podman" in engine.command[-1] else ()
        return engine.run(verb, "-q", *insecure, name).wall_s * 1e3

    def finish(self, engine: Engine) -> None:
        try:
            engine.run("rmi", "-f", *self.names(engine))
        finally:
            self.registries.pop(engine.name).close()


class Pull(Transfer):
    """`pull` of the image, or of the second with the first there."""

    def prepare(self, engine: Engine) -> None:
        super().prepare(engine)
        first, second = self.names(engine)
        for name in (first, second):
            self.move(engine, "push", name)
        # The second has all of the first's layers, so it goes before them.
        engine.run("rmi", *((second,) if self.is_second else (second, first)))

    def measure(self, engine: Engine) -> float:
        return self.move(engine, "pull", self.names(engine)[self.is_second])

    def settle(self, engine: Engine) -> None:
        engine.run("rmi", self.names(engine)[self.is_second])

    def finish(self, engine: Engine) -> None:
        try:
            if self.is_second:
                engine.run("rmi", "-f", self.names(engine)[0])
        finally:
            self.registries.pop(engine.name).close()


class Push(Transfer):
    """`push` of the image to an empty registry, or of the second to one that has the first."""

    def prepare(self, engine: Engine) -> None:
        super().prepare(engine)
        self.settle(engine)

    def measure(self, engine: Engine) -> float:
        return self.move(engine, "push", self.names(engine)[self.is_second])

    def settle(self, engine: Engine) -> None:
        self.registries[engine.name].empty()
        if self.is_second:
            self.move(engine, "push", self.names(engine)[0])


def plan_transfers(archives: tuple[str, str]) -> list[Scenario]:
    """Faster than Docker is the least; the goal is half of the fastest."""
    goal = Goal(1 / 2)
    return [
        Pull("pull", "pull of 250 MB", 3, goal, archives=archives),
        Pull("pull-second", "pull of one layer more", 3, goal, archives=archives, is_second=True),
        Push("push", "push of 250 MB", 3, goal, archives=archives),
        Push("push-second", "push of one layer more", 3, goal, archives=archives, is_second=True),
    ]
