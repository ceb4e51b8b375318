# SPDX-License-Identifier: Apache-2.0
"""``sampan login`` and ``logout``: keep and forget credentials for a registry, where docker keeps them."""

from __future__ import annotations

import os

from sampan.cli.command import Command, Exit, at_most
from sampan.cli.flags import switch, text
from sampan.client.credentials import HUB_SERVER, CredentialStore, normalise
from sampan.errors import InvalidArgument, Unauthenticated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options

_MAX_SECRET_BYTES = 1 << 20


def run_login(context: Context, options: Options, arguments: list[str]) -> int:
    """Ask for what is missing, let the engine try it, and keep it."""
    server = _server(arguments)
    store = CredentialStore(context.environ)
    username, password = options.text("username"), options.text("password")
    if options.switch("password-stdin"):
        if password:
            raise InvalidArgument("conflicting options: cannot specify both --password and --password-stdin")
        if not username:
            raise InvalidArgument("the --password-stdin option requires --username to be set")
        password = _read_stdin()
    elif password:
        context.out.warn("Using --password via the CLI is insecure. Use --password-stdin.")
    elif not username and (known := store.find(server)) and _try_known(context, known):
        return 0
    username, password = _ask(context, username, password, server)
    answer = context.engine.system.log_in(
        {"username": username, "password": password, "serveraddress": server}
    )
    in_file = store.save(server, username, password, str(answer.get("IdentityToken") or ""))
    if in_file:
        context.out.note(f"\nWARNING! Your credentials are stored unencrypted in '{store.path}'.")
        context.out.note(
            "Configure a credential helper to remove this warning. See\n"
            "https://docs.docker.com/go/credential-store/\n"
        )
    context.out.line(str(answer.get("Status") or "Login Succeeded"))
    return 0


def _try_known(context: Context, known: dict[str, str]) -> bool:
    """Whether a log-in that is kept is still good."""
    context.out.line("Authenticating with existing credentials...")
    try:
        answer = context.engine.system.log_in(known)
    except Unauthenticated as error:
        context.out.note(f"Login did not succeed, error: {error.message}")
        return False
    context.out.line(str(answer.get("Status") or "Login Succeeded"))
    return True


def _ask(context: Context, username: str, password: str, server: str) -> tuple[str, str]:
    if username and password:
        return username, password
    if not os.isatty(0):
        raise Exit(
            1, "cannot perform an interactive login from a non TTY device", hint="use --password-stdin"
        )
    if not username:
        context.out.text(f"Username ({normalise(server)}): ")
        context.out.flush()
        username = input().strip()
        if not username:
            raise InvalidArgument("username is required")
    if not password:
        from getpass import getpass

        password = getpass("Password: ")
        if not password:
            raise InvalidArgument("password is required")
    return username, password


def _read_stdin() -> str:
    data = b""
    while len(data) < _MAX_SECRET_BYTES and (more := os.read(0, 1 << 16)):
        data += more
    password = str(data, "utf-8").removesuffix("\n").removesuffix("\r")
    if not password:
        raise InvalidArgument("password is empty")
    return password


def run_logout(context: Context, _options: Options, arguments: list[str]) -> int:
    """Forget; it is no error if there is nothing to forget."""
    server = _server(arguments)
    store = CredentialStore(context.environ)
    context.out.line(f"Removing login credentials for {normalise(server)}")
    if not store.erase(server):
        context.out.note(f"Not logged in to {normalise(server)}")
    return 0


def _server(arguments: list[str]) -> str:
    """The key of the log-in: the Hub's address, or a host."""
    name = normalise(arguments[0]) if arguments else "docker.io"
    return HUB_SERVER if name == "docker.io" else name


LOGIN = Command(
    "login",
    run=run_login,
    summary="Authenticate to a registry",
    usage="[OPTIONS] [SERVER]",
    description="Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
    flags=(
        text("password", "Password or Personal Access Token (PAT)", short="p"),
        switch("password-stdin", "Take the Password or Personal Access Token (PAT) from stdin"),
        text("username", "Username", short="u"),
    ),
    arity=at_most(1),
)

LOGOUT = Command(
    "logout",
    run=run_logout,
    summary="Log out from a registry",
    usage="[SERVER]",
    description="Log out from a registry.\nIf no server is specified, the default is Docker Hub.",
    arity=at_most(1),
)
