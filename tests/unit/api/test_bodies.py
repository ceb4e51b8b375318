# SPDX-License-Identifier: Apache-2.0
"""Bodies are read as Go reads them."""

from __future__ import annotations

from sampan.api.bodies import drop_nulls


def test_null_means_that_nothing_was_said() -> None:
    said = {"Name": "sea", "IPAM": {"Driver": None, "Config": [{"Subnet": "s", "IPRange": None}]}, "Labels": None}
    assert drop_nulls(said) == {"Name": "sea", "IPAM": {"Config": [{"Subnet": "s"}]}}
