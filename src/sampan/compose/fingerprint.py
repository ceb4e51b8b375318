# SPDX-License-Identifier: Apache-2.0
"""What has changed about a service since its container was made, by name.

A configuration hash says that something has changed, and nothing more. So containers also get a label with a
few digits of the digest of each key (each variable and label on its own): enough to name what is different,
too little to tell what it was.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sampan.compose.json_text import format_json
from sampan.compose.model import Service
from sampan.compose.project import Project
from sampan.compose.render import render

_DIGITS = 6
_NOT_KEPT = frozenset(("build", "pull_policy", "scale", "depends_on", "profiles", "develop"))
_TAKEN_APART = frozenset(("environment", "labels", "networks", "sysctls", "annotations", "ulimits"))


def take_fingerprint(project: Project, service: Service) -> str:
    """The label's value: ``environment.DEBUG=a1b2c3,image=…``, sorted."""
    parts = {key: _digest(value) for key, value in _iter_values(project, service)}
    return ",".join(f"{key}={parts[key]}" for key in sorted(parts))


def _iter_values(project: Project, service: Service) -> list[tuple[str, Any]]:
    values: list[tuple[str, Any]] = []
    for key, value in render(service).items():
        if key in _NOT_KEPT:
            continue
        if key in _TAKEN_APART and isinstance(value, dict):
            values += [(f"{key}.{_plain(name)}", item) for name, item in value.items()]
        else:
            values.append((key, value))
    for kind, references, objects in (
        ("configs", service.configs, project.configs),
        ("secrets", service.secrets, project.secrets),
    ):
        for reference in references:
            held = objects.get(reference.source)
            if held is not None:
                content = held.content or project.file_digests.get(held.file, "")
                values.append((f"{kind}.{_plain(reference.source)}", [held.file, content]))
    return values


def _plain(name: str) -> str:
    return name.replace(",", "_").replace("=", "_")


def _digest(value: Any) -> str:
    return hashlib.sha256(format_json(value).encode()).hexdigest()[:_DIGITS]


def compare_fingerprints(before: str, now: str) -> list[str]:
    """The keys that differ; none where the container has no fingerprint."""
    if not before:
        return []
    old, new = _parse(before), _parse(now)
    return sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def _parse(text: str) -> dict[str, str]:
    return dict(part.rpartition("=")[::2] for part in text.split(",") if part)
