# SPDX-License-Identifier: Apache-2.0
"""`--change` of import and commit: Dockerfile lines that alter an image's configuration and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sampan.build.compile import StageNumbers, compile_stage
from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.parser import parse_dockerfile
from sampan.build.draft import Draft
from sampan.build.stages import plan_stages
from sampan.errors import InvalidArgument
from sampan.oci.platform import host_platform
from sampan.oci.run_config import RunConfig

ALLOWED = (
    ins.Cmd,
    ins.Entrypoint,
    ins.Env,
    ins.Expose,
    ins.Healthcheck,
    ins.Label,
    ins.Onbuild,
    ins.Shell,
    ins.Stopsignal,
    ins.User,
    ins.Volume,
    ins.Workdir,
)


_WORDS = frozenset(each.__name__.lower() for each in ALLOWED)


def _check_word(line: str) -> None:
    """Refuse what is no instruction or changes files, as Docker words it, before anything else about it."""
    word = line.split(None, 1)[0] if line.strip() else ""
    if word and not word.startswith("#") and word.lower() not in _WORDS:
        raise InvalidArgument(f"{word.upper()} is not a valid change command")


def apply_changes(config: RunConfig, changes: Sequence[str]) -> RunConfig:
    """The configuration after these lines; a line that would change files is refused."""
    if not changes:
        return config
    for line in changes:
        _check_word(line)
    dockerfile = parse_dockerfile("\n".join(["FROM scratch", *changes, ""]), name="--change")
    host = host_platform()
    plan = plan_stages(dockerfile, target="", build_args={}, platform_args={}, platform=host, contexts={})
    stage = plan.target
    for instruction in stage.instructions:
        if not isinstance(instruction, ALLOWED):
            raise InvalidArgument(f"{type(instruction).__name__.upper()} is not a valid change command")
    numbers = StageNumbers(first=1, total=1 + len(changes), prefix="")
    changed = compile_stage(plan, stage, Draft(config), (), build_args={}, numbers=numbers).draft.config
    # Only Docker's builder says ArgsEscaped; its import and commit do not, and take it away with the CMD it was of.
    is_kept = not any(isinstance(instruction, ins.Cmd) for instruction in stage.instructions)
    return replace(changed, args_escaped=is_kept and config.args_escaped)
