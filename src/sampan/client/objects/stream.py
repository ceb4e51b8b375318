# SPDX-License-Identifier: Apache-2.0
"""What goes on coming until it ends or is closed: `Stream`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from sampan.client.answer import Answer

T_co = TypeVar("T_co", covariant=True)


class Stream(Iterator[T_co]):
    """An iterator over what one connection brings. Used as a context manager it is closed at the block's end."""

    def __init__(self, answer: Answer, items: Iterator[T_co]) -> None:
        self._answer = answer
        self._items = items

    def __next__(self) -> T_co:
        return next(self._items)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Read no further; no error when it has ended."""
        self._items = iter(())
        self._answer.close()
