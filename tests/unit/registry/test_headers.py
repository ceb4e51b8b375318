# SPDX-License-Identifier: Apache-2.0
"""What is read from headers and the environment: challenges, credentials, Retry-After, proxies, error bodies."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SampanError,
    Unauthenticated,
    Unavailable,
)
from sampan.registry.backoff import delay_s, parse_retry_after
from sampan.registry.challenge import choose_challenge, parse_challenges
from sampan.registry.credentials import Credentials, decode_config_header, decode_header, registry_of
from sampan.registry.failures import decode_errors, refuse
from sampan.registry.proxies import choose_proxy, proxy_variables
from sampan.registry.settings import Patience


def test_a_bearer_challenge() -> None:
    header = 'Bearer realm="https://auth.test/token",service="reg,istry",scope="repository:a/b:pull,push"'
    (challenge,) = parse_challenges([header])
    assert challenge.scheme == "bearer"
    assert challenge.parameters == {
        "realm": "https://auth.test/token",
        "service": "reg,istry",
        "scope": "repository:a/b:pull,push",
    }


def test_several_challenges_in_one_header_and_in_two() -> None:
    one = parse_challenges(['Basic realm="x", Bearer realm="https://t.test"'])
    two = parse_challenges(['Basic realm="x"', 'Bearer realm="https://t.test"'])
    assert one == two
    chosen = choose_challenge(one)
    assert chosen is not None
    assert chosen.scheme == "bearer"


def test_a_bearer_challenge_without_a_realm_is_of_no_use() -> None:
    chosen = choose_challenge(parse_challenges(['Bearer service="x"', "Basic"]))
    assert chosen is not None
    assert chosen.scheme == "basic"
    assert choose_challenge(parse_challenges(["Negotiate"])) is None


@given(st.text(max_size=200))
def test_any_header_is_read_without_an_exception(text: str) -> None:
    parse_challenges([text])


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("strip", ["", "="])
def test_clients_encode_credentials_in_four_ways(encode, strip: str) -> None:  # type: ignore[no-untyped-def]
    raw = json.dumps({"username": "u>?", "password": "p~~~", "serveraddress": "x"}).encode()
    assert decode_header(encode(raw).decode().rstrip(strip or None)) == Credentials("u>?", "p~~~")


def test_auth_is_name_and_password_in_base64() -> None:
    raw = json.dumps({"auth": base64.b64encode(b"ada:pass:word").decode()}).encode()
    assert decode_header(base64.b64encode(raw).decode()) == Credentials("ada", "pass:word")


@pytest.mark.parametrize("value", ["%", base64.b64encode(b"{").decode(), base64.b64encode(b"[]").decode()])
def test_a_broken_header_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid X-Registry-Auth header"):
        decode_header(value)


def test_nobody_is_nobody() -> None:
    assert not decode_header("")
    assert not decode_header("e30=")


def test_all_credentials_of_a_build_by_registry() -> None:
    raw = {"https://index.docker.io/v1/": {"username": "a"}, "r.test:5000": {"identitytoken": "t"}}
    found = decode_config_header(base64.urlsafe_b64encode(json.dumps(raw).encode()).decode())
    assert found == {"docker.io": Credentials("a"), "r.test:5000": Credentials(identity_token="t")}


def test_a_secret_is_not_in_the_repr() -> None:
    assert "hush" not in repr(Credentials("ada", "hush", "hush", "hush"))


@pytest.mark.parametrize(
    ("server", "registry"),
    [("", "docker.io"), ("https://index.docker.io/v1/", "docker.io"), ("r.test:1", "r.test:1"),
     ("https://r.test/v2/", "r.test"), ("registry-1.docker.io", "docker.io")],
)  # fmt: skip
def test_the_registry_of_a_server_address(server: str, registry: str) -> None:
    assert registry_of(server) == registry


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("", None), ("soon", None), ("Thu, 01 Jan 1970 00:01:50 GMT", 10.0),
     ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)  # fmt: skip
def test_retry_after(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, 100.0) == seconds


def test_the_wait_doubles_and_has_a_bound() -> None:
    patience = Patience(first_delay_s=1.0, longest_delay_s=5.0)
    waits = [delay_s(patience, attempt, now_s=0.0, jitter=lambda: 0.5) for attempt in range(4)]
    assert waits == [1.0, 2.0, 4.0, 5.0]
    assert delay_s(patience, 0, "3", now_s=0.0) == 3.0
    assert delay_s(patience, 0, "86400", now_s=0.0) == 5.0


@pytest.mark.parametrize(
    ("url", "no_proxy", "proxied"),
    [
        ("https://r.test/v2/", "", True),
        ("https://r.test/v2/", "r.test", False),
        ("https://a.r.test/v2/", "r.test", False),
        ("https://a.r.test/v2/", ".r.test", False),
        ("https://r.test/v2/", "*.r.test", True),
        ("https://r.test:5000/v2/", "r.test:5000", False),
        ("https://r.test/v2/", "r.test:5000", True),
        ("https://10.1.2.3/v2/", "10.0.0.0/8", False),
        ("https://r.test/v2/", "*", False),
        ("https://localhost:5000/v2/", "", False),
        ("https://127.0.0.1:5000/v2/", "", False),
        ("http://r.test/v2/", "", False),
    ],
)
def test_proxies(url: str, no_proxy: str, proxied: bool) -> None:
    variables = proxy_variables({"https_proxy": "proxy.test:3128", "NO_PROXY": no_proxy})
    assert choose_proxy(url, variables) == ("http://proxy.test:3128" if proxied else None)


def test_an_error_body_is_read_and_cannot_harm_a_terminal() -> None:
    body = json.dumps(
        {"errors": [{"code": "NAME_INVALID", "message": "no\x1b[2Jway", "detail": {}}]}
    ).encode()
    assert decode_errors(body) == "name invalid: no [2Jway"


@given(st.binary(max_size=100))
def test_any_error_body_is_read_without_an_exception(body: bytes) -> None:
    decode_errors(body)


@pytest.mark.parametrize(
    "body", [b"[]", b"1", b"null", b'{"errors": 3}', b'{"errors": [3]}', b'{"errors": {}}']
)
def test_an_error_body_of_another_shape_says_nothing(body: bytes) -> None:
    assert decode_errors(body) == ""


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, Unauthenticated, "no basic auth credentials"),
        (403, PermissionDenied, "denied: requested access to the resource is denied"),
        (404, NotFound, "x: not found"),
        (429, Unavailable, "toomanyrequests"),
        (418, InvalidArgument, "status 418"),
        (502, Unavailable, "received unexpected HTTP status: 502"),
    ],
)
def test_statuses_are_kinds_of_errors(status: int, kind: type[SampanError], words: str) -> None:
    error = refuse(status, b"", what="x", has_credentials=False)
    assert isinstance(error, kind)
    assert words in error.message
