# SPDX-License-Identifier: Apache-2.0
"""The walk-through: a Django project built, run, migrated and opened, by the command line alone.

    demo.py run      DEMO_PORT (8000), DEMO_HOST_CA (auto, 1, 0)
    demo.py clean    remove what `run` made, and nothing that was there before

The host's CA certificates are used when DEMO_HOST_CA is 1, or when it is auto and the host seems to stand behind a
proxy that signs TLS itself: an administrator has added certificates, or the environment names a bundle for tools.
"""

from __future__ import annotations

import glob
import html
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SAMPAN = os.path.join(os.path.dirname(sys.executable), "sampan")
PROJECT = os.path.join(ROOT, "examples", "django")
NOTES = os.path.join(ROOT, "build", "demo.json")

WANTED_BASE = "python:3.10.8-slim-bullseye"
STAND_IN = "python:3.9-slim-bullseye"
NAME = "sampan-demo"
DEADLINE_S = 60.0


class DemoError(Exception):
    """A step did not work; the message is for people, the hint says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def main(arguments: Sequence[str]) -> int:
    commands = {"run": run_demo, "clean": clean_demo}
    if len(arguments) != 1 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
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


def run_demo(environ: Mapping[str, str]) -> None:
    started = time.monotonic()
    port = choose_port(environ)
    notes = Notes.read()
    if "containers" not in notes.items:
        require_free(port)
    if not succeeds("engine", "status"):
        notes.add("engine", "started")
        sampan("engine", "start")
    base_options = ensure_base(notes)
    sampan("build", "-t", NAME, *host_ca_options(environ), *base_options, PROJECT)
    notes.add("images", NAME)
    if succeeds("container", "inspect", NAME):
        sampan("rm", "-f", NAME, quiet=True)
    require_free(port)
    notes.add("containers", NAME)
    sampan("run", "-d", "-p", f"{port}:8000", "--name", NAME, NAME)
    address = f"http://127.0.0.1:{port}/"
    before = fetch(address)
    say(f"{address} answers: {notice_of(before) or title_of(before)}")
    sampan("exec", NAME, "python", "manage.py", "migrate")
    page = fetch(address)
    say("")
    say(f"built    {NAME} from {os.path.relpath(PROJECT, ROOT)} with the Dockerfile as it is")
    say(f"running  {NAME}, port {port} of this machine is its port 8000")
    say("migrated its database through exec")
    say(f"title    {title_of(page)}")
    say(f"address  {address}")
    say(f"({time.monotonic() - started:.1f} s; `make demo-clean` removes it)")


def clean_demo(_environ: Mapping[str, str]) -> None:
    notes = Notes.read()
    if not notes.items:
        say("nothing to remove")
        return
    if not succeeds("engine", "status"):
        sampan("engine", "start")
    for name in notes.items.get("containers", []):
        remove("container", "rm", "-f", name)
    for name in notes.items.get("images", []):
        remove("image", "rmi", name)
    if nothing_is_left():
        sampan("builder", "prune", "--all", "--force")
    if notes.items.get("engine"):
        sampan("engine", "stop")
    notes.forget()


def remove(kind: str, *command: str) -> None:
    """Remove one thing, unless somebody else has done so."""
    if succeeds(kind, "inspect", command[-1]):
        sampan(*command)


def nothing_is_left() -> bool:
    """Whether the engine has no images: then the build cache, too, is the demo's alone."""
    return subprocess.run([SAMPAN, "images", "--quiet"], capture_output=True).stdout == b""


def ensure_base(notes: Notes) -> list[str]:
    """The Dockerfile's base image, or options that put another one in its place."""
    if succeeds("image", "inspect", WANTED_BASE):
        return []
    if succeeds("pull", WANTED_BASE):
        notes.add("images", WANTED_BASE)
        return []
    say(f"no registry has {WANTED_BASE} for us: {STAND_IN}, bootstrapped from Debian, stands in for it")
    if not succeeds("image", "inspect", STAND_IN):
        sampan("bootstrap", STAND_IN)
        notes.add("images", STAND_IN)
    return ["--build-context", f"docker.io/library/{WANTED_BASE}=docker-image://{STAND_IN}"]


def choose_port(environ: Mapping[str, str]) -> int:
    text = environ.get("DEMO_PORT", "8000")
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise DemoError(f"DEMO_PORT is {text!r}, which is not a port")
    return int(text)


def require_free(port: int) -> None:
    """A port that somebody else has is found before anything is started on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            raise DemoError(
                f"port {port} is taken: {error.strerror}", f"choose another: make demo DEMO_PORT={port + 80}"
            ) from error


def host_ca_options(environ: Mapping[str, str]) -> list[str]:
    chosen = environ.get("DEMO_HOST_CA", "auto")
    if chosen == "auto":
        added = glob.glob("/usr/local/share/ca-certificates/**/*.crt", recursive=True)
        named = environ.get("PIP_CERT") or environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE")
        return ["--host-ca"] if added or named else []
    return ["--host-ca"] if chosen in ("1", "true", "yes") else []


def fetch(address: str) -> str:
    """The page, once the server in the container has started."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            with opener.open(address, timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise DemoError(
                f"{address} answers {error.code} {error.reason}", f"sampan logs {NAME}"
            ) from error
        except OSError as error:
            if time.monotonic() > deadline or not is_running():
                raise DemoError(f"{address} does not answer: {error}", f"sampan logs {NAME}") from error
            time.sleep(0.1)


def is_running() -> bool:
    answer = subprocess.run(
        [SAMPAN, "container", "inspect", "--format", "{{.State.Running}}", NAME],
        capture_output=True,
        text=True,
    )
    return answer.stdout.strip() == "true"


def title_of(page: str) -> str:
    found = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    return html.unescape(found.group(1).strip()) if found else "a page without a title"


def notice_of(page: str) -> str:
    found = re.search(r"<strong>(.*?)</strong>", page, re.DOTALL)
    return html.unescape(found.group(1).strip()) if found else ""


def sampan(*arguments: str, quiet: bool = False) -> None:
    """Run the command line as a person would, showing what is run."""
    say(f"$ sampan {shlex.join(arguments)}")
    code = subprocess.run([SAMPAN, *arguments], stdout=subprocess.DEVNULL if quiet else None).returncode
    if code:
        raise DemoError(f"sampan {arguments[0]} ended with exit code {code}")


def succeeds(*arguments: str) -> bool:
    """Ask without showing."""
    return subprocess.run([SAMPAN, *arguments], capture_output=True).returncode == 0


def say(words: str) -> None:
    print(words, flush=True)


class Notes:
    """What the demo has made, kept beside the project so that `clean` removes that and no more."""

    def __init__(self, items: dict[str, list[str]]) -> None:
        self.items = items

    @classmethod
    def read(cls) -> Notes:
        try:
            with open(NOTES, encoding="utf-8") as file:
                return cls(json.load(file))
        except FileNotFoundError:
            return cls({})

    def add(self, kind: str, name: str) -> None:
        names = self.items.setdefault(kind, [])
        if name not in names:
            names.append(name)
        os.makedirs(os.path.dirname(NOTES), exist_ok=True)
        with open(NOTES + ".new", "w", encoding="utf-8") as file:
            json.dump(self.items, file)
        os.rename(NOTES + ".new", NOTES)

    def forget(self) -> None:
        self.items.clear()
        os.unlink(NOTES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
