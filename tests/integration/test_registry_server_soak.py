# SPDX-License-Identifier: Apache-2.0
"""Ten clients on the same tags, while garbage is collected and the registry is killed: nothing acknowledged is lost.

Seconds long; REGISTRY_SOAK=SECONDS makes each test as long as that.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest

from integration.served_registry import (
    MANIFEST,
    Client,
    ServedRegistry,
    digest_of,
    manifest_of,
    served_registry,
)

SOAK_S = float(os.environ.get("REGISTRY_SOAK", "5"))
CLIENTS = 10
REPOSITORIES = ("soak/a", "soak/b", "soak/c/deep")
TAGS = ("1", "2", "latest")
# Few contents, so that clients meet on the same blobs; large enough for a kill to hit the middle of one.
CONTENTS = [os.urandom(size) for size in (10, 5_000, 200_000, 1_500_000, 3_000_000)]
BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError)
CONFIGURATION = """
access-log = "none"
[garbage]
interval = "1s"
grace = "1s"
uploads = "3s"
"""

pytestmark = pytest.mark.timeout(SOAK_S + 240)


class Soak:
    """What clients have been told, and what they have found wrong."""

    def __init__(self, registry: ServedRegistry) -> None:
        self.registry = registry
        self.sent: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.acknowledged: set[tuple[str, str]] = set()
        self.wrong: list[str] = []
        self.pushes = self.pulls = 0
        self.ended = threading.Event()
        self.lock = threading.Lock()

    def run(self, seed: int) -> None:
        chance = random.Random(seed)
        client = Client(self.registry.host)
        while not self.ended.is_set():
            try:
                if chance.random() < 0.5:
                    self.push(client, chance)
                else:
                    self.pull(client, chance.choice(REPOSITORIES), chance.choice(TAGS))
            except BROKEN:
                client.close()
                client = Client(self.registry.host)
                time.sleep(0.05)  # nothing to wait for: the registry is being started again
            except AssertionError as error:
                self.wrong.append(str(error))
        client.close()

    def push(self, client: Client, chance: random.Random) -> None:
        name, tag = chance.choice(REPOSITORIES), chance.choice(TAGS)
        layers = chance.sample(CONTENTS, 3)
        config = json.dumps({"unique": chance.random()}).encode()
        for data in (config, *layers):
            self.push_blob(client, name, data, chance)
        raw = manifest_of(config, layers)
        with self.lock:
            self.sent[name, tag].add(digest_of(raw))
        done = client.ask("PUT", f"/v2/{name}/manifests/{tag}", raw, {"Content-Type": MANIFEST})
        if done.status == 400 and done.code == "MANIFEST_BLOB_UNKNOWN":
            return  # the push took longer than the time of grace
        assert done.status == 201, f"push of {name}:{tag}: {done.status} {done.body!r}"
        with self.lock:
            self.acknowledged.add((name, tag))
            self.pushes += 1

    def push_blob(self, client: Client, name: str, data: bytes, chance: random.Random) -> None:
        digest = digest_of(data)
        if client.ask("HEAD", f"/v2/{name}/blobs/{digest}").status == 200:
            return
        way = chance.randrange(4)
        if way == 0:
            done = client.ask("POST", f"/v2/{name}/blobs/uploads/", mount=digest)
            if done.status == 201:
                return
        elif way == 1:
            done = client.ask("POST", f"/v2/{name}/blobs/uploads/", data, digest=digest)
            assert done.status == 201, f"post: {done.status} {done.body!r}"
            return
        else:
            done = client.ask("POST", f"/v2/{name}/blobs/uploads/")
        half = len(data) // 2 if way == 3 else 0
        if half:
            done = client.ask("PATCH", done["Location"], data[:half])
            assert done.status == 202, f"patch: {done.status} {done.body!r}"
        done = client.ask("PUT", done["Location"], data[half:], digest=digest)
        assert done.status == 201, f"put: {done.status} {done.body!r}"

    def pull(self, client: Client, name: str, tag: str) -> None:
        known = (name, tag) in self.acknowledged
        found = client.ask("GET", f"/v2/{name}/manifests/{tag}")
        if found.status == 404 and not known:
            return
        assert found.status == 200, f"{name}:{tag} was lost: {found.status}"
        assert digest_of(found.body) in self.sent[name, tag], f"{name}:{tag} is what nobody pushed"
        manifest = json.loads(found.body)
        for item in [manifest["config"], *manifest["layers"]]:
            blob = client.ask("GET", f"/v2/{name}/blobs/{item['digest']}")
            assert blob.status == 200, f"blob {item['digest']} of {name}:{tag}: {blob.status}"
            assert digest_of(blob.body) == item["digest"], f"blob {item['digest']} of {name}:{tag} is corrupt"
        self.pulls += 1

    def require_everything(self) -> None:
        """All tags that were acknowledged are there, whole, and so is every blob."""
        client = Client(self.registry.host)
        for name, tag in self.acknowledged:
            self.pull(client, name, tag)
        client.close()
        for path in (self.registry.root / "blobs/sha256").iterdir():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def _soak(registry: ServedRegistry, disturb: object) -> Soak:
    soak = Soak(registry)
    threads = [threading.Thread(target=soak.run, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        end = time.monotonic() + SOAK_S
        disturbances = 0
        # As long as was asked for, and on a busy machine until enough has come about.
        while not soak.wrong and (
            time.monotonic() < end or min(soak.pushes, soak.pulls) <= CLIENTS or disturbances < 2
        ):
            disturb()  # type: ignore[operator]
            disturbances += 1
    finally:
        soak.ended.set()
        for thread in threads:
            thread.join(60)
    assert soak.wrong == []
    soak.require_everything()
    return soak


@pytest.fixture
def configured(tmp_path: Path) -> list[str]:
    (tmp_path / "registry.toml").write_text(CONFIGURATION)
    return ["--config", str(tmp_path / "registry.toml"), "--workers", "3"]


def test_ten_clients_on_the_same_tags(tmp_path: Path, configured: list[str]) -> None:
    with served_registry(tmp_path / "root", *configured) as registry:
        _soak(registry, lambda: time.sleep(0.2))
        assert registry.stop() == 0
        assert b"ERROR" not in registry.log
        assert b"upkeep removed" in registry.log


def test_kill_in_the_middle_of_pushes_and_of_collecting_garbage(
    tmp_path: Path, configured: list[str]
) -> None:
    kills = 0
    with served_registry(tmp_path / "root", *configured) as registry:

        def disturb() -> None:
            nonlocal kills
            # Less often in time, so that something is done between two kills on the busiest machine.
            time.sleep(random.uniform(0.3, 1.5) * (1 + min(kills / 10, 4)))
            registry.kill()
            registry.start()
            kills += 1

        _soak(registry, disturb)
        assert registry.stop() == 0
    assert kills >= 2
