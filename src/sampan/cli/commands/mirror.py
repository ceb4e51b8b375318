# SPDX-License-Identifier: Apache-2.0
"""``sampan image mirror``: many images to a folder or a registry, for machines without a network."""

from __future__ import annotations

from sampan.cli.command import ANY, Command
from sampan.cli.flags import several, switch, text
from sampan.errors import InvalidArgument, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.oci.reference import Reference
    from sampan.registry.repository import Registries
    from sampan.transport.copying import Options as CopyOptions
    from sampan.transport.mirroring import Place
    from sampan.transport.opening import Surroundings


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Copy each; those that fail are named at the end. Of a registry, print the rules that lead to it."""
    from sampan.cli.copy_progress import reporting
    from sampan.cli.registries import run_with_registries
    from sampan.registry.endpoints import is_insecure_host
    from sampan.transport.mirroring import format_rules, parse_place

    origin = parse_place(options.text("from")) if options.text("from") else None
    target = parse_place(options.text("to"))
    names = read_names(options, arguments, origin)
    insecure = [] if options.switch("dest-tls-verify") else [target.registry.partition("/")[0]]

    async def work(registries: Registries) -> tuple[dict[Reference, str], list[str]]:
        from sampan.cli.commands.copy import surroundings

        around = surroundings(context, registries)
        host = target.registry.partition("/")[0]
        plain = [host] if is_insecure_host(host, registries.settings.insecure) else []
        with reporting(context.out, quiet=options.switch("quiet")) as report:
            failed = await mirror_images(names, origin, target, copy_options(options), around, report)
        return failed, plain

    failed, plain = run_with_registries(context, work, insecure=insecure)
    mirrored = [name for name in names if name not in failed]
    if target.registry and mirrored:
        context.out.note("put this into the configuration of the machines that are to use it:")
        context.out.line(format_rules(target, mirrored, plain))
    if failed:
        raise SampanError("not mirrored:\n" + "\n".join(failed.values()))
    return 0


def read_names(options: Options, arguments: Sequence[str], origin: Place | None) -> list[Reference]:
    """The images that are named, those of the list, or without any all that a folder has."""
    import sys

    from sampan.registry.settings import Limits
    from sampan.transport.files import ArchiveFiles, FolderFiles
    from sampan.transport.mirroring import list_images, parse_list

    names = parse_list(arguments)
    for path in options.several("file"):
        if path == "-":
            names += parse_list(sys.stdin)
        else:
            with open(path, encoding="utf-8") as file:
                names += parse_list(file)
    if not names and origin is not None and origin.path:
        import os

        limits = Limits()
        is_folder = os.path.isdir(origin.path)
        files = FolderFiles(origin.path) if is_folder else ArchiveFiles(origin.path, limits.layer_bytes)
        names = list_images(files, limits)
        files.close()
    if not names:
        raise InvalidArgument("no images to mirror", hint="name them, or give a list with --file")
    return list(dict.fromkeys(names))


def copy_options(options: Options) -> CopyOptions:
    """What the flags ask for; digests stay."""
    from sampan.oci.platform import parse_platform
    from sampan.transport.copying import Options as CopyOptions

    return CopyOptions(
        everything=options.switch("all"),
        platforms=tuple(parse_platform(word) for word in options.several("platform")),
        referrers=options.switch("referrers"),
    )


async def mirror_images(
    names: Sequence[Reference],
    origin: Place | None,
    target: Place,
    wanted: CopyOptions,
    around: Surroundings,
    report: Any,
) -> dict[Reference, str]:
    """Copy one after the other; what went wrong with which."""
    from dataclasses import replace

    from sampan.transport.copying import copy_image
    from sampan.transport.location import Kind, Location
    from sampan.transport.opening import open_sink, open_source

    failed: dict[Reference, str] = {}
    for name in names:
        here = origin.location(name) if origin else Location(Kind.REGISTRY, name=str(name))
        # What a mirror has is copied as it is there, with all its platforms.
        options = replace(wanted, everything=True) if origin and not wanted.platforms else wanted
        _say(report, f"mirroring {name.familiar()}")
        try:
            async with open_source(here, around) as source, open_sink(target.location(name), around) as sink:
                limits = around.registries.settings.limits
                written = await copy_image(source, sink, options=options, limits=limits, report=report)
            _say(report, f"mirrored {name.familiar()}: {written.digest}")
        except SampanError as error:
            failed[name] = f"{name.familiar()}: {error.message}"
    return failed


def _say(report: Any, words: str) -> None:
    message: Mapping[str, str] = {"status": words}
    report(message)


COMMAND = Command(
    "image mirror",
    run=run,
    summary="Copy images to a folder or registry for machines without a network",
    usage="[OPTIONS] [IMAGE...]",
    description=(
        "Copy images, with their digests, to a folder (an OCI image layout) or below a prefix of a registry.\n"
        "A folder is a place to mirror from: sampan image mirror --from FOLDER --to HOST/PREFIX."
    ),
    arity=ANY,
    flags=(
        switch("all", "Copy the images for all platforms", short="a"),
        switch("dest-tls-verify", "Verify the certificate of the registry that is copied to", default=True),
        several("file", "Read names from a file, one a line (- is stdin)", short="f"),
        text("from", "Take the images from a folder, a bundle or a registry's prefix that was mirrored to"),
        several("platform", "Copy the images for these platforms", commas=True),
        switch("quiet", "Suppress the progress", short="q"),
        switch("referrers", "Copy signatures and attestations, too"),
        text("to", "The folder, or the registry and prefix (HOST[:PORT]/PREFIX)"),
    ),
)
