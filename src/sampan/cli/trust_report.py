# SPDX-License-Identifier: Apache-2.0
"""What the trust commands show of signatures: as JSON for scripts, as text for people."""

from __future__ import annotations

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.options import Options
    from sampan.cli.output import Output
    from sampan.registry.trust.report import Known, Report


def is_json(options: Options) -> bool:
    """Whether --format asks for it."""
    if options.text("format") not in ("text", "json"):
        raise InvalidArgument(f"unknown format {options.text('format')!r}", hint="text or json")
    return options.text("format") == "json"


def say_json(out: Output, shown: list[dict[str, Any]]) -> int:
    """A list of objects; the command's status."""
    from json import dumps  # people read this

    out.line(dumps(shown, indent=4))
    return 0


def describe_signature(known: Known) -> dict[str, Any]:
    """One signature, and the bytes that it is of."""
    payload = known.payload
    return {
        "digest": str(known.subject),
        "publisher": known.publisher,
        "key": known.fingerprint,
        "reference": payload.reference if payload else "",
        "annotations": dict(payload.annotations) if payload else {},
        "signature": known.signature.text,
        "payload": known.signature.payload.decode("utf-8", "replace"),
    }


def describe_report(platform: str, report: Report) -> dict[str, Any]:
    """All signatures of one manifest."""
    return {
        "digest": str(report.subject),
        "platform": platform,
        "signatures": [describe_signature(known) for known in report.signatures],
        "complaints": list(report.complaints),
    }


def show_report(out: Output, name: str, platform: str, report: Report) -> None:
    """The same for people."""
    out.line(f"{platform or name}  {report.subject}")
    if not report.signatures:
        out.line("  no signatures")
    for known in report.signatures:
        who = (
            f"{known.publisher} ({known.fingerprint})" if known.publisher else "a key that is not known here"
        )
        out.line(f"  signed by {who}")
        if known.payload is None:
            out.line(f"    unreadable: {'; '.join(known.complaints)}")
            continue
        out.line(f"    for {_printable(known.payload.reference) or 'any name'}")
        if known.payload.digest != report.subject:
            out.line(f"    but of another image: {known.payload.digest}")
        for key, value in sorted(known.payload.annotations.items()):
            out.line(f"    {_printable(key)}={_printable(str(value))}")
    for complaint in report.complaints:
        out.note(f"{out.program}: {complaint}")


def _printable(text: str) -> str:
    """Anybody can write a signature that nobody trusts: what it says reaches the terminal as letters only."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
