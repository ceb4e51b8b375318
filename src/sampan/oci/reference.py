# SPDX-License-Identifier: Apache-2.0
"""Image references: what people type, and what it stands for.

Implements: the grammar of github.com/distribution/reference (reference.go, normalize.go), whose error words
clients match on.
Holds: a Reference is normalised. `str()` is the full form (``docker.io/library/python:3.12``), `familiar()`
the short one (``python:3.12``), and either parses to the same Reference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sampan.errors import InvalidArgument
from sampan.oci.digest import Digest, parse_digest

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
MAX_REPOSITORY_LENGTH = 255

_LEGACY_REGISTRY = "index.docker.io"
_OFFICIAL = "library/"

_DOMAIN_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG = r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"

_REFERENCE = re.compile(
    rf"(?P<registry>{_DOMAIN})/(?P<repository>{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*)"
    rf"(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_TAG_FORM = re.compile(_TAG)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")


class InvalidReference(InvalidArgument):
    """The text names no image."""


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A repository on a registry, and which of its images: by tag, by digest, by both or by neither."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        return self.name + self._suffix()

    @property
    def name(self) -> str:
        """``docker.io/library/python``: without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        """``python``: the name as people are shown it."""
        if self.registry != DEFAULT_REGISTRY:
            return self.name
        rest = self.repository.removeprefix(_OFFICIAL)
        return self.repository if "/" in rest else rest

    def familiar(self) -> str:
        """``python:3.12``: the shortest text that parses to this."""
        return self.familiar_name + self._suffix()

    def without_tag(self) -> Reference:
        """The repository alone."""
        return replace(self, tag=None, digest=None)

    def with_tag(self, tag: str) -> Reference:
        """Name the image of that tag in this repository."""
        if not _TAG_FORM.fullmatch(tag):
            raise InvalidReference("invalid tag format")
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> Reference:
        """``NAME@digest`` in the same repository: the form of a repo digest."""
        return replace(self, tag=None, digest=digest)

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag


def parse_reference(text: str) -> Reference:
    """Read a reference; ``:latest`` is understood where neither a tag nor a digest is given."""
    reference = parse_name(text)
    if reference.tag is None and reference.digest is None:
        return replace(reference, tag=DEFAULT_TAG)
    return reference


def parse_name(text: str) -> Reference:
    """Read a reference as it stands: without a tag or digest it means the whole repository."""
    if _IDENTIFIER.fullmatch(text):
        raise InvalidReference(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    registry, rest = _split_registry(text)
    path = rest.partition(":")[0]
    if path.lower() != path:
        raise InvalidReference(f"invalid reference format: repository name ({path}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{registry}/{rest}")
    if match is None:
        raise InvalidReference("invalid reference format")
    if len(match["repository"]) > MAX_REPOSITORY_LENGTH:
        raise InvalidReference(f"repository name must not be more than {MAX_REPOSITORY_LENGTH} characters")
    digest = parse_digest(match["digest"]) if match["digest"] else None
    return Reference(match["registry"], match["repository"], match["tag"], digest)


def _split_registry(text: str) -> tuple[str, str]:
    """Tell a registry from a first path component: it has a dot, a port or a capital, or is ``localhost``."""
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_REGISTRY, _OFFICIAL + text
    is_registry = first == "localhost" or "." in first or ":" in first or first.lower() != first
    if not is_registry:
        first, rest = DEFAULT_REGISTRY, text
    elif first == _LEGACY_REGISTRY:
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = _OFFICIAL + rest
    return first, rest
