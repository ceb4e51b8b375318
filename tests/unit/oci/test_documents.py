# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidArgument
from sampan.oci import media_type
from sampan.oci.config import History, decode_image_config, encode_image_config
from sampan.oci.descriptor import Descriptor, decode_descriptor, encode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import InvalidDocument
from sampan.oci.index import decode_index
from sampan.oci.manifest import decode_manifest, encode_manifest
from sampan.oci.platform import Platform
from sampan.oci.run_config import Healthcheck, RunConfig, decode_run_config, encode_run_config
from sampan.oci.timestamp import format_timestamp, parse_timestamp

CONFIG = Descriptor.of(b"{}", media_type.OCI_CONFIG)
LAYER = Descriptor.of(b"layer", media_type.OCI_LAYER_GZIP)


def test_a_manifest_keeps_its_bytes() -> None:
    raw = json.dumps(json.loads(encode_manifest(CONFIG, [LAYER])), indent=3).encode()
    manifest = decode_manifest(raw)
    assert manifest.raw == raw
    assert manifest.digest == Digest.of(raw)
    assert (manifest.config, manifest.layers) == (CONFIG, (LAYER,))


def test_docker_manifests_are_known_by_their_config() -> None:
    raw = json.loads(encode_manifest(replace(CONFIG, media_type=media_type.DOCKER_CONFIG), [], docker=True))
    assert raw["mediaType"] == media_type.DOCKER_MANIFEST
    del raw["mediaType"]
    assert decode_manifest(json.dumps(raw).encode()).media_type == media_type.DOCKER_MANIFEST


def test_cve_2021_41190_one_document_is_not_both_manifest_and_index() -> None:
    both = json.loads(encode_manifest(CONFIG, [LAYER])) | {"manifests": []}
    with pytest.raises(InvalidDocument, match="fields of another kind"):
        decode_manifest(json.dumps(both).encode())
    both["mediaType"] = media_type.OCI_INDEX
    with pytest.raises(InvalidDocument, match="fields of another kind"):
        decode_index(json.dumps(both).encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"mediaType": 5}',
        b'{"mediaType": "text/plain"}',
        b"{}",
        b'{"config": {"mediaType": "x", "digest": "sha256:0", "size": 1}}',
        b'{"config": {"digest": "sha256:' + b"a" * 64 + b'", "size": -1}}',
        b'{"config": {"digest": "sha256:' + b"a" * 64 + b'", "size": "1"}}',
        b"[" * 100_000,
    ],
)
def test_a_malformed_manifest_is_an_error_of_ours(raw: bytes) -> None:
    with pytest.raises(InvalidDocument):
        decode_manifest(raw)


def test_unknown_descriptor_fields_survive() -> None:
    source = encode_descriptor(LAYER) | {"urls": ["https://example.com"], "data": "bGF5ZXI="}
    assert encode_descriptor(decode_descriptor(source, "test")) == source


text = st.text(st.characters(codec="utf-8"), max_size=8)
texts = st.lists(text, max_size=3).map(tuple)
run_configs = st.builds(
    RunConfig,
    user=text,
    exposed_ports=st.frozensets(text, max_size=3).map(lambda names: tuple(sorted(names))),
    env=texts,
    entrypoint=st.none() | texts,
    cmd=st.none() | texts,
    volumes=st.frozensets(text, max_size=3).map(lambda names: tuple(sorted(names))),
    working_dir=text,
    labels=st.dictionaries(text, text, max_size=3),
    stop_signal=text,
    stop_timeout_s=st.none() | st.integers(0, 100),
    healthcheck=st.none() | st.builds(Healthcheck, test=texts.filter(bool), retries=st.integers(0, 5)),
    shell=texts,
    on_build=texts,
    args_escaped=st.booleans(),
    extra=st.fixed_dictionaries({}, optional={"Domainname": text}),
)


@given(run_configs)
def test_a_run_config_survives_its_json(config: RunConfig) -> None:
    assert decode_run_config(json.loads(json.dumps(encode_run_config(config)))) == config


@given(run_configs, st.lists(st.binary().map(Digest.of), max_size=3), st.integers(0, 1 << 60))
def test_an_image_config_survives_its_bytes(config: RunConfig, diff_ids: list[Digest], time_ns: int) -> None:
    history = (History(time_ns, "RUN true", empty_layer=True), History(None, "COPY . ."))
    fields = {
        "platform": Platform("linux", "arm64", "v8"),
        "config": config,
        "diff_ids": diff_ids,
        "history": history,
        "created_ns": time_ns,
        "author": "somebody",
        "extra": {"moby.buildkit.buildinfo.v1": "x"},
    }
    raw = encode_image_config(**fields)
    decoded = decode_image_config(raw)
    assert decoded.image_id == Digest.of(raw)
    assert {key: getattr(decoded, key) for key in fields} == fields | {"diff_ids": tuple(diff_ids)}
    assert encode_image_config(**fields) == raw


def test_nulls_as_docker_writes_them_mean_nothing() -> None:
    raw = (
        b'{"architecture":"amd64","os":"linux","config":{"Cmd":null,"Entrypoint":[],"Labels":null,"Env":null},'
        b'"rootfs":{"type":"layers","diff_ids":null},"history":null}'
    )
    config = decode_image_config(raw)
    assert config.config.cmd is None
    assert config.config.entrypoint == ()
    assert config.diff_ids == ()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"rootfs":{"type":"blocks"}}',
        b'{"rootfs":{"type":"layers","diff_ids":["sha256:x"]}}',
        b'{"config":{"Env":"A=1"}}',
        b'{"config":{"Env":[1]}}',
        b'{"created":"yesterday"}',
        b'{"history":[1]}',
    ],
)
def test_a_malformed_image_config_is_an_error_of_ours(raw: bytes) -> None:
    with pytest.raises(InvalidDocument):
        decode_image_config(raw)


@given(st.integers(-62_135_596_800_000_000_000, 253_402_300_799_999_999_999))
def test_times_survive_to_the_nanosecond(time_ns: int) -> None:
    assert parse_timestamp(format_timestamp(time_ns)) == time_ns


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:30:00.5-00:30", 5 * 10**8),
        ("0001-01-01T00:00:00Z", -62_135_596_800 * 10**9),
    ],
)
def test_times_of_all_zones_are_read(text: str, time_ns: int) -> None:
    assert parse_timestamp(text) == time_ns


@pytest.mark.parametrize("text", ["", "2024", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_timestamp(text)
