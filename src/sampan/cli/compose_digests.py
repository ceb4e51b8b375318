# SPDX-License-Identifier: Apache-2.0
"""Pin the images of a project to what their tags mean now, as the engine finds by asking the registries."""

from __future__ import annotations

from dataclasses import replace

from sampan.client.credentials import CredentialStore
from sampan.oci.digest import parse_digest
from sampan.oci.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.compose.project import Project


def pin_images(context: Context, project: Project) -> Project:
    """The project with ``NAME@sha256:…`` for every image that has no digest yet."""
    services = {}
    for name, service in project.services.items():
        if service.image:
            service = replace(service, image=_pin(context, service.image))
        services[name] = service
    return replace(project, services=services)


def _pin(context: Context, image: str) -> str:
    reference = parse_reference(image)
    if reference.digest is not None:
        return str(reference)
    credentials = CredentialStore(context.environ).header_for(str(reference))
    found = context.engine.images.distribution(str(reference), credentials)
    return str(replace(reference, digest=parse_digest(found["Descriptor"]["digest"])))
