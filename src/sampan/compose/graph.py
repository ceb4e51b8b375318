# SPDX-License-Identifier: Apache-2.0
"""What needs what: the order of names, and circles among them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

Needs = Mapping[str, Collection[str]]


def order_by_need(needs: Needs) -> list[str]:
    """Every name after all that it needs; names of equal rank in alphabetical order.

    What is needed but not among the names is passed over. A circle must have been refused before.
    """
    ordered: list[str] = []
    left = {name: {need for need in needs[name] if need in needs} for name in sorted(needs)}
    while left:
        ready = [name for name, open_needs in left.items() if not open_needs]
        if not ready:
            raise ValueError("dependency cycle")
        ordered += ready
        left = {name: open_needs.difference(ready) for name, open_needs in left.items() if open_needs}
    return ordered


def find_cycle(needs: Needs) -> list[str]:
    """The names of a circle in order, or none."""
    done: set[str] = set()
    for start in sorted(needs):
        path: list[str] = []
        pending = [iter((start,))]
        while pending:
            name = next(pending[-1], None)
            if name is None:
                pending.pop()
                if path:
                    done.add(path.pop())
            elif name in path:
                return path[path.index(name) :]
            elif name in needs and name not in done:
                path.append(name)
                pending.append(iter(sorted(needs[name])))
    return []
