# SPDX-License-Identifier: Apache-2.0
"""Pull and push against Debian's docker-registry, with sampan, docker and skopeo as clients of it and of us."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, EngineProcess
from integration.registry_process import PASSWORD, USER, RegistryProcess, running_registry
from integration.terminal import terminal

pytestmark = pytest.mark.long

DOCKERFILE = 'FROM {base}\nRUN echo built > /built\nCMD ["cat", "/built"]\n'


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with running_registry(tmp_path_factory.mktemp("guarded"), password=True) as running:
        yield running


def forget(engine: EngineProcess, *names: str) -> None:
    for name in names:
        engine.sampan("rmi", "-f", name)


def skopeo(*words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["skopeo", *words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return done


def digest_at(registry: RegistryProcess, name: str) -> str:
    raw = skopeo("inspect", "--tls-verify=false", f"docker://{registry.host}/{name}").stdout
    return str(json.loads(raw)["Digest"])


def build(engine: EngineProcess, folder: Path, base: str, tag: str) -> None:
    (folder / "Dockerfile").write_text(DOCKERFILE.format(base=base))
    engine.sampan("build", "-q", "-t", tag, str(folder))


def test_an_image_comes_back_as_it_went(cli: CommandLine, registry: RegistryProcess, tmp_path: Path) -> None:
    engine, name = cli.engine, f"{registry.host}/{cli.name}/app:1"
    build(engine, tmp_path, "busybox", name)
    image = engine.out("images", "-q", "--no-trunc", name)
    pushed = cli("push", name).stdout
    digest = digest_at(registry, f"{cli.name}/app:1")
    assert f"1: digest: {digest} size: " in pushed
    forget(engine, name)
    pulled = cli("pull", name).stdout
    assert f"1: Pulling from {cli.name}/app\n" in pulled
    assert f"Digest: {digest}\nStatus: Downloaded newer image for {name}\n{name}\n" in pulled
    assert engine.out("images", "-q", "--no-trunc", name) == image
    again = cli("pull", name).stdout
    assert f"Status: Image is up to date for {name}" in again
    assert digest in cli.out("images", "--digests", registry.host + f"/{cli.name}/app")
    assert cli.out("run", "--rm", f"{registry.host}/{cli.name}/app@{digest}") == "built"
    forget(engine, name)


def test_a_second_push_of_a_built_image_has_the_same_digest(
    engine: EngineProcess, registry: RegistryProcess, tmp_path: Path
) -> None:
    name = f"{registry.host}/twice:1"
    build(engine, tmp_path, "busybox", name)
    engine.sampan("push", name)
    first = digest_at(registry, "twice:1")
    engine.sampan("tag", name, f"{registry.host}/elsewhere/twice:2")
    said = engine.sampan("push", f"{registry.host}/elsewhere/twice:2").stdout
    assert "Mounted from " in said
    assert digest_at(registry, "elsewhere/twice:2") == first
    forget(engine, name, f"{registry.host}/elsewhere/twice:2")


def test_skopeo_copies_what_we_pushed_and_we_pull_what_skopeo_pushed(
    engine: EngineProcess, registry: RegistryProcess, tmp_path: Path
) -> None:
    name, archive = f"{registry.host}/peers:1", f"{tmp_path}/image.tar"
    build(engine, tmp_path, "busybox", name)
    engine.sampan("push", name)
    skopeo("copy", "--src-tls-verify=false", f"docker://{name}", f"oci:{tmp_path}/layout:1")
    engine.sampan("save", "-o", archive, name)
    for kind in ("oci", "v2s2"):
        copy = f"{registry.host}/peers:{kind}"
        options = ["--dest-tls-verify=false", "--format", kind]
        skopeo("copy", *options, f"docker-archive:{archive}", f"docker://{copy}")
        engine.sampan("pull", copy)
        assert engine.out("run", "--rm", copy) == "built"
        again = f"{registry.host}/again:{kind}"
        engine.sampan("tag", copy, again)
        engine.sampan("push", again)
        forget(engine, copy, again)
        engine.sampan("pull", again)
        assert engine.out("run", "--rm", again) == "built"
        forget(engine, again)
    forget(engine, name)


@pytest.mark.parametrize("kind", ["oci", "v2s2"])
def test_digests_stay_from_pull_to_push(
    own_engine: EngineProcess, registry: RegistryProcess, kind: str
) -> None:
    archive, copy = own_engine.data.parent / "image.tar", f"{registry.host}/stays:{kind}"
    own_engine.sampan("save", "-o", str(archive), "busybox")
    options = ["--dest-tls-verify=false", "--format", kind]
    skopeo("copy", *options, f"docker-archive:{archive}", f"docker://{copy}")
    forget(own_engine, "busybox")
    own_engine.sampan("pull", copy)
    own_engine.sampan("tag", copy, f"{registry.host}/stayed:{kind}")
    own_engine.sampan("push", f"{registry.host}/stayed:{kind}")
    assert digest_at(registry, f"stayed:{kind}") == digest_at(registry, f"stays:{kind}")


def test_all_tags_are_pulled_and_pushed(cli: CommandLine, registry: RegistryProcess) -> None:
    repository = f"{registry.host}/many-{cli.name}"
    names = [f"{repository}:{tag}" for tag in ("a", "b", "c")]
    for name in names:
        cli.engine.sampan("tag", "busybox", name)
    cli("push", "-a", repository)
    forget(cli.engine, *names)
    cli("pull", "-a", repository)
    for name in names:
        assert cli.out("image", "inspect", "--format", "{{.Os}}", name) == "linux"
    forget(cli.engine, *names)


def test_a_missing_image_is_pulled_by_run_and_by_build(
    cli: CommandLine, registry: RegistryProcess, tmp_path: Path
) -> None:
    engine, name = cli.engine, f"{registry.host}/base-{cli.name}:1"
    engine.sampan("tag", "busybox", name)
    engine.sampan("push", "-q", name)
    forget(engine, name)
    assert "No such image" in cli.fails(125, "run", "--rm", "--pull", "never", name, "true")
    done = cli("run", "--rm", name, "echo", "here")
    assert done.stdout == "here\n"
    assert f"Unable to find image '{name}' locally\n" in done.stderr
    assert "Status: Downloaded newer image" in done.stderr
    forget(engine, name)
    build(engine, tmp_path, name, f"built-{cli.name}")
    always = cli("run", "--rm", "--pull", "always", name, "true")
    assert f"Status: Image is up to date for {name}" in always.stderr
    forget(engine, f"built-{cli.name}", name)


def test_what_is_not_there_has_dockers_words(cli: CommandLine, registry: RegistryProcess) -> None:
    missing = f"{registry.host}/no/such"
    assert f"manifest for {missing}:latest not found: manifest unknown: manifest unknown" in cli.fails(
        1, "pull", missing
    )
    assert f"An image does not exist locally with the tag: {missing}" in cli.fails(1, "push", missing)
    assert "manifest unknown" in cli.fails(125, "run", "--rm", missing)


def test_a_password_is_asked_for_kept_and_forgotten(
    cli: CommandLine, guarded: RegistryProcess, tmp_path: Path
) -> None:
    engine, name = cli.engine, f"{guarded.host}/private-{cli.name}:1"
    engine.sampan("tag", "busybox", name)
    assert "no basic auth credentials" in cli.fails(1, "push", name)
    bad = cli.fails(1, "login", "-u", USER, "--password-stdin", guarded.host, input="wrong")
    assert "unauthorized: incorrect username or password" in bad
    good = cli("login", "-u", USER, "--password-stdin", guarded.host, input=PASSWORD)
    assert "Login Succeeded" in good.stdout
    cli("push", name)
    forget(engine, name)
    cli("pull", name)
    forget(engine, name)
    build(engine, tmp_path, name, "built-private")
    forget(engine, "built-private", name)
    config = Path(engine.environment["DOCKER_CONFIG"], "config.json")
    assert guarded.host in json.loads(config.read_text())["auths"]
    cli("logout", guarded.host)
    assert guarded.host not in json.loads(config.read_text())["auths"]
    assert "no basic auth credentials" in cli.fails(1, "pull", name)


def test_a_registry_without_a_search_is_searched_by_its_catalogue(
    cli: CommandLine, guarded: RegistryProcess
) -> None:
    names = [f"{guarded.host}/found-{cli.name}/{name}" for name in ("one", "two", "other")]
    cli("login", "-u", USER, "--password-stdin", guarded.host, input=PASSWORD)
    for name in names:
        cli.engine.sampan("tag", "busybox", name)
        cli.engine.sampan("push", "-q", name)
    forget(cli.engine, *names)
    words = ("search", "--format", "{{.Name}} {{.StarCount}}")
    assert cli.out(*words, f"{guarded.host}/found-{cli.name}/o").splitlines() == [
        f"{names[0]} 0",
        f"{names[2]} 0",
    ]
    assert cli.out(*words, "--limit", "1", f"{guarded.host}/found-{cli.name}") == f"{names[0]} 0"
    assert cli.out(*words, "--filter", "stars=1", f"{guarded.host}/found-{cli.name}") == ""
    cli("logout", guarded.host)
    refused = cli.engine.sampan(
        "search", f"{guarded.host}/found", check=False
    )  # docker would ask for a log-in
    assert "no basic auth credentials" in refused.stderr


@contextlib.contextmanager
def configured(engine: EngineProcess, text: str) -> Iterator[None]:
    """The engine, started again with this configuration for the block."""
    path = engine.data.parent / "config.toml"
    path.write_text(text)
    engine.environment["SAMPAN_CONFIG"] = str(path)
    engine.stop()
    engine.start()
    try:
        yield
    finally:
        del engine.environment["SAMPAN_CONFIG"]


def test_tls_needs_a_ca_that_is_known_for_the_host(own_engine: EngineProcess, tmp_path: Path) -> None:
    with running_registry(tmp_path / "tls", tls=True) as secure:
        assert secure.authority is not None
        name, place = f"{secure.host}/app:1", tmp_path / "certs.d" / secure.host
        own_engine.sampan("tag", "busybox", name)
        with configured(own_engine, f'certificate-directories = ["{tmp_path}/certs.d"]\n'):
            refused = own_engine.sampan("push", name, check=False)
            assert "x509: certificate signed by unknown authority" in refused.stderr
            place.mkdir(parents=True)
            (place / "ca.crt").write_bytes(secure.authority.read_bytes())
            own_engine.sampan("push", name)
        with configured(own_engine, f'insecure-registries = ["{secure.host}"]\n'):
            own_engine.sampan("pull", name)


def test_tls_and_passwords_together_serve_push_pull_run_and_build(
    own_engine: EngineProcess, tmp_path: Path
) -> None:
    with running_registry(tmp_path / "both", tls=True, password=True) as secure:
        assert secure.authority is not None
        place = tmp_path / "certs.d" / secure.host
        place.mkdir(parents=True)
        (place / "ca.crt").write_bytes(secure.authority.read_bytes())
        name = f"{secure.host}/team/app:1"
        own_engine.sampan("tag", "busybox", name)
        with configured(own_engine, f'certificate-directories = ["{tmp_path}/certs.d"]\n'):
            assert "no basic auth credentials" in own_engine.sampan("push", name, check=False).stderr
            own_engine.sampan("login", "-u", USER, "--password-stdin", secure.host, input=PASSWORD)
            own_engine.docker("push", "-q", name)
            forget(own_engine, name)
            assert own_engine.out("run", "--rm", "-q", name, "echo", "here") == "here"
            forget(own_engine, name)
            build(own_engine, tmp_path, name, f"{secure.host}/team/built:1")
            own_engine.sampan("push", "-q", f"{secure.host}/team/built:1")
            own_engine.sampan("logout", secure.host)
            refused = own_engine.sampan("pull", f"{secure.host}/team/built:1", check=False)
            assert "no basic auth credentials" in refused.stderr


def test_a_host_that_is_not_insecure_is_never_spoken_to_in_plain_http(own_engine: EngineProcess) -> None:
    with running_registry(own_engine.data.parent / "plain", by_name=True) as plain:
        refused = own_engine.sampan("pull", f"{plain.host}/app", check=False)
        assert "http: server gave HTTP response to HTTPS client" in refused.stderr


def test_a_mirror_serves_the_names_of_its_rule(own_engine: EngineProcess, registry: RegistryProcess) -> None:
    own_engine.sampan("tag", "busybox", f"{registry.host}/hub/library/tiny:1")
    own_engine.sampan("push", f"{registry.host}/hub/library/tiny:1")
    forget(own_engine, f"{registry.host}/hub/library/tiny:1")
    rule = f'[[registry]]\nprefix = "docker.io"\n[[registry.mirror]]\nlocation = "{registry.host}/hub"\n'
    with configured(own_engine, rule):
        assert own_engine.out("run", "--rm", "tiny:1", "echo", "mirrored") == "mirrored"
        assert own_engine.out("images", "-q", "tiny:1")


def test_an_unqualified_name_is_looked_for_where_the_list_says(
    own_engine: EngineProcess, registry: RegistryProcess
) -> None:
    own_engine.sampan("tag", "busybox", f"{registry.host}/short:1")
    own_engine.sampan("push", f"{registry.host}/short:1")
    forget(own_engine, f"{registry.host}/short:1")
    with configured(own_engine, f'unqualified-search-registries = ["{registry.host}"]\n'):
        assert own_engine.out("run", "--rm", "short:1", "echo", "found") == "found"
        assert own_engine.out("images", "-q", f"{registry.host}/short:1")


def test_a_mistake_in_the_configuration_is_named_with_its_line(own_engine: EngineProcess) -> None:
    own_engine.stop()
    path = own_engine.data.parent / "config.toml"
    path.write_text('debug = false\n[[registry]]\nprefix = "a.test"\ninsecure = "yes"\n')
    environment = own_engine.environment | {"SAMPAN_CONFIG": str(path)}
    done = own_engine.sampan("engine", "run", check=False, env=environment)
    assert done.returncode != 0
    assert "line 4: registry.insecure: expected `bool`, got `str`" in done.stderr


def test_a_manifest_is_shown_as_it_lies_there(engine: EngineProcess, registry: RegistryProcess) -> None:
    name = f"{registry.host}/shown:1"
    engine.sampan("tag", "busybox", name)
    engine.sampan("push", name)
    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}").stdout
    assert json.loads(engine.out("manifest", "inspect", name)) == json.loads(raw)
    verbose = json.loads(engine.out("manifest", "inspect", "-v", name))
    assert verbose["Descriptor"]["digest"] == digest_at(registry, "shown:1")
    forget(engine, name)


def test_a_credential_helper_is_asked(
    engine: EngineProcess, guarded: RegistryProcess, tmp_path: Path
) -> None:
    helper = tmp_path / "bin" / "docker-credential-test"
    helper.parent.mkdir()
    answer = json.dumps({"ServerURL": guarded.host, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\n[ \"$1\" = get ] && echo '{answer}'\n")
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {guarded.host: "test"}}))
    path = f"{helper.parent}:{os.environ['PATH']}"
    environment = engine.environment | {"DOCKER_CONFIG": str(tmp_path), "PATH": path}
    name = f"{guarded.host}/helped:1"
    engine.sampan("tag", "busybox", name)
    engine.sampan("push", name, env=environment)
    forget(engine, name)


def test_a_terminal_sees_bars_and_a_pipe_sees_lines(engine: EngineProcess, registry: RegistryProcess) -> None:
    name = f"{registry.host}/bars:1"
    engine.sampan("tag", "busybox", name)
    assert "\x1b" not in engine.sampan("push", name).stdout
    with terminal(CommandLine(engine, "sampan"), "pull", name) as screen:
        screen.expect("\x1b[2K")
        screen.expect("Status: ")
    forget(engine, name)


def test_a_base_image_that_cannot_be_had_is_named(
    engine: EngineProcess, guarded: RegistryProcess, registry: RegistryProcess, tmp_path: Path
) -> None:
    for name, words in (
        (f"{registry.host}/none:1", "manifest unknown"),
        (f"{guarded.host}/none:1", "no basic auth credentials"),
    ):
        (tmp_path / "Dockerfile").write_text(f"FROM {name}\n")
        done = engine.sampan("build", str(tmp_path), check=False)
        assert done.returncode == 1
        assert f"failed to resolve source metadata for {name}: " in done.stderr
        assert words in done.stderr
