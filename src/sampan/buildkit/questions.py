# SPDX-License-Identifier: Apache-2.0
"""Questions about a Dockerfile instead of a build: BuildKit's subrequests, ``docker build --call`` (pure).

Implements: ``frontend.lint``, ``frontend.outline``, ``frontend.targets`` and ``frontend.subrequests.describe``. An
answer is metadata: for programs, for people, and of the checks the status that a client exits with.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from sampan.build.checking import Checked
from sampan.build.checks.run import findings_json, format_findings

LINT, OUTLINE, TARGETS = "frontend.lint", "frontend.outline", "frontend.targets"
DESCRIBE = "frontend.subrequests.describe"
_VERSION = b"1.0.0"

_QUESTIONS = {
    OUTLINE: "List all parameters current build target supports",
    TARGETS: "List all targets current build supports",
    LINT: "Lint a Dockerfile",
    DESCRIBE: "List available subrequest types",
}


def format_answer(value: object, text: str, code: int | None = None) -> dict[str, bytes]:
    """The metadata of an answer."""
    answer = {
        "result.json": json.dumps(value).encode(),
        "result.txt": text.encode("utf-8", "surrogateescape"),
        "version": _VERSION,
    }
    return answer if code is None else {**answer, "result.statuscode": str(code).encode()}


def format_lint(checked: Checked) -> dict[str, bytes]:
    """What the checks found, with the Dockerfile that it is about."""
    text = checked.source.text.encode("utf-8", "surrogateescape")
    results: dict[str, object] = dict(findings_json(checked.findings, checked.source))
    results["sources"] = [
        {
            "filename": checked.source.name,
            "data": base64.b64encode(text).decode(),
            "language": "Dockerfile",
        }
    ]
    code = 1 if checked.findings else 0
    return format_answer(results, format_findings(checked.findings, checked.source), code)


def format_questions() -> dict[str, bytes]:
    """Which questions are answered."""
    told = [_describe(name, description) for name, description in _QUESTIONS.items()]
    return format_answer(told, "".join(f"{name}\t{text}\n" for name, text in _QUESTIONS.items()))


def _describe(name: str, description: str) -> Mapping[str, object]:
    return {
        "name": name,
        "version": _VERSION.decode(),
        "type": "rpc",
        "description": description,
        "opts": None,
        "inputs": None,
        "metadata": [{"name": "result.json"}, {"name": "result.txt"}],
        "refs": None,
    }
