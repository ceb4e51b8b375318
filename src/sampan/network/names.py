# SPDX-License-Identifier: Apache-2.0
"""What an engine's things in the kernel are called: its bridges, its table of the packet filter, its veths.

Holds: two engines with different data roots never share a name. The default engine has the plain ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

DEFAULT_DATA_ROOT = "/var/lib/sampan"


@dataclass(frozen=True, slots=True)
class EngineNames:
    """The default network's bridge, and the table that holds all rules of this engine."""

    bridge: str
    table: str

    def network_bridge(self, network_id: str) -> str:
        """Return the bridge of a network that a user made (at most 15 characters: IFNAMSIZ)."""
        return self._prefix() + _short_hash(self.table + network_id, 6)

    def is_network_bridge(self, name: str) -> bool:
        """Tell whether a bridge has been named by `network_bridge`."""
        return name.startswith(self._prefix())

    def _prefix(self) -> str:
        return f"sn{_short_hash(self.table, 6)}-"

    def host_interface(self, endpoint_id: str) -> str:
        """Return the host's end of the veth of an endpoint (a container in a network)."""
        return "veth" + _short_hash(self.table + endpoint_id, 7)


def names_for_data_root(data_root: str) -> EngineNames:
    """Return ``sampan0`` and ``sampan`` for the default data root, names with a hash for any other."""
    if data_root == DEFAULT_DATA_ROOT:
        return EngineNames(bridge="sampan0", table="sampan")
    name = "sampan-" + _short_hash(data_root, 8)
    return EngineNames(bridge=name, table=name)


def _short_hash(text: str, length: int) -> str:
    return sha256(text.encode()).hexdigest()[:length]
