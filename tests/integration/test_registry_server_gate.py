# SPDX-License-Identifier: Apache-2.0
"""Who may do what with a registry: passwords, tokens, rules, TLS; and its cache, pages, figures and log."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from integration.engine_process import wait_until
from integration.registry_process import make_authority
from integration.served_registry import (
    MANIFEST,
    Answer,
    Client,
    ServedRegistry,
    describe,
    digest_of,
    manifest_of,
    served_registry,
)

RULES = """
access-log = "access.log"
[auth]
htpasswd = "htpasswd"
{token}
[groups]
developers = ["ada"]
[[access]]
repository = "team/*"
groups = ["developers"]
allow = ["pull", "push", "delete"]
[[access]]
repository = "public/*"
anonymous = true
[[access]]
repository = "public/*"
users = ["ada"]
allow = ["push"]
[[access]]
repository = "home/${{user}}/*"
authenticated = true
allow = ["pull", "push"]
"""
TOKEN = """
[auth.token]
service = "test"
[[auth.token.accept]]
issuer = "elsewhere"
key = "elsewhere.pem"
"""
ADA, BOB = ("ada", "pass:word"), ("bob", "secret")


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _configure(folder: Path, text: str) -> Path:
    lines = [
        subprocess.run(
            ["htpasswd", "-Bbn", "-C", "5", *who], check=True, capture_output=True, text=True
        ).stdout
        for who in (ADA, BOB)
    ]
    (folder / "htpasswd").write_text("".join(lines))
    (folder / "registry.toml").write_text(text)
    return folder / "registry.toml"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRegistry]:
    folder = tmp_path_factory.mktemp("guarded")
    path = _configure(folder, RULES.format(token=""))
    with served_registry(folder / "root", "--config", str(path)) as served:
        _fill(served.client(**_basic(*ADA)))
        yield served


@pytest.fixture(scope="module")
def elsewhere() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def tokened(
    tmp_path_factory: pytest.TempPathFactory, elsewhere: ec.EllipticCurvePrivateKey
) -> Iterator[ServedRegistry]:
    folder = tmp_path_factory.mktemp("tokened")
    path = _configure(folder, RULES.format(token=TOKEN))
    (folder / "elsewhere.pem").write_bytes(
        elsewhere.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    with served_registry(folder / "root", "--config", str(path)) as served:
        _fill(served.client(**_basic(*ADA)))
        yield served


def _fill(ada: Client) -> None:
    for name in ("team/app", "public/app", "home/ada/app"):
        ada.push_image(name, "latest", [name.encode()])


# Passwords and rules


def test_who_says_nothing_is_asked_who_they_are(guarded: ServedRegistry) -> None:
    answer = guarded.client().ask("GET", "/v2/")
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    assert answer["WWW-Authenticate"].startswith("Basic realm=")
    assert guarded.client(**_basic(*ADA)).ask("GET", "/v2/").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        _basic("ada", "wrong"),
        _basic("nobody", "pass:word"),
        _basic("ada", ""),
        _basic("ada", "x" * 100),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"ada").decode()},
    ],
)
def test_a_wrong_password_is_401_even_for_what_everyone_may_pull(
    guarded: ServedRegistry, headers: dict[str, str]
) -> None:
    assert guarded.client(**headers).ask("GET", "/v2/public/app/manifests/latest").status == 401


def test_empty_credentials_are_nobody_s(guarded: ServedRegistry) -> None:
    answer = guarded.client(**_basic("", "")).ask("GET", "/v2/public/app/manifests/latest")
    assert answer.status == 200, "containers/image sends these when it has none"


MAY = [
    # who, repository, pull, push, delete
    (None, "public/app", 200, 401, 401),
    (None, "team/app", 401, 401, 401),
    (BOB, "public/app", 200, 403, 403),
    (BOB, "team/app", 403, 403, 403),
    (BOB, "home/ada/app", 403, 403, 403),
    (BOB, "home/bob/app", 404, 202, 403),
    (ADA, "public/app", 200, 202, 403),
    (ADA, "team/app", 200, 202, 404),
    (ADA, "home/ada/app", 200, 202, 403),
    (ADA, "nowhere", 403, 403, 403),
]


@pytest.mark.parametrize(("who", "name", "pull", "push", "delete"), MAY)
def test_the_rules_hold(
    guarded: ServedRegistry, who: tuple[str, str] | None, name: str, pull: int, push: int, delete: int
) -> None:
    client = guarded.client(**(_basic(*who) if who else {}))
    assert client.ask("GET", f"/v2/{name}/manifests/latest").status == pull
    assert client.ask("POST", f"/v2/{name}/blobs/uploads/").status == push
    assert client.ask("DELETE", f"/v2/{name}/manifests/absent").status == delete
    denied = client.ask("GET", f"/v2/{name}/tags/list")
    if pull == 403:
        assert denied.code == "DENIED"


def test_a_mount_needs_the_right_to_pull_from_its_source(guarded: ServedRegistry) -> None:
    bob = guarded.client(**_basic(*BOB))
    secret, public = digest_of(b"team/app"), digest_of(b"public/app")
    named = bob.ask("POST", "/v2/home/bob/x/blobs/uploads/", mount=secret, **{"from": "team/app"})
    found = bob.ask("POST", "/v2/home/bob/x/blobs/uploads/", mount=secret)
    assert (named.status, found.status) == (202, 202), "that the blob exists is not told either"
    assert bob.ask("POST", "/v2/home/bob/x/blobs/uploads/", mount=public).status == 201


def test_the_catalogue_shows_what_one_may_pull(guarded: ServedRegistry) -> None:
    def seen(who: tuple[str, str]) -> list[str]:
        names = guarded.client(**_basic(*who)).ask("GET", "/v2/_catalog").json()["repositories"]
        return [name for name in names if name.endswith("/app")]

    assert seen(ADA) == ["home/ada/app", "public/app", "team/app"]
    assert seen(BOB) == ["public/app"]
    assert guarded.client().ask("GET", "/v2/_catalog").status == 401


def test_a_password_counts_as_soon_as_the_file_has_it(tmp_path: Path) -> None:
    path = _configure(tmp_path, '[auth]\nhtpasswd = "htpasswd"\n')
    with served_registry(tmp_path / "root", "--config", str(path)) as served:
        client = served.client(**_basic("eve", "new"))
        assert client.ask("GET", "/v2/").status == 401
        line = subprocess.run(["htpasswd", "-Bbn", "eve", "new"], check=True, capture_output=True, text=True)
        with open(tmp_path / "htpasswd", "a") as file:
            file.write(line.stdout)
        assert client.ask("GET", "/v2/").status == 200
        (tmp_path / "htpasswd").write_text("")
        assert client.ask("GET", "/v2/").status == 401


# Tokens


def _token(registry: ServedRegistry, who: tuple[str, str] | None, *scopes: str, **query: str) -> Answer:
    client = registry.client(**(_basic(*who) if who else {}))
    return client.ask("GET", "/token?service=test&" + "&".join(f"scope={scope}" for scope in scopes), **query)


def _bearer(registry: ServedRegistry, token: str) -> Client:
    return registry.client(Authorization=f"Bearer {token}")


def _access(token: str) -> dict[str, list[str]]:
    claims = jwt.decode(token, options={"verify_signature": False})
    return {entry["name"]: entry["actions"] for entry in claims["access"]}


def test_the_challenge_says_where_tokens_are_had_and_for_what(tokened: ServedRegistry) -> None:
    answer = tokened.client().ask("GET", "/v2/team/app/manifests/latest")
    assert answer.status == 401
    assert answer["WWW-Authenticate"] == (
        f'Bearer realm="http://{tokened.host}/token",service="test",scope="repository:team/app:pull"'
    )


def test_a_token_allows_what_was_asked_for_and_the_rules_allow(tokened: ServedRegistry) -> None:
    scopes = ("repository:team/app:pull,push", "repository:public/app:pull,push", "repository:nowhere:pull")
    assert _access(_token(tokened, ADA, *scopes).json()["token"]) == {
        "team/app": ["pull", "push"],
        "public/app": ["pull", "push"],
    }
    assert _access(_token(tokened, BOB, *scopes).json()["token"]) == {"public/app": ["pull"]}
    assert _access(_token(tokened, None, *scopes).json()["token"]) == {"public/app": ["pull"]}
    assert _token(tokened, ("ada", "wrong")).status == 401


def test_a_token_lets_in_where_it_is_for_and_nowhere_else(tokened: ServedRegistry) -> None:
    token = _token(tokened, ADA, "repository:team/app:pull").json()["token"]
    client = _bearer(tokened, token)
    assert client.ask("GET", "/v2/").status == 200
    assert client.ask("GET", "/v2/team/app/manifests/latest").status == 200
    for method, path in (
        ("POST", "/v2/team/app/blobs/uploads/"),
        ("GET", "/v2/home/ada/app/manifests/latest"),
    ):
        answer = client.ask(method, path)
        assert answer.status == 401
        assert 'error="insufficient_scope"' in answer["WWW-Authenticate"]


def test_a_token_for_the_catalogue_shows_what_the_rules_let_see(tokened: ServedRegistry) -> None:
    assert "registry:catalog:*" in tokened.client().ask("GET", "/v2/_catalog")["WWW-Authenticate"]
    for who, expected in ((ADA, 3), (BOB, 1)):
        token = _token(tokened, who, "registry:catalog:*").json()["token"]
        found = _bearer(tokened, token).ask("GET", "/v2/_catalog").json()["repositories"]
        assert len([name for name in found if name.endswith("/app")]) == expected


def test_a_refresh_token_stands_for_a_password_and_for_nothing_else(tokened: ServedRegistry) -> None:
    refresh = _token(tokened, ADA, offline_token="true").json()["refresh_token"]
    assert _bearer(tokened, refresh).ask("GET", "/v2/").status == 401
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    scope = "scope=repository:team/app:pull"
    done = tokened.client().ask(
        "POST", "/token", f"grant_type=refresh_token&refresh_token={refresh}&{scope}".encode(), form
    )
    assert _access(done.json()["access_token"]) == {"team/app": ["pull"]}
    password = tokened.client().ask(
        "POST", "/token", f"grant_type=password&username=bob&password=secret&{scope}".encode(), form
    )
    assert _access(password.json()["access_token"]) == {}
    for wrong in ("grant_type=refresh_token&refresh_token=x", "grant_type=password&username=bob&password=x"):
        assert tokened.client().ask("POST", "/token", wrong.encode(), form).status == 401
    assert tokened.client().ask("POST", "/token", b"grant_type=magic", form).status == 400


CLAIMS = {
    "iss": "elsewhere",
    "aud": "test",
    "sub": "carol",
    "exp": 4_000_000_000,
    "access": [{"type": "repository", "name": "team/app", "actions": ["pull"]}],
}


def test_tokens_of_an_accepted_issuer_count(
    tokened: ServedRegistry, elsewhere: ec.EllipticCurvePrivateKey
) -> None:
    client = _bearer(tokened, jwt.encode(CLAIMS, elsewhere, "ES256"))
    assert client.ask("GET", "/v2/team/app/manifests/latest").status == 200
    assert client.ask("POST", "/v2/team/app/blobs/uploads/").status == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "sampan"},
        {"iss": "nobody"},
        {"aud": "other"},
        {"exp": 1},
        {"nbf": 4_000_000_000},
        {"exp": None},
    ],
)
def test_a_token_that_is_not_right_in_everything_is_none(
    tokened: ServedRegistry, elsewhere: ec.EllipticCurvePrivateKey, changed: dict[str, object]
) -> None:
    claims = {key: value for key, value in {**CLAIMS, **changed}.items() if value is not None}
    client = _bearer(tokened, jwt.encode(claims, elsewhere, "ES256"))
    answer = client.ask("GET", "/v2/team/app/manifests/latest")
    assert answer.status == 401
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


def test_a_token_does_not_choose_how_it_is_checked(
    tokened: ServedRegistry, elsewhere: ec.EllipticCurvePrivateKey
) -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    none = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(CLAIMS)}."
    symmetric = jwt.encode(CLAIMS, "x" * 64, "HS256")
    other = jwt.encode(CLAIMS, ec.generate_private_key(ec.SECP256R1()), "ES256")
    for token in (none, symmetric, other, "x.y.z", "x" * 20_000):
        assert _bearer(tokened, token).ask("GET", "/v2/team/app/manifests/latest").status in (400, 401)


def test_the_key_of_tokens_is_for_its_owner_alone(tokened: ServedRegistry) -> None:
    assert (tokened.root / "token-key.pem").stat().st_mode & 0o777 == 0o600


# TLS


def test_a_registry_speaks_tls_and_large_blobs_come_through(tmp_path: Path) -> None:
    make_authority(tmp_path, "localhost")
    flags = ("--tls-cert", str(tmp_path / "server.crt"), "--tls-key", str(tmp_path / "server.key"))
    with served_registry(tmp_path / "root", *flags) as served:
        port = int(served.host.partition(":")[2])
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        client = served.client()
        client._connection = http.client.HTTPSConnection("localhost", port, timeout=30, context=context)
        data = os.urandom((9 << 20) + 5)
        digest = client.push_blob("tls", data)
        assert client.ask("GET", f"/v2/tls/blobs/{digest}").body == data
        old = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            http.client.HTTPSConnection("localhost", port, timeout=5, context=old).request("GET", "/v2/")


# Pages, figures and the log


def test_pages_show_what_one_may_pull_and_nothing_more(guarded: ServedRegistry) -> None:
    ada, bob, nobody = (guarded.client(**(_basic(*who) if who else {})) for who in (ADA, BOB, None))
    assert b"team/app" in ada.ask("GET", "/").body
    assert b"team/app" not in bob.ask("GET", "/").body
    assert b"public/app" in nobody.ask("GET", "/").body
    assert bob.ask("GET", "/-/team/app").status == 403
    asked = nobody.ask("GET", "/-/team/app:latest")
    assert (asked.status, asked["WWW-Authenticate"]) == (401, 'Basic realm="registry"')
    page = ada.ask("GET", "/-/team/app:latest")
    assert digest_of(b"team/app").encode() in page.body
    for answer in (page, ada.ask("GET", "/"), ada.ask("GET", "/-/team/app")):
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert b"<script" not in answer.body
        assert b"http://" not in answer.body, "nothing is loaded from elsewhere"
    assert ada.ask("GET", "/-/style.css")["Content-Type"].startswith("text/css")
    for path in ("/-/team/nothing", "/-/team/app:absent", "/-/..%2f..", "/other", "/-/"):
        assert ada.ask("GET", path).status == 404


def test_pages_show_signatures_and_escape_what_was_pushed(guarded: ServedRegistry) -> None:
    ada = guarded.client(**_basic(*ADA))
    evil = "<script>alert(1)</script>"
    digest, raw = ada.push_image("team/signed", "v1", [b"x"], annotations={evil: f'"{evil}'})
    about = {
        "subject": describe(raw, MANIFEST),
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
    }
    ada.push_image("team/signed", digest.replace(":", "-") + ".sig", [b"by tag"])
    ada.push_image("team/signed", "about", [b"by the API"], **about)
    page = ada.ask("GET", "/-/team/signed:v1").body.decode()
    predicate = {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}
    ada.push_image("team/signed", "attested", [b"an attestation"], **about, annotations=predicate)
    page = ada.ask("GET", "/-/team/signed:v1").body.decode()
    assert page.count("✔ signature") == 2
    assert "https://slsa.dev/provenance/v1" in page
    assert evil not in page
    assert "&lt;script&gt;" in page
    tags = ada.ask("GET", "/-/team/signed").body.decode()
    assert tags.count("✔") == 1
    assert ".sig" not in tags, "what is attached to an image stands on its page"
    assert "v1</a>" in tags


def test_figures_add_up_over_all_workers(guarded: ServedRegistry) -> None:
    assert guarded.client().ask("GET", "/metrics").status == 401

    def count() -> float:
        text = guarded.client(**_basic(*ADA)).ask("GET", "/metrics").body.decode()
        found = re.search(r'_requests_total\{resource="tags",method="GET",code="404"\} (\S+)', text)
        return float(found[1]) if found else 0.0

    before = count()
    for _ in range(12):  # each on a connection of its own, so to either worker
        guarded.client(**_basic(*ADA)).ask("GET", "/v2/team/absent/tags/list")
    assert count() == before + 12
    text = guarded.client(**_basic(*ADA)).ask("GET", "/metrics").body.decode()
    assert "sampan_registry_requests_in_progress 1\n" in text
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) .*|[a-z_]+(\{[^}]*\})? [0-9.e+-]+", line), line


def test_the_access_log_has_a_line_a_request(guarded: ServedRegistry, tmp_path: Path) -> None:
    path = guarded.root.parent / "access.log"
    client = guarded.client(**_basic(*ADA), **{"User-Agent": 'odd"agent\\'})
    client.ask("GET", "/v2/team/app/manifests/latest?marked=%0a1")

    def lines() -> list[str]:
        return [line for line in path.read_text().splitlines() if "marked" in line]

    wait_until(lines, "the line is there")
    (line,) = lines()
    assert re.fullmatch(
        r'127\.0\.0\.1 - ada \[[^]]+\] "GET /v2/team/app/manifests/latest\?marked=%0a1 HTTP/1\.1" 200 \d+ '
        r'"-" "odd\\x22agent\\x5c" \d+\.\d{3}',
        line,
    )


# The cache


class _Upstream:
    """A registry that can be switched off, and counts what it is asked."""

    def __init__(self, inner: ServedRegistry) -> None:
        self.asked: list[str] = []
        self.is_down = False
        self.is_lying = False
        self.gate = threading.Event()
        self.gate.set()
        outer = self

        class Relay(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(f"{self.command} {self.path}")
                if outer.is_down:
                    self.send_error(503)
                    return
                client = Client(inner.host)
                accept = {"Accept": self.headers.get("Accept", "*/*")}
                answer = client.ask(self.command, self.path, headers=accept)
                client.close()
                self.send_response(answer.status)
                for name in ("Content-Type", "Content-Length", "Docker-Content-Digest"):
                    if answer[name]:
                        self.send_header(name, answer[name])
                self.end_headers()
                if self.command == "GET":
                    self._send_body(answer.body)

            def do_HEAD(self) -> None:
                self.do_GET()

            def _send_body(self, body: bytes) -> None:
                half = len(body) // 2
                self.wfile.write(body[:half])
                if "/blobs/" in self.path:
                    outer.gate.wait(20)
                rest = bytes(len(body) - half) if outer.is_lying and "/blobs/" in self.path else body[half:]
                self.wfile.write(rest)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def count(self, part: str) -> int:
        return sum(part in line for line in self.asked)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


CACHE = """
[[cache]]
prefix = "hub"
upstream = "{host}"
insecure = true
expiry = "{expiry}"
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRegistry]:
    with served_registry(tmp_path_factory.mktemp("source"), "--workers", "1") as served:
        yield served


