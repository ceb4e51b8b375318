# SPDX-License-Identifier: Apache-2.0
"""cosign itself on both sides, 2 and 3: it verifies what we sign, and we verify what it signs, in each of its ways.

On our own registry, which lists referrers, and on Debian's docker-registry, where such a list is a tag. No engine.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image_archives import make_docker_archive, make_tar
from integration.docker_clients import client_path
from integration.engine_process import SAMPAN
from integration.registry_process import running_registry
from integration.served_registry import MANIFEST, Client, served_registry

PASSPHRASE = "open sesame"
WAYS = {  # the version of cosign, and its words
    "a bundle": (3, ("--signing-config", "unlogged.json", "--trusted-root", "nobody.json")),
    "a tag": (2, ("--tlog-upload=false",)),
    "a referrer": (2, ("--tlog-upload=false", "--registry-referrers-mode=oci-1-1")),
}


@dataclass
class Place:
    """A registry, a folder of keys, and both programs."""

    host: str
    folder: Path

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "COSIGN_PASSWORD": PASSPHRASE,
            "COSIGN_EXPERIMENTAL": "1",
            "SAMPAN_CONFIG": f"{self.folder}/none.toml",
        }
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=self.folder,
        )

    def sampan(self, *words: str) -> str:
        done = self.run(*SAMPAN, *words)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.strip()

    def cosign(self, *words: str, version: int = 3) -> str:
        done = self.run(client_path("cosign" if version == 3 else f"cosign-{version}"), *words)
        assert done.returncode == 0, (version, words, done.stderr)
        return done.stdout.strip()

    def push(self, name: str) -> str:
        """An image of its own under this name; its name with the digest."""
        archive = self.folder / "image.tar"
        archive.write_bytes(make_docker_archive([make_tar([("name", name.encode())])], "x:1"))
        digest = self.sampan("copy", "-q", f"docker-archive:{archive}", f"docker://{self.host}/{name}:1")
        return f"{self.host}/{name}@{digest}"

    def cosign_signs(self, pinned: str, way: str, *words: str, key: str = "ada") -> None:
        version, options = WAYS[way]
        self.cosign("sign", "-y", "--key", f"{key}.key", *options, *words, pinned, version=version)

    def cosign_verifies(
        self, pinned: str, *words: str, key: str = "ada", version: int = 3
    ) -> list[dict[str, object]]:
        options = ("--key", f"{key}.pub", "--insecure-ignore-tlog", *words)  # there is no public log
        found: list[dict[str, object]] = json.loads(self.cosign("verify", *options, pinned, version=version))
        return found


def on(*registries: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", registries, indirect=True, scope="module")


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cosign")
    opened = served_registry if request.param == "ours" else running_registry
    with opened(folder / "registry") as registry:
        found = Place(registry.host, folder)
        found.sampan("trust", "key", "generate", "ada")
        found.cosign("generate-key-pair", "--output-key-prefix", "theirs")
        found.cosign("signing-config", "create", "--out", "unlogged.json")
        found.cosign("trusted-root", "create", "--out", "nobody.json")
        yield found


@on("ours")
def test_cosign_verifies_what_we_sign(place: Place) -> None:
    for key, words in (("ada", ("--new-bundle-format",)), ("theirs", ())):
        pinned = place.push(f"by-us/{key}")
        place.sampan("trust", "sign", "--key", f"{key}.key", "-a", "commit=4f2a", *words, pinned)
        (one,) = place.cosign_verifies(pinned, "-a", "commit=4f2a", key=key)
        assert one["optional"] == {"commit": "4f2a"}
        if words:
            place.cosign_signs(pinned, "a bundle", key="theirs")
            place.sampan("trust", "verify", "--key", "theirs.pub", pinned)
    (_,) = place.cosign_verifies(pinned, key="theirs", version=2)
    wrong = ("verify", "--insecure-ignore-tlog", "--key", "ada.pub", pinned)
    assert place.run(client_path("cosign"), *wrong).returncode != 0
    tag = pinned.partition("@")[2].replace(":", "-") + ".sig"
    client = Client(place.host)
    manifests = "/v2/by-us/theirs/manifests"
    found = client.ask("HEAD", f"{manifests}/{tag}", headers={"Accept": MANIFEST})
    assert client.ask("DELETE", f"{manifests}/{found['Docker-Content-Digest']}").status == 202
    client.close()
    (_,) = place.cosign_verifies(
        pinned, "--experimental-oci11", key="theirs", version=2
    )  # the referrer alone


@on("docker-registry")
def test_we_verify_what_cosign_signs_in_each_way_and_revoke_it(place: Place) -> None:
    pinned = place.push("by-cosign")
    for way in WAYS:
        place.cosign_signs(pinned, way, "-a", f"way={way}", key="theirs")
    listed = place.sampan("trust", "verify", "--key", "theirs.pub", "--format", "json", pinned)
    assert {one["annotations"]["way"]: one["reference"] for one in json.loads(listed)} == {
        way: "" if way == "a bundle" else f"{place.host}/by-cosign" for way in WAYS
    }
    place.sampan("trust", "verify", "--key", "theirs.pub", "-a", "way=a bundle", pinned)
    refused = place.run(*SAMPAN, "trust", "verify", "--key", "ada.pub", pinned)
    assert "is not by ada.pub" in refused.stderr
    assert "for any name" in place.sampan("trust", "inspect", pinned)
    place.cosign_signs(pinned, "a bundle")
    for _ in range(2):  # the second time finds the first
        place.sampan("trust", "sign", "--key", "ada.key", pinned)
        place.sampan("trust", "sign", "--key", "ada.key", "--new-bundle-format", "-a", "a=b", pinned)
    assert "Removed 3 signatures" in place.sampan("trust", "revoke", "-y", "--key", "theirs.pub", pinned)
    for version in (2, 3):
        place.cosign_verifies(pinned, version=version)
    assert "Removed 3 signatures" in place.sampan("trust", "revoke", "-y", pinned)
    assert "no signatures" in place.sampan("trust", "inspect", pinned)


@on("ours")
def test_signatures_come_along_with_a_copy(place: Place) -> None:
    pinned = place.push("copied")
    for words in ((), ("--new-bundle-format",)):
        place.sampan("trust", "sign", "--key", "ada.key", *words, pinned)
    layout = f"oci:{place.folder}/layout:1"
    place.sampan("copy", "-q", "--referrers", f"docker://{pinned}", layout)
    place.sampan("copy", "-q", "--referrers", layout, f"docker://{place.host}/else/where:1")
    elsewhere = f"{place.host}/else/where@{pinned.partition('@')[2]}"
    for version in (2, 3):
        place.cosign_verifies(elsewhere, version=version)
