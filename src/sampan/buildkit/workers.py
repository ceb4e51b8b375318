# SPDX-License-Identifier: Apache-2.0
"""Who we are to BuildKit's clients: one worker, and what it can do."""

from __future__ import annotations

from sampan.build.emulation import emulated_platforms, read_emulators
from sampan.buildkit.messages.control import BuildkitVersion, WorkerRecord
from sampan.buildkit.messages.gateway import ApiCap, PongResponse
from sampan.buildkit.messages.values import Platform as PlatformMessage
from sampan.oci.platform import Platform

PACKAGE = "sampan"
WORKER_ID = "sampan"

# buildx lets the docker driver write archives (`--output type=oci`) only where dockerd keeps its images in
# containerd's way, which it tells by this label; the archives are ours.
_EXPORTS_ARCHIVES = "org.mobyproject.buildkit.worker.snapshotter"

FRONTEND_CAPS = (
    "solve.base",
    "return",
    "returnmap",
    "proto.refarray",
    "readfile",
    "readdir",
    "statfile",
    "resolveimage",
    "importcaches",
    "gateway.solve.metadata",
    "gateway.solve.evaluate",
    "gateway.evaluate",
    "gateway.warnings",
    "frontend.caps",
)
LLB_CAPS = (
    "source.image",
    "source.local",
    "exporter.multiple",
    "exporter.image.attestations",
    "exec.meta.base",
    "platform",
)


def describe_version(version: str) -> BuildkitVersion:
    """The engine's own version."""
    return BuildkitVersion(PACKAGE, version, "")


def describe_worker(version: str, platform: Platform) -> WorkerRecord:
    """The one worker; what it has emulators for it can run, too."""
    platforms = [platform, *emulated_platforms(platform, read_emulators())]
    return WorkerRecord(
        id=WORKER_ID,
        labels={
            "org.mobyproject.buildkit.worker.executor": "sampan",
            _EXPORTS_ARCHIVES: "overlayfs",
        },
        platforms=[PlatformMessage(one.architecture, one.os, one.variant) for one in platforms],
        version=describe_version(version),
    )


def describe_caps(worker: WorkerRecord) -> PongResponse:
    """What a gateway's client may ask for."""
    return PongResponse(
        frontend_caps=[ApiCap(name, enabled=True) for name in FRONTEND_CAPS],
        llb_caps=[ApiCap(name, enabled=True) for name in LLB_CAPS],
        workers=[worker],
    )
