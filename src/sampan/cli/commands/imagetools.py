# SPDX-License-Identifier: Apache-2.0
"""``sampan builder imagetools``: look at images on registries, and make indexes of them there. No engine is needed.

Flags and words are those of ``docker buildx imagetools``.
"""

from __future__ import annotations

from sampan.cli.command import ANY, Command, exactly
from sampan.cli.flags import several, switch, text
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.oci.raw_manifest import RawManifest
    from sampan.oci.reference import Reference
    from sampan.registry.repository import Registries
    from sampan.transport.composing import Found
    from sampan.transport.opening import Surroundings

_PREFIX = "  "
_DEFAULT = "{{.Manifest}}"


def run_inspect(context: Context, options: Options, arguments: list[str]) -> int:
    """The document as it is, by a template, or as a summary."""
    from sampan.cli.commands.copy import surroundings
    from sampan.cli.registries import run_with_registries
    from sampan.oci.reference import parse_reference
    from sampan.transport.composing import look_up

    template = options.text("format")
    if options.switch("raw") and template != _DEFAULT:
        raise InvalidArgument("format and raw cannot be used together")
    name = parse_reference(arguments[0])

    async def work(registries: Registries) -> tuple[RawManifest, dict[str, Any] | None]:
        around = surroundings(context, registries)
        found = await look_up(name, around)
        shown = (
            None
            if options.switch("raw") or template == _DEFAULT
            else await _describe(found, around, template)
        )
        return found.document, shown

    document, shown = run_with_registries(context, work)
    if options.switch("raw"):
        context.out.data(document.raw)
    elif shown is not None:
        from sampan.cli.inspection import show_value

        show_value(context.out, shown, template)
    else:
        for line in format_summary(name, document):
            context.out.line(line)
    return 0


def run_create(context: Context, options: Options, arguments: list[str]) -> int:
    """Put an index together and push it by each tag; with --dry-run print it."""
    from sampan.cli.copy_progress import reporting
    from sampan.cli.registries import run_with_registries
    from sampan.oci.reference import parse_reference
    from sampan.transport.composing import push_index

    tags = [parse_reference(word) for word in options.several("tag")]
    sources = [*options.several("file"), *arguments]
    if not sources:
        raise InvalidArgument("no sources specified")
    if not tags and not options.switch("dry-run"):
        raise InvalidArgument("can't push with no tags specified, please set --tag or --dry-run")
    if options.switch("append") and len(tags) != 1:
        raise InvalidArgument("--append needs exactly one tag")

    async def work(registries: Registries) -> RawManifest:
        from sampan.cli.commands.copy import surroundings

        around = surroundings(context, registries)
        document, parts = await _compose(options, arguments, tags, around)
        if not options.switch("dry-run"):
            quiet = options.text("progress") in ("quiet", "none")
            with reporting(context.out, quiet=quiet) as report:
                for tag in tags:
                    await push_index(tag, document, parts, around, report)
                    report({"status": f"pushed {document.digest} to {tag}"})
        return document

    document = run_with_registries(context, work)
    if options.switch("dry-run"):
        from json import dumps, loads  # people read this

        context.out.line(dumps(loads(document.raw), indent=2))
    if options.text("metadata-file"):
        _write_metadata(options.text("metadata-file"), document, tags)
    return 0


async def _compose(
    options: Options, arguments: list[str], tags: list[Reference], around: Surroundings
) -> tuple[RawManifest, list[Any]]:
    """The index and its parts; one source alone is taken over as it is."""
    from sampan.oci.platform import parse_platform
    from sampan.oci.reference import parse_reference
    from sampan.transport.composing import choose_parts, collect_parts, compose_index, look_up

    names = [_read_source(path, tags) for path in options.several("file")]
    names += [parse_reference(word) for word in arguments]
    found = [await look_up(name, around) for name in names]
    if options.switch("append"):
        found.insert(0, await look_up(tags[0], around))
    annotations = _annotations(options.several("annotation"))
    platforms = [parse_platform(word) for word in options.several("platform")]
    parts = await collect_parts(found, around)
    is_copy = len(found) == 1 and not annotations and not platforms
    if is_copy and (found[0].document.is_index or not options.switch("prefer-index")):
        return found[0].document, parts
    chosen = choose_parts(parts, platforms)
    return compose_index(chosen, annotations), chosen


def _read_source(path: str, tags: list[Reference]) -> Reference:
    """A file with a descriptor: of a manifest that is in the repository of the only tag."""
    from sampan.oci.descriptor import decode_descriptor
    from sampan.oci.document import decode_object

    with open(path, "rb") as file:
        descriptor = decode_descriptor(decode_object(file.read(1 << 20), path), path)
    if not tags:
        raise InvalidArgument(f"{path}: a descriptor needs a --tag, which says in which repository it is")
    return tags[0].with_digest(descriptor.digest)


