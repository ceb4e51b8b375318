# SPDX-License-Identifier: Apache-2.0
"""Sampan: Docker's build, share and run as one Python package.

``sampan.connect()`` gives Python programs the client that the command line uses, too; docs/python.md
shows how. Names are loaded when they are first used, so that importing this costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan import errors
    from sampan.client.connect import connect
    from sampan.client.failures import ContainerNotFound, ImageNotFound, NetworkNotFound, VolumeNotFound
    from sampan.client.objects.building import BuildFailed, BuildOptions
    from sampan.client.objects.client import Client
    from sampan.client.objects.container import Container
    from sampan.client.objects.image import Image
    from sampan.client.objects.networks import Network
    from sampan.client.objects.options import ContainerOptions
    from sampan.client.objects.result import ProgramFailed, Result, TimedOut
    from sampan.client.objects.sandbox import Sandbox
    from sampan.client.objects.stream import Stream
    from sampan.client.objects.volumes import Volume
    from sampan.errors import SampanError

__version__ = "0.1.0"

__all__ = [
    "BuildFailed",
    "BuildOptions",
    "Client",
    "Container",
    "ContainerNotFound",
    "ContainerOptions",
    "Image",
    "ImageNotFound",
    "Network",
    "NetworkNotFound",
    "ProgramFailed",
    "Result",
    "SampanError",
    "Sandbox",
    "Stream",
    "TimedOut",
    "Volume",
    "VolumeNotFound",
    "connect",
    "errors",
]

_OBJECTS = "sampan.client.objects"
_HOMES = {
    "sampan.client.connect": ("connect",),
    "sampan.client.failures": ("ContainerNotFound", "ImageNotFound", "NetworkNotFound", "VolumeNotFound"),
    f"{_OBJECTS}.building": ("BuildFailed", "BuildOptions"),
    f"{_OBJECTS}.client": ("Client",),
    f"{_OBJECTS}.container": ("Container",),
    f"{_OBJECTS}.image": ("Image",),
    f"{_OBJECTS}.networks": ("Network",),
    f"{_OBJECTS}.options": ("ContainerOptions",),
    f"{_OBJECTS}.result": ("ProgramFailed", "Result", "TimedOut"),
    f"{_OBJECTS}.sandbox": ("Sandbox",),
    f"{_OBJECTS}.stream": ("Stream",),
    f"{_OBJECTS}.volumes": ("Volume",),
    "sampan.errors": ("SampanError",),
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load what is asked for (PEP 562)."""
        from importlib import import_module

        if name == "errors":
            return import_module("sampan.errors")
        for home, names in _HOMES.items():
            if name in names:
                value = getattr(import_module(home), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
