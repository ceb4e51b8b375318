# SPDX-License-Identifier: Apache-2.0
"""``sampan trust revoke``: signatures taken away from a registry."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.confirm import confirm
from sampan.cli.flags import several, switch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.cli.trust_session import Session


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Remove signatures from the registry: all, or those of some keys."""
    from sampan.cli.trust_session import listed_in, read_publishers, with_session
    from sampan.oci.digest import parse_digest
    from sampan.registry.trust.publishing import SignatureWriter

    keys = [publisher.keys[0] for publisher in read_publishers(options.several("key"))]
    whose = "the signatures of these keys" if keys else "all signatures"
    if not options.switch("yes") and not confirm(context.out, f"This will remove {whose} of {arguments[0]}."):
        return 1

    async def work(session: Session) -> list[tuple[str, int]]:
        fetched = await session.resolve()
        subjects = [str(fetched.digest)]
        subjects += [digest for _, digest in listed_in(fetched)] if options.switch("recursive") else []
        writer = SignatureWriter(session.repository)
        return [
            (one, await writer.remove(parse_digest(one), lambda found: not keys or bool(found.signer(keys))))
            for one in subjects
        ]

    for subject, count in with_session(context, arguments[0], work, push=True):
        context.out.line(f"Removed {count} signature{'' if count == 1 else 's'} of {subject}")
    return 0


REVOKE = Command(
    "trust revoke",
    run=run,
    summary="Remove signatures of an image",
    usage="[OPTIONS] IMAGE[:TAG|@DIGEST]",
    flags=(
        several("key", "Only signatures of this public key", shows="file"),
        switch("recursive", "Of the images of all platforms, too", short="r"),
        switch("yes", "Do not prompt for confirmation", short="y"),
    ),
    arity=exactly(1),
)
