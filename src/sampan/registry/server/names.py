# SPDX-License-Identifier: Apache-2.0
"""The names that clients choose: repositories and tags.

Implements: distribution-spec 1.1, "Pulling manifests": the grammar of <name> and of a tag.
Holds: no component of a repository's name begins with ``.`` or ``_``, so that a name can be a path, and what begins
with ``_`` is ours.
"""

from __future__ import annotations

import re

MAX_NAME = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


def is_repository(text: str) -> bool:
    """Whether this can name a repository."""
    return len(text) <= MAX_NAME and _REPOSITORY.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether this can be a tag."""
    return _TAG.fullmatch(text) is not None