def _annotations(words: list[str]) -> dict[str, str]:
    """``KEY=VALUE`` or ``index:KEY=VALUE``: nothing else can be annotated in an index of what exists."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        kind, colon, rest = key.partition(":")
        if colon and kind in ("index", "manifest", "manifest-descriptor", "index-descriptor"):
            if kind != "index":
                raise InvalidArgument(f"annotation {word!r}: only the index can be annotated")
            key = rest
        if not equals or not key:
            raise InvalidArgument(f"invalid annotation {word!r}, expected KEY=VALUE")
        found[key] = value
    return found


async def _describe(found: Found, around: Surroundings, template: str) -> dict[str, Any]:
    """What a template sees: Name, Manifest, Image (a config, or one for each platform), Provenance and SBOM."""
    from sampan.cli.attested import read_attestations, wants_attestations
    from sampan.cli.oci_fields import fields
    from sampan.oci.descriptor import encode_descriptor
    from sampan.oci.document import decode_object
    from sampan.oci.index import decode_index, is_attestation

    document = found.document
    manifest = decode_object(document.raw, "manifest") | encode_descriptor(document.descriptor)
    if not document.is_index:
        image: Any = await _config(found, document, around)
    else:
        image = {
            str(child.platform or child.digest): await _config(
                found, await found.source.manifest(child.digest), around
            )
            for child in decode_index(document.raw, document.media_type).manifests
            if not is_attestation(child)
        }
    told = {"Name": str(found.reference), "Manifest": fields(manifest), "Image": fields(image)}
    return told | (await read_attestations(found) if wants_attestations(template) else {})


async def _config(found: Found, document: RawManifest, around: Surroundings) -> dict[str, Any]:
    from sampan.oci.document import decode_object
    from sampan.oci.manifest import decode_manifest
    from sampan.transport.checked import read_blob

    limits = around.registries.settings.limits
    config = decode_manifest(document.raw, document.media_type).config
    return decode_object(await read_blob(found.source.blob(config), limits.config_bytes), "config")


def format_summary(name: Reference, document: RawManifest) -> list[str]:
    """Name, type and digest; of an index its manifests, too."""
    from sampan.cli.table import format_table
    from sampan.oci.index import decode_index

    head = [("Name:", str(name)), ("MediaType:", document.media_type), ("Digest:", str(document.digest))]
    lines = format_table(head, least_width=0, padding=1)
    if not document.is_index:
        return lines
    lines += format_table([("", ""), ("Manifests:", "")], least_width=0, padding=1)
    rows: list[tuple[str, str]] = []
    for child in decode_index(document.raw, document.media_type).manifests:
        rows += [("", "")] if rows else []
        rows.append((f"{_PREFIX}Name:", str(name.with_digest(child.digest))))
        rows.append((f"{_PREFIX}MediaType:", child.media_type))
        if child.platform is not None:
            rows.append((f"{_PREFIX}Platform:", str(child.platform)))
        if child.annotations:
            rows.append((f"{_PREFIX}Annotations:", ""))
            width = max(len(key) for key in child.annotations) + 2
            rows += [
                ("", f"{_PREFIX}{key + ':':<{width}}{text}")
                for key, text in sorted(child.annotations.items())
            ]
    return lines + format_table(rows, least_width=0, padding=1)


def _write_metadata(path: str, document: RawManifest, tags: list[Reference]) -> None:
    from json import dumps  # people read this

    from sampan.oci.descriptor import encode_descriptor

    names = ",".join(str(tag) for tag in tags)
    found = {"containerimage.descriptor": encode_descriptor(document.descriptor), "image.name": names}
    with open(path, "w") as file:
        file.write(dumps(found, indent=2))


_BUILDER = text("builder", "Override the configured builder instance", hidden=True)
_DEBUG = switch("debug", "Enable debug logging", short="D", hidden=True)

CREATE = Command(
    "builder imagetools create",
    run=run_create,
    summary="Create a new image based on source images",
    usage="[OPTIONS] [SOURCE...]",
    arity=ANY,
    flags=(
        several("annotation", "Add annotation to the image"),
        switch("append", "Append to existing manifest"),
        _BUILDER,
        _DEBUG,
        switch("dry-run", "Show final image instead of pushing"),
        several("file", "Read source descriptor from file", short="f"),
        text("metadata-file", "Write create result metadata to a file"),
        several("platform", "Filter specified platforms of target image", short="p"),
        switch(
            "prefer-index",
            "When only a single source is specified, prefer outputting an image index or manifest list"
            " instead of performing a carbon copy",
            default=True,
        ),
        text("progress", 'Set type of progress output ("auto", "plain", "tty", "quiet")', default="auto"),
        several("tag", "Set reference for new image", short="t"),
    ),
)

INSPECT = Command(
    "builder imagetools inspect",
    run=run_inspect,
    summary="Show details of an image in the registry",
    usage="[OPTIONS] NAME",
    arity=exactly(1),
    flags=(
        _BUILDER,
        _DEBUG,
        text(
            "format",
            "Format the output using the given Go template",
            default=_DEFAULT,
            shows_default=_DEFAULT,
        ),
        switch("raw", "Show original, unformatted JSON manifest"),
    ),
)
