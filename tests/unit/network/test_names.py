# SPDX-License-Identifier: Apache-2.0
"""Names in the kernel: plain for the default engine, its own for any other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sampan.network.names import names_for_data_root
from sampan.paths import default_data_root

IFNAMSIZ = 16


def test_the_default_engine_has_plain_names() -> None:
    names = names_for_data_root(default_data_root({}, 0))
    assert (names.bridge, names.table) == ("sampan0", "sampan")


@given(st.text(min_size=1), st.text(min_size=1))
def test_every_name_fits_the_kernel(data_root: str, identity: str) -> None:
    names = names_for_data_root(data_root)
    for name in (names.bridge, names.network_bridge(identity), names.host_interface(identity)):
        assert len(name) < IFNAMSIZ
        assert "/" not in name
        assert "." not in name, "settings below /proc/sys would be ambiguous"


@given(st.text(), st.text(), st.text())
def test_engines_share_no_name(one: str, other: str, identity: str) -> None:
    first, second = names_for_data_root(one), names_for_data_root(other)
    same = one == other
    assert (first == second) == same
    assert (first.network_bridge(identity) == second.network_bridge(identity)) == same
    assert (first.host_interface(identity) == second.host_interface(identity)) == same
