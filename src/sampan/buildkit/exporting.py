# SPDX-License-Identifier: Apache-2.0
"""Where a build's result goes: the image store, registries, or the client's disk as an archive or as files.

Answers are BuildKit's by name: clients write image ids to ``--iidfile`` and ``--metadata-file`` from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from sampan.build.exports.archives import are_files_split, platform_folder
from sampan.build.exports.exporting import Exporting
from sampan.build.exports.options import DOCKER, IMAGE, LOCAL, OCI, ExportOptions, parse_options
from sampan.build.product import Product
from sampan.buildkit.messages.control import Exporter, SolveRequest
from sampan.buildkit.sending import open_file, send_trees
from sampan.buildkit.session import Session
from sampan.buildkit.stores import EXPORT, ClientStore, StoreSink
from sampan.errors import InvalidArgument


def plan_exporters(request: SolveRequest) -> list[Exporter]:
    """The exporters of a request, each with its attributes looked at; older clients can name one."""
    exporters = request.exporters
    if not exporters and request.old_exporter:
        exporters = [Exporter(request.old_exporter, request.old_exporter_attrs)]
    for exporter in exporters:
        _parse(exporter)
    return list(exporters)


def parse_outputs(exporters: Iterable[Exporter]) -> list[ExportOptions]:
    """The same as outputs of a build."""
    return [_parse(exporter) for exporter in exporters]


def _parse(exporter: Exporter) -> ExportOptions:
    return parse_options(exporter.type, exporter.attrs)


def _is_folder(exporter: Exporter) -> bool:
    """Whether an archive's content goes into a folder of the client's."""
    is_tar = exporter.attrs.get("tar", "true").lower() in ("", "1", "t", "true")
    return exporter.type in (DOCKER, OCI) and not is_tar


async def export(
    product: Product, exporters: Sequence[Exporter], session: Session | None, exporting: Exporting
) -> dict[str, str]:
    """Send the result everywhere it is wanted; what the client is told of it."""
    response: dict[str, str] = {}
    for number, options in enumerate(map(_parse, exporters)):
        if options.kind == IMAGE:
            response |= await exporting.keep(options)
        elif session is None:
            raise InvalidArgument(f"--output type={options.kind}: the build has no session to send it to")
        elif _is_folder(exporters[number]):
            store = ClientStore(session, EXPORT)
            response |= await exporting.export_layout(options, StoreSink(store))
        elif options.kind == LOCAL:
            await _export_folder(product, options, session, number)
        else:
            async with open_file(session, number) as send:
                response |= await exporting.export(options, send)
    return response


async def _export_folder(product: Product, options: ExportOptions, session: Session, number: int) -> None:
    splits = are_files_split(product, options)
    with product.reporter.vertex("exporting to client directory") as vertex, ExitStack() as stack:
        roots = {
            platform_folder(part.platform) if splits else "": stack.enter_context(part.open_root())
            for part in product
        }
        count = await send_trees(session, number, roots)
        vertex.status(f"copying {count} files", 0, completed=True)
