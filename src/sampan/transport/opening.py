# SPDX-License-Identifier: Apache-2.0
"""A source or a sink of a location."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sampan.errors import InvalidArgument
from sampan.oci.reference import parse_reference
from sampan.registry.credentials import Credentials
from sampan.registry.repository import Registries
from sampan.transport import engine
from sampan.transport.directory import DirectorySink, DirectorySource
from sampan.transport.docker_archive import DockerArchiveSource
from sampan.transport.docker_archive_sink import DockerArchiveSink
from sampan.transport.files import FolderFiles
from sampan.transport.layout import LayoutSource
from sampan.transport.layout_sink import LayoutSink
from sampan.transport.location import Kind, Location
from sampan.transport.model import Sink, Source
from sampan.transport.oci_archive import LayoutArchiveSink, open_archive_source
from sampan.transport.registry import RegistrySink, RegistrySource


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What transports need from outside: registries with their settings, log-ins by an image's name, an engine."""

    registries: Registries
    credentials: Callable[[str], Credentials]
    connect: engine.Connect


@asynccontextmanager
async def open_source(location: Location, around: Surroundings) -> AsyncIterator[Source]:
    """For reading."""
    source = await _make_source(location, around)
    try:
        yield source
    finally:
        await source.close()


@asynccontextmanager
async def open_sink(location: Location, around: Surroundings) -> AsyncIterator[Sink]:
    """For writing."""
    sink = _make_sink(location, around)
    try:
        yield sink
    finally:
        await sink.close()


async def _make_source(location: Location, around: Surroundings) -> Source:
    limits = around.registries.settings.limits
    match location.kind:
        case Kind.REGISTRY:
            reference = location.reference
            repositories = around.registries.open(reference, around.credentials(location.name))
            return RegistrySource(repositories, reference)
        case Kind.LAYOUT:
            files = FolderFiles(location.path)
            return LayoutSource(files, location.name, limits, place=location.path)
        case Kind.LAYOUT_ARCHIVE:
            return open_archive_source(location.path, location.name, limits)
        case Kind.DOCKER_ARCHIVE:
            return DockerArchiveSource(location.path, location.name, limits)
        case Kind.DIRECTORY:
            return DirectorySource(location.path, limits)
        case Kind.STORE:
            return await engine.open_store_source(around.connect, location.name, limits)
        case Kind.DAEMON:
            return await engine.open_daemon_source(around.connect, location.name, limits)


def _make_sink(location: Location, around: Surroundings) -> Sink:
    match location.kind:
        case Kind.REGISTRY:
            reference = location.reference
            credentials = around.credentials(location.name)
            repository = around.registries.open(reference, credentials, push=True)[-1]
            return RegistrySink(repository, reference)
        case Kind.LAYOUT:
            return LayoutSink(location.path, location.name)
        case Kind.LAYOUT_ARCHIVE:
            return LayoutArchiveSink(location.path, location.name)
        case Kind.DOCKER_ARCHIVE:
            names = (parse_reference(location.name),) if location.name else ()
            return DockerArchiveSink(location.path, names)
        case Kind.DIRECTORY:
            return DirectorySink(location.path)
        case Kind.STORE | Kind.DAEMON:
            if location.reference.digest is not None:
                raise InvalidArgument(f"{location}: an engine's image needs a name with a tag")
            kind = engine.StoreSink if location.kind is Kind.STORE else engine.DaemonSink
            return kind(around.connect, location.reference)
