# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry as a peer: started by hand on a port of its own, with or without passwords and TLS."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from integration.engine_process import wait_until

USER, PASSWORD = "ada", "pass:word"


@dataclass(frozen=True)
class RegistryProcess:
    """`host` is 127.0.0.1:PORT; with TLS or `by_name` this machine's name, as 127.0.0.1 need not prove itself."""

    host: str
    log: Path
    authority: Path | None = None


@contextlib.contextmanager
def running_registry(
    base: Path,
    *,
    password: bool = False,
    tls: bool = False,
    by_name: bool = False,
    asks_certificates: bool = False,
) -> Iterator[RegistryProcess]:
    """With `asks_certificates` clients need one, too, of the same authority."""
    base.mkdir(parents=True, exist_ok=True)
    name = socket.gethostname() if tls or by_name else "127.0.0.1"
    address = socket.gethostbyname(name)
    port = _free_port(address)
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(base / "data")}, "delete": {"enabled": True}},
    }
    http: dict[str, object] = {"addr": f"{address}:{port}", "secret": "test"}
    if password:
        (base / "htpasswd").write_text(_htpasswd())
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(base / "htpasswd")}}
    if tls:
        make_authority(base, name)
        certificates = {"certificate": str(base / "server.crt"), "key": str(base / "server.key")}
        http["tls"] = certificates | ({"clientcas": [str(base / "ca.crt")]} if asks_certificates else {})
    config["http"] = http
    (base / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    log = base / "log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(base / "config.yml")],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        wait_until(lambda: _listens(process, (address, port), log), "the registry listens")
        yield RegistryProcess(f"{name}:{port}", log, base / "ca.crt" if tls else None)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(base, ignore_errors=True)


def make_authority(base: Path, name: str) -> None:
    """A CA, and a certificate of it for this name."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    _openssl(
        "req", "-x509", *key, "-subj", "/CN=test CA", "-keyout", f"{base}/ca.key", "-out", f"{base}/ca.crt"
    )
    _openssl("req", *key, "-subj", "/CN=test", "-keyout", f"{base}/server.key", "-out", f"{base}/server.csr")
    (base / "names").write_text(f"subjectAltName=DNS:{name}")
    _openssl(
        *("x509", "-req", "-in", f"{base}/server.csr", "-CA", f"{base}/ca.crt", "-CAkey", f"{base}/ca.key"),
        *("-CAcreateserial", "-days", "2", "-extfile", f"{base}/names", "-out", f"{base}/server.crt"),
    )


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def _htpasswd() -> str:
    argv = ["htpasswd", "-Bbn", USER, PASSWORD]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def _free_port(address: str) -> int:
    with socket.socket() as sock:
        sock.bind((address, 0))
        port: int = sock.getsockname()[1]
        return port


def _listens(process: subprocess.Popen[bytes], place: tuple[str, int], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with socket.socket() as sock:
        return sock.connect_ex(place) == 0
