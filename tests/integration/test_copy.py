# SPDX-License-Identifier: Apache-2.0
"""Copies, manifest lists and imagetools without an engine; skopeo and docker read what we wrote, and the reverse."""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_archives import make_config, make_docker_archive, make_tar
from integration.engine_process import SAMPAN, EngineProcess
from integration.registry_process import PASSWORD, USER, RegistryProcess, running_registry
from sampan.transport.bundle import Contents, write_bundle

PLATFORMS = ("amd64", "arm64")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


class User:
    """Somebody's command lines, with a home of their own and no engine."""

    def __init__(self, home: Path) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        self.environment = os.environ | {
            "DOCKER_CONFIG": f"{home}/.docker",
            "SAMPAN_HOST": "tcp://127.0.0.1:1",
            "SAMPAN_CONFIG": f"{home}/config.toml",
        }

    def run(self, *argv: str, code: int = 0) -> str:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, env=self.environment
        )
        assert done.returncode == code, done.stderr
        return done.stdout if not code else done.stderr

    def sampan(self, *words: str, code: int = 0) -> str:
        return self.run(*SAMPAN, *words, code=code).strip()


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "home")


@pytest.fixture(scope="module")
def images(registry: RegistryProcess, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """One image a platform, as names on the registry."""
    folder = tmp_path_factory.mktemp("images")
    user = User(folder / "home")
    for name in PLATFORMS:
        tar = make_tar([("platform", name.encode())])
        config = json.dumps(json.loads(make_config([tar])) | {"architecture": name}).encode()
        (folder / f"{name}.tar").write_bytes(make_docker_archive([tar], "x:1", config=config))
        target = f"docker://{registry.host}/{name}:1"
        user.sampan("copy", "-q", f"docker-archive:{folder}/{name}.tar", target)
    return [f"{registry.host}/{name}:1" for name in PLATFORMS]


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def raw_at(user: User, name: str) -> str:
    return user.run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}")


def test_digests_stay_through_skopeo_and_us(user: User, images: list[str], tmp_path: Path) -> None:
    digest = user.sampan("copy", "-q", f"docker://{images[0]}", f"oci:{tmp_path}/ours:v1")
    assert digest == digest_of(raw_at(user, images[0]))
    user.run(
        "skopeo", "copy", "-q", "--preserve-digests", f"oci:{tmp_path}/ours:v1", f"dir:{tmp_path}/theirs"
    )
    user.sampan("copy", "-q", f"oci:{tmp_path}/ours:v1", f"dir:{tmp_path}/folder")
    same = filecmp.dircmp(tmp_path / "theirs", tmp_path / "folder")
    assert not same.left_only + same.right_only + same.diff_files
    assert user.sampan("copy", "-q", f"dir:{tmp_path}/theirs", f"oci-archive:{tmp_path}/a.tar:x") == digest
    user.run("skopeo", "copy", "-q", f"oci-archive:{tmp_path}/a.tar:x", f"oci-archive:{tmp_path}/b.tar:y")
    assert user.sampan("copy", "-q", f"oci-archive:{tmp_path}/b.tar:y", f"dir:{tmp_path}/last") == digest


def test_docker_archives_are_read_by_skopeo_and_skopeos_by_us(
    user: User, images: list[str], tmp_path: Path
) -> None:
    user.sampan("copy", "-q", f"docker://{images[0]}", f"docker-archive:{tmp_path}/a.tar:app:1")
    user.run(
        "skopeo",
        "copy",
        "-q",
        f"docker-archive:{tmp_path}/a.tar:app:1",
        f"docker-archive:{tmp_path}/b.tar:app:2",
    )
    user.sampan("copy", "-q", f"docker-archive:{tmp_path}/b.tar:app:2", f"oci:{tmp_path}/c:1")
    config = json.loads(user.run("skopeo", "inspect", "--config", f"oci:{tmp_path}/c:1"))
    assert config["architecture"] == "amd64"


@pytest.mark.parametrize("word", ["oci", "v2s2"])
def test_formats_are_what_skopeo_says_they_are(
    user: User, images: list[str], tmp_path: Path, word: str
) -> None:
    user.sampan("copy", "-q", "--format", word, f"docker://{images[0]}", f"dir:{tmp_path}/out")
    kind = {"oci": "vnd.oci.image.manifest", "v2s2": "vnd.docker.distribution.manifest"}[word]
    assert kind in json.loads((tmp_path / "out" / "manifest.json").read_text())["mediaType"]
    user.run("skopeo", "copy", "-q", f"dir:{tmp_path}/out", f"oci:{tmp_path}/again:1")


