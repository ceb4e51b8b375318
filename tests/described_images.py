# SPDX-License-Identifier: Apache-2.0
"""A built image in words that can be kept and compared: its config, its history, and each path of its layers.

What differs from one build to the next is left out: times, and digests of what holds times.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import tarfile
from pathlib import Path
from typing import Any

SERVER = "http://127.0.0.1:18723"
SHORT_BYTES = 120
CONFIG_FIELDS = (
    *("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Healthcheck", "Volumes", "WorkingDir", "Labels"),
    *("StopSignal", "Shell", "OnBuild", "ArgsEscaped"),
)
TYPES = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


def describe_images(archive: Path, base: str) -> dict[str, dict[str, Any]]:
    """Every image of a ``docker save`` archive by its tag: its config, history, and layers above the base's."""
    with tarfile.open(archive) as tar:
        read = _Reader(tar)
        found = {tag: item for item in json.loads(read("manifest.json")) for tag in item["RepoTags"] or ()}
        base_ids = json.loads(read(found[base]["Config"]))["rootfs"]["diff_ids"]
        described: dict[str, dict[str, Any]] = {}
        for tag, item in found.items():
            config = json.loads(read(item["Config"]))
            on_base = config["rootfs"]["diff_ids"][: len(base_ids)] == base_ids
            described[tag] = describe_config(config, skip=on_base)
            layers = item["Layers"][len(base_ids) if on_base else 0 :]
            described[tag]["layers"] = [describe_layer(read(layer)) for layer in layers]
        return described


class _Reader:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar = tar
        self.members = {member.name: member for member in tar}

    def __call__(self, name: str) -> bytes:
        file = self.tar.extractfile(self.members[name])
        assert file is not None
        return file.read()


def describe_config(config: dict[str, Any], *, skip: bool) -> dict[str, Any]:
    """What of an image's config is compared; `skip` leaves out the base's line of the history."""
    inner = config.get("config") or {}
    history = (config.get("history") or [])[1 if skip else 0 :]
    described: dict[str, Any] = {name: inner[name] for name in CONFIG_FIELDS if inner.get(name)}
    if config.get("author"):
        described["author"] = config["author"]
    if (platform := f"{config['os']}/{config['architecture']}") != "linux/amd64":
        described["platform"] = platform
    lines = [f"{'-' if one.get('empty_layer') else '+'} {one.get('created_by', '')}" for one in history]
    return {"config": described, "history": [_without_server(line) for line in lines]}


def describe_layer(data: bytes) -> dict[str, str]:
    """Each path of a layer in one line: type, mode, owner, and what it holds."""
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        found = {
            member.name.removeprefix("./").rstrip("/") or ".": _describe_member(tar, member)
            for member in sorted(tar, key=lambda one: one.name)
        }
    # Docker's RUN leaves the folder of resolv.conf and hosts touched, and that is all the layer says of it.
    if not any(name.startswith("etc/") for name in found):
        found.pop("etc", None)
    return found


def _describe_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if Path(member.name).name.startswith(".wh."):
        return "whiteout"
    words = [TYPES[member.type], f"{member.mode & 0o7777:04o}", f"{member.uid}:{member.gid}"]
    if member.isfile():
        file = tar.extractfile(member)
        assert file is not None
        words.append(_describe_content(file.read()))
    if member.issym() or member.islnk():
        words.append(f"-> {member.linkname}")
    for key, value in sorted(member.pax_headers.items()):
        if key.startswith("SCHILY.xattr."):
            words.append(f"{key.removeprefix('SCHILY.xattr.')}={value!r}")
    return " ".join(words)


def _describe_content(data: bytes) -> str:
    """Its size, and the bytes themselves where they are few, else their digest."""
    if len(data) <= SHORT_BYTES and re.fullmatch(rb"[\t\n\r -~]*", data):
        return f"{len(data)} {json.dumps(data.decode())}"
    return f"{len(data)} sha256:{hashlib.sha256(data).hexdigest()}"


def _without_server(text: str) -> str:
    return text.replace(SERVER, "http://server")


def describe_error(text: str) -> dict[str, str]:
    """What a build said in the end, in one form: its line first, and nothing that differs between two builds."""
    text = _without_server(text.strip()).lower()
    text = re.sub(r"^(error: )?(failed to build: )?(failed to solve: )?", "", text)
    text = re.sub(r"^(dockerfile parse error on line |dockerfile:)(\d+): ", r"line \2: ", text)
    text = re.sub(r"failed to calculate checksum of ref [^ ]*: ", "", text)
    return {"error": re.sub(r"/[^ ]*/overlay2/\w+/merged/", "/", text)}


def compare(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Where one described image or error is not the other, a line each; empty when they are the same."""
    if "error" in expected or "error" in found:
        return _compare_errors(found, expected)
    differences = [
        *_compare_fields("config.", found["config"], expected["config"]),
        *_compare_lists("history", found["history"], expected["history"]),
    ]
    if len(found["layers"]) != len(expected["layers"]):
        differences.append(f"layers: {len(found['layers'])}, expected {len(expected['layers'])}")
    for number, (ours, wanted) in enumerate(zip(found["layers"], expected["layers"], strict=False), 1):
        differences += _compare_fields(f"layer {number}: ", ours, wanted)
    return differences


def _compare_errors(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """An error may say more than Docker's behind its words, and a place where Docker says none."""
    words, wanted = found.get("error"), expected.get("error")
    if words is None or wanted is None:
        return [f"error: {words!r}, expected {wanted!r}"]
    if not re.match(r"line \d+: ", wanted):
        words = re.sub(r"^(line \d+|(onbuild|\.dockerignore):\d+): ", "", words)
    return [] if words.startswith(wanted) else [f"error: {words!r}", f"   expected: {wanted!r}"]


def _compare_fields(prefix: str, found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return [
        f"{prefix}{name}: {found.get(name)!r}, expected {expected.get(name)!r}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]


def _compare_lists(name: str, found: list[str], expected: list[str]) -> list[str]:
    pairs = itertools.zip_longest(found, expected)
    return [f"{name} {at}: {a!r}, expected {b!r}" for at, (a, b) in enumerate(pairs, 1) if a != b]
