# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sampan.errors import InvalidArgument
from sampan.registry.server.access.htpasswd import PasswordFile, parse_htpasswd
from sampan.registry.server.access.rules import AccessRule, Rules
from sampan.registry.server.access.tokens import (
    Scope,
    Tokens,
    ensure_private_key,
    load_private_key,
    parse_scopes,
)


def test_without_rules_a_password_opens_everything_and_nothing_else_does() -> None:
    rules = Rules()
    assert rules.may("ada", "delete", "any/thing")
    assert not rules.may("", "pull", "any/thing")


def test_rules_add_up() -> None:
    rules = Rules(
        [
            AccessRule("public/*", anonymous=True),
            AccessRule("public/*", ("push",), users=("ada",)),
            AccessRule("team/*", ("pull", "push"), groups=("dev",)),
        ],
        {"dev": ("ada", "bob")},
    )
    assert rules.may("", "pull", "public/a")
    assert not rules.may("", "push", "public/a")
    assert rules.may("ada", "push", "public/a/b")
    assert not rules.may("bob", "push", "public/a")
    assert rules.may("bob", "push", "team/x")
    assert not rules.may("eve", "pull", "team/x")


def test_a_user_s_name_in_a_pattern_is_that_name_and_no_pattern() -> None:
    rules = Rules([AccessRule("home/${user}/*", authenticated=True)])
    assert rules.may("ada", "pull", "home/ada/x")
    assert not rules.may("ada", "pull", "home/bob/x")
    assert not rules.may("*", "pull", "home/bob/x")
    assert not rules.may("[a-z]ob", "pull", "home/bob/x")


def test_only_bcrypt_is_taken_and_a_mistake_is_named_with_its_line() -> None:
    assert parse_htpasswd("# users\n\nada:$2y$05$abc\n", "f") == {"ada": b"$2y$05$abc"}
    for line in ("ada:{SHA}x", "ada:$apr1$x", "nothing", ":$2y$05$abc"):
        with pytest.raises(InvalidArgument, match="f, line 2"):
            parse_htpasswd(f"\n{line}", "f")


def test_passwords_are_checked_whole(tmp_path: Path) -> None:
    words = ["htpasswd", "-Bbn", "-C", "4", "ada", "x" * 72]
    (tmp_path / "f").write_bytes(subprocess.run(words, check=True, capture_output=True).stdout)
    passwords = PasswordFile(str(tmp_path / "f"))

    async def check(password: str) -> bool:
        return await passwords.check("ada", password)

    assert asyncio.run(check("x" * 72))
    assert asyncio.run(check("x" * 72)), "from memory"
    assert not asyncio.run(check("x" * 73)), "bcrypt itself would look at 72 bytes only"
    assert not asyncio.run(check("x" * 71))


KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", KEYS)
def test_tokens_by_every_kind_of_key(kind: str) -> None:
    tokens = Tokens(KEYS[kind](), issuer="me", service="here", lifetime_s=60)  # type: ignore[no-untyped-call]
    access = [Scope("repository", "a/b", ("pull", "push"))]
    claims = tokens.read(tokens.make("ada", access))
    assert claims is not None
    assert (claims.subject, list(claims.access)) == ("ada", access)
    assert tokens.read(tokens.make_refresh("ada", 60)) is None
    assert tokens.read_refresh(tokens.make_refresh("ada", 60)) == "ada"
    assert tokens.read_refresh(tokens.make("ada", [])) is None
    assert Tokens(KEYS[kind](), issuer="me", service="here", lifetime_s=60).read(tokens.make("a", [])) is None  # type: ignore[no-untyped-call]
    late = Tokens(tokens._key, issuer="me", service="here", lifetime_s=-120)
    assert tokens.read(late.make("ada", [])) is None


def test_a_key_is_made_once(tmp_path: Path) -> None:
    path = str(tmp_path / "key.pem")
    ensure_private_key(path)
    first = Path(path).read_bytes()
    ensure_private_key(path)
    assert Path(path).read_bytes() == first
    assert os.stat(path).st_mode & 0o777 == 0o600
    load_private_key(path)
    assert os.listdir(tmp_path) == ["key.pem"]


def test_scopes_are_read_as_clients_write_them() -> None:
    assert parse_scopes(
        ["repository:a/b:pull,push registry:catalog:*", "repository:host:5000/c:pull", "x", ""]
    ) == [
        Scope("repository", "a/b", ("pull", "push")),
        Scope("registry", "catalog", ("*",)),
        Scope("repository", "host:5000/c", ("pull",)),
    ]
