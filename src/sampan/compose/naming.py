# SPDX-License-Identifier: Apache-2.0
"""The names of a project and of what belongs to it."""

from __future__ import annotations

from sampan.compose.errors import ComposeError
from sampan.compose.model import Service

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


def normalize_name(text: str) -> str:
    """A name made of what may be in one: small letters, digits, ``_`` and ``-``."""
    return "".join(letter for letter in text.lower() if letter in _ALLOWED).lstrip("_-")


def check_name(name: str) -> str:
    """The name, if it may be a project's."""
    if normalize_name(name) != name:
        raise ComposeError(
            f'invalid project name "{name}": must consist only of lowercase alphanumeric characters, hyphens, '
            "and underscores as well as start with a letter or number"
        )
    return name


def container_name(project: str, service: Service, number: int) -> str:
    """``project-service-1``, or the name that the service asks for."""
    return service.container_name or f"{project}-{service.name}-{number}"


def image_name(project: str, service: Service) -> str:
    """The image that its containers are made from: the one it names, or the one that is built for it."""
    return service.image or f"{project}-{service.name}"
