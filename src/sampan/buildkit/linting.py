# SPDX-License-Identifier: Apache-2.0
"""Build checks as ``docker build --check`` asks for them: BuildKit's subrequest ``frontend.lint`` (pure)."""

from __future__ import annotations

import base64
import json

from sampan.build.checking import Checked
from sampan.build.checks.run import findings_json, format_findings

LINT = "frontend.lint"
_VERSION = b"1.0.0"


def format_lint(checked: Checked) -> dict[str, bytes]:
    """The metadata of the answer: for programs, for people, and the status that a client exits with."""
    text = checked.source.text.encode("utf-8", "surrogateescape")
    results = findings_json(checked.findings, checked.source)
    results["sources"] = [
        {
            "filename": checked.source.name,
            "data": base64.b64encode(text).decode(),
            "language": "Dockerfile",
        }
    ]
    return {
        "result.json": json.dumps(results).encode(),
        "result.txt": format_findings(checked.findings, checked.source).encode("utf-8", "surrogateescape"),
        "result.statuscode": b"1" if checked.findings else b"0",
        "version": _VERSION,
    }
