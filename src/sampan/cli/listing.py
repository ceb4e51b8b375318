# SPDX-License-Identifier: Apache-2.0
"""What ``ps``, ``images`` and the other listings print: a table, only ids, JSON lines or a Go template.

A listing names its columns once: header and how an item gives the cell. Templates and JSON see the columns
under docker's names. The template engine is imported only when ``--format`` asks for one.
"""

from __future__ import annotations

from sampan.cli.flags import text
from sampan.cli.table import format_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from sampan.cli.output import Output

    Cell = Callable[[Any], Any]

_LINKS = (
    "Refer to https://docs.docker.com/go/formatting/ for more information "
    "about formatting output with templates"
)

FORMAT_FLAG = text(
    "format",
    "Format output using a custom template:\n"
    "'table':            Print output in table format with column headers (default)\n"
    "'table TEMPLATE':   Print output in table format using the given Go template\n"
    "'json':             Print in JSON format\n"
    "'TEMPLATE':         Print output using the given Go template.\n" + _LINKS,
)

INSPECT_FORMAT_FLAG = text(
    "format",
    "Format output using a custom template:\n"
    "'json':             Print in JSON format\n"
    "'TEMPLATE':         Print output using the given Go template.\n" + _LINKS,
    short="f",
)


# Go's encoder makes JSON safe for HTML, and scripts compare lines.
_HTML = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


class Row(dict[str, "Any"]):
    """One item as templates see it; `go_type` is what errors about unknown fields name."""

    __slots__ = ("go_type",)

    def __init__(self, values: Mapping[str, Any], go_type: str) -> None:
        super().__init__(values)
        self.go_type = go_type


class Listing:
    """Columns of one kind of item.

    `columns` maps docker's field name to its header and to the function that gives the cell; `methods` are
    fields that only templates can use, because they take an argument.
    """

    __slots__ = ("columns", "go_type", "methods")

    def __init__(
        self,
        go_type: str,
        columns: Mapping[str, tuple[str, Cell]],
        methods: Mapping[str, Cell] | None = None,
    ) -> None:
        self.go_type = go_type
        self.columns = columns
        self.methods = methods or {}

    def show(
        self, out: Output, items: Iterable[Any], *, template: str, default: Sequence[str], quiet: str = ""
    ) -> None:
        """Print `items` by `template` when one is given, else the `quiet` column, else the `default`."""
        if template and template != "table":
            self._show_formatted(out, items, template)
        elif quiet:
            for item in items:
                out.line(self._cell(quiet, item))
        else:
            self._show_table(out, items, default)

    def _cell(self, name: str, item: Any) -> str:
        return str(self.columns[name][1](item))

    def _show_table(self, out: Output, items: Iterable[Any], names: Sequence[str]) -> None:
        headers = [self.columns[name][0] for name in names]
        for line in format_table([headers, *([self._cell(name, item) for name in names] for item in items)]):
            out.line(line)

    def _show_formatted(self, out: Output, items: Iterable[Any], given: str) -> None:
        if given == "json":
            return self._show_json(out, items)
        from sampan.cli.template import parse_template

        in_table = given.startswith("table ")
        source = (given[len("table ") :] if in_table else given).strip()
        template = parse_template(source.replace("\\t", "\t").replace("\\n", "\n"))
        rendered = [template.render(self._row(item)) for item in items]
        if in_table:
            rendered.insert(0, template.render(self._headers()))
            rendered = format_table([line.split("\t") for line in rendered])
        for line in rendered:
            out.line(line)
        return None

    def _show_json(self, out: Output, items: Iterable[Any]) -> None:
        from sampan.client.jsontext import encode_json

        for item in items:
            fields = {name: column[1](item) for name, column in sorted(self.columns.items())}
            out.line(encode_json(fields).decode().translate(_HTML))

    def _row(self, item: Any) -> Row:
        values: dict[str, Any] = {name: column[1](item) for name, column in self.columns.items()}
        values.update((name, method(item)) for name, method in self.methods.items())
        return Row(values, self.go_type)

    def _headers(self) -> Row:
        headers: dict[str, Any] = {name: column[0] for name, column in self.columns.items()}
        headers.update((name, lambda argument, *_: argument.rpartition(".")[2]) for name in self.methods)
        return Row(headers, self.go_type)
