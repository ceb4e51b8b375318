# SPDX-License-Identifier: Apache-2.0
"""Parse the tokens of a template into its tree, after Go's text/template/parse/parse.go.

Errors are Go's, word for word, since people search for them: ``template: :1: unclosed action``. Unknown
functions and undefined variables are found here, before anything is printed.
"""

from __future__ import annotations

import ast
from collections.abc import Collection

from sampan.cli.template_format import quote
from sampan.cli.template_lex import Token, lex
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
from sampan.cli.template_tokens import TemplateError, TokenReader

_OPERANDS = frozenset(
    [
        "bool",
        "character",
        "dot",
        "field",
        "identifier",
        "number",
        "nil",
        "rawstring",
        "string",
        "variable",
        "leftparen",
    ]
)


class Parser(TokenReader):
    """One pass over the tokens; `templates` collects what ``define`` and ``block`` name."""

    def __init__(self, text: str, functions: Collection[str]) -> None:
        super().__init__(lex(text))
        self.templates: dict[str, list[Node]] = {}
        self._functions = functions
        self._variables = ["$"]
        self._loops = 0

    def parse(self) -> list[Node]:
        """The whole template."""
        nodes, end = self._list(top=True)
        if end is not None:
            raise self._error(f"unexpected {{{{{end}}}}}")
        return nodes

    # Lists and control

    def _list(self, *, top: bool = False) -> tuple[list[Node], str | None]:
        """Nodes up to ``{{end}}`` or ``{{else`` (whose word is the second value) or, at the top, the end."""
        nodes: list[Node] = []
        while True:
            token = self._next()
            if token.kind == "text":
                nodes.append(Text(token.pos, token.text))
            elif token.kind == "leftdelim":
                self._action_line = token.line
                end = self._action(nodes)
                if end:
                    return nodes, end
                self._action_line = 0
            elif token.kind == "eof":
                if top:
                    return nodes, None
                raise self._error("unexpected EOF")
            else:
                raise self._unexpected(token, "input")

    def _action(self, nodes: list[Node]) -> str | None:
        """One action; answers ``end`` or ``else`` when it closes the list it stands in."""
        token = self._next_solid()
        match token.kind:
            case "end":
                self._expect("rightdelim", "end")
                return "end"
            case "else":
                return "else"
            case "if" | "with" | "range":
                nodes.append(self._branch(token))
            case "break" | "continue":
                nodes.append(self._jump(token))
            case "template":
                nodes.append(self._call())
            case "block":
                nodes.append(self._block(token))
            case "define":
                self._define()
            case _:
                self._at -= 1
                pipe = self._pipe("command", "rightdelim")
                nodes.append(Action(token.pos, pipe))
        return None

    def _branch(self, token: Token) -> Branch:
        kind = token.kind
        scope = len(self._variables)
        pipe = self._pipe(kind, "rightdelim")
        self._loops += kind == "range"
        body, end = self._list()
        otherwise: list[Node] = []
        if end == "else":
            following = self._peek_solid()
            if following.kind in ("if", "with") and kind == following.kind:
                self._next()
                otherwise = [self._branch(following)]
            else:
                self._expect("rightdelim", "else")
                otherwise, end = self._list()
                if end != "end":
                    raise self._error("expected end; found {{else}}")
        self._loops -= kind == "range"
        del self._variables[scope:]
        return Branch(token.pos, kind, pipe, body, otherwise)

    def _jump(self, token: Token) -> Jump:
        self._expect("rightdelim", token.kind)
        if not self._loops:
            raise self._error(f"{{{{{token.kind}}}}} outside {{{{range}}}}")
        return Jump(token.pos, token.kind)

    def _template_name(self, context: str) -> str:
        token = self._next_solid()
        if token.kind not in ("string", "rawstring"):
            raise self._unexpected(token, context)
        return _unquote(token)

    def _call(self) -> Call:
        pos = self._peek_solid().pos
        name = self._template_name("template clause")
        pipe = None
        if self._next_solid().kind != "rightdelim":
            self._at -= 1
            pipe = self._pipe("template clause", "rightdelim")
        return Call(pos, name, pipe)

    def _block(self, token: Token) -> Call:
        name = self._template_name("block clause")
        pipe = self._pipe("block clause", "rightdelim")
        self._body(name, "block clause")
        return Call(token.pos, name, pipe)

    def _define(self) -> None:
        name = self._template_name("define clause")
        self._expect("rightdelim", "define clause")
        self._body(name, "define clause")

    def _body(self, name: str, context: str) -> None:
        """The body of a named template: it sees no variable of its surroundings."""
        outer, self._variables = self._variables, ["$"]
        loops, self._loops = self._loops, 0
        nodes, end = self._list()
        if end != "end":
            raise self._error(f"unexpected {{{{else}}}} in {context}")
        self._variables, self._loops = outer, loops
        self.templates[name] = nodes

    # Pipelines

    def _pipe(self, context: str, end: str) -> Pipe:
        pipe = Pipe(self._peek_solid().pos)
        self._declarations(pipe, context)
        while True:
            token = self._next_solid()
            if token.kind == end:
                return self._checked(pipe, context)
            if token.kind not in _OPERANDS:
                raise self._unexpected(token, context)
            self._at -= 1
            pipe.commands.append(self._command())

    def _declarations(self, pipe: Pipe, context: str) -> None:
        """``$x :=``, ``$x =`` and, for range, ``$i, $x :=``; anything else is left for the commands."""
        while self._peek_solid().kind == "variable":
            start = self._at
            variable = self._next()
            following = self._next_solid()
            if following.kind in ("declare", "assign"):
                pipe.assigns = following.kind == "assign"
                self._declare(pipe, variable)
                return
            if following.text != ",":
                self._at = start
                return
            if context != "range" or pipe.variables:
                raise self._error(f"too many declarations in {context}")
            self._declare(pipe, variable)
            if self._peek_solid().kind not in ("variable", "rightdelim", "rightparen"):
                raise self._error("range can only initialize variables")

    def _declare(self, pipe: Pipe, token: Token) -> None:
        pipe.variables.append(Variable(token.pos, token.text, []))
        self._variables.append(token.text)

    def _checked(self, pipe: Pipe, context: str) -> Pipe:
        if not pipe.commands:
            raise self._error(f"missing value for {context}")
        for stage, command in enumerate(pipe.commands[1:], start=2):
            if isinstance(command.args[0], Constant | Dot | Nil):
                raise self._error(f"non executable command in pipeline stage {stage}")
        return pipe

    def _command(self) -> Command:
        command = Command(self._peek_solid().pos, [])
        while True:
            self._peek_solid()
            operand = self._operand()
            if operand is not None:
                command.args.append(operand)
            token = self._next()
            if token.kind == "space":
                continue
            if token.kind in ("rightdelim", "rightparen"):
                self._at -= 1
            elif token.kind != "pipe":
                raise self._unexpected(token, "operand")
            break
        if not command.args:
            raise self._error("empty command")
        return command

    def _operand(self) -> Node | None:
        node = self._term()
        if node is None or self._peek().kind != "field":
            return node
        pos = self._peek().pos
        names = []
        while self._peek().kind == "field":
            names.append(self._next().text[1:])
        # A longer chain takes the place of its second field: Go's errors point there.
        if isinstance(node, Field):
            return Field(pos, node.names + names)
        if isinstance(node, Variable):
            return Variable(pos, node.name, names)
        if isinstance(node, Constant | Nil | Dot):
            raise self._error(f"unexpected . after term {quote(str(node))}")
        return Chain(pos, node, names)

    def _term(self) -> Node | None:
        token = self._next_solid()
        match token.kind:
            case "identifier":
                if token.text not in self._functions:
                    raise self._error(f"function {quote(token.text)} not defined")
                return Identifier(token.pos, token.text)
            case "dot":
                return Dot(token.pos)
            case "nil":
                return Nil(token.pos)
            case "variable":
                if token.text not in self._variables:
                    raise self._error(f"undefined variable {quote(token.text)}")
                return Variable(token.pos, token.text, [])
            case "field":
                return Field(token.pos, [token.text[1:]])
            case "bool":
                return Constant(token.pos, token.text, token.text == "true")
            case "number" | "character":
                return Constant(token.pos, token.text, self._number(token))
            case "string" | "rawstring":
                return Constant(token.pos, token.text, _unquote(token))
            case "leftparen":
                return self._pipe("parenthesized pipeline", "rightparen")
        self._at -= 1
        return None

    def _number(self, token: Token) -> int | float:
        try:
            if token.kind == "character":
                return ord(_unquote(token))
            return _parse_number(token.text)
        except (ValueError, TypeError):
            raise self._error(f"bad number syntax: {quote(token.text)}") from None


def _parse_number(text: str) -> int | float:
    digits = text.lstrip("+-")
    if digits.isdigit() and len(digits) > 1 and digits[0] == "0":
        return int(text, 8)
    try:
        return int(text, 0)
    except ValueError:
        return float(text)


def _unquote(token: Token) -> str:
    if token.kind == "rawstring":
        return token.text[1:-1]
    try:
        return str(ast.literal_eval(token.text))
    except (SyntaxError, ValueError):
        raise TemplateError(f"template: :{token.line}: invalid syntax") from None
