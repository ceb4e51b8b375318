# SPDX-License-Identifier: Apache-2.0
"""The Engine API's own document, as a judge of requests and answers.

Source: tests/conformance/engine-api/v1.51.yaml (OpenAPI 2.0). It is stricter than the document where that is
vague: an object may hold no field that the document does not name, and an answer holds every field that Docker
always sends, not only the few that the document calls required. What Docker sends otherwise than the document
says is in the tables below, read from moby's Go types: a slice or map without `omitempty` is `null` when empty.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator, FormatChecker

DOCUMENT = Path(__file__).parent / "conformance/engine-api/v1.51.yaml"

# Definition → the fields that Go leaves out when they are empty; every other field of it is in each answer.
ALWAYS_WHOLE: dict[str, frozenset[str]] = {
    "ContainerInspectResponse": frozenset({"ImageManifestDescriptor", "SizeRw", "SizeRootFs"}),
    "ContainerState": frozenset({"Health"}),
    "ContainerConfig": frozenset(
        [
            "ArgsEscaped",
            "ExposedPorts",
            "Healthcheck",
            "MacAddress",
            "NetworkDisabled",
            "Shell",
            "StopSignal",
            "StopTimeout",
        ]
    ),
    "HostConfig": frozenset(
        ["Annotations", "Init", "KernelMemoryTCP", "Mounts", "Runtime", "StorageOpt", "Sysctls", "Tmpfs"]
    ),
    "RestartPolicy": frozenset(),
    "PortBinding": frozenset(),
    "NetworkSettings": frozenset(),
    "EndpointSettings": frozenset(),
    "MountPoint": frozenset({"Type", "Name", "Driver"}),
    "ContainerSummary": frozenset({"ImageManifestDescriptor", "SizeRw", "SizeRootFs"}),
    "PortSummary": frozenset({"IP", "PublicPort"}),
    "ImageInspect": frozenset({"Descriptor", "Manifests", "Created", "Variant", "OsVersion"}),
    "ImageConfig": frozenset({"ArgsEscaped", "ExposedPorts", "Healthcheck", "Shell", "StopSignal"}),
    "ImageSummary": frozenset({"Descriptor", "Manifests"}),
    "Volume": frozenset({"ClusterVolume", "CreatedAt", "Status", "UsageData"}),
    "Network": frozenset({"Peers"}),
    "IPAM": frozenset(),
    "NetworkContainer": frozenset(),
    "SystemInfo": frozenset(
        [
            "Containerd",
            "DefaultAddressPools",
            "DiscoveredDevices",
            "FirewallBackend",
            "KernelMemoryTCP",
            "ProductLicense",
        ]
    ),
    "SystemVersion": frozenset({"Experimental"}),
    "PluginsInfo": frozenset(),
    "EventMessage": frozenset(),
    "EventActor": frozenset(),
    "ExecInspect": frozenset(),
    "BuildCache": frozenset({"Parent", "Parents"}),
}

# Lists and maps of Go without `omitempty` that Docker sends as null when they are empty.
SENT_AS_NULL = frozenset(
    [
        "ContainerConfig.Cmd",
        "ContainerConfig.Entrypoint",
        "ContainerConfig.Env",
        "ContainerConfig.Volumes",
        "ImageConfig.Cmd",
        "ImageConfig.Entrypoint",
        "ImageConfig.Env",
        "ImageConfig.Labels",
        "ImageConfig.Volumes",
        "EndpointSettings.Aliases",
        "EndpointSettings.DNSNames",
        "EndpointSettings.IPAMConfig",
        "EndpointSettings.Links",
        "HostConfig.Binds",
        "HostConfig.BlkioDeviceReadBps",
        "HostConfig.BlkioDeviceReadIOps",
        "HostConfig.BlkioDeviceWriteBps",
        "HostConfig.BlkioDeviceWriteIOps",
        "HostConfig.BlkioWeightDevice",
        "HostConfig.CapAdd",
        "HostConfig.CapDrop",
        "HostConfig.DeviceCgroupRules",
        "HostConfig.DeviceRequests",
        "HostConfig.Devices",
        "HostConfig.Dns",
        "HostConfig.DnsOptions",
        "HostConfig.DnsSearch",
        "HostConfig.ExtraHosts",
        "HostConfig.GroupAdd",
        "HostConfig.Links",
        "HostConfig.MaskedPaths",
        "HostConfig.MemorySwappiness",
        "HostConfig.OomKillDisable",
        "HostConfig.PortBindings",
        "HostConfig.ReadonlyPaths",
        "HostConfig.SecurityOpt",
        "HostConfig.Ulimits",
        "HostConfig.VolumesFrom",
        "ImageHistory.Tags",
        "IPAM.Config",
        "IPAM.Options",
        "PluginsInfo.Authorization",
        "ContainerBlkioStats.io_merged_recursive",
        "ContainerBlkioStats.io_queue_recursive",
        "ContainerBlkioStats.io_service_bytes_recursive",
        "ContainerBlkioStats.io_service_time_recursive",
        "ContainerBlkioStats.io_serviced_recursive",
        "ContainerBlkioStats.io_time_recursive",
        "ContainerBlkioStats.io_wait_time_recursive",
        "ContainerBlkioStats.sectors_recursive",
        "RegistryServiceConfig.Mirrors",
        "SwarmInfo.RemoteManagers",
        "SystemInfo.GenericResources",
        "SystemInfo.Warnings",
        "Volume.Labels",
        "Volume.Options",
        "BuildPruneResponse.CachesDeleted",
        "ContainerChanges",
        "ContainerPruneResponse.ContainersDeleted",
        "ImagePruneResponse.ImagesDeleted",
        "NetworkPruneResponse.NetworksDeleted",
        "VolumePruneResponse.VolumesDeleted",
        "VolumeListResponse.Warnings",
        "ContainerUpdateResponse.Warnings",
        "ContainerWaitResponse.Error",
        "ExecInspectResponse.ExitCode",
    ]
)

# Fields that Docker sends and the document forgot; `hint` is Sampan's, which other clients ignore.
UNDOCUMENTED: dict[str, frozenset[str]] = {
    "ErrorResponse": frozenset({"hint"}),
    "EventMessage": frozenset({"status", "id", "from"}),
    "HostConfig": frozenset(),
    "Resources": frozenset(),
}

# A word that the document's enumerations forgot.
FORGOTTEN_WORDS: dict[str, list[Any]] = {}

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
FORMATS = FormatChecker(())
for _name in ("date-time", "dateTime"):
    FORMATS.checks(_name)(lambda value: not isinstance(value, str) or bool(RFC3339.fullmatch(value)))


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document."""

    name: str
    method: str
    template: str
    raw: Mapping[str, Any]

    def matches(self, method: str, path: str) -> bool:
        """Whether a request's path, without its version, is one of this operation."""
        pattern = re.sub(r"\\{name\\}", ".+", re.sub(r"\\{id\\}", "[^/]+", re.escape(self.template)))
        return method == self.method and re.fullmatch(pattern, path) is not None


