# SPDX-License-Identifier: Apache-2.0
"""Bodies are read as Go reads them."""

from __future__ import annotations

import msgspec
import pytest

from sampan.api.bodies import decode_body, drop_nulls
from sampan.errors import InvalidArgument
from sampan.schema.container import ContainerCreate, ExecCreate


def test_null_means_that_nothing_was_said() -> None:
    said = {
        "Name": "sea",
        "IPAM": {"Driver": None, "Config": [{"Subnet": "s", "IPRange": None}]},
        "Labels": None,
    }
    assert drop_nulls(said) == {"Name": "sea", "IPAM": {"Config": [{"Subnet": "s"}]}}


def test_null_for_a_scalar_is_its_default() -> None:
    assert decode_body(b'{"Image": "x", "Hostname": null, "Tty": null}', ContainerCreate).hostname == ""


def test_the_keys_of_some_maps_speak_without_a_value() -> None:
    body = b'{"Image": "x", "NetworkingConfig": {"EndpointsConfig": {"sea": null}}}'
    create = decode_body(body, ContainerCreate)
    assert create.networking_config is not None
    assert create.networking_config.endpoints_config == {"sea": None}


def test_unknown_fields_are_ignored() -> None:
    assert decode_body(b'{"Cmd": ["a"], "Later": {"x": 1}}', ExecCreate).cmd == ["a"]


@pytest.mark.parametrize("body", [b"", b" ", rb'{"Cmd": ["\u0000"]}', rb'{"Cmd": ["\\\u0000"]}'])
def test_nothing_and_nul_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidArgument):
        decode_body(body, ExecCreate)


def test_a_backslash_before_the_same_letters_is_no_nul() -> None:
    assert decode_body(rb'{"Cmd": ["\\u0000"]}', ExecCreate).cmd == ["\\u0000"]


def test_another_type_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_body(b'{"Cmd": 5}', ExecCreate)
