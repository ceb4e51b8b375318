# SPDX-License-Identifier: Apache-2.0
"""``sampan manifest``: manifests as they lie on a registry, and lists of them, made here and pushed, without an engine.

Lists in the making are kept where docker keeps them (``~/.docker/manifests``), so either program goes on with the
other's.
"""

from __future__ import annotations

from sampan.cli.command import Command, at_least, between, exactly
from sampan.cli.flags import several, switch, text
from sampan.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.oci.reference import Reference
    from sampan.registry.repository import Registries
    from sampan.transport.lists import ManifestLists, Member
    from sampan.transport.opening import Surroundings


def run_inspect(context: Context, options: Options, arguments: list[str]) -> int:
    """Print the document: of a list in the making, else of the registry; with --verbose its manifests, too."""
    from json import dumps  # people read this

    from sampan.cli.registries import run_with_registries
    from sampan.oci.reference import parse_reference
    from sampan.transport.lists import show_member

    lists = _lists(context)
    names = [parse_reference(word) for word in arguments]
    is_verbose = options.switch("verbose")
    if len(names) == 2:
        member = lists.get(names[0], names[1])
        shown: object = show_member(member) if is_verbose else _object(member.raw)
    elif lists.exists(names[0]):
        shown = _show_list(lists.members(names[0]), is_verbose=is_verbose)
    else:

        async def work(registries: Registries) -> object:
            return await _show_remote(names[0], _around(context, registries), is_verbose=is_verbose)

        shown = run_with_registries(context, work, insecure=_insecure(options, names[0]))
    context.out.line(dumps(shown, indent="\t"))
    return 0


def run_create(context: Context, options: Options, arguments: list[str]) -> int:
    """Look each manifest up, and keep it in the list."""
    from sampan.cli.registries import run_with_registries
    from sampan.oci.reference import parse_reference

    target, *names = [parse_reference(word) for word in arguments]
    lists = _lists(context)
    lists.begin(target, amend=options.switch("amend"))

    async def work(registries: Registries) -> None:
        around = _around(context, registries)
        for name in names:
            lists.save(target, await _look_up_member(name, around))

    run_with_registries(context, work, insecure=_insecure(options, target, *names))
    context.out.line(f"Created manifest list {target}")
    return 0


def run_annotate(context: Context, options: Options, arguments: list[str]) -> int:
    """Say for which platform a manifest of a list is."""
    from dataclasses import replace

    from sampan.oci.platform import Platform
    from sampan.oci.reference import parse_reference

    target, name = (parse_reference(word) for word in arguments)
    lists = _lists(context)
    member = lists.get(target, name)
    known = member.descriptor.platform or Platform("", "")
    platform = Platform(
        options.text("os") or known.os,
        options.text("arch") or known.architecture,
        options.text("variant") or known.variant,
        options.text("os-version") or known.os_version,
        tuple(options.several("os-features")) or known.os_features,
    )
    if not platform.os or not platform.architecture:
        raise InvalidArgument(
            f"manifest entry for image has unsupported os/arch combination: {platform.os}/{platform.architecture}"
        )
    lists.save(target, replace(member, descriptor=replace(member.descriptor, platform=platform)))
    return 0


def run_push(context: Context, options: Options, arguments: list[str]) -> int:
    """Push the manifests, then the list; its digest."""
    from sampan.cli.registries import run_with_registries
    from sampan.oci.reference import parse_reference
    from sampan.transport.composing import Part, open_registry, push_index
    from sampan.transport.lists import encode_list

    target = parse_reference(arguments[0])
    lists = _lists(context)
    members = lists.members(target)
    document = encode_list(members)

    async def work(registries: Registries) -> None:
        around = _around(context, registries)
        parts = [Part(one.descriptor, open_registry(one.reference, around)) for one in members]
        await push_index(target, document, parts, around, lambda _: None)

    names = [member.reference for member in members]
    run_with_registries(context, work, insecure=_insecure(options, target, *names))
    for member in members:
        context.out.line(
            f"Pushed ref {target.with_digest(member.descriptor.digest)} with digest: "
            f"{member.descriptor.digest}"
        )
    context.out.line(str(document.digest))
    if options.switch("purge"):
        lists.remove(target)
    return 0


