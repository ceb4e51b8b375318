# SPDX-License-Identifier: Apache-2.0
"""Provenance: what an image was built from, by whom, and how it was asked for.

Implements: SLSA provenance v0.2 and v1, with the fields as BuildKit defines them (docs/attestations, SLSA definitions).
There is no build graph (LLB) here, so ``buildConfig`` is left out; of ``mode=max`` there are the arguments, the names
of secrets, the Dockerfile, and the layers.
Holds: no secret's value is in it; with ``mode=min`` no build argument's value either.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex

from sampan.build.attestation.facts import BuildFacts, Secret
from sampan.build.attestation.options import ProvenanceOptions
from sampan.build.attestation.statement import Statement
from sampan.oci.descriptor import Descriptor, encode_descriptor
from sampan.oci.document import JSONObject
from sampan.oci.platform import Platform
from sampan.oci.timestamp import format_timestamp

V02, V1 = "https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"
_BUILD_TYPES = {
    V02: "https://mobyproject.org/buildkit@v1",
    V1: "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
}
_METADATA = "https://mobyproject.org/buildkit@v1#metadata"
_PRIVATE = ("build-arg:", "label:")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of the builder, which may make several images."""

    id: str
    builder: Platform

    @classmethod
    def new(cls, builder: Platform) -> Invocation:
        """With an id that no other has."""
        return cls(token_hex(13)[:25], builder)


def make_provenance(
    facts: BuildFacts, options: ProvenanceOptions, invocation: Invocation, layers: Sequence[Descriptor]
) -> Statement:
    """The statement in the version that is wanted; the build ends now."""
    maker = _Maker(facts, options, invocation, layers)
    if options.version == "v1":
        return Statement(V1, maker.version_1(time.time_ns()))
    return Statement(V02, maker.version_02(time.time_ns()))


class _Maker:
    def __init__(
        self,
        facts: BuildFacts,
        options: ProvenanceOptions,
        invocation: Invocation,
        layers: Sequence[Descriptor],
    ) -> None:
        self.facts = facts
        self.options = options
        self.invocation = invocation
        self.layers = layers
        self.entry = facts.source.name if facts.source is not None else "Dockerfile"

    def version_02(self, finished_ns: int) -> JSONObject:
        return {
            "builder": {"id": self.options.builder_id},
            "buildType": _BUILD_TYPES[V02],
            "materials": self.facts.list_materials(),
            "invocation": {
                "configSource": self.facts.describe_source() | {"entryPoint": self.entry},
                "parameters": self._parameters(),
                "environment": {"platform": str(self.invocation.builder)},
            },
            "metadata": {
                "buildInvocationID": self.invocation.id,
                "buildStartedOn": format_timestamp(self.facts.started_ns),
                "buildFinishedOn": format_timestamp(finished_ns),
                "completeness": {
                    "parameters": self.options.is_full,
                    "environment": True,
                    "materials": False,
                },
                "reproducible": self.options.is_reproducible,
                _METADATA: self._details(),
            },
        }

    def version_1(self, finished_ns: int) -> JSONObject:
        return {
            "buildDefinition": {
                "buildType": _BUILD_TYPES[V1],
                "externalParameters": {
                    "configSource": self.facts.describe_source() | {"path": self.entry},
                    "request": self._parameters(),
                },
                "internalParameters": {"builderPlatform": str(self.invocation.builder)},
                "resolvedDependencies": self.facts.list_materials(),
            },
            "runDetails": {
                "builder": {"id": self.options.builder_id},
                "metadata": {
                    "invocationId": self.invocation.id,
                    "startedOn": format_timestamp(self.facts.started_ns),
                    "finishedOn": format_timestamp(finished_ns),
                    "buildkit_reproducible": self.options.is_reproducible,
                    "buildkit_completeness": {
                        "request": self.options.is_full,
                        "resolvedDependencies": False,
                    },
                    "buildkit_metadata": self._details(),
                },
            },
        }

    def _parameters(self) -> JSONObject:
        arguments = self.facts.arguments
        if not self.options.is_full:
            arguments = {key: text for key, text in arguments.items() if not key.startswith(_PRIVATE)}
        names = ("dockerfile",) if self.facts.remote else ("context", "dockerfile")
        parameters: JSONObject = {"frontend": "dockerfile.v0", "args": dict(sorted(arguments.items()))}
        if not self.facts.remote:
            parameters["locals"] = [{"name": name} for name in names]
        if self.options.is_full:
            parameters |= _listed("secrets", self.facts.secrets) | _listed("ssh", self.facts.agents)
        return parameters

    def _details(self) -> JSONObject:
        """What BuildKit adds to SLSA's fields."""
        found: JSONObject = {"vcs": dict(self.facts.revision)} if self.facts.revision else {}
        if not self.options.is_full:
            return found
        if self.facts.source is not None:
            data = self.facts.source.text.encode("utf-8", "surrogateescape")
            info = {"filename": self.entry, "language": "Dockerfile", "data": base64.b64encode(data).decode()}
            found["source"] = {"infos": [info]}
        if self.layers:
            found["layers"] = {"image:0": [[encode_descriptor(layer) for layer in self.layers]]}
        return found


def _listed(key: str, secrets: Mapping[str, Secret]) -> JSONObject:
    listed = [
        {"id": one.id} | ({"optional": True} if one.is_optional else {})
        for one in sorted(secrets.values(), key=lambda one: one.id)
    ]
    return {key: listed} if listed else {}
