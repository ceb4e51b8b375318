# SPDX-License-Identifier: Apache-2.0
"""Where a request for a stream ends, told from its bytes."""

from __future__ import annotations

import pytest

from sampan.api.connection import ASKS_FOR_STREAM, request_length

HEAD = b"POST /v1.51/exec/1/start HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"POST / HT", None),
        (HEAD, None),
        (HEAD + b"\r\n", len(HEAD) + 2),
        (HEAD + b"\r\nstream", len(HEAD) + 2),
        (HEAD + b"Content-Length: 2\r\n\r\n{}stream", len(HEAD) + 21 + 2),
        (HEAD + b"content-length:2\r\n\r\n", len(HEAD) + 20 + 2),
        (HEAD + b"Content-Length: many\r\n\r\n", -1),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", -1),
    ],
)
def test_length_of_a_request(data: bytes, length: int | None) -> None:
    assert request_length(data) == length


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        (b"POST /v1.51/containers/abc/attach?stdin=1 HTTP/1.1", True),
        (b"POST /containers/a-b.c_d/attach HTTP/1.1", True),
        (b"POST /v1.24/exec/abc/start HTTP/1.1", True),
        (b"POST /v1.51/containers/abc/start HTTP/1.1", False),
        (b"GET /v1.51/containers/abc/attach/ws HTTP/1.1", False),
        (b"POST /v1.51/containers/abc/attached HTTP/1.1", False),
        (b"PUT /v1.51/containers/abc/archive?path=/exec/1/start HTTP/1.1", False),
    ],
)
def test_which_requests_ask_for_a_stream(line: bytes, asks: bool) -> None:
    assert bool(ASKS_FOR_STREAM.match(line)) is asks
