# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from sampan.errors import Conflict, InvalidArgument, Unsupported
from sampan.registry.trust.envelope import WrongPassphrase, seal, unseal
from sampan.registry.trust.keyfiles import read_public_key, write_key_pair
from sampan.registry.trust.keys import decode_public_key, format_pem
from sampan.registry.trust.private_keys import (
    COSIGN_LABEL,
    SIGSTORE_LABEL,
    decode_private_key,
    encode_private_key,
    generate_key,
    import_private_key,
    is_encrypted,
)

# The vectors of secure-systems-lab/go-securesystemslib, encrypted/encrypted_test.go: the three costs that it knows.
_VECTOR = (
    '{"kdf":{"name":"scrypt","params":{"N":%d,"r":8,"p":1},"salt":"%s"},'
    '"cipher":{"name":"nacl/secretbox","nonce":"%s"},"ciphertext":"%s"}'
)
VECTORS = {
    name: (_VECTOR % fields).encode()
    for name, fields in {
        "legacy": (
            32768,
            "WO3mVvyTwJ9vwT5/Tk5OW5WPIBUofMjcpEfrLnfY4uA=",
            "tCy7HcTFr4uxv4Nrg/DWmncuZ148U1MX",
            "08n43p5G5yviPEZpO7tPPF4aZQkWiWjkv4taFdhDBA0tamKH4nw=",
        ),
        "standard": (
            65536,
            "FhzPOt9/bJG4PTq6lQ6ecG6GzaOuOy/ynG5+yRiFlNs=",
            "aw1ng1jHaDz/tQ7V2gR9O2+IGQ8xJEuE",
            "HycvuLZL4sYH0BrYTh4E/H20VtAW6u5zL5Pr+IBjYLYnCPzDkq8=",
        ),
        "owasp": (
            131072,
            "m38E3kouJTtiheLQN22NQ8DTito5hrjpUIskqcd375k=",
            "Y6PM13yA+o44pE/W1ZBwczeGnTV/m9Zc",
            "6H8sqj1K6B6yDjtH5AQ6lbFigg/C2yDDJc4rYJ79w9aVPImFIPI=",
        ),
    }.items()
}


@pytest.mark.parametrize("name", VECTORS)
def test_what_others_have_sealed_opens(name: str) -> None:
    assert unseal(VECTORS[name], b"supersecret") == b'"cmVhbGx5aW1wb3J0YW50"'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"N":32768', b'"N":1073741824'),
        (b'"N":32768', b'"N":16'),
        (b'"N":32768', b'"N":"32768"'),
        (b'"r":8', b'"r":9'),
        (b'"p":1', b'"p":64'),
        (b'"scrypt"', b'"pbkdf2"'),
        (b'"nacl/secretbox"', b'"aes"'),
    ],
)
def test_parameters_that_nobody_uses_are_refused_before_any_work(old: bytes, new: bytes) -> None:
    assert old in VECTORS["legacy"]
    with pytest.raises(Unsupported):
        unseal(VECTORS["legacy"].replace(old, new), b"supersecret")


def test_a_wrong_passphrase_and_a_changed_file_look_the_same() -> None:
    sealed = seal(b"secret", b"right")
    assert unseal(sealed, b"right") == b"secret"
    with pytest.raises(WrongPassphrase):
        unseal(sealed, b"wrong")
    at = sealed.index(b'"ciphertext":"') + len(b'"ciphertext":"')
    other = b"A" if sealed[at : at + 1] != b"A" else b"B"
    with pytest.raises(WrongPassphrase):
        unseal(sealed[:at] + other + sealed[at + 1 :], b"right")


def test_a_key_survives_its_file_and_both_labels_are_read() -> None:
    key = generate_key()
    pem = encode_private_key(key, b"pass")
    assert pem.startswith(f"-----BEGIN {SIGSTORE_LABEL}-----\n".encode())
    assert max(map(len, pem.split(b"\n"))) <= 64
    for text in (
        pem,
        pem.replace(SIGSTORE_LABEL.encode(), COSIGN_LABEL.encode()),
        pem.replace(b"\n", b"\r\n"),
    ):
        assert decode_private_key(text, b"pass").public == key.public
    assert repr(key) == "PrivateKey()", "a key's secret is in no trace"


