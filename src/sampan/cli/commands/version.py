# SPDX-License-Identifier: Apache-2.0
"""``sampan version``: the versions of this client and of the engine."""

from __future__ import annotations

import os

from sampan import __version__
from sampan.cli.command import Command
from sampan.cli.listing import INSPECT_FORMAT_FLAG
from sampan.client.api import API_VERSION
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv64"}
# Docker's title for the language its engine is written in is not ours.
_DETAILS = (
    ("Python version", "PythonVersion"),
    ("Spec", "Spec"),
    ("Git commit", "GitCommit"),
    ("Built", "BuildTime"),
)


def run(context: Context, options: Options, _arguments: list[str]) -> int:
    """Print both; when the engine does not answer, the client's half and then the error."""
    failure: SampanError | None = None
    server: Json | None = None
    try:
        server = context.engine.system.version()
    except SampanError as error:
        failure = error
    versions = {"Client": client_version(), "Server": server}
    template = options.text("format")
    if template:
        from sampan.cli.inspection import show_value

        show_value(context.out, versions, template)
    else:
        for line in iter_lines(versions["Client"] or {}, server):
            context.out.line(line)
    if failure is not None:
        raise failure
    return 0


def client_version() -> Json:
    """What docker says of its client, of ours; Go's fields stay empty."""
    machine = os.uname()
    return {
        "Platform": {"Name": "Sampan"},
        "Version": __version__,
        "ApiVersion": API_VERSION,
        "DefaultAPIVersion": API_VERSION,
        "GitCommit": "",
        "GoVersion": "",
        "Os": machine.sysname.lower(),
        "Arch": _MACHINES.get(machine.machine, machine.machine),
        "BuildTime": "",
        "Context": "default",
    }


def iter_lines(client: Json, server: Json | None) -> Iterator[str]:
    """The page as docker lays it out."""
    yield f"Client: {client['Platform']['Name']}"
    yield f" Version:           {client['Version']}"
    yield f" API version:       {client['ApiVersion']}"
    yield f" OS/Arch:           {client['Os']}/{client['Arch']}"
    yield f" Context:           {client['Context']}"
    if server is None:
        return
    name = (server.get("Platform") or {}).get("Name", "")
    yield ""
    yield f"Server: {name}".rstrip()
    for component in server.get("Components") or (_engine_component(server),):
        yield from _iter_component(component)


def _engine_component(server: Json) -> Json:
    return {"Name": "Engine", "Version": server.get("Version", ""), "Details": server}


def _iter_component(component: Json) -> Iterator[str]:
    details = component.get("Details") or {}
    yield f" {component['Name']}:"
    yield f"  Version:          {component['Version']}"
    if "ApiVersion" in details:
        oldest = details.get("MinAPIVersion", "")
        yield f"  API version:      {details['ApiVersion']} (minimum version {oldest})"
    for title, field in _DETAILS:
        if details.get(field):
            yield f"  {title + ':':<17} {details[field]}"
    if "Os" in details:
        yield f"  OS/Arch:          {details['Os']}/{details.get('Arch', '')}"
        yield f"  Experimental:     {details.get('Experimental', 'false')}"


COMMAND = Command(
    "version",
    run=run,
    summary="Show the Sampan version information",
    usage="[OPTIONS]",
    flags=(INSPECT_FORMAT_FLAG,),
)
