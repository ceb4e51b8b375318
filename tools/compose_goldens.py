# SPDX-License-Identifier: Apache-2.0
"""Write the expected outputs of tests/cases/compose with the real Docker Compose.

    python tools/compose_goldens.py /path/to/docker-compose [CASE…]

For each case: `expected.yaml` (``config``), `expected.json` (``config --format json``) and `expected.hash` (the
lines of ``config --hash`` that do not depend on where the case lies), and `expected.bodies.json` (what ``create``
asks an engine to make, less what is empty). A case's directory reads ``{case}`` in them. The program is in Debian's
package docker-compose (2.40 or later); it needs no engine for this but the recording one beside this file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from recording_engine import open_recording_engine

CASES = Path(__file__).parents[1] / "tests" / "cases" / "compose"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/root"}


def main() -> int:
    """Write the outputs of the named cases, or of all."""
    program, *names = sys.argv[1:]
    for case in sorted(CASES.iterdir()):
        if not names or case.name in names:
            write_expected(program, case)
    return 0


def write_expected(program: str, case: Path) -> None:
    """Run the case in two places, so that what depends on the place is known."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        places = [shutil.copytree(case, Path(top) / case.name) for top in (one, two)]
        outputs = {}
        for kind, flags in (("yaml", []), ("json", ["--format", "json"])):
            text = run(program, places[0], ["config", *flags])
            outputs[f"expected.{kind}"] = text.replace(str(places[0]), "{case}")
        hashes = [run(program, place, ["config", "--hash", "*"]).splitlines() for place in places]
        kept = [line for line in hashes[0] if line in hashes[1]]
        outputs["expected.hash"] = "".join(f"{line}\n" for line in kept)
        recorded = [record(program, place) for place in places]
        bodies = drop_different(*recorded)
        outputs["expected.bodies.json"] = json.dumps(bodies, indent=1, sort_keys=True) + "\n"
    for name, text in outputs.items():
        (case / name).write_text(text)


def record(program: str, place: Path) -> dict[str, Any]:
    """What ``create`` asks for, by ``kind name``."""
    socket = f"{place}.sock"
    outside = {"networks": ["sampan-case-outside"], "volumes": ["kept"]}
    with open_recording_engine(socket, **outside) as engine:
        words = ["create", "--no-build", "--pull", "never"]
        run(program, place, words, DOCKER_HOST=f"unix://{socket}")
    text = json.dumps({f"{kind} {name}": tidy(body) for kind, name, body in engine.bodies})
    tidied: dict[str, Any] = json.loads(text.replace(str(place), "{case}"))
    return tidied


def tidy(value: Any) -> Any:
    """Without what is empty: it says nothing, and different versions send different amounts of it."""
    if isinstance(value, dict):
        items = {key: tidy(item) for key, item in value.items() if key != "ConsoleSize"}
        if needs := items.get("com.docker.compose.depends_on"):
            items["com.docker.compose.depends_on"] = ",".join(sorted(needs.split(",")))
        return {key: item for key, item in items.items() if item not in (None, "", 0, False, [], {})}
    return [tidy(item) for item in value] if isinstance(value, list) else value


def drop_different(one: Any, two: Any) -> Any:
    """What is the same in both places: hashes of paths are not."""
    if isinstance(one, dict):
        pairs = {key: (one[key], two[key]) for key in one if key in two}
        return {key: drop_different(*pair) for key, pair in pairs.items() if comparable(*pair)}
    return one


def comparable(one: Any, two: Any) -> bool:
    """Whether two values are the same but for their order, or have parts that may be."""
    return isinstance(one, dict | list) or one == two


def run(program: str, place: Path, words: list[str], **environment: str) -> str:
    """The output of a command of the case."""
    flags = place / "flags"
    given = flags.read_text().split() if flags.exists() else []
    done = subprocess.run(
        [program, *given, *words],
        cwd=place,
        env=ENVIRONMENT | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{place.name}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
