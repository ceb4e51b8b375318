# SPDX-License-Identifier: Apache-2.0
"""What a client asks of the Dockerfile frontend, as our builder's request (pure).

Implements: the options of BuildKit's `dockerfile.v0` frontend. What our builder cannot do is refused by name; what
only tells of the client (``cmdline``, ``local-…``) and what changes nothing here is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sampan.build.attestation.options import Attestations, parse_attestations
from sampan.build.seams import StepLimits
from sampan.build.ulimits import parse_ulimits
from sampan.errors import InvalidArgument, Unsupported

FRONTEND = "dockerfile.v0"
UPLOAD = "http://buildkit-session/"
_LOCAL = "local:"
_IMAGE = "docker-image://"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A build as a client asks for it.

    `upload` names an archive of the client's, and `remote` a place, that stand in for the context's folder; the
    Dockerfile is in them unless `has_dockerfile` says that the client has it.
    """

    filename: str = "Dockerfile"
    dockerfile_folder: str = "dockerfile"
    context_folder: str = "context"
    upload: str = ""
    remote: str = ""
    has_dockerfile: bool = False
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    no_cache: bool = False
    no_cache_stages: tuple[str, ...] = ()
    pull: bool = False
    network: str = "default"
    extra_hosts: tuple[str, ...] = ()
    shm_size_bytes: int | None = None
    limits: StepLimits = field(default_factory=StepLimits)
    request_id: str = ""
    revision: Mapping[str, str] = field(default_factory=dict)
    attestations: Attestations = field(default_factory=Attestations)


def parse_attributes(attributes: Mapping[str, str]) -> Wanted:
    """The frontend's options."""
    images, folders = _named_contexts(attributes)
    context = attributes.get("context", "")
    return Wanted(
        filename=attributes.get("filename") or "Dockerfile",
        dockerfile_folder=attributes.get("dockerfilekey") or "dockerfile",
        context_folder=attributes.get("contextkey") or "context",
        upload=context.removeprefix(UPLOAD) if context.startswith(UPLOAD) else "",
        remote="" if context.startswith(UPLOAD) else context,
        has_dockerfile="dockerfilekey" in attributes,
        target=attributes.get("target", ""),
        build_args=_prefixed(attributes, "build-arg:"),
        labels=_prefixed(attributes, "label:"),
        images=images,
        folders=folders,
        platform=attributes.get("platform", ""),
        no_cache=attributes.get("no-cache") == "",
        no_cache_stages=tuple(filter(None, attributes.get("no-cache", "").split(","))),
        pull=attributes.get("image-resolve-mode") == "pull",
        network=attributes.get("force-network-mode") or "default",
        extra_hosts=tuple(_extra_hosts(attributes.get("add-hosts", ""))),
        shm_size_bytes=_size(attributes.get("shm-size", "")),
        limits=StepLimits(
            parse_ulimits(attributes.get("ulimit", "")), cgroup_parent=attributes.get("cgroup-parent", "")
        ),
        request_id=attributes.get("requestid", ""),
        revision=_prefixed(attributes, "vcs:"),
        attestations=parse_attestations(_prefixed(attributes, "attest:")),
    )


def _named_contexts(attributes: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """``--build-context``: images by name, and the client's folders by name."""
    images: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name, value in _prefixed(attributes, "context:").items():
        name = name.partition("::")[0]  # what follows is a platform, of which there is one
        if value.startswith(_IMAGE):
            images[name] = value
        elif value.startswith(_LOCAL):
            folders[name] = value.removeprefix(_LOCAL)
        else:
            raise Unsupported(
                f"build context {name}={value} is not supported", hint="give a folder or docker-image://IMAGE"
            )
    return images, folders


def _extra_hosts(text: str) -> Iterator[str]:
    """``name=address,…`` as our requests have it: ``name:address``."""
    for pair in filter(None, text.split(",")):
        name, equals, address = pair.partition("=")
        if not name or not equals or not address:
            raise InvalidArgument(f"add-hosts: {pair}: expected NAME=ADDRESS")
        yield f"{name}:{address}"


def _size(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidArgument(f"shm-size: {text} is no number of bytes")
    return int(text)


def _prefixed(attributes: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in attributes.items() if name.startswith(prefix)}
