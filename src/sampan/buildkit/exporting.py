# SPDX-License-Identifier: Apache-2.0
"""Where a build's result goes: the image store, or the client's disk as an archive or as files.

Answers are BuildKit's by name: clients write image ids to ``--iidfile`` and ``--metadata-file`` from them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from sampan.build.built import Built
from sampan.buildkit.messages.control import Exporter, SolveRequest
from sampan.buildkit.sending import open_file, send_tree
from sampan.buildkit.session import Session
from sampan.errors import InvalidArgument, Unsupported
from sampan.image.model import Image
from sampan.oci.reference import Reference, parse_reference

_TO_STORE = ("moby", "image")
_TO_ARCHIVE = ("docker", "oci")
_KINDS = (*_TO_STORE, *_TO_ARCHIVE, "local", "tar")


def plan_exporters(request: SolveRequest) -> list[Exporter]:
    """The exporters of a request, each with its attributes looked at; older clients can name one."""
    exporters = request.exporters
    if not exporters and request.old_exporter:
        exporters = [Exporter(request.old_exporter, request.old_exporter_attrs)]
    for exporter in exporters:
        _check(exporter)
    return list(exporters)


def _check(exporter: Exporter) -> None:
    kind, attrs = exporter.type, exporter.attrs
    if kind not in _KINDS:
        raise Unsupported(f"--output type={kind} is not supported", hint=f"one of {', '.join(_KINDS)} is")
    if kind == "image" and _is_true(attrs.get("push", "")):
        raise Unsupported("--output type=image,push=true is not supported", hint="push the image afterwards")
    if kind in _TO_ARCHIVE and attrs.get("tar") and not _is_true(attrs["tar"]):
        raise Unsupported(f"--output type={kind},tar=false is not supported")
    for name in attrs:
        if name.startswith("annotation"):
            raise Unsupported(f"--output type={kind}: annotations are not supported yet")
    _references(exporter)


def refuse_unsupported(request: SolveRequest) -> None:
    """Build graphs are not read, and of the exports of the cache there is the one inside the image."""
    if request.definition or request.inputs:
        raise Unsupported("building from a build graph is not supported: give a Dockerfile")
    for entry in request.cache.exports if request.cache is not None else ():
        if entry.type != "inline":
            raise Unsupported(
                f"--cache-to type={entry.type}: exporting the build cache is not supported here",
                hint="`sampan build` does it",
            )


def has_inline_cache(request: SolveRequest) -> bool:
    """Whether the image is to say what its layers are results of."""
    return request.cache is not None and any(entry.type == "inline" for entry in request.cache.exports)


async def export(built: Built, exporters: Sequence[Exporter], session: Session | None) -> dict[str, str]:
    """Send the result everywhere it is wanted; what the client is told of it."""
    response: dict[str, str] = {}
    for number, exporter in enumerate(exporters):
        if exporter.type in _TO_STORE:
            names = [str(reference) for reference in _references(exporter)]
            response |= _describe(await built.record_image(names), names)
        elif session is None:
            raise InvalidArgument(f"--output type={exporter.type}: the build has no session to send it to")
        elif exporter.type == "local":
            await _export_folder(built, session, number)
        else:
            references = _references(exporter)
            async with open_file(session, number) as send:
                image = await built.send_archive(exporter.type, references, send)
            if image is not None:
                response |= _describe(image, [str(reference) for reference in references])
    return response


async def _export_folder(built: Built, session: Session, number: int) -> None:
    with built.reporter.vertex("exporting to client directory") as vertex, built.open_root() as root:
        count = await send_tree(session, number, root)
        vertex.status(f"copying {count} files", 0, completed=True)


def _references(exporter: Exporter) -> list[Reference]:
    names = filter(None, exporter.attrs.get("name", "").split(","))
    return [parse_reference(name) for name in names]


def _describe(image: Image, names: Sequence[str]) -> dict[str, str]:
    """An image here is known by its config's digest: it has no manifest until it is pushed."""
    config = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": str(image.id),
        "size": len(image.config.raw),
    }
    response = {
        "containerimage.digest": str(image.id),
        "containerimage.config.digest": str(image.id),
        "containerimage.descriptor": base64.b64encode(json.dumps(config).encode()).decode(),
    }
    return response | ({"image.name": ",".join(names)} if names else {})


def _is_true(text: str) -> bool:
    return text.lower() in ("1", "t", "true")
