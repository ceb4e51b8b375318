# SPDX-License-Identifier: Apache-2.0
"""The composed walk-through: Django and PostgreSQL as in production, signed into, written to, and restarted.

demo_compose.py run      WEB_PORT (8000), DEMO_HOST_CA (auto, 1, 0)
demo_compose.py clean    remove what `run` made, and nothing that was there before
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPException

from visitor import Visitor
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

FOLDER = os.path.join(ROOT, "examples", "django-postgres")
BASES = ("python:3.13-slim-trixie", "postgres:17-trixie")
IMAGE = "harbour-office"
PROJECT = "harbour-demo"
SECRETS = ("db_password", "django_key")
USER = "demo"

# Made again on a second run with another password: `createsuperuser` would refuse.
MAKE_USER = """
import os
from django.contrib.auth import get_user_model

rights = {"is_staff": True, "is_superuser": True}
user, _ = get_user_model().objects.get_or_create(username=os.environ["DEMO_USER"], defaults=rights)
user.set_password(os.environ["DEMO_PASSWORD"])
user.save()
"""


def run_demo(environ: Mapping[str, str]) -> None:
    started = time.monotonic()
    port = choose_port(environ, "WEB_PORT")
    notes = Notes.read("demo-compose")
    if notes.items.get("port") != [str(port)]:
        require_free(port, f"make demo-compose WEB_PORT={port + 80}", address="127.0.0.1")
    ensure_engine(notes)
    for base in BASES:
        ensure_image(base, notes)
    ensure_secrets(notes)
    bring_up(notes, port, host_ca=wants_host_ca(environ.get("DEMO_HOST_CA", "auto")))
    visitor = Visitor(f"http://127.0.0.1:{port}")
    password = secrets.token_urlsafe(12)
    boat, place = f"Swift {secrets.randbelow(900) + 100}", f"D{secrets.randbelow(9000) + 1000}"
    try:
        make_user(password)
        write_and_read(visitor, password, boat, place)
        compose("restart", "db")
        require(boat in visitor.get_when_ready(), f"{boat} is gone after the restart of the database")
    except (OSError, HTTPException, ValueError) as error:
        raise DemoError(f"{visitor.address}: {error}", f"sampan compose -p {PROJECT} logs web") from error
    say("")
    say(f"signed in as {USER}, entered {boat} at {place}, restarted the database, and read it again")
    say(f"address  {visitor.address}/")
    say(f"admin    {visitor.address}/admin/   user {USER}, password {password}")
    say(f"look     sampan compose -p {PROJECT} ps | logs | top | stats")
    say(f"({time.monotonic() - started:.1f} s; `make demo-compose-clean` removes it)")


def clean_demo(_environ: Mapping[str, str]) -> None:
    notes = Notes.read("demo-compose")
    if not notes.items:
        say("nothing to remove")
        return
    if not succeeds("engine", "status"):
        sampan("engine", "start")
    for project in notes.items.get("projects", []):
        sampan("compose", "-p", project, "down", "--volumes", cwd=FOLDER)
    for path in notes.items.get("secrets", []):
        if os.path.exists(path):
            os.unlink(path)
    remove_images(notes)
    end_cleaning(notes)


def ensure_secrets(notes: Notes) -> None:
    """Those that are missing are made, and noted before they are: `clean` removes no others."""
    missing = [path for path in map(secret_path, SECRETS) if not os.path.exists(path)]
    for path in missing:
        notes.add("secrets", path)
    if missing:
        say("$ ./make-secrets.sh")
        subprocess.run(["./make-secrets.sh"], cwd=FOLDER, check=True)


def secret_path(name: str) -> str:
    return os.path.join(FOLDER, "secrets", name)


def bring_up(notes: Notes, port: int, *, host_ca: bool) -> None:
    """Have the whole project healthy, on this port."""
    if not succeeds("image", "inspect", IMAGE):
        notes.add("images", IMAGE)
    notes.add("projects", PROJECT)
    notes.items.pop("port", None)
    options = ["--host-ca"] if host_ca else []
    compose("up", "-d", "--build", "--wait", *options, env=os.environ | {"WEB_PORT": str(port)})
    notes.add("port", str(port))


def make_user(password: str) -> None:
    say(f"$ sampan compose -p {PROJECT} exec -T web python manage.py shell < …   # makes the user {USER}")
    variables = ["-e", f"DEMO_USER={USER}", "-e", f"DEMO_PASSWORD={password}"]
    command = [SAMPAN, "compose", "-p", PROJECT, "exec", "-T", *variables, "web"]
    done = subprocess.run(
        [*command, "python", "manage.py", "shell"],
        input=MAKE_USER,
        cwd=FOLDER,
        capture_output=True,
        text=True,
    )
    require(done.returncode == 0, f"the user could not be made: {done.stdout}{done.stderr}")


def write_and_read(visitor: Visitor, password: str, boat: str, place: str) -> None:
    require(visitor.sign_in(USER, password), "the office did not let us in")
    require(visitor.enter_boat(boat, place), f"the office did not enter {boat}")
    require(boat in visitor.get(), f"{boat} is not on the list")
    say(f"{visitor.address}/ lists {boat} at {place}")


def compose(*arguments: str, **options: object) -> None:
    sampan("compose", "-p", PROJECT, *arguments, cwd=FOLDER, **options)


def require(fact: bool, otherwise: str) -> None:
    if not fact:
        raise DemoError(otherwise, f"sampan compose -p {PROJECT} logs")


if __name__ == "__main__":
    sys.exit(carry_out({"run": run_demo, "clean": clean_demo}, sys.argv[1:], __doc__))
