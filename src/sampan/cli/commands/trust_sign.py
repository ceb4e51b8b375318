# SPDX-License-Identifier: Apache-2.0
"""``sampan trust sign``: sign what a name stands for on its registry."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.flags import several, switch, text
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.registry.trust.signing import Outcome


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Sign it, and everything it lists if that is wanted; the signatures go to the registry or to files."""
    from sampan.cli.trust_session import parse_annotations, read_passphrase, with_session
    from sampan.oci.reference import parse_reference
    from sampan.registry.trust.keyfiles import read_key_file
    from sampan.registry.trust.private_keys import decode_private_key
    from sampan.registry.trust.signing import SigningOrder, sign_image

    if not options.text("key"):
        raise InvalidArgument("the --key option is required", hint="`sampan trust key generate` makes one")
    if options.switch("new-bundle-format") and options.text("sign-container-identity"):
        raise InvalidArgument("--sign-container-identity: a bundle says no name")
    pem = read_key_file(options.text("key"))
    order = SigningOrder(
        key=decode_private_key(pem, read_passphrase(context, options)),
        identity=options.text("sign-container-identity"),
        annotations=parse_annotations(options.several("annotation")),
        recursive=options.switch("recursive"),
        upload=options.switch("upload"),
        bundle=options.switch("new-bundle-format"),
    )
    outcomes = with_session(
        context,
        arguments[0],
        lambda session: sign_image(session.repository, session.reference, order),
        push=order.upload,
    )
    _write_files(options, outcomes)
    name = parse_reference(arguments[0]).familiar_name
    for outcome in outcomes:
        done = "Signed" if outcome.is_new else "Already signed"
        context.out.line(f"{done} {name}@{outcome.digest} with key {order.key.public.fingerprint}")
    return 0


def _write_files(options: Options, outcomes: list[Outcome]) -> None:
    files = (
        (options.text("output-signature"), outcomes[0].signature.text.encode()),
        (options.text("output-payload"), outcomes[0].signature.payload),
    )
    for path, data in files:
        if path:
            with open(path, "wb") as file:
                file.write(data)


SIGN = Command(
    "trust sign",
    run=run,
    summary="Sign an image on its registry",
    usage="[OPTIONS] IMAGE[:TAG|@DIGEST]",
    description=(
        "Sign what a name stands for on its registry, with a key that cosign, skopeo and podman can use, too."
    ),
    flags=(
        several(
            "annotation", "Say something of the image in the signature (KEY=VALUE)", short="a", shows="list"
        ),
        text("key", "The private key's file", shows="file"),
        switch("new-bundle-format", "Store a bundle as cosign 3 does, which says no name"),
        text("output-payload", "Write what was signed to a file", shows="file"),
        text("output-signature", "Write the signature, in base64, to a file", shows="file"),
        text("passphrase-file", "Read the passphrase of the private key from a file", shows="file"),
        switch("recursive", "Sign the images of all platforms, too", short="r"),
        text(
            "sign-container-identity",
            "The name that the signature is for",
            shows="string",
            shows_default="the repository",
        ),
        switch("upload", "Store the signature on the registry", default=True),
    ),
    arity=exactly(1),
)
