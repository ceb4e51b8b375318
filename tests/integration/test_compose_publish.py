# SPDX-License-Identifier: Apache-2.0
"""`compose publish` and `-f oci://NAME`, against our own registry, and with Docker Compose at either end."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.docker_clients import client_path
from integration.engine_process import SAMPAN
from integration.registry_process import make_authority
from integration.served_registry import MANIFEST, ServedRegistry, served_registry

TEXT = """\
# Comments travel along: ä.
name: shared
services:
  web:
    extends: {file: parts/base.yaml, service: base}
    image: busybox:${TAG:-1}
    env_file: [web.env, {path: none.env, required: false}]
    environment: {LEVEL: "${LEVEL:-info}"}
"""
FILES = {
    "compose.yaml": TEXT,
    "more.yaml": "services: {web: {labels: {more: yes}}}\n",
    "parts/base.yaml": "services: {base: {labels: {from: base}, env_file: base.env}}\n",
    "parts/base.env": "BASE=1\n",
    "second.yaml": "services: {second: {image: busybox}}\n",
    "web.env": "WEB=1\n",
}
PROJECT = "application/vnd.docker.compose.project"


@dataclass
class Place:
    """A project's folder, a registry with TLS, and the clients that trust it; there is no engine."""

    folder: Path
    registry: ServedRegistry
    environment: dict[str, str]

    @property
    def name(self) -> str:
        return f"localhost:{self.registry.host.rpartition(':')[2]}/team/app:1"

    def run(self, argv: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        settings = {"cwd": self.folder, "env": self.environment, "timeout": 60}
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, **settings)  # type: ignore[call-overload]
        assert not check or done.returncode == 0, done
        return done  # type: ignore[no-any-return]

    def ours(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run([*SAMPAN, "compose", *words], check=check)

    def docker(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run([client_path("compose"), *words])

    def publish(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.ours("-f", "compose.yaml", "-f", "more.yaml", "publish", *words, self.name, check=check)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRegistry]:
    base = tmp_path_factory.mktemp("registry")
    make_authority(base, "localhost")
    flags = ("--tls-cert", str(base / "server.crt"), "--tls-key", str(base / "server.key"), "--workers", "1")
    with served_registry(base / "root", *flags) as served:
        yield served


@pytest.fixture
def place(registry: ServedRegistry, tmp_path: Path) -> Place:
    folder = tmp_path / "project"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "SSL_CERT_FILE": str(registry.root.parent / "ca.crt"),
        "SAMPAN_HOST": f"unix://{tmp_path}/none.sock",
    }
    return Place(folder, registry, environment)


def test_a_published_project_is_read_by_either_program(place: Place) -> None:
    said = place.publish("--with-env", "--yes").stdout.strip()
    assert said.startswith("sha256:")
    here = json.loads(
        place.ours("-f", "compose.yaml", "-f", "more.yaml", "config", "--format", "json").stdout
    )
    place.environment["LEVEL"] = "debug"  # variables are the reader's
    for read in (place.ours, place.docker):
        found = json.loads(read("-f", f"oci://{place.name}", "config", "--format", "json").stdout)
        web = found["services"]["web"]
        assert web["environment"] == {"BASE": "1", "LEVEL": "debug", "WEB": "1"}
        assert web["labels"] == here["services"]["web"]["labels"] == {"from": "base", "more": "yes"}
        assert (found["name"], web["image"]) == ("shared", "busybox:1")
    (kept,) = place.folder.parent.rglob("sampan/compose/*/compose.yaml")
    assert "# Comments travel along: ä." in kept.read_text()


def test_what_docker_compose_published_is_read(place: Place) -> None:
    # in its words: it replaces names up to the end of their line
    text = TEXT.replace("[web.env, {path: none.env, required: false}]", "web.env")
    text = text.replace(
        "{file: parts/base.yaml, service: base}", "\n      service: base\n      file: parts/base.yaml"
    )
    (place.folder / "compose.yaml").write_text(text)
    (place.folder / "parts/base.yaml").write_text("services: {base: {labels: {from: base}}}\n")
    place.docker("publish", "--with-env", "--yes", place.name)
    web = json.loads(place.ours("-f", f"oci://{place.name}", "config", "--format", "json").stdout)
    assert web["services"]["web"]["environment"] == {"LEVEL": "info", "WEB": "1"}
    assert web["services"]["web"]["labels"] == {"from": "base"}
    (place.folder / "other.yaml").write_text(f"include: ['oci://{place.name}']\n")
    assert place.ours("-f", "other.yaml", "config", "--services").stdout == "web\n"


def test_a_project_without_a_name_is_named_after_where_it_is_used(place: Place) -> None:
    (place.folder / "compose.yaml").write_text("services: {web: {image: 'busybox:${TAG}'}}\n")
    place.ours("publish", "-y", place.name)
    (place.folder / ".env").write_text("TAG=mine\n")
    for read in (place.ours, place.docker):
        found = json.loads(read("-f", f"oci://{place.name}", "config", "--format", "json").stdout)
        assert (found["name"], found["services"]["web"]["image"]) == ("project", "busybox:mine")


def test_the_manifest_is_that_of_the_version_asked_for(place: Place) -> None:
    for version, kind in (("1.0", None), ("1.1", PROJECT)):
        place.publish("--with-env", "-y", "--oci-version", version)
        manifest = json.loads(place.run(_curl(place)).stdout)
        assert manifest.get("artifactType") == kind
        assert "com.docker.compose.file" in manifest["layers"][0]["annotations"]
    assert "unsupported OCI version: 2" in place.publish("--oci-version", "2", check=False).stderr


def test_what_should_not_be_public_is_asked_for_or_refused(place: Place) -> None:
    refused = place.publish(check=False)
    assert 'service "web" has env_file declared; service "web" has environment variable(s)' in refused.stderr
    asked = place.publish("--with-env")  # nobody answers: that is no
    assert "services.web: variable LEVEL=info" in asked.stdout
    assert f"services.web: the content of {place.folder}/web.env" in asked.stdout
    assert "published" not in asked.stderr
    assert "--app is not supported" in place.publish("--app", check=False).stderr
    assert "DRY-RUN MODE - publish more.yaml" in place.publish("--with-env", "--dry-run").stderr
    for text, words in (
        (
            "include: [second.yaml]\nservices: {web: {image: x}}\n",
            "compose.yaml:1: include[0]: a local file cannot be published",
        ),
        ("services: {web: {build: .}}\n", "services without an image cannot be published: web"),
    ):
        (place.folder / "compose.yaml").write_text(text)
        assert words in place.ours("publish", "--with-env", "-y", place.name, check=False).stderr
    assert "compose bridge is not supported" in place.ours("bridge", "convert", check=False).stderr


def _curl(place: Place) -> list[str]:
    repository, _, tag = place.name.rpartition(":")
    url = f"https://{repository.replace('/', '/v2/', 1)}/manifests/{tag}"
    return ["curl", "-fsS", "--noproxy", "*", "-H", f"Accept: {MANIFEST}", url]
