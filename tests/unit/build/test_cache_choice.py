# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.build.cache_choice import CacheChoice, plan_prune

ENTRIES = [
    ({"ID": "aaa", "Description": "RUN a", "Shared": False, "Size": 100}, 10),
    ({"ID": "bbb", "Description": "RUN b", "Shared": True, "Size": 200}, 20),
    ({"ID": "ccc", "Description": "COPY c", "Shared": False, "Size": 300}, 30),
]


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        (CacheChoice(), [0, 1, 2]),
        (CacheChoice(ids=frozenset({"bb"})), [1]),
        (CacheChoice(descriptions=frozenset({"COPY c"})), [2]),
        (CacheChoice(shared=True), [1]),
        (CacheChoice(shared=False), [0, 2]),
        (CacheChoice(unused_since_ns=25), [0, 1]),
        (CacheChoice(reserved_bytes=500), [0]),
        (CacheChoice(reserved_bytes=600), []),
        (CacheChoice(max_used_bytes=350), [0, 1]),
        (CacheChoice(min_free_bytes=1050), [0]),
        (CacheChoice(min_free_bytes=900), [0, 1, 2]),
        (CacheChoice(min_free_bytes=1500, reserved_bytes=300), [0, 1]),
        (CacheChoice(min_free_bytes=1050, max_used_bytes=310), [0, 1]),
    ],
)
def test_the_longest_unused_go_until_enough_is_gone(choice: CacheChoice, taken: list[int]) -> None:
    assert plan_prune(choice, ENTRIES, free_bytes=1000) == taken
