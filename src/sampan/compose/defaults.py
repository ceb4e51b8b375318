# SPDX-License-Identifier: Apache-2.0
"""Values that a canonical tree has even where no file gives them."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.compose.tree import Series, Table, Value


def add_defaults(tree: Table) -> None:
    """Complete the services of a project's tree in place."""
    for service in iter_tables(tree.get("services")):
        build = service.get("build")
        if isinstance(build, Table):
            build.setdefault("context", ".")
        for secret in iter_tables(service.get("secrets")):
            secret.setdefault("target", f"/run/secrets/{secret.get('source')}")
        for port in iter_tables(service.get("ports")):
            port.setdefault("protocol", "tcp")
            port.setdefault("mode", "ingress")
        for device in iter_devices(service):
            if "count" not in device and "device_ids" not in device:
                device["count"] = "all"


def iter_devices(service: Table) -> Iterator[Table]:
    """Requests for devices, of both kinds."""
    yield from iter_tables(service.get("gpus"))
    found: Value = service
    for key in ("deploy", "resources", "reservations", "devices"):
        found = found.get(key) if isinstance(found, Table) else None
    yield from iter_tables(found)


def iter_tables(holder: Value) -> Iterator[Table]:
    """The tables in a table or series, whatever else is there."""
    values: Value = ()
    if isinstance(holder, Table):
        values = holder.values()
    elif isinstance(holder, Series):
        values = holder
    for value in values:
        if isinstance(value, Table):
            yield value
