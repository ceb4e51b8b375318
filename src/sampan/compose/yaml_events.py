# SPDX-License-Identifier: Apache-2.0
"""YAML text as nodes: libyaml's events put together, with lines, anchors and tags as they are written.

libyaml composes its own nodes by recursion without a bound, which a file of brackets alone would crash; here
depth has one. An alias is the very node that its anchor is at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import yaml

from sampan.compose.errors import ComposeError, Mark

MAX_DEPTH = 64

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Scalar:
    """A leaf; `plain` when it has no quotes, so that its text decides what it is.

    It is written from the character `start` of the file up to `end`, quotes included.
    """

    __slots__ = ("end", "line", "plain", "start", "tag", "text")

    def __init__(self, text: str, *, tag: str, plain: bool, line: int, start: int = 0, end: int = 0) -> None:
        self.text = text
        self.tag = tag
        self.plain = plain
        self.line = line
        self.start = start
        self.end = end


class Sequence:
    """A list; `is_open` until its end has been read."""

    __slots__ = ("is_open", "items", "line", "tag")

    def __init__(self, *, tag: str, line: int) -> None:
        self.items: list[Node] = []
        self.tag = tag
        self.line = line
        self.is_open = True


class Mapping:
    """Keys and values in turn, as they are written."""

    __slots__ = ("is_open", "items", "line", "tag")

    def __init__(self, *, tag: str, line: int) -> None:
        self.items: list[Node] = []
        self.tag = tag
        self.line = line
        self.is_open = True


Node: TypeAlias = "Scalar | Sequence | Mapping"


def iter_documents(data: bytes, file: str) -> Iterator[Node]:
    """The root of each document; whatever is wrong with the text is a ComposeError with its line."""
    try:
        text = data.decode("utf-8-sig")
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                composer = _Composer(file)
            elif isinstance(event, yaml.DocumentEndEvent):
                yield composer.root()
            elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
                composer.take(event)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ComposeError("invalid UTF-8", mark=Mark(file, line)) from None
    except yaml.MarkedYAMLError as error:
        mark = Mark(file, error.problem_mark.line + 1) if error.problem_mark else Mark(file, 1)
        raise ComposeError(f"yaml: {error.problem or error.context}", mark=mark) from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        reason = getattr(error, "reason", "") or "cannot be read"
        raise ComposeError(f"yaml: {reason}", mark=Mark(file, line)) from None


class _Composer:
    """Builds one document; `_open` is the way from the root to the node that is being read."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[Sequence | Mapping] = []
        self._anchors: dict[str, Node] = {}
        self._root: Node | None = None

    def root(self) -> Node:
        assert self._root is not None
        return self._root

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.CollectionEndEvent):
            self._open.pop().is_open = False
            return
        line = event.start_mark.line + 1 if event.start_mark else 1
        node = self._node(event, line)
        if self._open:
            self._open[-1].items.append(node)
        else:
            self._root = node
        if isinstance(event, yaml.CollectionStartEvent):
            assert not isinstance(node, Scalar)
            self._open.append(node)
            if len(self._open) > MAX_DEPTH:
                raise ComposeError(f"nested deeper than {MAX_DEPTH} levels", mark=Mark(self._file, line))

    def _node(self, event: yaml.Event, line: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        tag = event.tag or ""
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            start = event.start_mark.index if event.start_mark else 0
            end = event.end_mark.index if event.end_mark else start
            node = Scalar(event.value, tag=tag, plain=event.implicit[0], line=line, start=start, end=end)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Sequence(tag=tag, line=line)
        else:
            node = Mapping(tag=tag, line=line)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, name: str, line: int) -> Node:
        node = self._anchors.get(name)
        if node is None:
            raise ComposeError(f"yaml: unknown anchor '{name}' referenced", mark=Mark(self._file, line))
        if not isinstance(node, Scalar) and node.is_open:
            raise ComposeError(
                f"cycle detected: anchor '{name}' contains itself", mark=Mark(self._file, line)
            )
        return node
