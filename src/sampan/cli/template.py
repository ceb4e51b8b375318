# SPDX-License-Identifier: Apache-2.0
"""Go templates for ``--format``: parse once, render a value as often as there are rows.

Implements: Go's text/template, as far as docker's documentation of ``--format`` shows it, with docker's own
functions. A value is what JSON gives; see `template_eval` for structs and methods. Loaded only when a
command was given ``--format``.
"""

from __future__ import annotations

from sampan.cli.template_eval import Execution
from sampan.cli.template_functions import FUNCTIONS
from sampan.cli.template_nodes import Node
from sampan.cli.template_parse import Parser
from sampan.cli.template_tokens import TemplateError

__all__ = ["Template", "TemplateError", "parse_template"]


class Template:
    """A parsed template."""

    __slots__ = ("_nodes", "_templates", "_text")

    def __init__(self, text: str, nodes: list[Node], templates: dict[str, list[Node]]) -> None:
        self._text = text
        self._nodes = nodes
        self._templates = templates

    def render(self, value: object) -> str:
        """The text for one value; TemplateError in Go's words, with the place, where that does not work.

        As docker does: first as its types see the value and, when that fails, as the bare JSON.
        """
        try:
            return self._render(value, typed=True)
        except TemplateError:
            return self._render(value, typed=False)

    def _render(self, value: object, *, typed: bool) -> str:
        execution = Execution(self._text, self._templates, value, typed=typed)
        execution.walk(value, self._nodes)
        return "".join(execution.output)


def parse_template(text: str) -> Template:
    """Parse a template; TemplateError in Go's words."""
    parser = Parser(text, FUNCTIONS)
    nodes = parser.parse()
    return Template(text, nodes, parser.templates)
