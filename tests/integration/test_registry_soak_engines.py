# SPDX-License-Identifier: Apache-2.0
"""Two engines and ten clients push and pull the same tags of one registry, which is killed again and again in the end.

Seconds long; REGISTRY_SOAK=SECONDS makes it as long as that.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_archives import make_docker_archive, make_tar, sha256
from integration.engine_process import CommandLine, EngineProcess, running_engine
from integration.served_registry import ServedRegistry, served_registry

SOAK_S = float(os.environ.get("REGISTRY_SOAK", "2"))
CLIENTS_EACH = 5
TAGS = ("1", "2", "latest")
# Images share layers, so that clients meet on the same blobs.
LAYERS = [make_tar([(f"file{number}", os.urandom(size))]) for number, size in enumerate((9, 90_000, 2 << 20))]
IMAGES = [LAYERS[:2], LAYERS[1:], LAYERS, LAYERS[::-1]]
CONFIGURATION = """
access-log = "none"
[garbage]
interval = "1s"
grace = "1m"
"""

pytestmark = pytest.mark.timeout(SOAK_S + 240)


class Scene:
    """Clients that work until they are told to end; what went wrong, and which tags have been acknowledged."""

    def __init__(self, registry: ServedRegistry, engines: list[EngineProcess]) -> None:
        self.registry = registry
        self.engines = engines
        self.may_fail = self.ended = False
        self.wrong: list[str] = []
        self.pushed: set[str] = set()
        self.pulled = 0
        lines = [CommandLine(engine, kind) for engine in engines for kind in ("sampan", "docker")]
        self.clients = [
            threading.Thread(target=self.work, args=(lines[number % len(lines)], number))
            for number in range(CLIENTS_EACH * len(engines))
        ]

    def name(self, tag: str) -> str:
        return f"{self.registry.host}/soak/app:{tag}"

    def work(self, line: CommandLine, seed: int) -> None:
        chance = random.Random(seed)
        while not self.ended and not self.wrong:
            tag = chance.choice(TAGS)
            if chance.random() < 0.5:
                self.succeeds(line, "tag", f"mine:{chance.randrange(len(IMAGES))}", self.name(tag))
                if self.succeeds(line, "push", "-q", self.name(tag)):
                    self.pushed.add(tag)
            elif tag in self.pushed and self.succeeds(line, "pull", "-q", self.name(tag)):
                self.pulled += 1

    def succeeds(self, line: CommandLine, *words: str) -> bool:
        done = line(*words, check=False, timeout=180)
        if done.returncode and not self.may_fail:
            self.wrong.append(f"{line.name} {words}: {done.stderr}")
        if done.returncode and not done.stderr.strip():
            self.wrong.append(f"{line.name} {words} failed without a word")
        return done.returncode == 0

    def run(self) -> None:
        for client in self.clients:
            client.start()
        try:
            self.wait(SOAK_S / 2)
            self.may_fail = True
            end = time.monotonic() + SOAK_S / 2
            while time.monotonic() < end and not self.wrong:
                self.registry.kill()
                self.registry.start()
                self.wait(random.uniform(0.2, 1.0))
        finally:
            self.ended = True
            for client in self.clients:
                client.join()

    def wait(self, limit_s: float) -> None:
        end = time.monotonic() + limit_s
        while not self.wrong and (time.monotonic() < end or not self.pulled or not self.pushed):
            time.sleep(0.05)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "registry.toml").write_text(CONFIGURATION)
    options = ("--config", str(tmp_path / "registry.toml"))
    with (
        served_registry(tmp_path / "root", *options) as registry,
        running_engine(tmp_path / "one") as one,
        running_engine(tmp_path / "two") as two,
    ):
        for engine in (one, two):
            for number, layers in enumerate(IMAGES):
                (tmp_path / "image.tar").write_bytes(make_docker_archive(layers, f"mine:{number}"))
                engine.sampan("load", "-q", "-i", str(tmp_path / "image.tar"))
        yield Scene(registry, [one, two])


def test_two_engines_and_ten_clients_on_the_same_tags(scene: Scene) -> None:
    scene.run()
    assert scene.wrong == []
    known = {
        scene.engines[0].out("images", "-q", "--no-trunc", f"mine:{number}") for number in range(len(IMAGES))
    }
    for tag in scene.pushed:
        found = set()
        for engine in scene.engines:
            engine.sampan("pull", "-q", scene.name(tag))
            found.add(engine.out("images", "-q", "--no-trunc", scene.name(tag)))
        assert len(found) == 1
        assert found <= known
    stores = [scene.registry.root / "blobs", *(engine.data / "content/blobs" for engine in scene.engines)]
    for store in stores:
        blobs = list((store / "sha256").iterdir())
        assert blobs
        assert all(sha256(path.read_bytes()) == path.name for path in blobs), store
    assert scene.registry.stop() == 0
    assert b"ERROR" not in scene.registry.log
