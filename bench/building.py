# SPDX-License-Identifier: Apache-2.0
"""Builds: of an application, of many steps, of stages side by side, and of a folder with many files.

Podman builds by Buildah, so its column is Buildah's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import images
from engines import IMAGE, Engine, fresh_name
from scenarios import Goal, Scenario

CACHED = Goal(1 / 3)
EXAMPLE_EDITED = "logbook/views.py"
FILES_EDITED = "d000/f0000.txt"


@dataclass(slots=True)
class Build(Scenario):
    """`build` of a folder; where `edited` is set, that file gets one more line before each run."""

    context: str = ""
    options: tuple[str, ...] = ()
    edited: str = ""

    def prepare(self, engine: Engine) -> None:
        if "--no-cache" not in self.options:
            self._build(engine)

    def measure(self, engine: Engine) -> float:
        if self.edited:
            with open(os.path.join(self.context, self.edited), "a", encoding="utf-8") as file:
                file.write(f"# {fresh_name()}\n")
        return self._build(engine)

    def _build(self, engine: Engine) -> float:
        tag = f"{IMAGE}-{self.key}"
        return engine.run("build", "-q", *self.options, "-t", tag, self.context).wall_s * 1e3


def plan_builds(root: str) -> list[Scenario]:
    """All of them, with their contexts written below `root`."""
    contexts = {name: f"{root}/{name}" for name in ("django", "steps", "work", "stages", "files")}
    images.write_django_context(contexts["django"])
    images.write_tiny_steps_context(contexts["steps"])
    images.write_work_context(contexts["work"])
    images.write_stages_context(contexts["stages"])
    images.write_files_context(contexts["files"])
    fresh = ("--no-cache",)
    # The steps' own time, and a tenth.
    work, stages = (Goal(limit=1100 * seconds) for seconds in (images.WORK_S, images.STAGE_S))
    return [
        Build("build-cached", "build, everything cached", 10, CACHED, context=contexts["django"]),
        Build(
            "build-edited",
            "build, one file edited",
            10,
            Goal(1 / 2),
            context=contexts["django"],
            edited=EXAMPLE_EDITED,
        ),
        Build(
            "build-cold", "build, steps that work for 3 s", 3, work, context=contexts["work"], options=fresh
        ),
        Build(
            "build-stages",
            "build, four stages of 1 s side by side",
            3,
            stages,
            context=contexts["stages"],
            options=fresh,
        ),
        Build(
            "build-steps",
            "build, 40 tiny RUN steps",
            2,
            Goal(1 / 3),
            context=contexts["steps"],
            options=fresh,
        ),
        Build(
            "files-cached", "build of 20,000 files, everything cached", 5, CACHED, context=contexts["files"]
        ),
        Build(
            "files-edited",
            "build of 20,000 files, one edited",
            3,
            Goal(1 / 2),
            context=contexts["files"],
            edited=FILES_EDITED,
        ),
    ]