def run_rm(context: Context, _options: Options, arguments: list[str]) -> int:
    """Forget lists; those that there are, even if others are not."""
    from sampan.oci.reference import parse_reference

    lists = _lists(context)
    missing = []
    for word in arguments:
        try:
            lists.remove(parse_reference(word))
        except NotFound as error:
            missing.append(error.message)
    if missing:
        raise NotFound("\n".join(missing))
    return 0


async def _look_up_member(name: Reference, around: Surroundings) -> Member:
    from sampan.transport.composing import describe_manifest, look_up
    from sampan.transport.lists import Member

    found = await look_up(name, around)
    if found.document.is_index:
        raise InvalidArgument(f"{name} is a manifest list")
    return Member(name, await describe_manifest(found, around), found.document.raw)


async def _show_remote(name: Reference, around: Surroundings, *, is_verbose: bool) -> object:
    from sampan.oci.index import decode_index
    from sampan.transport.composing import describe_manifest, look_up
    from sampan.transport.lists import Member, show_member

    found = await look_up(name, around)
    if not is_verbose:
        return _object(found.document.raw)
    if not found.document.is_index:
        return show_member(Member(name, await describe_manifest(found, around), found.document.raw))
    shown = []
    for child in decode_index(found.document.raw, found.document.media_type).manifests:
        document = await found.source.manifest(child.digest)
        shown.append(show_member(Member(name.with_digest(child.digest), child, document.raw)))
    return shown


def _show_list(members: list[Member], *, is_verbose: bool) -> object:
    from sampan.transport.lists import encode_list, show_member

    return [show_member(one) for one in members] if is_verbose else _object(encode_list(members).raw)


def _object(raw: bytes) -> dict[str, Any]:
    from sampan.oci.document import decode_object

    return decode_object(raw, "manifest")


def _lists(context: Context) -> ManifestLists:
    from sampan.transport.lists import ManifestLists

    return ManifestLists(context.environ)


def _around(context: Context, registries: Registries) -> Surroundings:
    from sampan.cli.commands.copy import surroundings

    return surroundings(context, registries)


def _insecure(options: Options, *names: Reference) -> list[str]:
    return (
        [name.registry for name in names]
        if options.declares("insecure") and options.switch("insecure")
        else []
    )


_INSECURE = switch("insecure", "Allow communication with an insecure registry")

INSPECT = Command(
    "manifest inspect",
    run=run_inspect,
    summary="Display an image manifest, or manifest list",
    usage="[OPTIONS] [MANIFEST_LIST] MANIFEST",
    flags=(_INSECURE, switch("verbose", "Output additional info including layers and platform", short="v")),
    arity=between(1, 2),
)

CREATE = Command(
    "manifest create",
    run=run_create,
    summary="Create a local manifest list for annotating and pushing to a registry",
    usage="MANIFEST_LIST MANIFEST [MANIFEST...]",
    flags=(switch("amend", "Amend an existing manifest list", short="a"), _INSECURE),
    arity=at_least(2),
)

ANNOTATE = Command(
    "manifest annotate",
    run=run_annotate,
    summary="Add additional information to a local image manifest",
    usage="[OPTIONS] MANIFEST_LIST MANIFEST",
    flags=(
        text("arch", "Set architecture"),
        text("os", "Set operating system"),
        several("os-features", "Set operating system feature", commas=True),
        text("os-version", "Set operating system version"),
        text("variant", "Set architecture variant"),
    ),
    arity=exactly(2),
)

PUSH = Command(
    "manifest push",
    run=run_push,
    summary="Push a manifest list to a repository",
    usage="[OPTIONS] MANIFEST_LIST",
    flags=(_INSECURE, switch("purge", "Remove the local manifest list after push", short="p")),
    arity=exactly(1),
)

RM = Command(
    "manifest rm",
    run=run_rm,
    summary="Delete one or more manifest lists from local storage",
    usage="MANIFEST_LIST [MANIFEST_LIST...]",
    arity=at_least(1),
)