@pytest.fixture
def upstream(source: ServedRegistry) -> Iterator[_Upstream]:
    found = _Upstream(source)
    yield found
    found.gate.set()
    found.close()


def _cached(
    tmp_path: Path, upstream: _Upstream, expiry: str = "1h", workers: str = "2"
) -> AbstractContextManager[ServedRegistry]:
    path = tmp_path / "registry.toml"
    path.write_text(CACHE.format(host=upstream.host, expiry=expiry))
    return served_registry(tmp_path / "root", "--config", str(path), "--workers", workers)


def test_a_cache_asks_once_and_goes_on_without_its_upstream(
    source: ServedRegistry, upstream: _Upstream, tmp_path: Path
) -> None:
    layer = os.urandom(3 << 20)
    digest, raw = source.client().push_image("lib/app", "1", [layer])
    blob = f"/v2/hub/lib/app/blobs/{digest_of(layer)}"
    with _cached(tmp_path, upstream, expiry="0s") as cache:
        client = cache.client()
        assert client.ask("GET", "/v2/hub/lib/app/manifests/1").body == raw
        assert client.ask("HEAD", blob)["Content-Length"] == str(len(layer))
        assert client.ask("GET", blob).body == layer
        for _ in range(3):
            assert client.ask("GET", blob).body == layer
        assert client.ask("GET", blob, headers={"Range": "bytes=5-9"}).body == layer[5:10]
        assert upstream.count(digest_of(layer)) == 1
        assert "1" in client.ask("GET", "/v2/hub/lib/app/tags/list").json()["tags"]
        upstream.is_down = True
        stale = client.ask("GET", "/v2/hub/lib/app/manifests/1")
        assert (stale.status, stale.body, stale["Docker-Content-Digest"]) == (200, raw, digest)
        assert client.ask("GET", blob).body == layer
        absent = client.ask("GET", "/v2/hub/lib/app/manifests/other")
        assert (absent.status, absent.code) == (503, "UNAVAILABLE")
        upstream.is_down = False
        assert client.ask("GET", "/v2/hub/lib/app/manifests/other").status == 404
        text = client.ask("GET", "/metrics").body.decode()
        assert "sampan_registry_cache_stale_total 1\n" in text


