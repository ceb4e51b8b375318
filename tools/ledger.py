# SPDX-License-Identifier: Apache-2.0
"""Write docs/compatibility.md: what of Docker works here, command by command, flag by flag, endpoint by endpoint.

What exists is read from the code (the command catalogue, the flag tables, the routes); what of it is partial, and why,
from tools/ledger.toml. A test runs this and compares, so that the page cannot fall behind the code.

    python tools/ledger.py            write the page
    python tools/ledger.py --check    say whether it is up to date
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from sampan.api.app import RESOURCES
from sampan.api.unsupported import NOT_YET
from sampan.cli.catalogue import COMMANDS
from sampan.cli.command import Command
from sampan.cli.compose_flags import PROJECT_FLAGS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "compatibility.md"
NOTES = tomllib.loads((ROOT / "tools" / "ledger.toml").read_text())
INTRODUCTION = """\
Written by `tools/ledger.py` from the code; a test holds it to that. **full**: as Docker does it, as far as we know.
**partial**: works with the limits named. **not yet**: refused with a clear error."""
FULL, PARTIAL, NOT = "full", "partial", "not yet"


def main() -> int:
    """Write or compare the page."""
    text = render()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text() != text:
            print(f"{PAGE.relative_to(ROOT)} is not what tools/ledger.py writes")
            return 1
        return 0
    PAGE.write_text(text)
    return 0


def render() -> str:
    """The whole page."""
    commands = list(iter_commands())
    endpoints = list(iter_endpoints())
    parts = [
        "# Compatibility with Docker",
        INTRODUCTION,
        "## Summary",
        _table(
            ("", FULL, PARTIAL, NOT),
            [
                ("commands", *_count(status for _, status, _ in commands)),
                ("flags", *_count(status for _, _, flags in commands for _, status, _ in flags)),
                ("API endpoints", *_count(status for *_, status, _ in endpoints)),
                ("Dockerfile instructions", *_count(v["status"] for v in NOTES["dockerfile"].values())),
            ],
        ),
        "## Limits that are not a command's or a flag's",
        "\n".join(f"- {line}" for line in NOTES["limits"]["lines"]),
        "## Commands and flags",
        "Flags that are full are not listed; `compose` is its flags before a subcommand. `swarm` is not there.",
        _table(
            ("command", "status", "flags: full", "flags that are not"),
            [_command_row(*row) for row in commands],
        ),
        "## Dockerfile",
        _table(
            ("instruction", "status", "note"),
            [(f"`{name}`", v["status"], v.get("note", "")) for name, v in NOTES["dockerfile"].items()],
        ),
        "## Engine API v1.51",
        "Versions from 1.24 are accepted. Swarm routes answer 503, plugin routes 501, both in Docker's words.",
        _table(
            ("endpoint", "operation", "status", "note"),
            [(f"`{m} {p}`", o, s, n) for m, p, o, s, n in endpoints],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def iter_commands() -> Iterable[tuple[str, str, list[tuple[str, str, str]]]]:
    """(command, status, [(flag, status, note)]) for each of Docker's commands."""
    documented: dict[str, list[str]] = defaultdict(list)
    for line in (ROOT / "tests/reference/docker-cli.tsv").read_text().splitlines()[2:]:
        command, flag, *_ = line.split("\t")
        documented[command].append(flag)
    for command, flags in sorted(documented.items()):
        ours = find_command(command)
        note = NOTES["commands"].get(command, {})
        if ours is None or note.get("status") == NOT:
            yield command, NOT, [(flag, NOT, "") for flag in flags if flag]
            continue
        declared = {name for flag in ours.flags for name in (flag.name, *flag.also)}
        yield (
            command,
            note.get("status", FULL),
            [_flag_row(command, flag, declared) for flag in flags if flag],
        )


def _flag_row(command: str, flag: str, declared: set[str]) -> tuple[str, str, str]:
    name = flag.removeprefix("--")
    note = NOTES["flags"].get(command, {}).get(name) or NOTES["flags"]["any"].get(name)
    if name not in declared:
        return flag, NOT, ""
    return (flag, note["status"], note.get("note", "")) if note else (flag, FULL, "")


def find_command(words: str) -> Command | None:
    """Our command of these words, if the catalogue has it."""
    if words == "compose":
        return Command(words, run=lambda *_: 0, summary="", flags=PROJECT_FLAGS)
    entry = COMMANDS.get(words)
    return entry.load() if entry else None


def iter_endpoints() -> Iterable[tuple[str, str, str, str, str]]:
    """(method, path, operation, status, note) for each documented endpoint that is not Swarm's or a plugin's."""
    served = {(route.method, _shape(route.path)) for module in RESOURCES for route in module.routes}
    refused = {(method, _shape(path)) for method, path in NOT_YET}
    for line in (ROOT / "tests/reference/engine-api.tsv").read_text().splitlines()[2:]:
        method, path, operation = line.split("\t")
        if path.split("/")[1] in ("nodes", "services", "tasks", "secrets", "configs", "swarm", "plugins"):
            continue
        key = method, _shape(path)
        note = NOTES["endpoints"].get(f"{method} {path}", {})
        missing = key in refused or key not in served
        status = NOT if missing else note.get("status", FULL)
        yield method, path, operation, status, note.get("note", "")


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _count(statuses: Iterable[str]) -> tuple[str, str, str]:
    listed = list(statuses)
    return tuple(str(listed.count(status)) for status in (FULL, PARTIAL, NOT))  # type: ignore[return-value]


def _command_row(command: str, status: str, flags: list[tuple[str, str, str]]) -> tuple[str, str, str, str]:
    full = sum(state == FULL for _, state, _ in flags)
    rest = [
        f"`{flag}` {state}" + (f" ({note})" if note else "") for flag, state, note in flags if state != FULL
    ]
    note = NOTES["commands"].get(command, {}).get("note", "")
    said = status + (f": {note}" if note else "")
    return f"`{command}`", said, f"{full} of {len(flags)}", "; ".join(rest) if status != NOT else "all"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
