# SPDX-License-Identifier: Apache-2.0
"""What ``inspect`` and its like print: a list as indented JSON, compact JSON, or a Go template."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cli.output import Output

_INDENT = 4


def show_value(out: Output, value: object, template: str) -> None:
    """One value by a template; ``json`` is compact JSON."""
    if template == "json":
        from sampan.client.jsontext import encode_json

        out.data(encode_json(value) + b"\n")
        return
    from sampan.cli.template import parse_template

    out.line(parse_template(template).render(value))


def show_values(out: Output, values: Sequence[object], template: str) -> None:
    """Several values, as ``inspect`` prints them: each by the template, else all as one indented list."""
    if template and template != "json":
        for value in values:
            show_value(out, value, template)
    elif template:
        show_value(out, list(values), template)
    else:
        out.line(format_json(list(values)))


def format_json(value: object, level: int = 0) -> str:
    """JSON as Go's json.Indent writes it with four blanks: empty lists and objects stay on one line."""
    inner, outer = "\n" + " " * _INDENT * (level + 1), "\n" + " " * _INDENT * level
    if isinstance(value, dict) and value:
        rows = (f"{_scalar(key)}: {format_json(item, level + 1)}" for key, item in value.items())
        return "{" + inner + ("," + inner).join(rows) + outer + "}"
    if isinstance(value, list) and value:
        return "[" + inner + ("," + inner).join(format_json(item, level + 1) for item in value) + outer + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    from sampan.client.jsontext import encode_json

    return encode_json(value).decode()
