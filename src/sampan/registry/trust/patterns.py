# SPDX-License-Identifier: Apache-2.0
"""Which names a rule is about, and which of several rules knows best.

A pattern is ``HOST[:PORT][/PATH][:TAG]``: that repository and everything below it. ``*`` stands for any letters
between two slashes. Pure.
Implements: the scopes of containers-policy.json(5), which are patterns, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sampan.errors import InvalidArgument
from sampan.oci.reference import Reference

_FORM = re.compile(r"[A-Za-z0-9.\[\]:*-]+(?:/[a-z0-9._*-]+)*(?::[A-Za-z0-9_.*-]+)?")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Parts between slashes, the registry first; no `tag` means any."""

    text: str
    parts: tuple[str, ...]
    tag: str | None = None
    _matchers: tuple[re.Pattern[str], ...] = field(default=(), repr=False, compare=False)

    def matches(self, reference: Reference) -> bool:
        """Whether it speaks of this name."""
        names = reference.name.split("/")
        if len(names) < len(self.parts) or (self.tag is not None and reference.tag is None):
            return False
        wanted = names[: len(self.parts)]
        if self.tag is not None:
            if len(names) != len(self.parts):
                return False
            wanted.append(reference.tag or "")
        return all(form.fullmatch(name) for form, name in zip(self._matchers, wanted, strict=True))

    @property
    def weight(self) -> tuple[bool, int, int]:
        """The heavier of two patterns that match is the more specific one."""
        return self.tag is not None, len(self.parts), sum(letter != "*" for letter in self.text)


def parse_pattern(text: str) -> Pattern:
    """Read a pattern."""
    parts = text.split("/")
    if not _FORM.fullmatch(text) or not _is_registry(parts[0]):
        raise InvalidArgument(
            f"{text!r} is not HOST[:PORT][/PATH]", hint="Docker Hub's images are docker.io/library/NAME"
        )
    tag = None
    if len(parts) > 1:
        parts[-1], colon, tagged = parts[-1].partition(":")
        tag = tagged if colon else None
    forms = [*parts] if tag is None else [*parts, tag]
    return Pattern(text, tuple(parts), tag, tuple(_compile(form) for form in forms))


def _is_registry(part: str) -> bool:
    return part == "localhost" or any(letter in part for letter in ".:*[")


def _compile(part: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in part.split("*")))
