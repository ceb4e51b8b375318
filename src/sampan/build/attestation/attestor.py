# SPDX-License-Identifier: Apache-2.0
"""Makes the attestations of the images of one build: a manifest for each image, with a statement of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sampan import __version__
from sampan.build.attestation.facts import image_url
from sampan.build.attestation.inventory import Inventory, take_inventory
from sampan.build.attestation.options import Attestations
from sampan.build.attestation.provenance import Invocation, make_provenance
from sampan.build.attestation.spdx import PREDICATE, make_document
from sampan.build.attestation.statement import Statement, encode_attestation
from sampan.build.built import Built
from sampan.build.exports.attached import Attached, Attestor
from sampan.build.files.view import open_view
from sampan.build.request import BuildRequest
from sampan.oci.manifest import Manifest
from sampan.oci.platform import host_platform
from sampan.oci.reference import Reference, parse_reference
from sampan.oci.timestamp import format_timestamp


def plan_attestors(request: BuildRequest) -> tuple[Attestor, ...]:
    """Who says what the request wants said; nobody if it wants nothing."""
    wanted = request.attestations
    if not wanted:
        return ()
    if request.reproducible and wanted.provenance is not None:
        wanted = replace(wanted, provenance=replace(wanted.provenance, is_reproducible=True))
    names = [parse_reference(tag) for tag in request.tags]
    names += [name for output in request.outputs for name in output.names]
    is_artifact = any(output.has_artifacts for output in request.outputs)
    return (ImageAttestor(wanted, list(dict.fromkeys(names)), is_artifact=is_artifact),)


class ImageAttestor:
    """`names` are what the images are called.

    With `is_artifact` the manifests have a subject, so that registries list them as referrers, too.
    """

    def __init__(
        self, wanted: Attestations, names: Sequence[Reference] = (), *, is_artifact: bool = False
    ) -> None:
        self._wanted = wanted
        self._names = tuple(names)
        self._is_artifact = is_artifact
        self._invocation = Invocation.new(host_platform().plain)

    async def attest(self, built: Built, manifest: Manifest) -> Sequence[Attached]:
        """The attestation manifest of one image."""
        statements: list[Statement] = []
        if self._wanted.sbom:
            statements.append(await self._list_packages(built, manifest))
        if self._wanted.provenance is not None:
            facts = built.services.facts
            statements.append(
                make_provenance(facts, self._wanted.provenance, self._invocation, manifest.layers)
            )
        names = [image_url(name, built.platform.plain) for name in self._names]
        line, blobs = encode_attestation(
            statements, manifest.descriptor, names, is_artifact=self._is_artifact
        )
        return (Attached(line, blobs),)

    async def _list_packages(self, built: Built, manifest: Manifest) -> Statement:
        with built.reporter.vertex("generating sbom") as vertex:
            inventory = await built.services.blocking.run(_take_inventory, built)
            vertex.status(f"{len(inventory.packages)} packages", 0, completed=True)
        created_ns = built.services.times.created_ns
        document = make_document(
            inventory,
            name=self._names[0].familiar() if self._names else "image",
            identity=str(manifest.digest),
            created=_seconds(built.services.facts.started_ns if created_ns is None else created_ns),
            version=__version__,
        )
        return Statement(PREDICATE, document)


def _take_inventory(built: Built) -> Inventory:
    workplace = built.services.workplace
    with open_view(built.lowers, workplace.empty) as root:
        return take_inventory(root, workplace.temporary)


def _seconds(time_ns: int) -> str:
    """SPDX's times have no decimals."""
    return format_timestamp(time_ns // 1_000_000_000 * 1_000_000_000)
