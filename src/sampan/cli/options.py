# SPDX-License-Identifier: Apache-2.0
"""The values that a command line gave to the declared flags, read by type."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Value: TypeAlias = "bool | int | str | list[str]"
else:
    Value = object


class Options:
    """Values by flag name; an undeclared flag is a KeyError, the wrong type a TypeError."""

    __slots__ = ("_given", "_values")

    def __init__(self, values: dict[str, Value], given: frozenset[str] = frozenset()) -> None:
        self._values = values
        self._given = given

    def given(self, name: str) -> bool:
        """Whether the command line named this flag, if only to repeat its default."""
        return name in self._given

    def declares(self, name: str) -> bool:
        """Whether the command has this flag at all."""
        return name in self._values

    def switch(self, name: str) -> bool:
        """The value of a switch."""
        value = self._values[name]
        if not isinstance(value, bool):
            raise TypeError(name)
        return value

    def text(self, name: str) -> str:
        """The value of a flag with one string."""
        value = self._values[name]
        if not isinstance(value, str):
            raise TypeError(name)
        return value

    def number(self, name: str) -> int:
        """The value of a flag with a whole number."""
        value = self._values[name]
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(name)
        return value

    def several(self, name: str) -> list[str]:
        """The values of a flag that may be repeated, in order."""
        value = self._values[name]
        if not isinstance(value, list):
            raise TypeError(name)
        return value