def test_a_tag_is_looked_up_again_when_its_time_is_over(
    source: ServedRegistry, upstream: _Upstream, tmp_path: Path
) -> None:
    source.client().push_image("lib/moving", "latest", [b"first"])
    for expiry, sees_second in (("1h", False), ("0s", True)):
        (tmp_path / expiry).mkdir()
        with _cached(tmp_path / expiry, upstream, expiry=expiry) as cache:
            client = cache.client()
            first = client.ask("GET", "/v2/hub/lib/moving/manifests/latest").body
            _, raw = source.client().push_image("lib/moving", "latest", [expiry.encode()])
            found = client.ask("GET", "/v2/hub/lib/moving/manifests/latest").body
            assert found == (raw if sees_second else first)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_many_want_is_fetched_once(
    source: ServedRegistry, upstream: _Upstream, tmp_path: Path, workers: str
) -> None:
    layer = os.urandom(8 << 20)
    source.client().push_image("lib/wanted", "1", [layer])
    path = f"/v2/hub/lib/wanted/blobs/{digest_of(layer)}"
    with _cached(tmp_path, upstream, workers=workers) as cache:
        cache.client().ask("GET", "/v2/hub/lib/wanted/manifests/1")
        upstream.gate.clear()
        bodies: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: bodies.append(cache.client().ask("GET", path).body))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        if workers == "1":  # the first half is given out while the upstream holds the second back
            early = http.client.HTTPConnection(cache.host, timeout=20)
            early.request("GET", path)
            assert early.getresponse().read(1 << 20) == layer[: 1 << 20]
            early.close()
        upstream.gate.set()
        for thread in threads:
            thread.join(30)
    assert bodies == [layer] * 8
    assert upstream.count(f"GET /v2/lib/wanted/blobs/{digest_of(layer)}") == 1


