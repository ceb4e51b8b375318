# SPDX-License-Identifier: Apache-2.0
"""Images as the Engine API shows them.

Implements: Engine API v1.51, ImageInspect, ImageSummary, HistoryResponseItem.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sampan.image.model import Image
from sampan.oci.reference import parse_name
from sampan.oci.timestamp import format_timestamp

_SECOND_NS = 1_000_000_000

# Clients read these without asking whether they are there.
_CONFIG_DEFAULTS: dict[str, Any] = {
    "User": "",
    "Env": None,
    "Cmd": None,
    "Entrypoint": None,
    "Volumes": None,
    "WorkingDir": "",
    "OnBuild": None,
    "Labels": None,
}


def inspect_image(image: Image, *, driver: str, mount: Mapping[str, str]) -> dict[str, Any]:
    """ImageInspect."""
    config = image.config
    fields: dict[str, Any] = {
        "Id": str(image.id),
        "RepoTags": familiar(image.references),
        "RepoDigests": familiar(image.repo_digests),
        "Parent": "",
        "Comment": config.history[-1].comment if config.history else "",
        "DockerVersion": str(config.extra.get("docker_version") or ""),
        "Author": config.author,
        "Config": _CONFIG_DEFAULTS | image.run_config,
        "Architecture": config.platform.architecture,
        "Os": config.platform.os,
        "Size": image.size_bytes,
        "GraphDriver": {"Name": driver, "Data": dict(mount)},
        "RootFS": {"Type": "layers", "Layers": [str(diff_id) for diff_id in config.diff_ids]},
        "Metadata": {"LastTagTime": _time(image.last_tag_ns)},
    }
    if config.created_ns is not None:
        fields["Created"] = format_timestamp(config.created_ns)
    if config.platform.variant:
        fields["Variant"] = config.platform.variant
    return fields


def summarise_image(image: Image, *, shared_bytes: int = -1, containers: int = -1) -> dict[str, Any]:
    """ImageSummary."""
    return {
        "Id": str(image.id),
        "ParentId": "",
        "RepoTags": familiar(image.references),
        "RepoDigests": familiar(image.repo_digests),
        "Created": max(0, image.created_ns // _SECOND_NS),
        "Size": image.size_bytes,
        "SharedSize": shared_bytes,
        "Labels": image.run_config.get("Labels") or {},
        "Containers": containers,
    }


def describe_history(image: Image, sizes: Mapping[str, int]) -> list[dict[str, Any]]:
    """HistoryResponseItem, newest first; `sizes` by chain ID. Only the image itself has an id, as in Docker."""
    layers = iter(image.chain_ids)
    items: list[dict[str, Any]] = []
    for line in image.config.history:
        chain = None if line.empty_layer else next(layers, None)
        items.append(
            {
                "Id": "<missing>",
                "Created": (line.created_ns or 0) // _SECOND_NS,
                "CreatedBy": line.created_by,
                "Tags": None,
                "Size": sizes.get(str(chain), 0) if chain else 0,
                "Comment": line.comment,
            }
        )
    items.reverse()
    if items:
        items[0] |= {"Id": str(image.id), "Tags": familiar(image.references) or None}
    return items


def familiar(names: tuple[str, ...]) -> list[str]:
    """Names as people are shown them."""
    return [parse_name(name).familiar() for name in names]


def _time(time_ns: int | None) -> str:
    return "0001-01-01T00:00:00Z" if time_ns is None else format_timestamp(time_ns)
