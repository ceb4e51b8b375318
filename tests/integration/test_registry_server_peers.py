# SPDX-License-Identifier: Apache-2.0
"""The clients that people have, against our registry: docker (through our engine), skopeo and podman, without and with
passwords, tokens and TLS. Bytes and digests are the same after a round trip through each."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image_archives import make_docker_archive, make_layout, make_tar, sha256
from integration.engine_process import EngineProcess
from integration.registry_process import PASSWORD, USER, make_authority
from integration.served_registry import ServedRegistry, served_registry

LAYERS = [
    make_tar([("etc/motd", os.urandom(200_000)), ("link", "etc/motd")]),
    make_tar([("big", os.urandom(2 << 20))]),
]
KINDS = ("open", "password", "token", "tls")


@dataclass(frozen=True)
class Served:
    """A registry, and how clients are told to reach it."""

    registry: ServedRegistry
    kind: str
    folder: Path

    @property
    def host(self) -> str:
        """By name where a certificate is for a name: 127.0.0.1 and localhost need not prove themselves."""
        if self.kind != "tls":
            return self.registry.host
        return self.registry.host.replace(self.registry.address, socket.gethostname())

    @property
    def credentials(self) -> list[str]:
        return [] if self.kind == "open" else [f"{USER}:{PASSWORD}"]

    def skopeo(self, end: str) -> list[str]:
        """The flags of one end of a copy."""
        creds = [word for one in self.credentials for word in (f"--{end}creds", one)]
        if self.kind == "tls":
            return [*creds, f"--{end}cert-dir", str(self.folder / "certs")]
        return [*creds, f"--{end}tls-verify=false"]


@pytest.fixture(scope="module", params=KINDS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp(request.param)
    lines = ["access-log = 'none'"]
    if request.param != "open":
        words = ["htpasswd", "-Bbn", USER, PASSWORD]
        (folder / "htpasswd").write_bytes(subprocess.run(words, check=True, capture_output=True).stdout)
        lines += ["[auth]", "htpasswd = 'htpasswd'"]
    if request.param == "token":
        lines += ["[auth.token]"]
    if request.param == "tls":
        make_authority(folder, socket.gethostname())
        (folder / "certs").mkdir()
        shutil.copy(folder / "ca.crt", folder / "certs/ca.crt")
        lines += ["[tls]", "certificate = 'server.crt'", "key = 'server.key'"]
    (folder / "registry.toml").write_text("\n".join(lines))
    address = socket.gethostbyname(socket.gethostname()) if request.param == "tls" else "127.0.0.1"
    options = ("--config", str(folder / "registry.toml"))
    with served_registry(folder / "root", *options, address=address) as registry:
        yield Served(registry, request.param, folder)


def _run(*words: str, **environment: str) -> str:
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=90,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def _require_sound(registry: ServedRegistry) -> None:
    """Every blob below the root has the digest of its name."""
    for path in (registry.root / "blobs/sha256").iterdir():
        assert sha256(path.read_bytes()) == path.name


@pytest.mark.parametrize("layout", ["docker-archive", "oci-archive"])
def test_skopeo_copies_there_and_back(served: Served, tmp_path: Path, layout: str) -> None:
    archive = tmp_path / "in.tar"
    if layout == "docker-archive":
        archive.write_bytes(make_docker_archive(LAYERS, "test:1"))
    else:
        archive.write_bytes(make_layout(LAYERS, {"org.opencontainers.image.ref.name": "1"}))
    name = f"docker://{served.host}/skopeo/{layout}:1"
    _run("skopeo", "copy", "-q", *served.skopeo("dest-"), f"{layout}:{archive}", name)
    _run("skopeo", "copy", "-q", "--preserve-digests", *served.skopeo("src-"), name, f"dir:{tmp_path}/out")
    raw = (tmp_path / "out/manifest.json").read_bytes()
    assert (
        json.loads(_run("skopeo", "inspect", *served.skopeo(""), name))["Digest"] == f"sha256:{sha256(raw)}"
    )
    for item in [json.loads(raw)["config"], *json.loads(raw)["layers"]]:
        digest = item["digest"].partition(":")[2]
        assert sha256((tmp_path / "out" / digest).read_bytes()) == digest
    other = f"docker://{served.host}/elsewhere/{layout}:2"
    both = [*served.skopeo("src-"), *served.skopeo("dest-")]
    _run("skopeo", "copy", "-q", "--preserve-digests", *both, name, other)
    assert json.loads(_run("skopeo", "inspect", "--raw", *served.skopeo(""), other)) == json.loads(raw)
    tags = json.loads(
        _run("skopeo", "list-tags", *served.skopeo(""), f"docker://{served.host}/elsewhere/{layout}")
    )
    assert tags["Tags"] == ["2"]
    _run("skopeo", "delete", *served.skopeo(""), other)
    _require_sound(served.registry)


@pytest.fixture
def podman() -> Iterator[list[str]]:
    """Podman with folders of its own, whose names are as short as it wants them."""
    folder = tempfile.mkdtemp(prefix="pd-")
    places = ["--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
    yield ["podman", *places, "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
    shutil.rmtree(folder)


def test_podman_pushes_and_pulls(served: Served, podman: list[str], tmp_path: Path) -> None:
    (tmp_path / "in.tar").write_bytes(make_docker_archive(LAYERS, "localhost/podman-made:1"))
    flags = ["-q", *(f"--creds={one}" for one in served.credentials)]
    flags += [f"--cert-dir={served.folder}/certs"] if served.kind == "tls" else ["--tls-verify=false"]
    name = f"{served.host}/podman/made:1"
    _run(*podman, "load", "-q", "-i", f"{tmp_path}/in.tar")
    first = _run(*podman, "image", "inspect", "localhost/podman-made:1", "--format", "{{.Id}}")
    _run(*podman, "push", *flags, "localhost/podman-made:1", name)
    _run(*podman, "rmi", "-a", "-f")
    _run(*podman, "pull", *flags, name)
    assert _run(*podman, "image", "inspect", name, "--format", "{{.Id}}") == first
    _require_sound(served.registry)


@pytest.mark.parametrize("served", ["open", "password", "token"], indirect=True)
def test_docker_pushes_and_pulls(engine: EngineProcess, served: Served, tmp_path: Path) -> None:
    _push_and_pull_by_docker(engine, served, tmp_path)


@pytest.mark.parametrize("served", ["tls"], indirect=True)
def test_docker_pushes_and_pulls_by_tls_with_a_password(
    own_engine: EngineProcess, served: Served, tmp_path: Path
) -> None:
    own_engine.environment["SAMPAN_CONFIG"] = str(tmp_path / "config.toml")
    (tmp_path / "config.toml").write_text(f'certificate-directories = ["{tmp_path}/certs.d"]\n')
    own_engine.stop()
    own_engine.start()
    words = ("login", "-u", USER, "--password-stdin", served.host)
    refused = own_engine.docker(*words, input=PASSWORD, check=False)
    assert "x509: certificate signed by unknown authority" in refused.stderr
    shutil.copytree(served.folder / "certs", tmp_path / "certs.d" / served.host)
    _push_and_pull_by_docker(own_engine, served, tmp_path / "docker")


def _push_and_pull_by_docker(engine: EngineProcess, served: Served, config: Path) -> None:
    archive = make_docker_archive(LAYERS, f"{served.host}/docker/app:1", f"{served.host}/docker/second:1")
    engine.docker("load", "-q", input=archive.decode("latin-1"), encoding="latin-1")
    environment = engine.environment | {"DOCKER_CONFIG": str(config)}
    for one in served.credentials:
        user, _, password = one.partition(":")
        engine.docker("login", "-u", user, "--password-stdin", served.host, input=password, env=environment)
    name = f"{served.host}/docker/app:1"
    image = engine.docker("images", "-q", "--no-trunc", name).stdout
    pushed = engine.docker("push", name, env=environment).stdout
    assert "1: digest: sha256:" in pushed
    assert "Mounted from" in engine.docker("push", f"{served.host}/docker/second:1", env=environment).stdout
    engine.docker("rmi", "-f", name, f"{served.host}/docker/second:1")
    engine.docker("pull", "-q", name, env=environment)
    assert engine.docker("images", "-q", "--no-trunc", name).stdout == image
    engine.docker("rmi", "-f", name)
    _require_sound(served.registry)


def test_a_repository_is_read_where_it_lies(served: Served, tmp_path: Path) -> None:
    (tmp_path / "in.tar").write_bytes(make_docker_archive(LAYERS, "test:1"))
    name = f"docker://{served.host}/lies/here:v1"
    source = f"docker-archive:{tmp_path}/in.tar"
    _run("skopeo", "copy", "-q", "--format", "oci", *served.skopeo("dest-"), source, name)
    image = served.registry.root / "repositories/lies/here/_image"
    shown = json.loads(_run("skopeo", "inspect", "--raw", f"oci:{image}:v1"))
    assert shown == json.loads(_run("skopeo", "inspect", "--raw", *served.skopeo(""), name))
