# SPDX-License-Identifier: Apache-2.0
"""What the demos share: commands shown as a person would type them, and notes of what was made.

The host's CA certificates are lent to builds when the variable that a demo reads is 1, or when it is auto and the host
seems to stand behind a proxy that signs TLS itself: an administrator has added certificates, or the environment names
a bundle for tools.
"""

from __future__ import annotations

import glob
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SAMPAN = os.path.join(os.path.dirname(sys.executable), "sampan")


class DemoError(Exception):
    """A step did not work; the message is for people, the hint says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def carry_out(
    commands: Mapping[str, Callable[[Mapping[str, str]], None]], arguments: Sequence[str], usage: str | None
) -> int:
    """Run the one command that is named; the exit status."""
    if len(arguments) != 1 or arguments[0] not in commands:
        print(usage, file=sys.stderr)
        return 2
    try:
        commands[arguments[0]](os.environ)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def say(words: str) -> None:
    print(words, flush=True)


def sampan(*arguments: str, quiet: bool = False, **options: object) -> None:
    """Run the command line as a person would, showing what is run; `options` are those of `subprocess.run`."""
    say(f"$ sampan {shlex.join(arguments)}")
    options = {"stdout": subprocess.DEVNULL if quiet else None} | options
    code = subprocess.run([SAMPAN, *arguments], **options).returncode  # type: ignore[call-overload]
    if code:
        raise DemoError(f"sampan {arguments[0]} ended with exit code {code}")


def succeeds(*arguments: str) -> bool:
    """Ask without showing."""
    return subprocess.run([SAMPAN, *arguments], capture_output=True).returncode == 0


def choose_port(environ: Mapping[str, str], variable: str) -> int:
    """The port that the variable names, 8000 where it names none."""
    text = environ.get(variable, "8000")
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise DemoError(f"{variable} is {text!r}, which is not a port")
    return int(text)


def require_free(port: int, way_out: str, *, address: str = "0.0.0.0") -> None:
    """A port that somebody else has is found before anything is started on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DemoError(f"port {port} is taken: {reason}", f"choose another: {way_out}") from error


def wants_host_ca(choice: str) -> bool:
    """Whether builds are to trust the host's certificates: yes, no, or auto."""
    if choice == "auto":
        added = glob.glob("/usr/local/share/ca-certificates/**/*.crt", recursive=True)
        named = any(os.environ.get(name) for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"))
        return bool(added) or named
    return choice in ("1", "true", "yes")


class Notes:
    """What a demo has made, kept beside the project so that `clean` removes that and no more."""

    def __init__(self, path: str, items: dict[str, list[str]]) -> None:
        self._path = path
        self.items = items

    @classmethod
    def read(cls, name: str) -> Notes:
        """Those of the demo of this name."""
        path = os.path.join(ROOT, "build", f"{name}.json")
        try:
            with open(path, encoding="utf-8") as file:
                return cls(path, json.load(file))
        except FileNotFoundError:
            return cls(path, {})

    def add(self, kind: str, name: str) -> None:
        names = self.items.setdefault(kind, [])
        if name not in names:
            names.append(name)
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        with open(self._path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.items, file)
        os.rename(self._path + ".new", self._path)

    def forget(self) -> None:
        self.items.clear()
        os.unlink(self._path)


def ensure_engine(notes: Notes) -> None:
    if not succeeds("engine", "status"):
        notes.add("engine", "started")
        sampan("engine", "start")


def ensure_image(name: str, notes: Notes, *, stand_in: str = "") -> bool:
    """Have the image: here already, from a registry, or else bootstrapped; False when a stand-in was."""
    if succeeds("image", "inspect", name):
        return True
    if succeeds("pull", name):
        notes.add("images", name)
        return True
    recipe = stand_in or name
    in_place = f"{recipe}, bootstrapped from Debian, stands in for it" if stand_in else "bootstrapping it"
    say(f"no registry has {name} for us: {in_place}")
    if not succeeds("image", "inspect", recipe):
        sampan("bootstrap", recipe)
        notes.add("images", recipe)
    return not stand_in


def remove_images(notes: Notes) -> None:
    """Remove the noted images, and the build cache when that was all there was."""
    for name in notes.items.get("images", []):
        if succeeds("image", "inspect", name):
            sampan("rmi", name)
    if subprocess.run([SAMPAN, "images", "--quiet"], capture_output=True).stdout == b"":
        sampan("builder", "prune", "--all", "--force")


def end_cleaning(notes: Notes) -> None:
    """Stop the engine when the demo has started it, and forget all."""
    if notes.items.get("engine"):
        sampan("engine", "stop")
    notes.forget()
