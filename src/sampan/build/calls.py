# SPDX-License-Identifier: Apache-2.0
"""Questions about a build that are answered without building: ``--call``, ``--check`` and ``--explain-context``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.build.checks.run import fail_on, findings_json, format_findings
from sampan.build.describing import (
    format_outline,
    format_targets,
    list_targets,
    outline,
    outline_json,
    targets_json,
)
from sampan.build.dockerignore import ignore_file_names
from sampan.build.explaining import explain_context, explanation_json, format_explanation
from sampan.build.origins import open_context, read_ignore_text
from sampan.build.patterns import PatternSet
from sampan.build.request import BuildRequest
from sampan.errors import InvalidArgument

if TYPE_CHECKING:
    from sampan.build.service import Builder

CALLS = ("check", "lint", "outline", "targets", "explain-context")


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """The answer for people and for programs, and the status to exit with."""

    text: str
    value: dict[str, object]
    code: int = 0


async def answer_call(builder: Builder, request: BuildRequest, method: str) -> CallAnswer:
    """Answer one of `CALLS` about a request."""
    match method.removeprefix("subrequests."):
        case "check" | "lint":
            return await _check(builder, request)
        case "targets":
            _, plan = await builder.plan(request)
            targets = list_targets(plan)
            return CallAnswer(format_targets(targets), targets_json(targets))
        case "outline":
            dockerfile, plan = await builder.plan(request)
            told = outline(plan, dockerfile, request.given_arguments)
            return CallAnswer(format_outline(told), outline_json(told))
        case "explain-context":
            return await asyncio.to_thread(_explain, request)
    raise InvalidArgument(f"unsupported call {method}", hint=f"one of {', '.join(CALLS)} is supported")


async def _check(builder: Builder, request: BuildRequest) -> CallAnswer:
    ignored = await asyncio.to_thread(_open, request)
    checked = await builder.check(request, ignored)
    value = findings_json(checked.findings, checked.source)
    text = format_findings(checked.findings, checked.source)
    if checked.findings and checked.is_error:
        text += f"{fail_on(checked.findings)}\n"
    return CallAnswer(text, value, 1 if checked.findings else 0)


def _open(request: BuildRequest) -> PatternSet:
    return open_context(request.context, dockerfile=_name(request)).ignored


def _explain(request: BuildRequest) -> CallAnswer:
    for name in ignore_file_names(_name(request)) if _name(request) else (".dockerignore",):
        text = read_ignore_text(request.context, name)
        if text is not None:
            break
    else:
        name, text = "", ""
    told = explain_context(request.context, text)
    return CallAnswer(format_explanation(told, name), explanation_json(told, name))


def _name(request: BuildRequest) -> str:
    return request.dockerfile if isinstance(request.dockerfile, str) else ""
