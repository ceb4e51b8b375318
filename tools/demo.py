# SPDX-License-Identifier: Apache-2.0
"""The walk-through: a Django project built, run, migrated and opened, by the command line alone.

demo.py run      DEMO_PORT (8000), DEMO_HOST_CA (auto, 1, 0)
demo.py clean    remove what `run` made, and nothing that was there before
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from walkthrough import (
    ROOT,
    SAMPAN,
    DemoError,
    Notes,
    carry_out,
    choose_port,
    end_cleaning,
    ensure_engine,
    ensure_image,
    remove_images,
    require_free,
    sampan,
    say,
    succeeds,
    wants_host_ca,
)

PROJECT = os.path.join(ROOT, "examples", "django")

WANTED_BASE = "python:3.10.8-slim-bullseye"
STAND_IN = "python:3.9-slim-bullseye"
NAME = "sampan-demo"
DEADLINE_S = 60.0


def run_demo(environ: Mapping[str, str]) -> None:
    started = time.monotonic()
    port = choose_port(environ, "DEMO_PORT")
    way_out = f"make demo DEMO_PORT={port + 80}"
    notes = Notes.read("demo")
    if "containers" not in notes.items:
        require_free(port, way_out)
    ensure_engine(notes)
    options = ["--host-ca"] if wants_host_ca(environ.get("DEMO_HOST_CA", "auto")) else []
    if not ensure_image(WANTED_BASE, notes, stand_in=STAND_IN):
        options += ["--build-context", f"docker.io/library/{WANTED_BASE}=docker-image://{STAND_IN}"]
    sampan("build", "-t", NAME, *options, PROJECT)
    notes.add("images", NAME)
    if succeeds("container", "inspect", NAME):
        sampan("rm", "-f", NAME, quiet=True)
    require_free(port, way_out)
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
    notes = Notes.read("demo")
    if not notes.items:
        say("nothing to remove")
        return
    if not succeeds("engine", "status"):
        sampan("engine", "start")
    for name in notes.items.get("containers", []):
        if succeeds("container", "inspect", name):
            sampan("rm", "-f", name)
    remove_images(notes)
    end_cleaning(notes)


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


if __name__ == "__main__":
    sys.exit(carry_out({"run": run_demo, "clean": clean_demo}, sys.argv[1:], __doc__))
