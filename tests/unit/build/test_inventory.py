# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sqlite3
import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sampan.build.attestation.databases import iter_apk, iter_dpkg, read_python
from sampan.build.attestation.inventory import Inventory, take_inventory
from sampan.build.attestation.packages import Distribution, Package, parse_distribution
from sampan.build.attestation.rpm import parse_header
from sampan.build.attestation.spdx import make_document

DPKG = """\
Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <glibc@example.org>
Architecture: amd64
Source: glibc (2.36-9)
Version: 2.36-9+deb12u1
Description: libraries
 Package: not-this

Package: gone
Status: deinstall ok config-files
Version: 1
"""
APK = "C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\no:musl\n\nP:ssl_client\nV:1.36\nA:x86_64\no:busybox\n"
PYTHON = "Metadata-Version: 2.1\nName: Flask_Login\nVersion: 0.6\nLicense: MIT\n\nVersion: 9\n"
DEBIAN = Distribution("debian", "12")


def _header(fields: dict[int, str | int]) -> bytes:
    entries, store = b"", b""
    for tag, value in fields.items():
        entries += struct.pack(">IIiI", tag, 4 if isinstance(value, int) else 6, len(store), 1)
        store += struct.pack(">I", value) if isinstance(value, int) else value.encode() + b"\0"
    return struct.pack(">II", len(fields), len(store)) + entries + store


def _database(path: Path, *blobs: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
        database.executemany("INSERT INTO Packages (blob) VALUES (?)", [(blob,) for blob in blobs])
    database.close()


def test_dpkg_lists_what_is_installed() -> None:
    (package,) = iter_dpkg(DPKG, "/var/lib/dpkg/status")
    assert (
        package.url(DEBIAN)
        == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=glibc"
    )
    assert package.supplier == "GNU Libc Maintainers <glibc@example.org>"


def test_apk_lists_single_letters() -> None:
    musl, client = iter_apk(APK, "/lib/apk/db/installed")
    assert (musl.name, musl.version, musl.license) == ("musl", "1.2.4-r2", "MIT")
    assert client.url(Distribution("alpine", "3.18")).endswith("distro=alpine-3.18&upstream=busybox")


def test_python_has_normal_names() -> None:
    package = read_python(PYTHON, "/x")
    assert package is not None
    assert package.url(DEBIAN) == "pkg:pypi/flask-login@0.6"
    assert read_python("Name: x\n", "/x") is None


@given(st.text(), st.binary())
def test_nothing_that_a_database_says_makes_them_raise(text: str, blob: bytes) -> None:
    list(iter_dpkg(text, "/x"))
    list(iter_apk(text, "/x"))
    read_python(text, "/x")
    parse_distribution(text)
    parse_header(blob)


def test_a_tree_is_searched_and_nothing_outside_of_it(tmp_path: Path) -> None:
    root, secret = tmp_path / "root", tmp_path / "secret"
    secret.write_text("Package: stolen\nVersion: 1\n")
    for name in (
        "etc",
        "usr/lib/python3/a-1.dist-info",
        "var/lib/dpkg/status.d",
        "usr/lib/sysimage/rpm",
        "lib/apk/db",
    ):
        (root / name).mkdir(parents=True)
    (root / "usr/lib/os-release").write_text('NAME="x"\nID=debian\nVERSION_ID="12"\n')
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (root / "var/lib/dpkg/status").write_text(DPKG)
    (root / "var/lib/dpkg/status.d/tzdata").write_text("Package: tzdata\nVersion: 2024a\n")
    (root / "var/lib/dpkg/status.d/stolen").symlink_to(secret)
    os.mkfifo(root / "lib/apk/db/installed")
    (root / "usr/lib/python3/a-1.dist-info/METADATA").write_text(PYTHON)
    fields: dict[int, str | int] = {1000: "bash", 1001: "5.2", 1002: "1.fc40", 1003: 2, 1022: "x86_64"}
    _database(root / "usr/lib/sysimage/rpm/rpmdb.sqlite", _header(fields), b"\0\0\0\x09no header")
    (root / "usr/lib/sysimage/rpm/Packages.db").write_bytes(b"x")
    fd = os.open(root, os.O_RDONLY)
    try:
        inventory = take_inventory(fd, str(tmp_path))
    finally:
        os.close(fd)
    assert inventory.distribution == DEBIAN
    assert [(one.kind, one.name, one.version) for one in inventory.packages] == [
        ("deb", "libc6", "2.36-9+deb12u1"),
        ("deb", "tzdata", "2024a"),
        ("pypi", "Flask_Login", "0.6"),
        ("rpm", "bash", "2:5.2-1.fc40"),
    ]
    assert inventory.unread == ("usr/lib/sysimage/rpm/Packages.db",)
    assert sorted(os.listdir(tmp_path)) == ["root", "secret"]
    document = make_document(
        inventory, name="app", identity="sha256:" + "a" * 64, created="2024-01-01T00:00:00Z", version="1"
    )
    assert document["packages"][1]["supplier"] == "Person: GNU Libc Maintainers (glibc@example.org)"
    identifiers = [package["SPDXID"] for package in document["packages"]]
    assert len(set(identifiers)) == len(identifiers) == 5
    related = {relation["relatedSpdxElement"] for relation in document["relationships"]}
    assert related == set(identifiers)
    assert document["comment"] == "not read: /usr/lib/sysimage/rpm/Packages.db\n"


def test_a_licence_that_is_no_expression_is_only_a_comment() -> None:
    packages = (Package("apk", "a", "1", license="MIT AND ISC"), Package("pypi", "b", "1", license="BSD"))
    document = make_document(
        Inventory(Distribution(), packages), name="x", identity="sha256:00", created="", version="1"
    )
    assert [package["licenseDeclared"] for package in document["packages"]] == [
        "NOASSERTION",
        "MIT AND ISC",
        "NOASSERTION",
    ]
    assert document["packages"][2]["licenseComments"] == "BSD"
