# SPDX-License-Identifier: Apache-2.0
"""Small readings of a config, and the state document that hooks and `state` get (runtime-spec: State)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OCI_VERSION = "1.2.0"


def state_of(spec: dict[str, Any], container_id: str, bundle: str, status: str, pid: int) -> dict[str, Any]:
    """Return the state document; `pid` is left out where there is no process."""
    state: dict[str, Any] = {
        "ociVersion": spec.get("ociVersion") or OCI_VERSION,
        "id": container_id,
        "status": status,
        "bundle": bundle,
    }
    if pid > 0:
        state["pid"] = pid
    if spec.get("annotations"):
        state["annotations"] = spec["annotations"]
    return state


def hooks_of(spec: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the hooks of one point in the life cycle."""
    return (spec.get("hooks") or {}).get(name) or []


def root_path(spec: dict[str, Any], bundle: str) -> str:
    """Return the absolute path of the root file system."""
    path: str = (spec.get("root") or {}).get("path") or "rootfs"
    return path if path.startswith("/") else f"{bundle}/{path}"


def namespaces_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the config's namespaces."""
    return (spec.get("linux") or {}).get("namespaces") or []
