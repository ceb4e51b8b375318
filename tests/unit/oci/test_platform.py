# SPDX-License-Identifier: Apache-2.0
import pytest

from sampan.errors import InvalidArgument, NotFound
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.index import decode_index, encode_index
from sampan.oci.platform import Platform, host_platform, match_rank, parse_platform


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("amd64", Platform("linux", "amd64")),
        ("linux/aarch64", Platform("linux", "arm64", "v8")),
        ("linux/arm", Platform("linux", "arm", "v7")),
        ("linux/arm/6", Platform("linux", "arm", "v6")),
        ("LINUX/ARM64/V8", Platform("linux", "arm64", "v8")),
    ],
)
def test_platforms_have_one_spelling(text: str, expected: Platform) -> None:
    assert parse_platform(text) == expected
    assert parse_platform(str(expected)) == expected


@pytest.mark.parametrize("text", ["", "foo", "a/b/c/d", "linux/", "linux/am d64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_platform(text)


@pytest.mark.parametrize(
    ("wanted", "offered", "rank"),
    [
        ("linux/amd64", "linux/amd64", 0),
        ("linux/arm64", "linux/arm64/v8", 0),
        ("linux/arm/v7", "linux/arm/v6", 1),
        ("linux/arm/v7", "linux/arm/v5", 2),
        ("linux/arm/v6", "linux/arm/v7", None),
        ("linux/amd64", "linux/amd64/v3", None),
        ("linux/amd64/v3", "linux/amd64", 1),
        ("linux/amd64", "linux/arm64", None),
        ("linux/amd64", "windows/amd64", None),
    ],
)
def test_a_machine_takes_its_own_kind_and_older(wanted: str, offered: str, rank: int | None) -> None:
    assert match_rank(parse_platform(wanted), parse_platform(offered)) == rank


def test_the_host_is_named_as_images_name_it() -> None:
    assert host_platform("x86_64") == Platform("linux", "amd64")
    assert host_platform("aarch64") == Platform("linux", "arm64", "v8")


def descriptor(platform: str | None, content: bytes, annotations: dict[str, str] | None = None) -> Descriptor:
    return Descriptor(
        "application/vnd.oci.image.manifest.v1+json",
        Digest.of(content),
        1,
        parse_platform(platform) if platform else None,
        annotations or {},
    )


def test_an_index_gives_the_best_image_and_never_an_attestation() -> None:
    attestation = descriptor("linux/arm/v7", b"att", {"vnd.docker.reference.type": "attestation-manifest"})
    five, six = descriptor("linux/arm/v5", b"5"), descriptor("linux/arm/v6", b"6")
    index = decode_index(encode_index([attestation, five, six]))
    assert index.select(parse_platform("linux/arm/v7")) == six
    assert index.select(parse_platform("linux/arm/v5")) == five
    with pytest.raises(NotFound, match="no matching manifest for linux/amd64 in the manifest list entries"):
        index.select(parse_platform("linux/amd64"))


def test_an_image_that_does_not_say_its_platform_is_the_last_choice() -> None:
    silent, exact = descriptor(None, b"?"), descriptor("linux/amd64", b"!")
    assert decode_index(encode_index([silent, exact])).select(parse_platform("linux/amd64")) == exact
    assert decode_index(encode_index([silent])).select(parse_platform("linux/amd64")) == silent
