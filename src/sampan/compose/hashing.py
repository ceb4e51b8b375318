# SPDX-License-Identifier: Apache-2.0
"""Configuration hashes: whether what runs is still what a project says.

Holds: the values are Docker Compose's own (SHA-256 of the JSON form less what does not change a container),
so a project that it started is not made again by us, nor the other way round.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from sampan.compose.json_text import format_json
from sampan.compose.model import Service
from sampan.compose.model_resources import Network, Volume
from sampan.compose.render import render


def hash_service(service: Service) -> str:
    """Of a service whose references to others have been resolved, as its containers are labelled."""
    deploy = replace(service.deploy, replicas=None) if service.deploy else None
    kept = replace(service, build=None, pull_policy="", scale=None, deploy=deploy, depends_on={}, profiles=())
    return _hash(kept)


def hash_network(network: Network) -> str:
    """Of a network."""
    return _hash(network)


def hash_volume(volume: Volume) -> str:
    """Of a volume."""
    return _hash(volume if volume.driver else replace(volume, driver="local"))


def _hash(value: Any) -> str:
    return hashlib.sha256(format_json(render(value, json=True)).encode()).hexdigest()
