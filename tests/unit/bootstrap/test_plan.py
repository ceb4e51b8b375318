# SPDX-License-Identifier: Apache-2.0
"""A recipe as one command with its hooks."""

from __future__ import annotations

import subprocess

import pytest

from sampan.bootstrap.catalogue import find_recipe
from sampan.bootstrap.host import HostFacts, find_mirrors
from sampan.bootstrap.plan import BootstrapPlan, plan_bootstrap
from sampan.bootstrap.recipe_file import parse_recipe

ELSEWHERE = HostFacts()


def plan(name: str, host: HostFacts = ELSEWHERE) -> BootstrapPlan:
    return plan_bootstrap(find_recipe(name), host, work="/work dir", epoch=86400)


def content(plan: BootstrapPlan, name: str) -> str:
    return next(file.content.decode() for file in plan.files if file.path == name)


def test_without_a_debian_host_the_mirror_is_mmdebstraps_choice() -> None:
    assert plan("debian:trixie-slim").argv[-2:] == ("trixie", "-")


def test_a_debian_hosts_mirror_serves_every_suite() -> None:
    host = HostFacts("http://mirror.test/debian", "http://mirror.test/debian-security")
    assert plan("debian:bullseye-slim", host).argv[-4:] == (
        "-",
        "deb http://mirror.test/debian bullseye main",
        "deb http://mirror.test/debian bullseye-updates main",
        "deb http://mirror.test/debian-security bullseye-security main",
    )


def test_the_hosts_way_to_a_mirror_is_taken_along() -> None:
    host = HostFacts(apt_options=('Acquire::http::Proxy "http://proxy.test";',), keyrings=("/k.gpg",))
    argv = plan("debian:trixie-slim", host).argv
    assert '--aptopt=Acquire::http::Proxy "http://proxy.test";' in argv
    assert "--keyring=/k.gpg" in argv


def test_time_is_the_epochs() -> None:
    assert plan("busybox").environment["SOURCE_DATE_EPOCH"] == "86400"


def test_users_are_made_before_the_packages_that_want_them() -> None:
    made = plan("postgres:15-bookworm")
    assert "--essential-hook=/work dir/essential" in made.argv
    assert "postgres:x:999:999::/var/lib/postgresql:/bin/bash" in content(made, "essential")


def test_a_busybox_is_fetched_and_not_installed() -> None:
    argv = plan("busybox").argv
    assert "--variant=extract" in argv
    assert "--include=busybox-static" in argv
    assert not [word for word in argv if word.startswith("--essential-hook")]


def test_certificates_are_there_while_it_builds_and_gone_after() -> None:
    hook = content(plan("debian:trixie-slim", HostFacts(ca_bundle="/etc/my ca.crt")), "customize")
    put, used, removed = (
        hook.index(text) for text in ("cp '/etc/my ca.crt'", "PIP_CERT=", 'rm -f "$1/.sampan-ca.crt"')
    )
    assert put < used < removed
    assert "sampan-ca" not in content(plan("debian:trixie-slim"), "customize").replace(
        'rm -f "$1/.sampan-ca.crt"', ""
    )


def test_traces_of_the_machine_are_removed_last() -> None:
    lines = content(plan("python:3.9-slim-bullseye"), "customize").splitlines()
    probe = next(number for number, line in enumerate(lines) if "PYTHON_VERSION" in line)
    for path in ("etc/resolv.conf", "etc/hostname", "var/lib/apt/lists/*"):
        assert f'rm -rf "$1"/{path}' in lines[probe:]


@pytest.mark.parametrize("name", ["busybox", "python:3.13-slim-trixie", "postgres:17-trixie", "nginx"])
def test_the_hooks_are_valid_shell(name: str) -> None:
    for file in plan(name).files:
        if file.path in ("extract", "essential", "customize", "script"):
            subprocess.run(["sh", "-n"], input=file.content, check=True)


def test_files_keep_their_modes_and_links() -> None:
    recipe = parse_recipe(
        'name="a"\nsuite="sid"\n[links]\n"/x"="/y"\n[[files]]\npath="/run.sh"\ncontent="hi"\nmode=0o700',
        path="a",
    )
    files = {file.path: file for file in plan_bootstrap(recipe, ELSEWHERE, work="/w", epoch=0).files}
    assert files["stage/x"].link == "/y"
    assert (files["stage/run.sh"].mode, files["stage/run.sh"].content) == (0o700, b"hi")


def test_mirrors_are_found_in_both_forms_of_sources() -> None:
    deb822 = "Types: deb\nURIs: http://a.test/debian/ \nSuites: bookworm\n\nTypes: deb\nURIs: http://a.test/debian-security\n"
    lines = "# deb http://no.test/debian x main\ndeb [signed-by=/k] https://b.test/debian bookworm main\n"
    assert find_mirrors([deb822]) == ("http://a.test/debian", "http://a.test/debian-security")
    assert find_mirrors([lines]) == ("https://b.test/debian", None)
    assert find_mirrors(["deb http://archive.test/ubuntu noble main"]) == (None, None)


def test_a_suite_without_point_releases_has_one_source() -> None:
    assert HostFacts("http://m.test/debian").sources("sid") == ("deb http://m.test/debian sid main",)
