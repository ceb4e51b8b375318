# SPDX-License-Identifier: Apache-2.0
"""Whether a container is still what its service says, and if not, why not."""

from __future__ import annotations

from collections.abc import Mapping

from sampan.compose import labels
from sampan.compose.fingerprint import compare_fingerprints, take_fingerprint
from sampan.compose.hashing import hash_service
from sampan.compose.model import Service
from sampan.compose.observed import Observed, ObservedContainer
from sampan.compose.project import Project
from sampan.compose.references import as_hashed, resolve_references
from sampan.compose.resource_plan import ResourcePlan


def find_changes(
    project: Project,
    service: Service,
    container: ObservedContainer,
    *,
    kept_ids: Mapping[str, str],
    image_id: str,
    resources: ResourcePlan,
    observed: Observed,
) -> tuple[str, ...]:
    """The reasons to make a container anew; none if it is as it should be."""
    found = _find_configuration_changes(project, service, container, kept_ids)
    known_image = container.labels.get(labels.IMAGE, "")
    if image_id and known_image and known_image != image_id:
        found.append("image changed")
    found += _find_resource_changes(project, service, container, resources, observed)
    return tuple(found)


def _find_configuration_changes(
    project: Project, service: Service, container: ObservedContainer, kept_ids: Mapping[str, str]
) -> list[str]:
    before = container.labels.get(labels.FINGERPRINT, "")
    changed = compare_fingerprints(before, take_fingerprint(project, service))
    wanted = hash_service(as_hashed(resolve_references(service, kept_ids)))
    if container.labels.get(labels.CONFIG_HASH) != wanted:
        return [f"configuration changed: {', '.join(changed)}" if changed else "configuration changed"]
    # The content of configs and secrets is not a part of Docker Compose's hash, but of our fingerprint.
    contents = [key for key in changed if key.startswith(("configs.", "secrets."))]
    return [f"content changed: {', '.join(contents)}"] if contents else []


def _find_resource_changes(
    project: Project,
    service: Service,
    container: ObservedContainer,
    resources: ResourcePlan,
    observed: Observed,
) -> list[str]:
    found = []
    for key in service.networks:
        name = project.networks[key].name if key in project.networks else key
        network = observed.network(name)
        if f"network:{key}" in resources.renewed:
            found.append(f"network {name} is made anew")
        elif container.is_running and (network is None or network.id not in container.networks.values()):
            found.append(f"it is not on network {name}")
    for mount in service.volumes:
        volume = project.volumes.get(mount.source) if mount.type == "volume" else None
        if volume is None:
            continue
        if f"volume:{mount.source}" in resources.renewed:
            found.append(f"volume {volume.name} is made anew")
        elif volume.name not in container.volumes:
            found.append(f"volume {volume.name} is not mounted")
    return found
