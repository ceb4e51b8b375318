# SPDX-License-Identifier: Apache-2.0
"""Write the expected outputs of tests/cases/compose with the real Docker Compose.

    python tools/compose_goldens.py /path/to/docker-compose [CASE…]

For each case: `expected.yaml` (``config``), `expected.json` (``config --format json``) and `expected.hash` (the
lines of ``config --hash`` that do not depend on where the case lies). A case's directory reads ``{case}`` in them.
The program is in Debian's package docker-compose (2.40 or later); it needs no engine for this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

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
    for name, text in outputs.items():
        (case / name).write_text(text)


def run(program: str, place: Path, words: list[str]) -> str:
    """The output of a command of the case."""
    flags = place / "flags"
    given = flags.read_text().split() if flags.exists() else []
    done = subprocess.run(
        [program, *given, *words], cwd=place, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{place.name}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
