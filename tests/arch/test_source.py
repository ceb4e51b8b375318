# SPDX-License-Identifier: Apache-2.0
"""Rules about the source that no linter knows, read from its syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "sampan"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "recipes" not in path.parts)

BANNED = {"common", "helper", "helpers", "manager", "misc", "util", "utils", "handler", "wrapper"}
KERNEL_DOOR = {"linux"}
READS_ENVIRONMENT = {"cli", "daemon"}
PROGRAMS = {
    "runtime/command.py",  # a main() of its own reads what the shell gave it
    "client/connect.py",  # the way in for Python programs, as cli/ is for people
}
PRINTS = {"cli/output.py"}


def _name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def _package(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _words(name: str) -> set[str]:
    """``ImageStore`` and ``image_store`` alike as {image, store}."""
    split = "".join(f"_{letter}" if letter.isupper() else letter for letter in name)
    return {word.lower() for word in split.split("_")}


def test_there_is_source_to_look_at() -> None:
    assert len(MODULES) > 50


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_says_its_licence_and_what_it_is(path: Path) -> None:
    assert path.read_text().splitlines()[0] == "# SPDX-License-Identifier: Apache-2.0"
    assert ast.get_docstring(_tree(path)), "no docstring"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_names_say_what_things_are(path: Path) -> None:
    assert _words(path.stem) & BANNED == set()
    classes = [node.name for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef)]
    assert [name for name in classes if _words(name) & BANNED] == []


def test_the_kernel_has_one_door() -> None:
    offenders = [
        _name(path)
        for path in MODULES
        if _package(path) not in KERNEL_DOOR
        and any(name.partition(".")[0] == "ctypes" for name in _imports(_tree(path)))
    ]
    assert offenders == []


def test_only_programs_read_the_environment() -> None:
    offenders = [
        f"{_name(path)}:{node.lineno}"
        for path in MODULES
        if _package(path) not in READS_ENVIRONMENT and _name(path) not in PROGRAMS
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in ("environ", "environb", "getenv", "putenv")
    ]
    assert offenders == []


def test_nothing_runs_between_fork_and_exec_by_subprocess() -> None:
    """`preexec_fn` is Python code in a forked child of a process that may have threads."""
    offenders = [
        f"{_name(path)}:{node.value.lineno}"
        for path in MODULES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.keyword) and node.arg == "preexec_fn"
    ]
    assert offenders == []


def test_the_command_line_prints_in_one_place() -> None:
    offenders = [
        f"{_name(path)}:{node.lineno}"
        for path in MODULES
        if _package(path) in ("cli", "client") and _name(path) not in PRINTS
        for node in ast.walk(_tree(path))
        if (isinstance(node, ast.Name) and node.id == "print")
        or (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr) in (("sys", "stdout"), ("sys", "stderr"))
        )
    ]
    assert offenders == []