class Document:
    """All operations, and validators made of the document's schemas."""

    def __init__(self, path: Path = DOCUMENT) -> None:
        self._raw: dict[str, Any] = yaml.load(path.read_text(), yaml.CSafeLoader)
        self.operations = [
            Operation(raw["operationId"], method.upper(), template, raw)
            for template, methods in self._raw["paths"].items()
            for method, raw in methods.items()
        ]
        self._answers = {"definitions": self._translate_all(answers=True)}
        self._requests = {"definitions": self._translate_all(answers=False)}

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that a request means; a longer template wins over `{name}`."""
        found = [operation for operation in self.operations if operation.matches(method, path)]
        return max(found, key=lambda operation: len(operation.template.replace("{name}", "")), default=None)

    def answer_faults(self, operation: Operation, status: int, body: Any) -> list[str]:
        """What is wrong with the JSON of an answer."""
        described = operation.raw["responses"].get(status) or operation.raw["responses"].get(str(status))
        if described is None:
            return [f"{operation.name}: status {status} is not in the document"]
        schema = described.get("schema")
        if schema is None:
            return []
        translated = self._translate(schema, _title(schema, operation.name), answers=True)
        return self._faults(translated | self._answers, body)

    def definition_faults(self, name: str, value: Any) -> list[str]:
        """What is wrong with a value that should be of one definition."""
        return self._faults({"$ref": f"#/definitions/{name}"} | self._answers, value)

    def request_faults(self, operation: Operation, query: Mapping[str, Any], body: Any) -> list[str]:
        """What is wrong with a request: parameters that the document does not name, a body of another shape."""
        parameters = {p["name"]: p for p in operation.raw.get("parameters", ()) if p["in"] == "query"}
        faults = [
            f"{operation.name}: parameter {name} is not in the document"
            for name in query
            if name not in parameters
        ]
        faults += [
            f"{operation.name}: parameter {name} is required"
            for name, parameter in parameters.items()
            if parameter.get("required") and name not in query
        ]
        schema = next((p["schema"] for p in operation.raw.get("parameters", ()) if p["in"] == "body"), None)
        if body is not None and schema is not None and schema.get("type") != "string":
            translated = self._translate(schema, operation.name, answers=False)
            faults += self._faults(translated | self._requests, body)
        return faults

    def _faults(self, schema: dict[str, Any], value: Any) -> list[str]:
        errors = Draft7Validator(schema, format_checker=FORMATS).iter_errors(value)
        return sorted(f"{'/'.join(map(str, e.absolute_path)) or '.'}: {e.message[:300]}" for e in errors)

    def _translate_all(self, *, answers: bool) -> dict[str, Any]:
        return {
            name: self._translate(schema, name, answers=answers)
            for name, schema in self._raw["definitions"].items()
        }

    def _translate(self, schema: Mapping[str, Any], owner: str, *, answers: bool) -> dict[str, Any]:
        """A schema of OpenAPI 2.0 as JSON Schema; `owner` names it in the tables above."""
        if "$ref" in schema:
            translated: dict[str, Any] = {"$ref": schema["$ref"]}
        elif "allOf" in schema:
            translated = self._translate(self._merge(schema["allOf"]), owner, answers=answers)
        else:
            translated = {k: schema[k] for k in ("type", "enum", "format") if k in schema}
            if "items" in schema:
                translated["items"] = self._translate(schema["items"], owner + "[]", answers=answers)
            if schema.get("type") == "object":
                translated |= self._translate_object(schema, owner, answers=answers)
        if "enum" in translated:
            translated["enum"] = [*translated["enum"], *FORGOTTEN_WORDS.get(owner, ())]
        if schema.get("x-nullable") or owner in SENT_AS_NULL or not answers:
            translated = {"anyOf": [translated, {"type": "null"}]}
        return translated

    def _translate_object(self, schema: Mapping[str, Any], owner: str, *, answers: bool) -> dict[str, Any]:
        fields = schema.get("properties", {})
        more = schema.get("additionalProperties")
        translated: dict[str, Any] = {
            "properties": {
                name: self._translate(field, f"{owner}.{name}", answers=answers)
                for name, field in fields.items()
            },
            "required": sorted(set(schema.get("required", ()))),
        }
        if answers and owner in ALWAYS_WHOLE:
            translated["required"] = sorted(set(fields) - ALWAYS_WHOLE[owner])
        if isinstance(more, Mapping):
            translated["additionalProperties"] = self._translate(more, owner + ".*", answers=answers)
        elif fields:
            translated["additionalProperties"] = False
            translated["properties"] |= dict.fromkeys(UNDOCUMENTED.get(owner, ()), True)
        return translated

    def _merge(self, parts: list[Mapping[str, Any]]) -> Mapping[str, Any]:
        """`allOf` in this document always means: the fields of all parts together."""
        whole = [self._raw["definitions"][p["$ref"].rpartition("/")[2]] if "$ref" in p else p for p in parts]
        if len(whole) == 1:
            return whole[0]
        merged: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
        for part in whole:
            expanded = self._merge(part["allOf"]) if "allOf" in part else part
            merged["properties"] |= expanded.get("properties", {})
            merged["required"] = [*merged["required"], *expanded.get("required", ())]
        return merged


def _title(schema: Mapping[str, Any], operation: str) -> str:
    return str(schema.get("title") or f"{operation}Response" if schema.get("type") == "object" else operation)


def iter_json_lines(body: bytes) -> Iterator[Any]:
    """The objects of a stream that writes one a line."""
    import json

    yield from (json.loads(line) for line in body.splitlines() if line.strip())


@functools.cache
def load_document() -> Document:
    """The document, read once a session."""
    return Document()
