# SPDX-License-Identifier: Apache-2.0
"""``sampan bundle``: one file with all that a machine without a network needs, made there and loaded here.

It has images, the packages of bases for ``bootstrap``, and the data of a vulnerability scan, which travel as they are:
there is no such command of ours yet.
"""

from __future__ import annotations

from sampan.cli.command import ANY, Command, exactly
from sampan.cli.flags import several, switch, text
from sampan.errors import InvalidArgument, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.oci.reference import Reference
    from sampan.registry.repository import Registries
    from sampan.transport.bundle import Contents


def run_create(context: Context, options: Options, arguments: list[str]) -> int:
    """Gather images and packages in a folder beside the file, and pack it."""
    import os
    import shutil
    import tempfile

    from sampan.cli.commands.mirror import read_names
    from sampan.transport.bundle import PACKAGES, SCAN, Contents, write_bundle
    from sampan.transport.layout_sink import LayoutSink

    path, bases, data = options.text("output"), options.several("base"), options.text("scan-data")
    if not path:
        raise InvalidArgument("no file to write", hint="--output FILE")
    names = read_names(options, arguments, None) if arguments or options.several("file") else []
    if not names and not bases and not data:
        raise InvalidArgument("nothing to bundle", hint="name images, or a base with --base")
    if data and not os.path.isdir(data):
        raise InvalidArgument(f"--scan-data {data}: no such folder")
    with tempfile.TemporaryDirectory(prefix=".sampan-", dir=os.path.dirname(os.path.abspath(path))) as work:
        layout, extra = f"{work}/layout", f"{work}/extra"
        os.makedirs(extra)
        _gather_images(context, options, names, layout)
        if not names:
            sink = LayoutSink(layout, "")
            sink.write_index()
        suites = _gather_packages(context, bases, f"{extra}/{PACKAGES}")
        if data:
            shutil.copytree(data, f"{extra}/{SCAN}")
        contents = Contents(tuple(str(name) for name in names), tuple(bases), tuple(suites))
        write_bundle(path, layout, extra, contents)
    _say_contents(context, contents)
    return 0


def run_load(context: Context, options: Options, arguments: list[str]) -> int:
    """Images into the engine, or where --to says; packages into a folder for bootstrap."""
    from sampan.registry.settings import Limits
    from sampan.transport.bundle import PACKAGES, SCAN, read_contents, unpack_folder
    from sampan.transport.files import ArchiveFiles

    path = arguments[0]
    files = ArchiveFiles(path, Limits().layer_bytes)
    try:
        contents = read_contents(files)
        folder = options.text("packages") or _kept_folder(context, PACKAGES)
        if contents.suites and unpack_folder(files, PACKAGES, folder):
            context.out.line(f"Packages of {', '.join(contents.suites)}: {folder}")
            for base in contents.bases:
                context.out.note(f"make the base with: sampan bootstrap --mirror {folder} {base}")
        data = options.text("scan-data") or _kept_folder(context, SCAN)
        if unpack_folder(files, SCAN, data):
            context.out.line(f"Data for scans: {data}")
    finally:
        files.close()
    _load_images(context, options, path, contents)
    return 0


def _gather_images(context: Context, options: Options, names: list[Reference], layout: str) -> None:
    from sampan.cli.commands.copy import surroundings
    from sampan.cli.commands.mirror import copy_options, mirror_images
    from sampan.cli.copy_progress import reporting
    from sampan.cli.registries import run_with_registries
    from sampan.transport.mirroring import Place

    async def work(registries: Registries) -> dict[Reference, str]:
        around = surroundings(context, registries)
        with reporting(context.out, quiet=options.switch("quiet")) as report:
            return await mirror_images(names, None, Place(layout), copy_options(options), around, report)

    failed = run_with_registries(context, work)
    if failed:
        raise SampanError("not bundled:\n" + "\n".join(failed.values()))


def _gather_packages(context: Context, bases: list[str], folder: str) -> list[str]:
    from sampan.bootstrap.catalogue import find_recipe
    from sampan.bootstrap.host import read_host_facts
    from sampan.bootstrap.packages import fetch_packages

    host = read_host_facts(mirror=None, ca_bundle=None)
    recipes = [find_recipe(name) for name in bases]
    for recipe in recipes:
        context.out.note(f"fetching the packages of {recipe.name}")
        fetch_packages(recipe, host, folder, environ=context.environ)
    return sorted({recipe.suite for recipe in recipes})


def _load_images(context: Context, options: Options, path: str, contents: Contents) -> None:
    from sampan.cli.commands.copy import surroundings
    from sampan.cli.commands.mirror import copy_options, mirror_images
    from sampan.cli.copy_progress import reporting
    from sampan.cli.registries import run_with_registries
    from sampan.oci.reference import parse_reference
    from sampan.transport.mirroring import Place, parse_place

    names = [parse_reference(name) for name in contents.images]
    if not names:
        return
    target = parse_place(options.text("to")) if options.text("to") else Place(is_store=True)

    async def work(registries: Registries) -> dict[Reference, str]:
        around = surroundings(context, registries)
        with reporting(context.out, quiet=options.switch("quiet")) as report:
            return await mirror_images(names, Place(path), target, copy_options(options), around, report)

    failed = run_with_registries(context, work)
    for name in names:
        if name not in failed:
            context.out.line(f"Loaded image: {name.familiar()}")
    if failed:
        raise SampanError("not loaded:\n" + "\n".join(failed.values()))


def _kept_folder(context: Context, name: str) -> str:
    from sampan.bootstrap.cache import default_cache_directory

    return f"{default_cache_directory(context.environ)}/{name}"


def _say_contents(context: Context, contents: Contents) -> None:
    for name in contents.images:
        context.out.line(f"image {name}")
    for base in contents.bases:
        context.out.line(f"base {base}")


_PLATFORMS = (
    switch("all", "With the images for all platforms", short="a"),
    several("platform", "With the images for these platforms", commas=True),
    switch("quiet", "Suppress the progress", short="q"),
    switch("referrers", "With signatures and attestations"),
)

CREATE = Command(
    "bundle create",
    run=run_create,
    summary="Put images and packages for a machine without a network into one file",
    usage="[OPTIONS] [IMAGE...]",
    arity=ANY,
    flags=(
        several("base", "A recipe of bootstrap whose packages are to go in"),
        several("file", "Read names of images from a file, one a line (- is stdin)", short="f"),
        text("output", "The file to write", short="o"),
        text("scan-data", "A folder with vulnerability data for scans there"),
        *_PLATFORMS,
    ),
)

LOAD = Command(
    "bundle load",
    run=run_load,
    summary="Load a bundle into the engine, a folder or a registry",
    usage="[OPTIONS] FILE",
    arity=exactly(1),
    flags=(
        text("packages", "Folder for the packages (default: below ~/.cache/sampan)"),
        text("scan-data", "Folder for the data of scans (default: below ~/.cache/sampan)"),
        text("to", "A folder, or a registry and prefix (HOST[:PORT]/PREFIX), in place of the engine"),
        *_PLATFORMS,
    ),
)
