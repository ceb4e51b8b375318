# SPDX-License-Identifier: Apache-2.0
"""``sampan copy``: an image from one place to another, without an engine.

Flags are skopeo's where it has them. Of an engine's store it goes through the engine, which it names.
"""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.flags import several, switch, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine
    from sampan.registry.credentials import Credentials
    from sampan.registry.repository import Registries
    from sampan.transport.copying import Options as CopyOptions
    from sampan.transport.location import Location
    from sampan.transport.opening import Surroundings


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Copy, and print the digest."""
    from sampan.cli.copy_progress import reporting
    from sampan.cli.registries import run_with_registries
    from sampan.transport.copying import copy_image
    from sampan.transport.location import parse_location
    from sampan.transport.opening import open_sink, open_source

    origin, target = (parse_location(word) for word in arguments)
    wanted = read_options(options)

    async def work(registries: Registries) -> str:
        limits = registries.settings.limits
        here = surroundings(context, registries, options.text("src-creds"))
        there = surroundings(context, registries, options.text("dest-creds"))
        with reporting(context.out, quiet=options.switch("quiet")) as report:
            async with open_source(origin, here) as source, open_sink(target, there) as sink:
                written = await copy_image(source, sink, options=wanted, limits=limits, report=report)
                return str(written.digest)

    digest = run_with_registries(context, work, insecure=insecure_hosts(options, origin, target))
    if options.text("digestfile"):
        with open(options.text("digestfile"), "w") as file:
            file.write(digest)
    context.out.line(digest)
    return 0


def read_options(options: Options) -> CopyOptions:
    """What the flags ask for."""
    from sampan.oci.platform import parse_platform
    from sampan.transport.conversion import Wish, parse_compression, parse_format
    from sampan.transport.copying import Options as CopyOptions

    return CopyOptions(
        everything=options.switch("all"),
        platforms=tuple(parse_platform(word) for word in options.several("platform")),
        wish=Wish(
            format=parse_format(options.text("format")),
            compression=parse_compression(options.text("dest-compress-format")),
            keeps_digests=options.switch("preserve-digests"),
        ),
        referrers=options.switch("referrers"),
    )


def surroundings(context: Context, registries: Registries, credentials: str = "") -> Surroundings:
    """Registries, log-ins and the engine as transports want them; `credentials` go before the user's log-ins."""
    from sampan.cli.registries import find_credentials, parse_credentials
    from sampan.transport.opening import Surroundings

    def find(name: str) -> Credentials:
        return parse_credentials(credentials) if credentials else find_credentials(context, name)

    def connect() -> Engine:
        context.out.note(f"through the engine at {context.address}")
        return context.engine

    return Surroundings(registries, find, connect)


def insecure_hosts(options: Options, origin: Location, target: Location) -> list[str]:
    """The hosts for which --src-tls-verify=false or --dest-tls-verify=false was said."""
    from sampan.transport.location import Kind

    pairs = (("src-tls-verify", origin), ("dest-tls-verify", target))
    return [
        place.reference.registry
        for flag, place in pairs
        if place.kind is Kind.REGISTRY and not options.switch(flag)
    ]


FORMAT = text("format", 'Manifest type to write: "oci" or "v2s2" (default: as it is)', short="f")
COMPRESSION = text("dest-compress-format", 'Compress layers anew: "gzip", "zstd" or "none"')

COMMAND = Command(
    "copy",
    run=run,
    summary="Copy an image between registries, archives, folders and engines",
    usage="[OPTIONS] SOURCE DESTINATION",
    description=(
        "Copy an image without an engine. A place is one of docker://NAME[:TAG|@DIGEST], oci:FOLDER[:NAME],\n"
        "oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], dir:FOLDER, and through an engine\n"
        "sampan:NAME and docker-daemon:NAME. Digests stay as they are."
    ),
    arity=exactly(2),
    flags=(
        switch("all", "Copy the images for all platforms", short="a"),
        COMPRESSION,
        text("dest-creds", "Log-in for the destination (USER[:PASSWORD])"),
        switch("dest-tls-verify", "Verify the destination's certificate", default=True),
        text("digestfile", "Write the digest to a file"),
        FORMAT,
        several("platform", "Copy the images for these platforms", commas=True),
        switch("preserve-digests", "Fail if a digest would have to change"),
        switch("quiet", "Suppress the progress", short="q"),
        switch("referrers", "Copy signatures and attestations, too"),
        text("src-creds", "Log-in for the source (USER[:PASSWORD])"),
        switch("src-tls-verify", "Verify the source's certificate", default=True),
    ),
)
