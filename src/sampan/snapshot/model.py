# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of snapshots.

A snapshot is a filesystem tree that stands on a parent, or on nothing. An *active* one has a key, can be
mounted and written, and ends by commit or remove. A *committed* one has a name, never changes, and can be a
parent. A *view* is mounted like an active one but cannot be written. Keys and names share one space of opaque
strings; images use chain IDs.

    prepare(key, parent) → active ──commit(key, name)──→ committed ──remove(name)──→ gone
                             └───────remove(key)───→ gone     (only when nothing stands on it)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sampan.errors import Conflict, NotFound


class Kind(StrEnum):
    """The state of a snapshot."""

    ACTIVE = "active"
    VIEW = "view"
    COMMITTED = "committed"


class SnapshotNotFound(NotFound):
    """No snapshot has this key or name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"snapshot {name} does not exist")
        self.name = name


class SnapshotExists(Conflict):
    """The key or name is taken. For a chain ID this is good news: somebody made the same tree."""

    def __init__(self, name: str) -> None:
        super().__init__(f"snapshot {name} already exists")
        self.name = name


class SnapshotInUse(Conflict):
    """Other snapshots stand on this one."""

    def __init__(self, name: str, children: tuple[str, ...]) -> None:
        super().__init__(f"snapshot {name} is the parent of {', '.join(children)}")
        self.name = name
        self.children = children


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot. `number` names its directory and is never used again."""

    name: str
    kind: Kind
    parent: str | None
    created_ns: int
    number: int


@dataclass(frozen=True, slots=True)
class Mount:
    """What to mount so that the snapshot's tree appears.

    ``overlay``: `lower` directories, the uppermost first, and unless `readonly` also `upper` and `work`.
    ``bind``: the directory `source`. All paths are absolute.
    """

    kind: Literal["overlay", "bind"]
    lower: tuple[str, ...] = ()
    upper: str = ""
    work: str = ""
    source: str = ""
    readonly: bool = False
    volatile: bool = False

    def document(self) -> dict[str, object]:
        """The mount as the plain data that a launch order carries."""
        if self.kind == "bind":
            return {"type": "bind", "source": self.source, "readonly": self.readonly}
        return {
            "type": "overlay",
            "lower": list(self.lower),
            "upper": self.upper,
            "work": self.work,
            "readonly": self.readonly,
            "volatile": self.volatile,
        }

    def overlay_options(self, relative_to: str = "") -> str:
        """The data argument of mount(2).

        Mount options are limited to one page: with `relative_to` (where the caller changes directory to
        first) 127 layers fit. What redirect_dir, metacopy or index would add to the upper directory could not
        be told apart from a layer's content, so they are off whatever the kernel's defaults.
        """
        prefix = relative_to.rstrip("/") + "/" if relative_to else ""
        options = ["lowerdir=" + ":".join(_escape(path.removeprefix(prefix)) for path in self.lower)]
        if self.upper:
            options.append("upperdir=" + _escape(self.upper.removeprefix(prefix)))
            options.append("workdir=" + _escape(self.work.removeprefix(prefix)))
            options += ["index=off", "metacopy=off", "redirect_dir=off"]
        if self.volatile:
            options.append("volatile")
        return ",".join(options)


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
