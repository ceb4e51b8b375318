# SPDX-License-Identifier: Apache-2.0
"""``sampan info``: figures about the engine and its machine."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.commands.version import client_version
from sampan.cli.inspection import show_value
from sampan.cli.listing import INSPECT_FORMAT_FLAG
from sampan.cli.units import format_binary_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

# Title and field of docker's page, for what is one word; indentation is docker's too.
_COUNTS = (
    ("Containers", "Containers"),
    (" Running", "ContainersRunning"),
    (" Paused", "ContainersPaused"),
    (" Stopped", "ContainersStopped"),
    ("Images", "Images"),
    ("Server Version", "ServerVersion"),
    ("Storage Driver", "Driver"),
)
_DRIVERS = (
    ("Logging Driver", "LoggingDriver"),
    ("Cgroup Driver", "CgroupDriver"),
    ("Cgroup Version", "CgroupVersion"),
)
_MACHINE = (
    ("Kernel Version", "KernelVersion"),
    ("Operating System", "OperatingSystem"),
    ("OSType", "OSType"),
    ("Architecture", "Architecture"),
    ("CPUs", "NCPU"),
)
_PLACE = (
    ("Name", "Name"),
    ("ID", "ID"),
    ("Docker Root Dir", "DockerRootDir"),
)
_PROXIES = (("HTTP Proxy", "HttpProxy"), ("HTTPS Proxy", "HttpsProxy"), ("No Proxy", "NoProxy"))


def run(context: Context, options: Options, _arguments: list[str]) -> int:
    """Print the page, or what a template makes of it."""
    info = context.engine.system.info()
    client = client_version()
    template = options.text("format")
    if template:
        show_value(context.out, {**info, "ClientInfo": client}, template)
        return 0
    for line in (*iter_client_lines(client), "", *iter_server_lines(info)):
        context.out.line(line)
    for warning in info.get("Warnings") or ():
        context.out.note(warning)
    return 0


def iter_client_lines(client: Json) -> Iterator[str]:
    """The half about this program."""
    yield f"Client: {client['Platform']['Name']}"
    yield f" Version:    {client['Version']}"
    yield f" Context:    {client['Context']}"
    yield " Debug Mode: false"


def iter_server_lines(info: Json) -> Iterator[str]:
    """The half about the engine."""
    yield "Server:"
    yield from _iter_words(info, _COUNTS)
    for name, value in info.get("DriverStatus") or ():
        yield f"  {name}: {value}"
    yield from _iter_words(info, _DRIVERS)
    yield from _iter_plugins(info.get("Plugins") or {})
    if info.get("Swarm"):
        yield f" Swarm: {info['Swarm'].get('LocalNodeState', '')}"
    if info.get("Runtimes"):
        yield f" Runtimes: {' '.join(sorted(info['Runtimes']))}"
        yield f" Default Runtime: {info.get('DefaultRuntime', '')}"
    yield from _iter_words(info, (("Init Binary", "InitBinary"),))
    yield from _iter_commits(info)
    if info.get("SecurityOptions"):
        yield " Security Options:"
        yield from (f"  {_security_option(option)}" for option in info["SecurityOptions"])
    yield from _iter_words(info, _MACHINE)
    if "MemTotal" in info:
        yield f" Total Memory: {format_binary_size(info['MemTotal'])}"
    yield from _iter_words(info, _PLACE)
    yield f" Debug Mode: {str(bool(info.get('Debug'))).lower()}"
    yield from (line for line in _iter_words(info, _PROXIES) if not line.endswith(": "))
    yield from _iter_list(" Labels:", info.get("Labels"))
    yield f" Experimental: {str(bool(info.get('ExperimentalBuild'))).lower()}"
    yield from _iter_registries(info.get("RegistryConfig") or {})
    yield f" Live Restore Enabled: {str(bool(info.get('LiveRestoreEnabled'))).lower()}"


def _iter_words(info: Json, titles: tuple[tuple[str, str], ...]) -> Iterator[str]:
    return (f" {title}: {info[field]}" for title, field in titles if field in info)


def _iter_commits(info: Json) -> Iterator[str]:
    """The programs below the engine, by their revisions."""
    for name, field in (("containerd", "ContainerdCommit"), ("runc", "RuncCommit"), ("init", "InitCommit")):
        if field in info:
            yield f" {name} version: {info[field].get('ID', '')}"


def _iter_registries(registries: Json) -> Iterator[str]:
    """What needs no certificate, and what is asked in the place of Docker Hub."""
    indexes = registries.get("IndexConfigs") or {}
    insecure = [name for name, index in sorted(indexes.items()) if not index.get("Secure", True)]
    yield from _iter_list(" Insecure Registries:", insecure + (registries.get("InsecureRegistryCIDRs") or []))
    yield from _iter_list(" Registry Mirrors:", registries.get("Mirrors"))


def _iter_list(title: str, lines: list[str] | None) -> Iterator[str]:
    if lines:
        yield title
        yield from (f"  {line}" for line in lines)


def _iter_plugins(plugins: Json) -> Iterator[str]:
    if not plugins:
        return
    yield " Plugins:"
    for kind in ("Volume", "Network", "Log"):
        if plugins.get(kind):
            yield f"  {kind}: {' '.join(plugins[kind])}"


def _security_option(option: str) -> str:
    """``name=seccomp,profile=builtin`` as docker shows it."""
    name, *rest = (part.partition("=")[2] or part for part in option.split(","))
    return "\n   Profile: ".join((name, *rest))


COMMAND = Command(
    "system info",
    "info",
    run=run,
    summary="Display system-wide information",
    usage="[OPTIONS]",
    flags=(INSPECT_FORMAT_FLAG,),
)
