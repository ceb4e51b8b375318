# SPDX-License-Identifier: Apache-2.0
"""``sampan manifest inspect``: the manifest or index of an image on a registry, as it lies there."""

from __future__ import annotations

from sampan.cli.command import Command, between
from sampan.cli.flags import switch
from sampan.client.credentials import CredentialStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run_inspect(context: Context, options: Options, arguments: list[str]) -> int:
    """Print the document; with --verbose its descriptor, too."""
    name = arguments[-1]
    found = context.engine.images.distribution(name, CredentialStore(context.environ).header_for(name))
    from json import dumps, loads  # people read this

    if options.switch("verbose"):
        shown = {"Ref": name, "Descriptor": found["Descriptor"], "Manifest": loads(found["Manifest"])}
        context.out.line(dumps(shown, indent="\t"))
    else:
        context.out.line(dumps(loads(found["Manifest"]), indent="\t"))
    return 0


INSPECT = Command(
    "manifest inspect",
    run=run_inspect,
    summary="Display an image manifest, or manifest list",
    usage="[OPTIONS] [MANIFEST_LIST] MANIFEST",
    flags=(
        switch("insecure", "Allow communication with an insecure registry"),
        switch("verbose", "Output additional info including layers and platform", short="v"),
    ),
    arity=between(1, 2),
)
