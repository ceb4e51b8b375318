# SPDX-License-Identifier: Apache-2.0
"""The syntax tree of a template, after Go's text/template/parse/node.go.

A node knows where it stands in the text and prints itself as Go does, since execution errors quote both.
Plain slotted classes: a tree lives for one command line.
"""

from __future__ import annotations


class Node:
    """Anything in the tree; `pos` is the offset that errors name."""

    __slots__ = ("pos",)

    def __init__(self, pos: int) -> None:
        self.pos = pos


class Text(Node):
    """Text between actions."""

    __slots__ = ("text",)

    def __init__(self, pos: int, text: str) -> None:
        super().__init__(pos)
        self.text = text


class Dot(Node):
    """The cursor, ``.``."""

    __slots__ = ()

    def __str__(self) -> str:
        return "."


class Nil(Node):
    """The untyped constant ``nil``."""

    __slots__ = ()

    def __str__(self) -> str:
        return "nil"


class Constant(Node):
    """A boolean, number, character or string, with the words it was written in."""

    __slots__ = ("source", "value")

    def __init__(self, pos: int, source: str, value: object) -> None:
        super().__init__(pos)
        self.source = source
        self.value = value

    def __str__(self) -> str:
        return self.source


class Field(Node):
    """A chain of fields of the cursor: ``.A.B``."""

    __slots__ = ("names",)

    def __init__(self, pos: int, names: list[str]) -> None:
        super().__init__(pos)
        self.names = names

    def __str__(self) -> str:
        return "".join("." + name for name in self.names)


class Variable(Node):
    """A variable, with the fields taken of it: ``$x.A``."""

    __slots__ = ("name", "names")

    def __init__(self, pos: int, name: str, names: list[str]) -> None:
        super().__init__(pos)
        self.name = name
        self.names = names

    def __str__(self) -> str:
        return ".".join([self.name, *self.names])


class Identifier(Node):
    """The name of a function."""

    __slots__ = ("name",)

    def __init__(self, pos: int, name: str) -> None:
        super().__init__(pos)
        self.name = name

    def __str__(self) -> str:
        return self.name


class Chain(Node):
    """Fields of a parenthesised pipeline: ``(index .A 0).B``."""

    __slots__ = ("names", "node")

    def __init__(self, pos: int, node: Node, names: list[str]) -> None:
        super().__init__(pos)
        self.node = node
        self.names = names

    def __str__(self) -> str:
        inner = f"({self.node})" if isinstance(self.node, Pipe) else str(self.node)
        return ".".join([inner, *self.names])


class Command(Node):
    """A function, method or value, with its arguments."""

    __slots__ = ("args",)

    def __init__(self, pos: int, args: list[Node]) -> None:
        super().__init__(pos)
        self.args = args

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


class Pipe(Node):
    """Commands joined by ``|``, and the variables that take the result."""

    __slots__ = ("assigns", "commands", "variables")

    def __init__(self, pos: int) -> None:
        super().__init__(pos)
        self.commands: list[Command] = []
        self.variables: list[Variable] = []
        self.assigns = False

    def __str__(self) -> str:
        names = ", ".join(str(variable) for variable in self.variables)
        prefix = names + (" = " if self.assigns else " := ") if names else ""
        return prefix + " | ".join(str(command) for command in self.commands)


class Action(Node):
    """A pipeline whose value is printed."""

    __slots__ = ("pipe",)

    def __init__(self, pos: int, pipe: Pipe) -> None:
        super().__init__(pos)
        self.pipe = pipe

    def __str__(self) -> str:
        return "{{" + str(self.pipe) + "}}"


class Branch(Node):
    """An ``if``, ``with`` or ``range``: a pipeline and two lists."""

    __slots__ = ("body", "kind", "otherwise", "pipe")

    def __init__(self, pos: int, kind: str, pipe: Pipe, body: list[Node], otherwise: list[Node]) -> None:
        super().__init__(pos)
        self.kind = kind
        self.pipe = pipe
        self.body = body
        self.otherwise = otherwise

    def __str__(self) -> str:
        return "{{" + f"{self.kind} {self.pipe}" + "}}"


class Jump(Node):
    """A ``break`` or ``continue``."""

    __slots__ = ("kind",)

    def __init__(self, pos: int, kind: str) -> None:
        super().__init__(pos)
        self.kind = kind


class Call(Node):
    """The use of a named template: ``{{template "name" pipeline}}``."""

    __slots__ = ("name", "pipe")

    def __init__(self, pos: int, name: str, pipe: Pipe | None) -> None:
        super().__init__(pos)
        self.name = name
        self.pipe = pipe

    def __str__(self) -> str:
        return '{{template "' + self.name + '"' + (f" {self.pipe}" if self.pipe else "") + "}}"
