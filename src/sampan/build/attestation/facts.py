# SPDX-License-Identifier: Apache-2.0
"""What one build was asked for and what it used from elsewhere, noted while it runs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from sampan.build.arguments import is_proxy_argument
from sampan.build.dockerfile.location import Source
from sampan.build.dockerfile.mounts import MountKind, RunMount
from sampan.build.request import BuildRequest
from sampan.build.seams import BaseImage
from sampan.errors import InvalidArgument
from sampan.oci.document import JSONObject
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference, parse_reference

_SHA1_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret or an agent that a step may see; never what it is."""

    id: str
    is_optional: bool


@dataclass(slots=True)
class BuildFacts:
    """`arguments` are those that BuildKit's frontend would be given; `materials` digests by their URI."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    revision: Mapping[str, str] = field(default_factory=dict)
    remote: str = ""
    remote_commit: str = ""
    source: Source | None = None
    started_ns: int = field(default_factory=time.time_ns)
    materials: dict[str, tuple[str, str]] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    agents: dict[str, Secret] = field(default_factory=dict)
    are_wanted: bool = False
    """Whether anybody asks for them: files are only read then."""

    def note_image(self, name: str, platform: Platform, image: BaseImage) -> None:
        """A base image, by its manifest's digest; one that was made here is known by its config's."""
        try:
            reference = parse_reference(name)
        except InvalidArgument:
            return
        self.materials[image_url(reference, platform)] = ("sha256", _manifest_of(image))

    def note_git(self, url: str, commit: str) -> None:
        """A commit that was checked out."""
        self.materials[redact(url)] = _commit_digest(commit)

    def note_download(self, url: str, path: str) -> None:
        """A file that was fetched; reads it."""
        with open(path, "rb") as file:
            self.materials[redact(url)] = ("sha256", hashlib.file_digest(file, "sha256").hexdigest())

    def note_mounts(self, mounts: Iterable[RunMount]) -> None:
        """The secrets and agents that a step may see."""
        for mount in mounts:
            if mount.kind is MountKind.SECRET:
                self.secrets[mount.id] = Secret(mount.id, not mount.required)
            elif mount.kind is MountKind.SSH:
                name = mount.id or "default"
                self.agents[name] = Secret(name, not mount.required)

    def list_materials(self) -> list[JSONObject]:
        """In the order of their names: steps come in any."""
        return [
            {"uri": uri, "digest": {kind: digest}} for uri, (kind, digest) in sorted(self.materials.items())
        ]

    def describe_source(self) -> JSONObject:
        """Where the Dockerfile came from: a repository or URL, or nothing for what was at hand."""
        if not self.remote:
            return {}
        kind, digest = _commit_digest(self.remote_commit) if self.remote_commit else ("", "")
        return {"uri": self.remote} | ({"digest": {kind: digest}} if digest else {})


def note_request(request: BuildRequest, build_args: Mapping[str, str], commit: str) -> BuildFacts:
    """The facts that are known before a build begins; `commit` is that of a context from a repository."""
    arguments = {
        f"build-arg:{name}": value for name, value in build_args.items() if not is_proxy_argument(name)
    }
    arguments |= {f"label:{name}": value or "" for name, value in request.labels.items()}
    for key, value in (("target", request.target), ("platform", request.platform)):
        arguments |= {key: value} if value else {}
    if request.network != "default":
        arguments["force-network-mode"] = request.network
    if request.no_cache or request.no_cache_stages:
        arguments["no-cache"] = ",".join(request.no_cache_stages)
    revision = {name: redact(text) for name, text in request.revision.items()}
    return BuildFacts(
        arguments,
        revision,
        redact(request.remote),
        commit,
        are_wanted=request.attestations.provenance is not None,
    )


def redact(url: str) -> str:
    """A URL without anybody's password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    user, at, host = parts.netloc.rpartition("@")
    if not at or parts.scheme == "ssh":
        return url
    return urlunsplit(parts._replace(netloc=host)) if user else url


def image_url(reference: Reference, platform: Platform) -> str:
    """``pkg:docker/busybox@latest?platform=linux%2Famd64``."""
    version = str(reference.digest) if reference.digest is not None else reference.tag or "latest"
    name = quote(reference.familiar_name, safe="/:~._-")
    return f"pkg:docker/{name}@{version}?platform={quote(str(platform), safe='')}"


def _manifest_of(image: BaseImage) -> str:
    manifest: Mapping[str, object] | None = getattr(image, "manifest", None)
    digest = str((manifest or {}).get("digest") or image.id)
    return digest.partition(":")[2]


def _commit_digest(commit: str) -> tuple[str, str]:
    return ("sha1" if len(commit) == _SHA1_LENGTH else "sha256", commit)
