# SPDX-License-Identifier: Apache-2.0
"""Which driver a container has."""

from __future__ import annotations

from sampan.shim.external import ExternalDriver
from sampan.shim.native import NativeDriver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.shim.driver import Driver
    from sampan.shim.order import Terms


def driver_for(terms: Terms) -> Driver:
    """Return the driver that an order asks for."""
    return ExternalDriver(terms) if terms.runtime else NativeDriver(terms)