def test_what_cannot_be_is_said(user: User, images: list[str], tmp_path: Path) -> None:
    assert "it names no transport" in user.sampan("copy", "python:3", "dir:/x", code=1)
    assert "digests are to be kept" in user.sampan(
        "copy", "--preserve-digests", "-f", "v2s2", f"docker://{images[0]}", f"dir:{tmp_path}/x", code=1
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    refused = user.sampan("copy", f"docker://{images[0]}", f"oci:{tmp_path}/full", code=1)
    assert "is not empty, and not an OCI image layout" in refused


def test_a_guarded_registry_with_tls_is_copied_to_and_from(
    user: User, images: list[str], tmp_path: Path
) -> None:
    with running_registry(tmp_path / "tls", tls=True, password=True) as secure:
        assert secure.authority is not None
        name = f"docker://{secure.host}/app:1"
        copy = ("copy", "-q", f"docker://{images[0]}", name)
        assert "certificate signed by unknown authority" in user.sampan(*copy, code=1)
        place = tmp_path / "certs.d" / secure.host
        place.mkdir(parents=True)
        (place / "ca.crt").write_bytes(secure.authority.read_bytes())
        Path(user.environment["SAMPAN_CONFIG"]).write_text(
            f'certificate-directories = ["{tmp_path}/certs.d"]\n'
        )
        assert "no basic auth credentials" in user.sampan(*copy, code=1)
        wrong = (*copy[:2], "--dest-creds", f"{USER}:wrong", *copy[2:])
        assert "unauthorized" in user.sampan(*wrong, code=1)
        login = f"{USER}:{PASSWORD}"
        digest = user.sampan(*copy[:2], "--dest-creds", login, *copy[2:])
        insecure = ("--src-tls-verify=false", "--src-creds", login)
        Path(user.environment["SAMPAN_CONFIG"]).unlink()
        assert user.sampan("copy", "-q", *insecure, name, f"oci:{tmp_path}/back:1") == digest


def test_a_registry_that_asks_for_a_certificate_gets_the_one_that_certs_d_has_for_it(
    user: User, images: list[str], tmp_path: Path
) -> None:
    with running_registry(tmp_path / "mutual", tls=True, asks_certificates=True) as mutual:
        assert mutual.authority is not None
        place = tmp_path / "certs.d" / mutual.host
        place.mkdir(parents=True)
        shutil.copy(mutual.authority, place / "ca.crt")
        config = Path(user.environment["SAMPAN_CONFIG"])
        config.write_text(f'certificate-directories = ["{tmp_path}/certs.d"]\n')
        copy = ("copy", "-q", f"docker://{images[0]}", f"docker://{mutual.host}/mutual/app:1")
        refused = user.sampan(*copy, code=1)
        assert "remote error: tls: bad certificate" in refused or "tls: certificate required" in refused
        assert "NAME.cert and NAME.key" in refused
        base = mutual.authority.parent  # the server's own is as good as any of that authority
        shutil.copy(base / "server.crt", place / "client.cert")
        shutil.copy(base / "server.key", place / "client.key")
        digest = user.sampan(*copy)
        back = ("copy", "-q", f"docker://{mutual.host}/mutual/app:1", f"oci:{tmp_path}/back:1")
        assert user.sampan(*back) == digest


def test_lists_are_docker_s_on_disk_and_on_the_registry(
    user: User, images: list[str], registry: RegistryProcess
) -> None:
    target = f"{registry.host}/list:1"
    user.sampan("manifest", "create", target, *images)
    again = user.sampan("manifest", "create", target, images[0], code=1)
    assert "refusing to amend an existing manifest list with no --amend flag" in again
    user.sampan("manifest", "annotate", "--variant", "v8", target, images[1])
    theirs = json.loads(user.run("docker", "manifest", "inspect", target))
    assert theirs == json.loads(user.sampan("manifest", "inspect", target))
    digest = user.sampan("manifest", "push", "--purge", target).splitlines()[-1]
    assert digest == digest_of(raw_at(user, target))
    assert "No such manifest" in user.sampan("manifest", "rm", target, code=1)
    platforms = [
        one["platform"] for one in json.loads(user.sampan("manifest", "inspect", target))["manifests"]
    ]
    assert platforms[1] == {"architecture": "arm64", "os": "linux", "variant": "v8"}

    other = f"{registry.host}/theirs:1"
    user.run("docker", "manifest", "create", "--insecure", other, *images)
    shown = json.loads(user.sampan("manifest", "inspect", "-v", other, images[0]))
    assert (shown["Ref"], shown["Descriptor"]["platform"]["architecture"]) == (images[0], "amd64")
    user.sampan("manifest", "push", other)
    assert json.loads(user.run("docker", "manifest", "inspect", "--insecure", other)) == json.loads(
        raw_at(user, other)
    )


def test_indexes_are_composed_on_the_registry(
    user: User, images: list[str], registry: RegistryProcess
) -> None:
    tools, target = ("builder", "imagetools"), f"{registry.host}/composed"
    user.sampan(*tools, "create", "-t", f"{target}:1", images[0])
    user.sampan(*tools, "create", "--append", "-t", f"{target}:1", images[1])
    children = json.loads(raw_at(user, f"{target}:1"))["manifests"]
    assert [one["platform"]["architecture"] for one in children] == ["amd64", "arm64"]
    shown = user.sampan(*tools, "inspect", f"{target}:1")
    assert f"  Name:      {target}@{children[1]['digest']}" in shown
    assert "  Platform:  linux/arm64" in shown
    form = "{{range .Manifest.Manifests}}{{.Platform.Architecture}} {{end}}{{json .Name}}"
    assert user.sampan(*tools, "inspect", "--format", form, f"{target}:1") == f'amd64 arm64 "{target}:1"'
    assert user.run(*SAMPAN, *tools, "inspect", "--raw", f"{target}:1") == raw_at(user, f"{target}:1")
    dry = json.loads(
        user.sampan(
            *tools, "create", "--dry-run", "-p", "linux/arm64", "--annotation", "index:a=b", f"{target}:1"
        )
    )
    assert [one["digest"] for one in dry["manifests"]] == [children[1]["digest"]]
    assert dry["annotations"] == {"a": "b"}
    user.sampan(*tools, "create", "-t", f"{registry.host}/elsewhere:1", f"{target}:1")
    assert raw_at(user, f"{registry.host}/elsewhere:1") == raw_at(user, f"{target}:1")
    one = (*tools, "create", "--prefer-index=false", "-t", f"{target}:copy", images[0])
    user.sampan(*one)
    assert raw_at(user, f"{target}:copy") == raw_at(user, images[0])
    assert "can't push with no tags specified" in user.sampan(*tools, "create", images[0], code=1)


def test_all_platforms_are_copied_with_their_index(
    user: User, images: list[str], registry: RegistryProcess, tmp_path: Path
) -> None:
    name = f"{registry.host}/all:1"
    user.sampan("builder", "imagetools", "create", "-t", name, *images)
    digest = user.sampan("copy", "-q", "--all", f"docker://{name}", f"oci:{tmp_path}/all:v1")
    assert digest == digest_of(raw_at(user, name))
    user.run("skopeo", "copy", "-q", "--all", f"oci:{tmp_path}/all:v1", f"dir:{tmp_path}/dir")
    theirs = user.sampan("copy", "-q", "--all", f"dir:{tmp_path}/dir", f"docker://{registry.host}/back:1")
    assert theirs == digest
    platform = user.sampan(
        "copy", "-q", "--platform", "linux/arm64", f"docker://{name}", f"dir:{tmp_path}/one"
    )
    assert platform == digest_of(raw_at(user, images[1]))


def test_a_mirror_in_a_folder_is_mirrored_to_a_registry_and_its_rules_lead_there(
    user: User, images: list[str], registry: RegistryProcess, tmp_path: Path
) -> None:
    name = f"{registry.host}/mirrored:1"
    user.sampan("builder", "imagetools", "create", "-t", name, *images)
    (tmp_path / "list").write_text(f"{name}  # all of it\n\n")
    user.sampan("image", "mirror", "-q", "--all", "-f", f"{tmp_path}/list", "--to", f"{tmp_path}/folder")
    rules = user.sampan(
        "image", "mirror", "-q", "--from", f"{tmp_path}/folder", "--to", f"{registry.host}/off"
    )
    Path(user.environment["SAMPAN_CONFIG"]).write_text(rules)
    host = registry.host.replace(":", "_")
    assert raw_at(user, f"{registry.host}/off/{host}/mirrored:1") == raw_at(user, name)
    user.run("skopeo", "delete", "--tls-verify=false", f"docker://{name}")
    assert json.loads(user.sampan("manifest", "inspect", name))["manifests"]
    missing = user.sampan(
        "image", "mirror", "-q", "--to", f"{tmp_path}/folder", f"{registry.host}/no:1", code=1
    )
    assert f"{registry.host}/no:1" in missing


def test_a_bundle_carries_images_and_the_packages_of_a_base(
    user: User, images: list[str], registry: RegistryProcess, tmp_path: Path
) -> None:
    bundle = f"{tmp_path}/all.bundle"
    (tmp_path / "advisories/debian").mkdir(parents=True)
    (tmp_path / "advisories/debian/bookworm.json").write_text("{}")
    data = ("--scan-data", f"{tmp_path}/advisories")
    user.sampan("bundle", "create", "-q", "-o", bundle, "--base", "busybox", *data, images[0])
    user.run("skopeo", "copy", "-q", f"oci-archive:{bundle}", f"dir:{tmp_path}/out")
    place = ("--packages", f"{tmp_path}/packages", "--to", f"{registry.host}/unbundled")
    said = user.sampan("bundle", "load", "-q", *place, "--scan-data", f"{tmp_path}/scan", bundle)
    assert f"Data for scans: {tmp_path}/scan" in said
    assert (tmp_path / "scan/debian/bookworm.json").read_text() == "{}"
    host = registry.host.replace(":", "_")
    unbundled = f"{registry.host}/unbundled/{host}/{images[0].partition('/')[2]}"
    assert raw_at(user, unbundled) == raw_at(user, images[0])
    (packages,) = (tmp_path / "packages").glob("*/Packages")
    assert "Package: busybox-static" in packages.read_text()
    user.sampan(
        "bootstrap",
        "-q",
        "--no-cache",
        "--mirror",
        f"{tmp_path}/packages",
        "-o",
        f"{tmp_path}/b.tar",
        "busybox",
    )
    assert "is not a bundle" in user.sampan("bundle", "load", f"{tmp_path}/b.tar", code=1)


def test_of_a_bundle_what_cannot_be_loaded_is_named_and_the_rest_is_there(
    user: User, images: list[str], tmp_path: Path
) -> None:
    user.sampan("image", "mirror", "-q", "--to", f"{tmp_path}/layout", images[0])
    (tmp_path / "extra").mkdir()
    contents = Contents((images[0], "missing.test/app:1"))
    write_bundle(f"{tmp_path}/a.bundle", f"{tmp_path}/layout", f"{tmp_path}/extra", contents)
    load = [*SAMPAN, "bundle", "load", "-q", "--to", f"{tmp_path}/out", f"{tmp_path}/a.bundle"]
    done = subprocess.run(load, capture_output=True, text=True, timeout=60, env=user.environment)
    assert done.returncode == 1
    assert done.stdout == f"Loaded image: {images[0]}\n"
    assert "missing.test/app:1: " in done.stderr
    assert user.sampan("copy", "-q", f"oci:{tmp_path}/out:{images[0]}", f"dir:{tmp_path}/dir") == digest_of(
        raw_at(user, images[0])
    )


def test_the_engine_s_store_gives_and_takes_images_with_their_digests(
    engine: EngineProcess, images: list[str], registry: RegistryProcess, tmp_path: Path
) -> None:
    name = f"{registry.host}/stored:1"
    engine.sampan("builder", "imagetools", "create", "-t", name, *images)
    engine.sampan("copy", "-q", "--all", f"docker://{name}", f"sampan:{name}")
    tree = engine.out("images", "--tree", name)
    assert "├─ linux/amd64" in tree
    assert "└─ linux/arm64" in tree
    one = json.loads(engine.out("image", "inspect", "--platform", "linux/arm64", name))[0]
    assert one["Architecture"] == "arm64"
    missing = engine.sampan(
        "run", "--rm", "--pull", "never", "--platform", "linux/s390x", name, "x", check=False
    )
    assert "does not provide the specified platform" in missing.stderr
    engine.sampan("tag", name, f"{registry.host}/pushed:1")
    engine.sampan("push", "-q", f"{registry.host}/pushed:1")
    digests = [engine.out("copy", "-q", "--all", f"sampan:{name}", f"oci:{tmp_path}/out:1")]
    digests.append(
        engine.out("copy", "-q", "--all", f"docker://{registry.host}/pushed:1", f"dir:{tmp_path}/dir")
    )
    assert (
        digests
        == [digest_of(json.dumps(json.loads(engine.out("manifest", "inspect", name)), separators=(",", ":")))]
        * 2
    )
    engine.sampan("copy", "-q", f"docker-daemon:{name}", f"docker-archive:{tmp_path}/a.tar:through:1")
    engine.sampan("copy", "-q", f"docker-archive:{tmp_path}/a.tar:through:1", "docker-daemon:through:1")
    assert engine.out("images", "-q", "through:1") == engine.out("images", "-q", name)
    engine.sampan("rmi", "-f", name, f"{registry.host}/pushed:1", "through:1")
