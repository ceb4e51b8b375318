# SPDX-License-Identifier: Apache-2.0
"""Which variables the files of a project use, and how: ``compose config --variables``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sampan.compose.template import Variable, iter_variables
from sampan.compose.tree import Series, Table, Value


class VariableUse(NamedTuple):
    """A variable, the value for where it is not set, and the one for where it is."""

    name: str
    required: bool = False
    default: str = ""
    alternate: str = ""

    def document(self, *, yaml: bool) -> dict[str, object]:
        """As compose prints it."""
        fields = {
            "Name": self.name,
            "DefaultValue": self.default,
            "PresenceValue": self.alternate,
            "Required": self.required,
        }
        return {key.lower(): value for key, value in fields.items()} if yaml else {**fields}


def find_uses(tree: Table) -> list[VariableUse]:
    """Every variable once, by name; of several uses the one that says most."""
    uses: dict[str, VariableUse] = {}
    for variable in _walk(tree):
        use = _read(variable)
        held = uses.get(use.name)
        if held is None or not any(held[1:]):
            uses[use.name] = use
    return [uses[name] for name in sorted(uses)]


def _read(variable: Variable) -> VariableUse:
    kind = variable.operator[-1:]
    return VariableUse(
        variable.name,
        required=kind == "?",
        default=variable.word if kind == "-" else "",
        alternate=variable.word if kind == "+" else "",
    )


def _walk(value: Value) -> Iterator[Variable]:
    if isinstance(value, str):
        yield from iter_variables(value)
    elif isinstance(value, Table):
        for item in value.values():
            yield from _walk(item)
    elif isinstance(value, Series):
        for item in value:
            yield from _walk(item)
