# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from sampan.client.credentials import HUB_SERVER, CredentialStore, encode_header, server_of
from sampan.errors import InvalidArgument

HELPER = """#!/bin/sh
read server
case "$1:$server" in
get:r.test) echo '{"ServerURL": "r.test", "Username": "ada", "Secret": "hush"}' ;;
get:t.test) echo '{"ServerURL": "t.test", "Username": "<token>", "Secret": "refresh"}' ;;
get:*) echo "credentials not found in native keychain"; exit 1 ;;
store:*) echo "$server" > "$STORED" ;;
esac
"""


@pytest.fixture
def store(tmp_path: Path) -> CredentialStore:
    (tmp_path / "docker-credential-test").write_text(HELPER)
    (tmp_path / "docker-credential-test").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    # posix: the helper is found by the search path of who runs us
    return CredentialStore({"HOME": str(tmp_path), "PATH": path, "STORED": str(tmp_path / "stored")})


def write(store: CredentialStore, config: object) -> None:
    Path(store.path).parent.mkdir(exist_ok=True)
    Path(store.path).write_text(config if isinstance(config, str) else json.dumps(config))


def test_what_is_saved_is_found_and_erased(store: CredentialStore) -> None:
    assert store.save("r.test:5000", "ada", "pass:word")
    assert stat.S_IMODE(os.stat(store.path).st_mode) == 0o600
    found = {"serveraddress": "r.test:5000", "username": "ada", "password": "pass:word"}
    assert store.find("r.test:5000") == found
    assert store.find("https://r.test:5000/v2/")["password"] == "pass:word"
    assert store.find("r.test") == {}
    assert store.erase("r.test:5000")
    assert not store.erase("r.test:5000")
    assert store.find("r.test:5000") == {}


def test_what_is_not_ours_stays(store: CredentialStore) -> None:
    write(store, {"detachKeys": "ctrl-e", "auths": {"other.test": {"auth": "YTpi"}}})
    store.save("r.test", "ada", "x")
    config = json.loads(Path(store.path).read_text())
    assert config["detachKeys"] == "ctrl-e"
    assert config["auths"]["other.test"] == {"auth": "YTpi"}


def test_a_refresh_token_takes_the_passwords_place(store: CredentialStore) -> None:
    store.save(HUB_SERVER, "ada", "hush", "refresh")
    assert "hush" not in Path(store.path).read_text()
    assert base64.b64encode(b"ada:hush").decode() not in Path(store.path).read_text()
    assert store.find("docker.io")["identitytoken"] == "refresh"


def test_a_helper_is_asked_for_its_server(store: CredentialStore) -> None:
    write(store, {"credHelpers": {"r.test": "test", "t.test": "test", "none.test": "test"}})
    assert store.find("r.test") == {"username": "ada", "password": "hush", "serveraddress": "r.test"}
    assert store.find("t.test") == {"identitytoken": "refresh", "serveraddress": "t.test"}
    assert store.find("none.test") == {}
    header = json.loads(base64.urlsafe_b64decode(store.header_for_all()))
    assert sorted(header) == ["r.test", "t.test"]


def test_a_helper_keeps_what_is_saved(store: CredentialStore, tmp_path: Path) -> None:
    write(store, {"credsStore": "test"})
    assert not store.save("r.test", "ada", "hush")
    assert json.loads((tmp_path / "stored").read_text())["Secret"] == "hush"
    assert "hush" not in Path(store.path).read_text()


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_file_is_named(store: CredentialStore, text: str) -> None:
    write(store, text)
    with pytest.raises(InvalidArgument, match=r"config\.json: not"):
        store.find("r.test")


@pytest.mark.parametrize(
    ("name", "server"),
    [("python:3", HUB_SERVER), ("a/b", HUB_SERVER), ("docker.io/a", HUB_SERVER), ("r.test/a", "r.test"),
     ("localhost/a", "localhost"), ("r:5000/a:1", "r:5000")],
)  # fmt: skip
def test_the_server_of_an_image(name: str, server: str) -> None:
    assert server_of(name) == server


def test_a_header_is_safe_in_urls() -> None:
    assert encode_header({"a": "?>~~"}) == base64.urlsafe_b64encode(b'{"a":"?>~~"}').decode()
