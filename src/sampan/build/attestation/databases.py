# SPDX-License-Identifier: Apache-2.0
"""Package databases that are text: dpkg's, apk's, and the metadata of Python distributions (pure).

Implements: deb822 as /var/lib/dpkg/status has it; apk-tools' installed database, version 2; the core metadata of Python
packages. Holds: what makes no sense is left out; nothing that a text says makes them raise.
"""

from __future__ import annotations

from collections.abc import Iterator

from sampan.build.attestation.packages import Package


def iter_dpkg(text: str, place: str) -> Iterator[Package]:
    """Packages of a dpkg status file: those that are installed, with or without a line that says so (distroless)."""
    for fields in _iter_paragraphs(text):
        if not fields.get("status", "ok installed").endswith(" installed"):
            continue
        name, version = fields.get("package", ""), fields.get("version", "")
        if name and version:
            yield Package(
                "deb",
                name,
                version,
                fields.get("architecture", ""),
                supplier=fields.get("maintainer", ""),
                source=fields.get("source", name).partition(" ")[0],
                place=place,
            )


def iter_apk(text: str, place: str) -> Iterator[Package]:
    """Packages of apk's database, whose fields are single letters."""
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        for line in block.splitlines():
            if line[1:2] == ":":
                fields.setdefault(line[0], line[2:].strip())
        if fields.get("P") and fields.get("V"):
            yield Package(
                "apk",
                fields["P"],
                fields["V"],
                fields.get("A", ""),
                license=fields.get("L", ""),
                supplier=fields.get("m", ""),
                source=fields.get("o", ""),
                place=place,
            )


def read_python(text: str, place: str) -> Package | None:
    """The distribution that a METADATA or PKG-INFO file is of."""
    head, _, _ = text.replace("\r\n", "\n").partition("\n\n")
    fields = next(iter(_iter_paragraphs(head)), {})
    name, version = fields.get("name", ""), fields.get("version", "")
    if not name or not version:
        return None
    words = fields.get("license-expression") or fields.get("license", "")
    supplier = fields.get("author-email") or fields.get("author", "")
    return Package("pypi", name, version, license=_one_line(words), supplier=_one_line(supplier), place=place)


def _iter_paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Paragraphs of ``Name: value`` lines; of one that goes on in further lines the first is kept."""
    fields: dict[str, str] = {}
    for line in [*text.split("\n"), ""]:
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            name, colon, value = line.partition(":")
            if colon:
                fields.setdefault(name.lower(), value.strip())


def _one_line(text: str) -> str:
    """Some put their licence's whole text there, which names nothing."""
    return text if len(text) <= 100 and text != "UNKNOWN" else ""
