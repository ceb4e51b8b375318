# SPDX-License-Identifier: Apache-2.0
"""``sampan trust key generate`` and ``load``: key pairs in cosign's files, NAME.key and NAME.pub."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.flags import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.registry.trust.private_keys import PrivateKey

_FLAGS = (
    text("dir", "Directory to write the key pair to, defaults to current directory", shows="string"),
    text("passphrase-file", "Read the passphrase of the private key from a file", shows="file"),
)


def run_generate(context: Context, options: Options, arguments: list[str]) -> int:
    """Make a key pair and say where it is."""
    from sampan.cli.trust_session import read_passphrase
    from sampan.registry.trust.private_keys import generate_key

    passphrase = read_passphrase(context, options, confirm=True)
    return _write(context, options, arguments[0], generate_key(), passphrase)


def run_load(context: Context, options: Options, arguments: list[str]) -> int:
    """Seal a key that was made elsewhere; an encrypted one keeps its passphrase."""
    from os.path import basename, splitext

    from sampan.cli.trust_session import read_passphrase
    from sampan.registry.trust.keyfiles import read_key_file
    from sampan.registry.trust.private_keys import import_private_key, is_encrypted

    pem = read_key_file(arguments[0])
    passphrase = read_passphrase(context, options, confirm=not is_encrypted(pem))
    key = import_private_key(pem, passphrase if is_encrypted(pem) else None)
    name = options.text("name") or splitext(basename(arguments[0]))[0]
    return _write(context, options, name, key, passphrase)


def _write(context: Context, options: Options, name: str, key: PrivateKey, passphrase: bytes) -> int:
    from sampan.registry.trust.keyfiles import write_key_pair
    from sampan.registry.trust.private_keys import encode_private_key

    sealed = encode_private_key(key, passphrase)
    private, public = write_key_pair(sealed, key.public.pem, options.text("dir") or ".", name)
    context.out.line(f"Private key, sealed: {private}")
    context.out.line(f"Public key: {public}")
    context.out.line(f"Fingerprint: {key.public.fingerprint}")
    return 0


GENERATE = Command(
    "trust key generate",
    run=run_generate,
    summary="Generate a key pair for signing",
    usage="[OPTIONS] NAME",
    flags=_FLAGS,
    arity=exactly(1),
)

LOAD = Command(
    "trust key load",
    run=run_load,
    summary="Take over a private key from a file",
    usage="[OPTIONS] KEYFILE",
    flags=(*_FLAGS, text("name", "Name for the loaded key")),
    arity=exactly(1),
)
