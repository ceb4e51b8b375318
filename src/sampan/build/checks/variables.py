# SPDX-License-Identifier: Apache-2.0
"""Check that variables are defined before they are used (rule UndefinedVar).

What a stage knows: its base's environment, its own ENV and ARG lines, and what the stages that it stands on know.
Where a base image's environment is not known, nothing is said of that stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sampan.build.arguments import PROXY_NAMES
from sampan.build.checks import rules
from sampan.build.checks.rules import Finding
from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.location import Misuse
from sampan.build.dockerfile.nearest import suggest
from sampan.build.expand import Expander
from sampan.build.stages import FromStage, Stage, StagePlan

_ALWAYS = {"PATH": "/", **dict.fromkeys(PROXY_NAMES, ""), **{name.lower(): "" for name in PROXY_NAMES}}


class Recorder(Mapping[str, str]):
    """Variables that remember which names were asked for and are not among them."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known
        self.missed: dict[str, None] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self.known:
            self.missed[name] = None
        return self.known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


def check_variables(
    plan: StagePlan, environments: Mapping[int, Mapping[str, str] | None]
) -> Iterator[Finding]:
    """Undefined variables; `environments` has each stage's base image's own, None where it is not known."""
    known: dict[int, dict[str, str] | None] = {}
    for stage in plan.stages:
        base = (
            known[stage.base.index]
            if isinstance(stage.base, FromStage)
            else environments.get(stage.index, {})
        )
        if base is None:
            known[stage.index] = None
            continue
        reader = _StageReader(plan, stage, base)
        yield from reader.read()
        known[stage.index] = reader.inherited


class _StageReader:
    def __init__(self, plan: StagePlan, stage: Stage, base: Mapping[str, str]) -> None:
        self.plan = plan
        self.stage = stage
        self.inherited = dict(base)
        self.arguments: dict[str, str] = {}
        self.expander = Expander(escape=plan.escape)

    def read(self) -> Iterator[Finding]:
        for line in self.stage.instructions:
            known = Recorder({**_ALWAYS, **self.arguments, **self.inherited})
            for text in _words(line):
                self._expand(text, known)
            for name in known.missed:
                near = suggest(name, {**self.arguments, **self.inherited, **self.plan.global_args})
                yield rules.UNDEFINED_VAR.finding(line.location, name, near.replace("mean ", "mean $"))
            self._define(line)

    def _expand(self, text: str, known: Recorder) -> None:
        # ${x:-y} and ${x:+y} say themselves what happens when x is not defined.
        before = dict(known.missed)
        try:
            self.expander.word(text, known)
        except Misuse:
            known.missed = before
        for name in [name for name in known.missed if _is_guarded(name, text)]:
            del known.missed[name]

    def _define(self, line: ins.Instruction) -> None:
        if isinstance(line, ins.Arg):
            for name, value in line.pairs:
                self.arguments[name] = value or ""
        elif isinstance(line, ins.Env):
            self.inherited.update(line.pairs)


def _is_guarded(name: str, text: str) -> bool:
    return any(f"${{{name}{operator}" in text for operator in (":-", "-", ":+", "+", ":?", "?"))


def _words(line: ins.Instruction) -> list[str]:
    """The parts of an instruction in which the builder expands variables."""
    match line:
        case ins.Env() | ins.Label():
            return [word for pair in line.pairs for word in pair]
        case ins.Arg():
            return [value for _, value in line.pairs if value is not None]
        case ins.Transfer():
            documents = [document.content for document in line.documents if document.expand]
            return [*line.sources, line.destination, line.chown, line.chmod, *documents]
        case ins.Run():
            return list(line.mounts)
        case ins.Workdir():
            return [line.path]
        case ins.User():
            return [line.user]
        case ins.Expose():
            return list(line.ports)
        case ins.Volume():
            return list(line.paths)
        case ins.Stopsignal():
            return [line.signal]
        case _:
            return []
