# SPDX-License-Identifier: Apache-2.0
"""Check a Dockerfile without building it: what the checks need to know beside the file is found out here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.build.checks.rules import Finding
from sampan.build.checks.run import Surroundings, check_dockerfile, check_options
from sampan.build.dockerfile.instructions import Dockerfile
from sampan.build.dockerfile.location import Source
from sampan.build.draft import split_env
from sampan.build.patterns import PatternSet
from sampan.build.seams import BaseImage, ImageSource
from sampan.build.stages import FromImage, FromScratch, Stage, StagePlan
from sampan.errors import SampanError


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks found, in the order of the lines; with `is_error` a finding is to fail a build."""

    findings: tuple[Finding, ...]
    source: Source
    is_error: bool


async def check(
    file: Dockerfile,
    plan: StagePlan,
    *,
    build_args: Mapping[str, str],
    platform_args: Mapping[str, str],
    images: ImageSource,
    ignored: PatternSet,
) -> Checked:
    """Apply all rules that the file does not skip; a base image that cannot be had is not known."""
    bases = {stage.index: await _base(stage, images) for stage in plan.stages}
    around = Surroundings(
        platform_args=platform_args,
        environments={stage.index: _environment(stage, bases[stage.index]) for stage in plan.stages},
        platforms={number: image.config.platform for number, image in bases.items() if image is not None},
        is_ignored=ignored.matches if ignored else None,
    )
    options = check_options(file, build_args)
    return Checked(check_dockerfile(file, plan, around, options), file.source, options.error)


async def _base(stage: Stage, images: ImageSource) -> BaseImage | None:
    if not isinstance(stage.base, FromImage):
        return None
    with contextlib.suppress(SampanError):
        return await images.resolve(stage.base.reference, stage.base.platform or stage.platform, pull=False)
    return None


def _environment(stage: Stage, image: BaseImage | None) -> Mapping[str, str] | None:
    """The variables that a stage begins with; None where its base is not known."""
    if image is not None:
        return dict(split_env(text) for text in image.config.config.env)
    return {} if isinstance(stage.base, FromScratch) else None
