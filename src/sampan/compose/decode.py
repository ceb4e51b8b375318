# SPDX-License-Identifier: Apache-2.0
"""A canonical tree as the typed model: each field read as its kind says.

What a class has for fields is asked of its annotations once. Keys that begin with ``x-`` become the
`extensions` of the innermost thing that may have some.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.readers import READERS
from sampan.compose.tree import Series, Table, Value
from sampan.errors import InvalidArgument

T = TypeVar("T")


class Field(NamedTuple):
    """One field of a class of the model.

    `shape` is ``scalar``, ``struct``, ``structs`` (a sequence) or ``named`` (a map of them); `kind` names the
    reader of a scalar, `inner` is the class of the others, and `optional` says that None is "not given".
    """

    name: str
    shape: str
    kind: str
    inner: type[Any]
    optional: bool


@functools.cache
def fields_of(cls: type[Any]) -> tuple[Field, ...]:
    """The fields of a class of the model, in order; `extensions` is not one of them."""
    hints = get_type_hints(cls, include_extras=True)
    named = [field.name for field in fields(cls)]
    return tuple(_field(name, hints[name]) for name in named if name != "extensions")


def _field(name: str, hint: Any) -> Field:
    if get_origin(hint) is Annotated:
        base, kind = get_args(hint)
        return Field(name, "scalar", kind, object, type(None) in get_args(base))
    inner, optional = _without_none(hint)
    if is_dataclass(inner):
        assert isinstance(inner, type)
        return Field(name, "struct", "", inner, optional)
    origin, arguments = get_origin(inner), get_args(inner)
    if origin is tuple:
        return Field(name, "structs", "", arguments[0], optional)
    if origin is dict:
        held, may_be_none = _without_none(arguments[1])
        return Field(name, "named", "", held, may_be_none)
    return Field(name, "scalar", "text", object, optional)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    kept = [part for part in get_args(hint) if part is not type(None)]
    return kept[0], len(kept) < len(get_args(hint))


def decode(cls: type[T], value: Value, path: Path, mark: Mark | None, **given: object) -> T:
    """The object of `cls` that a table means; `given` are fields that are not in the table."""
    if not isinstance(value, Table):
        raise ComposeError("must be a mapping", mark=mark, path=path)
    values: dict[str, object] = dict(given)
    for field in fields_of(cls):  # type: ignore[arg-type]
        if field.name in value and field.name not in given:
            where = (*path, field.name)
            values[field.name] = _decode_field(field, value[field.name], where, value.mark_of(field.name))
    extensions = {key: item for key, item in value.items() if key.startswith("x-")}
    if extensions and any(field.name == "extensions" for field in fields(cls)):  # type: ignore[arg-type]
        values["extensions"] = extensions
    return cls(**values)


def _decode_field(field: Field, value: Value, path: Path, mark: Mark | None) -> object:
    if field.shape == "scalar":
        return _decode_scalar(READERS[field.kind], value, path, mark)
    if field.shape == "struct":
        return None if value is None and field.optional else _decode_one(field.inner, value, path, mark)
    if field.shape == "structs":
        items = value.iter_marked() if isinstance(value, Series) else ()
        return tuple(
            _decode_one(field.inner, item, (*path, index), where) for index, (item, where) in enumerate(items)
        )
    entries = value.items() if isinstance(value, Table) else ()
    return {
        key: None
        if item is None and field.optional
        else _decode_one(field.inner, item, (*path, key), value.mark_of(key))
        for key, item in sorted(entries)
    }


def _decode_one(cls: type[Any], value: Value, path: Path, mark: Mark | None) -> object:
    if value is None:
        value = Table(mark=mark)
    elif cls.__name__ == "Ulimit" and not isinstance(value, Table):
        value = Table([("single", value)], mark=mark)
    return decode(cls, value, path, mark)


def _decode_scalar(read: Callable[[Value], object], value: Value, path: Path, mark: Mark | None) -> object:
    try:
        return read(value)
    except ComposeError:
        raise
    except (InvalidArgument, ValueError, TypeError) as error:
        raise ComposeError(str(error), mark=mark, path=path) from None
