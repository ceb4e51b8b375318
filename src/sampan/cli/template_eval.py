# SPDX-License-Identifier: Apache-2.0
"""Execute the tree of a template, after Go's text/template/exec.go.

A dict answers to fields; a value of it that can be called is a method and takes the arguments. A dict with a
``go_type`` stands for a struct: an unknown field of it is an error that names the type. What Docker's types
say about fields that JSON left out or wrote as null is in `template_types`.
"""

from __future__ import annotations

from collections.abc import Iterable

from sampan.cli.template_format import NO_VALUE, format_value, go_type, quote
from sampan.cli.template_functions import FUNCTIONS, FunctionError, is_true
from sampan.cli.template_nodes import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Identifier,
    Jump,
    Nil,
    Node,
    Pipe,
    Text,
    Variable,
)
from sampan.cli.template_tokens import TemplateError
from sampan.cli.template_types import absent_value, typed_value

_UNSET = object()
_DEEPEST = 100
_WANTED = {str: "string", int: "int", list: "[]string"}


class _Leave(Exception):  # noqa: N818 - it is no error
    """A ``break`` or ``continue`` on its way to its loop."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Execution:
    """One rendering: the variables in scope and the text so far; `typed` adds what Docker's types say."""

    def __init__(self, text: str, templates: dict[str, list[Node]], root: object, *, typed: bool) -> None:
        self._text = text
        self._typed = typed
        self._templates = templates
        self._variables: list[tuple[str, object]] = [("$", root)]
        self._depth = 0
        self.output: list[str] = []

    # Nodes

    def walk(self, dot: object, nodes: list[Node]) -> None:
        """Print what a list of nodes says; its variables end with it."""
        scope = len(self._variables)
        for node in nodes:
            match node:
                case Text():
                    self.output.append(node.text)
                case Action():
                    value = self._pipe(dot, node.pipe)
                    if not node.pipe.variables:
                        self._print(node, value)
                case Branch(kind="range"):
                    self._range(dot, node)
                case Branch():
                    self._branch(dot, node)
                case Jump():
                    raise _Leave(node.kind)
                case Call():
                    self._call_template(dot, node)
        del self._variables[scope:]

    def _fail(self, node: Node, message: str) -> TemplateError:
        before = self._text[: node.pos]
        line = 1 + before.count("\n")
        column = len(before[before.rfind("\n") + 1 :].encode())
        return TemplateError(f'template: :{line}:{column}: executing "" at <{node}>: {message}')

    def _print(self, node: Node, value: object) -> None:
        if callable(value):
            raise self._fail(node, f"can't print {node} of type func()")
        self.output.append("<no value>" if value is NO_VALUE else format_value(value))

    def _branch(self, dot: object, node: Branch) -> None:
        scope = len(self._variables)
        value = self._pipe(dot, node.pipe)
        if is_true(value):
            self.walk(value if node.kind == "with" else dot, node.body)
        else:
            self.walk(dot, node.otherwise)
        del self._variables[scope:]

    def _range(self, dot: object, node: Branch) -> None:
        scope = len(self._variables)
        value = self._pipe(dot, node.pipe)
        inside = len(self._variables)
        count = 0
        try:
            for key, element in self._items(node, value):
                count += 1
                self._loop_variables(node.pipe, key, element)
                try:
                    self.walk(element, node.body)
                except _Leave as leave:
                    if leave.kind == "break":
                        break
                finally:
                    del self._variables[inside:]
        finally:
            del self._variables[scope:]
        if not count:
            self.walk(dot, node.otherwise)

    def _items(self, node: Branch, value: object) -> Iterable[tuple[object, object]]:
        if value is None or value is NO_VALUE:
            return ()
        if isinstance(value, dict):
            return ((key, value[key]) for key in sorted(value))
        if isinstance(value, list | tuple):
            return enumerate(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return ((number, number) for number in range(value))
        raise self._fail(node.pipe, f"range can't iterate over {format_value(value)}")

    def _loop_variables(self, pipe: Pipe, key: object, element: object) -> None:
        values = (element,) if len(pipe.variables) == 1 else (key, element)
        for variable, value in zip(pipe.variables, values, strict=False):
            if pipe.assigns:
                self._assign(variable, value)
            else:
                self._variables.append((variable.name, value))

    def _call_template(self, dot: object, node: Call) -> None:
        body = self._templates.get(node.name)
        if body is None:
            raise self._fail(node, f"template {quote(node.name)} not defined")
        if self._depth >= _DEEPEST:
            raise self._fail(node, f"exceeded maximum template depth ({_DEEPEST})")
        argument = self._pipe(dot, node.pipe) if node.pipe else None
        outer, self._variables = self._variables, [("$", argument)]
        self._depth += 1
        self.walk(argument, body)
        self._depth -= 1
        self._variables = outer

    # Pipelines

    def _pipe(self, dot: object, pipe: Pipe) -> object:
        value: object = _UNSET
        for command in pipe.commands:
            value = self._command(dot, command, value)
        for variable in pipe.variables:
            if pipe.assigns:
                self._assign(variable, value)
            else:
                self._variables.append((variable.name, value))
        return value

    def _assign(self, variable: Variable, value: object) -> None:
        for place in range(len(self._variables) - 1, -1, -1):
            if self._variables[place][0] == variable.name:
                self._variables[place] = (variable.name, value)
                return
        raise self._fail(variable, f"undefined variable: {variable.name}")

    def _variable(self, node: Variable) -> object:
        for name, value in reversed(self._variables):
            if name == node.name:
                return value
        raise self._fail(node, f"undefined variable: {node.name}")

    def _command(self, dot: object, command: Command, final: object) -> object:
        first, args = command.args[0], command.args[1:]
        if isinstance(first, Identifier):
            return self._function(dot, first, command, args, final)
        if isinstance(first, Field | Chain | Variable) and (not isinstance(first, Variable) or first.names):
            receiver, names = self._receiver(dot, first)
            given = [self._argument(dot, arg) for arg in args] + ([] if final is _UNSET else [final])
            return self._chain(first, receiver, names, given)
        if args or final is not _UNSET:
            raise self._fail(first, f"can't give argument to non-function {first}")
        if isinstance(first, Nil):
            raise self._fail(first, "nil is not a command")
        return self._argument(dot, first)

    def _argument(self, dot: object, node: Node) -> object:
        match node:
            case Constant():
                return node.value
            case Dot():
                return dot
            case Nil():
                return None
            case Pipe():
                return self._pipe(dot, node)
            case Identifier():
                return self._function(dot, node, Command(node.pos, [node]), [], _UNSET)
            case Variable() if not node.names:
                return self._variable(node)
        receiver, names = self._receiver(dot, node)
        return self._chain(node, receiver, names, [])

    def _receiver(self, dot: object, node: Node) -> tuple[object, list[str]]:
        """What a chain of fields starts from, and the fields."""
        if isinstance(node, Variable):
            return self._variable(node), node.names
        if isinstance(node, Chain):
            if isinstance(node.node, Nil):
                raise self._fail(node, "indirection through explicit nil in " + str(node))
            return self._argument(dot, node.node), node.names
        if isinstance(node, Field):
            return dot, node.names
        raise self._fail(node, f"can't handle {node}")

    # Fields and functions

    def _chain(self, node: Node, value: object, names: list[str], args: list[object]) -> object:
        for name in names[:-1]:
            value = self._field(node, value, name, [])
        return self._field(node, value, names[-1], args)

    def _field(self, node: Node, receiver: object, name: str, args: list[object]) -> object:
        if receiver is NO_VALUE:
            return NO_VALUE
        if receiver is None:
            raise self._fail(node, f"nil pointer evaluating interface {{}}.{name}")
        if not isinstance(receiver, dict):
            kind = go_type(receiver) if isinstance(node, Chain) else "interface {}"
            raise self._fail(node, f"can't evaluate field {name} in type {kind}")
        if name not in receiver:
            return self._absent(node, receiver, name)
        value = receiver[name]
        if callable(value):
            return self._method(node, name, value, args)
        if args:
            raise self._fail(node, f"{name} is not a method but has arguments")
        return typed_value(name, value) if self._typed else value

    def _absent(self, node: Node, receiver: dict[str, object], name: str) -> object:
        if hasattr(receiver, "go_type"):
            raise self._fail(node, f"can't evaluate field {name} in type {go_type(receiver)}")
        if hasattr(receiver, "zero"):
            return NO_VALUE
        value = absent_value(name) if self._typed else NO_VALUE
        if value is NO_VALUE:
            raise self._fail(node, f"map has no entry for key {quote(name)}")
        return value

    def _method(self, node: Node, name: str, method: object, args: list[object]) -> object:
        try:
            return method(*args)  # type: ignore[operator]
        except TypeError:
            raise self._fail(node, f"wrong number of args for {name}: got {len(args)}") from None

    def _function(
        self, dot: object, node: Identifier, command: Command, args: list[Node], final: object
    ) -> object:
        name, function = node.name, FUNCTIONS[node.name]
        count = len(args) + (final is not _UNSET)
        if count < function.least or (function.most is not None and count > function.most):
            least = f"at least {function.least}" if function.most is None else str(function.least)
            raise self._fail(node, f"wrong number of args for {name}: want {least} got {count}")
        if name in ("and", "or"):
            return self._short_circuit(dot, args, final, stop_at=name == "or")
        values = [self._argument(dot, arg) for arg in args] + ([] if final is _UNSET else [final])
        places: list[Node] = [*args, command]
        for value, expected, place in zip(values, function.types, places, strict=False):
            self._check(place, value, expected)
        try:
            return function.apply(*values)
        except FunctionError as error:
            raise self._fail(command if args else node, f"error calling {name}: {error}") from None

    def _check(self, node: Node, value: object, expected: type) -> None:
        if expected is object or (isinstance(value, expected) and not isinstance(value, bool)):
            return
        wanted = _WANTED[expected]
        if isinstance(node, Constant):
            raise self._fail(node, f"expected {wanted.replace('int', 'integer')}; found {node}")
        if value is None or value is NO_VALUE:
            raise self._fail(node, f"invalid value; expected {wanted}")
        raise self._fail(node, f"wrong type for value; expected {wanted}; got {go_type(value)}")

    def _short_circuit(self, dot: object, args: list[Node], final: object, *, stop_at: bool) -> object:
        value: object = final
        for arg in args:
            value = self._argument(dot, arg)
            if is_true(value) is stop_at:
                return value
        return value if final is _UNSET else final