def test_a_public_key_is_what_openssl_says_it_is(tmp_path: Path) -> None:
    key = generate_key()
    (tmp_path / "key.pub").write_bytes(key.public.pem)
    (tmp_path / "message").write_bytes(b"signed")
    (tmp_path / "signature").write_bytes(key.sign(b"signed"))
    verify = ["openssl", "dgst", "-sha256", "-verify", "key.pub", "-signature", "signature", "message"]
    said = subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said == "Verified OK\n"
    assert read_public_key(str(tmp_path / "key.pub")) == key.public


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("form", ["pkcs8", "ec"])
def test_keys_of_openssl_are_taken_over(tmp_path: Path, form: str, encrypted: bool) -> None:
    path = tmp_path / "openssl.key"
    cipher = ["-aes256", "-passout", "pass:word"] if encrypted else []
    make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"]
    made = subprocess.run(make, capture_output=True, check=True).stdout
    words = (
        ["pkcs8", "-topk8", "-v2", "aes256", "-passout", "pass:word"]
        if encrypted
        else ["pkcs8", "-topk8", "-nocrypt"]
    )
    convert = ["openssl", *words] if form == "pkcs8" else ["openssl", "ec", *cipher]
    pem = subprocess.run(convert, input=made, capture_output=True, check=True).stdout
    path.write_bytes(pem)
    assert is_encrypted(pem) == encrypted
    key = import_private_key(pem, b"word" if encrypted else None)
    public = subprocess.run(["openssl", "ec", "-pubout"], input=made, capture_output=True, check=True).stdout
    assert key.public == decode_public_key(public)
    with pytest.raises(Unsupported, match="unsupported PEM type"):
        decode_private_key(pem, b"word")
    if encrypted:
        with pytest.raises(InvalidArgument):
            import_private_key(pem, b"other")


def test_keys_of_other_kinds_are_refused() -> None:
    for words in (
        ["rsa", "-pkeyopt", "rsa_keygen_bits:1024"],
        ["ed25519"],
        ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ):
        made = subprocess.run(
            ["openssl", "genpkey", "-algorithm", *words], capture_output=True, check=True
        ).stdout
        public = subprocess.run(
            ["openssl", "pkey", "-pubout"], input=made, capture_output=True, check=True
        ).stdout
        with pytest.raises(Unsupported, match="not an ECDSA key on P-256"):
            decode_public_key(public)
        with pytest.raises(Unsupported, match="not an ECDSA key on P-256"):
            import_private_key(made, None)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no key",
        b"-----BEGIN PUBLIC KEY-----",
        b"-----BEGIN PUBLIC KEY-----\n%%%\n-----END PUBLIC KEY-----",
        format_pem("PUBLIC KEY", b"no key"),
        format_pem("CERTIFICATE", b"no key"),
    ],
)
def test_what_is_no_key_is_refused(text: bytes) -> None:
    with pytest.raises((InvalidArgument, Unsupported)):
        decode_public_key(text)


def test_files_are_written_whole_for_their_owner_and_never_over_others(tmp_path: Path) -> None:
    private, public = write_key_pair(b"private", b"public", str(tmp_path), "ada")
    assert (stat.S_IMODE(os.stat(private).st_mode), stat.S_IMODE(os.stat(public).st_mode) & 0o600) == (
        0o600,
        0o600,
    )
    with pytest.raises(Conflict):
        write_key_pair(b"other", b"other", str(tmp_path), "ada")
    assert sorted(os.listdir(tmp_path)) == ["ada.key", "ada.pub"]
    assert Path(private).read_bytes() == b"private"
    for name in ("", "../ada", ".ada"):
        with pytest.raises(InvalidArgument):
            write_key_pair(b"private", b"public", str(tmp_path), name)
