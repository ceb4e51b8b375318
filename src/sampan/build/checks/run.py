# SPDX-License-Identifier: Apache-2.0
"""All checks of one file, in the order of its lines, and how they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sampan.build.checks import rules
from sampan.build.checks.file import check_file
from sampan.build.checks.options import CheckOptions, parse_check_options
from sampan.build.checks.rules import Finding
from sampan.build.checks.stages import check_stages
from sampan.build.checks.variables import check_variables
from sampan.build.dockerfile.instructions import Dockerfile
from sampan.build.dockerfile.location import DockerfileError, Location, Source
from sampan.build.stages import StagePlan
from sampan.errors import InvalidArgument
from sampan.oci.platform import Platform

CHECK_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
_DIRECTIVE = re.compile(r"\s*#\s*check\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the file.

    `environments` and `platforms` are those of the stages' base images, by the stage's number; a stage whose base
    is not known has None as its environment. `is_ignored` is None where there is no .dockerignore.
    """

    platform_args: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[int, Mapping[str, str] | None] = field(default_factory=dict)
    platforms: Mapping[int, Platform] = field(default_factory=dict)
    is_ignored: Callable[[str], bool] | None = None


def check_options(file: Dockerfile, build_args: Mapping[str, str]) -> CheckOptions:
    """What the build argument says, and what the file says where there is none."""
    if CHECK_ARGUMENT in build_args:
        return parse_check_options(build_args[CHECK_ARGUMENT])
    try:
        return parse_check_options(file.directives.get("check", ""))
    except InvalidArgument as error:
        line = _line_of_directive(file.source.text)
        raise DockerfileError(error.message, source=file.source, location=Location(line, line)) from None


def _line_of_directive(text: str) -> int:
    lines = enumerate(text.split("\n"), 1)
    return next((number for number, line in lines if _DIRECTIVE.match(line)), 1)


def check_dockerfile(
    file: Dockerfile, plan: StagePlan, around: Surroundings, options: CheckOptions
) -> tuple[Finding, ...]:
    """The findings that are wanted, in the order of the lines."""
    found = [
        *check_file(file),
        *check_stages(plan, file, platform_args=around.platform_args, is_ignored=around.is_ignored),
        *check_variables(plan, around.environments),
        *_base_platforms(plan, around.platforms),
    ]
    wanted = [finding for finding in found if options.applies(finding.rule)]
    return tuple(sorted(wanted, key=lambda finding: (finding.location.start, finding.rule.name)))


def _base_platforms(plan: StagePlan, platforms: Mapping[int, Platform]) -> list[Finding]:
    findings = []
    for stage in plan.stages:
        pulled = platforms.get(stage.index)
        if pulled is not None and (pulled.os, pulled.architecture) != (
            stage.platform.os,
            stage.platform.architecture,
        ):
            findings.append(
                rules.INVALID_BASE_IMAGE_PLATFORM.finding(
                    stage.start.location, stage.start.base, str(pulled.plain), str(stage.platform.plain)
                )
            )
    return findings


def fail_on(findings: tuple[Finding, ...]) -> InvalidArgument:
    """The error of a file that says ``check=error=true``, with BuildKit's words."""
    names = sorted({finding.rule.name for finding in findings})
    return InvalidArgument(f"lint violation found for rules: {', '.join(names)}")


def format_findings(findings: tuple[Finding, ...], source: Source) -> str:
    """The findings as ``build --check`` prints them."""
    blocks = [
        f"WARNING: {finding.rule.name} - {finding.rule.url}\n{finding.message}\n{source.excerpt(finding.location)}\n"
        for finding in findings
    ]
    count = len(findings)
    if not count:
        return "Check complete, no warnings found.\n"
    summary = "1 warning has been found!" if count == 1 else f"{count} warnings have been found!"
    return "".join(f"\n{block}" for block in blocks).lstrip("\n") + f"\nCheck complete, {summary}\n"


def findings_json(findings: tuple[Finding, ...], source: Source) -> dict[str, object]:
    """The findings as BuildKit's ``lint.LintResults``, for ``--check --format json`` and the Control API."""
    return {
        "warnings": [
            {
                "ruleName": finding.rule.name,
                "description": finding.rule.description,
                "url": finding.rule.url,
                "detail": finding.message,
                "location": {
                    "ranges": [
                        {"start": {"line": line}, "end": {"line": line}}
                        for line in range(finding.location.start, finding.location.end + 1)
                    ]
                },
            }
            for finding in findings
        ],
        "sources": [{"fileName": source.name, "language": "Dockerfile"}],
    }