def test_an_upstream_that_lies_reaches_nobody_whole(
    source: ServedRegistry, upstream: _Upstream, tmp_path: Path
) -> None:
    layer = os.urandom(5 << 20)
    source.client().push_image("lib/lie", "1", [layer])
    path = f"/v2/hub/lib/lie/blobs/{digest_of(layer)}"
    with _cached(tmp_path, upstream) as cache:
        cache.client().ask("GET", "/v2/hub/lib/lie/manifests/1")
        upstream.is_lying = True
        try:
            answer = cache.client().ask("GET", path)
            assert answer.status == 502
        except (http.client.IncompleteRead, ConnectionError):
            pass
        assert not list((cache.root / "blobs/sha256").glob(digest_of(layer)[7:]))
        upstream.is_lying = False
        assert cache.client().ask("GET", path).body == layer


def test_nobody_pushes_to_a_cache(upstream: _Upstream, tmp_path: Path) -> None:
    with _cached(tmp_path, upstream) as cache:
        client = cache.client()
        answer = client.ask("POST", "/v2/hub/lib/app/blobs/uploads/")
        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        raw = manifest_of(b"{}", [])
        assert client.ask("PUT", "/v2/hub/lib/app/manifests/1", raw, {"Content-Type": MANIFEST}).status == 405
        client.push_image("own/app", "1", [b"x"])


def test_what_is_wrong_is_said_before_anything_is_served(tmp_path: Path) -> None:
    sampan = shutil.which("sampan", path=str(Path(os.sys.executable).parent))  # type: ignore[attr-defined]
    cases = {
        'roots = "x"\n': "line 1: unknown key roots",
        '[auth]\nhtpasswd = "absent"\n': "absent: no such file or directory",
        '[tls]\ncertificate = "absent"\nkey = "absent"\n': "TLS certificate",
        '[[retention]]\ntags = ["x"]\n': "line 1: retention: a rule needs keep-last or max-age",
        'listen = "nowhere"\n': "nowhere: not ADDR:PORT",
    }
    for text, said in cases.items():
        (tmp_path / "registry.toml").write_text(text)
        words = [
            "registry",
            "serve",
            "--config",
            str(tmp_path / "registry.toml"),
            "--root",
            str(tmp_path / "root"),
        ]
        done = subprocess.run([str(sampan), *words], capture_output=True, text=True, timeout=20)
        assert done.returncode == 1
        assert said in done.stderr
