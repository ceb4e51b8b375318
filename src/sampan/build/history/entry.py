# SPDX-License-Identifier: Apache-2.0
"""One build as the history has it.

What was asked is kept in the words of BuildKit's Dockerfile frontend (``target``, ``build-arg:NAME``, ``label:NAME``,
``context``, …), which clients of the history read. Secrets are no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

RUNNING, COMPLETED, FAILED, CANCELED = "running", "completed", "error", "canceled"


@dataclass(frozen=True, slots=True)
class Failure:
    """How a build ended badly; `code` is that of its program, `excerpt` the lines of the Dockerfile to blame."""

    message: str
    is_canceled: bool = False
    code: int | None = None
    hint: str = ""
    vertex: str = ""
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """Something from elsewhere that the build is made of."""

    uri: str
    digest: str


@dataclass(frozen=True, slots=True)
class Output:
    """Where the result was to go, with BuildKit's attributes."""

    type: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be built, and where the result is to go."""

    attributes: Mapping[str, str]
    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A build; without `completed_ns` it is under way."""

    ref: str
    client: str
    created_ns: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    completed_ns: int = 0
    failure: Failure | None = None
    response: Mapping[str, str] = field(default_factory=dict)
    materials: tuple[Material, ...] = ()
    total_steps: int = 0
    completed_steps: int = 0
    cached_steps: int = 0
    warnings: int = 0
    log_bytes: int = 0
    pinned: bool = False

    @property
    def status(self) -> str:
        """One of the four words that filters know."""
        if not self.completed_ns:
            return RUNNING
        if self.failure is None:
            return COMPLETED
        return CANCELED if self.failure.is_canceled else FAILED

    @property
    def name(self) -> str:
        """What people call the build: its own name, its Dockerfile's or its context's folder, and its target."""
        return build_name(self.attributes)


def encode_entry(entry: Entry) -> dict[str, Any]:
    """The entry as a document."""
    document: dict[str, Any] = msgspec.to_builtins(entry)
    return document


def decode_entry(document: Mapping[str, Any]) -> Entry:
    """The entry of a document."""
    return msgspec.convert(document, Entry)


def build_name(attributes: Mapping[str, str]) -> str:
    """As buildx names builds."""
    if own := attributes.get("build-arg:BUILDKIT_BUILD_NAME"):
        return own
    context = attributes.get("context") or attributes.get("vcs:localdir:context", "")
    if context.startswith("/"):
        context = _folder_name(context.rstrip("/"), attributes.get("filename", ""))
    target = attributes.get("target", "")
    name = f"{context} ({target})" if context and target else context or target
    return name or attributes.get("vcs:source", "")


def _folder_name(folder: str, dockerfile: str) -> str:
    """The folder's own name, with a Dockerfile that has not the usual name."""
    base = folder.rpartition("/")[2]
    if dockerfile.startswith("/"):
        dockerfile = dockerfile.removeprefix(folder + "/")
    where, _, name = dockerfile.rpartition("/")
    shown = where if name == "Dockerfile" else dockerfile
    return f"{base}/{shown.lstrip('/')}".rstrip("/")
