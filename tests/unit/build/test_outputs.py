# SPDX-License-Identifier: Apache-2.0
"""Outputs, annotations and platforms as they are asked for, and programs of other machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.archive.packing import Packing
from sampan.build.emulation import (
    Emulator,
    emulated_platforms,
    explain_foreign,
    is_foreign,
    parse_emulator,
    read_emulators,
)
from sampan.build.exports.annotations import Annotation, Annotations, parse_annotations
from sampan.build.exports.archives import platform_folder
from sampan.build.exports.options import ExportOptions, parse_options
from sampan.build.platforms import is_split, parse_platforms
from sampan.build.solver import describe_pair
from sampan.errors import InvalidArgument, SampanError, Unsupported
from sampan.oci.media_type import Compression
from sampan.oci.platform import Platform, host_platform, parse_platform

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64", "v8")

ENTRY = """\
enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: OCF
offset 0
magic 7f454c46
"""


def test_platforms_are_listed_once() -> None:
    assert parse_platforms("linux/amd64, linux/arm64/v8,linux/arm64,") == (AMD64, ARM64)
    assert parse_platforms("") == parse_platforms("local") == (host_platform(),)
    with pytest.raises(InvalidArgument):
        parse_platforms("linux/amd64,a/b/c/d")


def test_a_result_is_split_for_several_platforms_or_where_asked() -> None:
    assert is_split((AMD64, ARM64), {})
    assert not is_split((AMD64,), {"BUILDKIT_MULTI_PLATFORM": "0"})
    assert is_split((AMD64,), {"BUILDKIT_MULTI_PLATFORM": "true"})


@pytest.mark.parametrize(
    ("own", "target", "shown"),
    [
        ("linux/amd64", "linux/amd64", "linux/amd64"),
        ("linux/amd64", "linux/arm64", "linux/amd64->arm64"),
        ("linux/amd64", "linux/arm/v6", "linux/amd64->arm/v6"),
        ("linux/amd64", "windows/amd64", "linux/amd64->windows/amd64"),
    ],
)
def test_stages_are_shown_with_what_they_build_for(own: str, target: str, shown: str) -> None:
    assert describe_pair(parse_platform(own).plain, parse_platform(target).plain) == shown


def test_folders_of_platforms_have_buildkits_names() -> None:
    names = [platform_folder(parse_platform(text)) for text in ("linux/arm64", "linux/arm/v7", "linux/386")]
    assert names == ["linux_arm64", "linux_arm_v7", "linux_386"]


def test_options_of_an_image() -> None:
    attributes = {
        "name": "a,b:2",
        "push": "true",
        "compression": "zstd",
        "compression-level": "19",
        "force-compression": "1",
        "oci-mediatypes": "false",
        "unpack": "true",
        "store": "true",
        "annotation.x": "y",
    }
    options = parse_options("image", attributes)
    assert [str(name) for name in options.names] == [
        "docker.io/library/a:latest",
        "docker.io/library/b:2",
    ]
    assert options.packing == Packing(Compression.ZSTD, 19, is_forced=True)
    assert (options.push, options.docker_types, options.needs_manifest) == (True, True, True)
    assert parse_options("registry", {}) == ExportOptions("image", push=True)
    assert parse_options("moby", {}) == ExportOptions()
    assert not ExportOptions().needs_manifest
    assert parse_options("local", {"platform-split": "false"}).splits is False


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("nonsense", "", ""),
        ("image", "push", "perhaps"),
        ("image", "registry.insecure", "true"),
        ("image", "store", "false"),
        ("image", "compression", "estargz"),
        ("image", "compression-level", "10"),
        ("image", "dest", "x"),
        ("image", "annotation-nothing.x", "y"),
        ("image", "annotation-index[linux/amd64].x", "y"),
        ("image", "name", "NOT A NAME"),
        ("docker", "push", "true"),
        ("local", "name", "x"),
        ("cacheonly", "dest", "x"),
    ],
)
def test_what_cannot_be_is_refused_by_name(kind: str, name: str, value: str) -> None:
    with pytest.raises(SampanError) as refused:
        parse_options(kind, {name: value} if name else {})
    assert any(word in refused.value.message for word in (kind, name.partition(".")[0], value))


def test_annotations_have_levels_and_platforms() -> None:
    found = parse_annotations(
        {
            "annotation.a": "1",
            "annotation-manifest[linux/arm64].a": "2",
            "annotation-index.b": "3",
            "name": "x",
        }
    )
    assert found.every[0] == Annotation("manifest", "a", "1")
    assert found.at("manifest", AMD64) == {"a": "1"}
    assert found.at("manifest", ARM64) == {"a": "2"}
    assert found.at("index") == {"b": "3"}
    assert found.need_index
    assert not Annotations()


def test_emulators_are_read_as_the_kernel_tells_of_them(tmp_path: Path) -> None:
    (tmp_path / "qemu-aarch64").write_text(ENTRY)
    (tmp_path / "qemu-arm").write_text(ENTRY.replace("enabled", "disabled"))
    (tmp_path / "qemu-s390x").write_text(ENTRY.replace("OCF", "OC"))
    (tmp_path / "register").write_text("")
    found = read_emulators(str(tmp_path))
    assert found["arm64"] == Emulator("/usr/libexec/qemu-binfmt/aarch64-binfmt-P", True, "OCF")
    assert [str(one) for one in emulated_platforms(AMD64, found)] == ["linux/arm64"]
    assert read_emulators(str(tmp_path / "nothing")) == {}
    assert not parse_emulator("").works_in_containers


def test_some_machines_run_programs_of_others() -> None:
    assert is_foreign(ARM64, AMD64)
    assert not is_foreign(Platform("linux", "386"), AMD64)
    assert not is_foreign(Platform("linux", "arm", "v7"), ARM64)
    assert is_foreign(Platform("windows", "amd64"), AMD64)


def test_a_refused_program_is_explained() -> None:
    refused = SampanError("exec /bin/sh: exec format error")
    told = explain_foreign(refused, ARM64, AMD64, {})
    assert isinstance(told, Unsupported)
    assert "RUN for linux/arm64 on linux/amd64: no emulator is registered" in told.message
    assert told.hint is not None
    assert "qemu-user-static" in told.hint
    off = {"arm64": Emulator("/usr/bin/qemu-aarch64-static", False, "F")}
    switched_off = explain_foreign(refused, ARM64, AMD64, off)
    assert "switched off" in switched_off.message
    assert "/qemu-aarch64" in str(switched_off.hint)
    loose = {"arm64": Emulator("/usr/bin/qemu-aarch64-static", True, "OC")}
    missing = SampanError("exec /bin/sh: no such file or directory")
    assert "without the flag F" in explain_foreign(missing, ARM64, AMD64, loose).message


def test_other_failures_stay_what_they_are() -> None:
    missing = SampanError("exec /bin/sh: no such file or directory")
    works = {"arm64": Emulator("/usr/bin/qemu-aarch64-static", True, "F")}
    assert explain_foreign(missing, ARM64, AMD64, {}) is missing
    assert explain_foreign(missing, ARM64, AMD64, works) is missing
    refused = SampanError("exec /bin/sh: exec format error")
    assert explain_foreign(refused, AMD64, AMD64, {}) is refused
