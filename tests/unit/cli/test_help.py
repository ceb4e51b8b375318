# SPDX-License-Identifier: Apache-2.0
"""Help texts. The files in data/help are docker 28.2.2's own, with the program's name put in."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.cli.catalogue import COMMANDS, GROUPS, SECTIONS, nearest_command
from sampan.cli.usage import format_command_help, format_group_help

HELP = sorted((Path(__file__).parent / "data" / "help").glob("*.txt"))


@pytest.mark.parametrize("path", HELP, ids=lambda path: path.stem)
def test_help_is_dockers(path: Path) -> None:
    name = path.stem.replace("_", " ")
    shown = format_command_help(COMMANDS[name].load(), name, program="sampan", width=80)
    assert shown + "\n" == path.read_text()


def test_there_are_help_texts_to_compare_with() -> None:
    assert len(HELP) > 35


@pytest.mark.parametrize("name", COMMANDS)
def test_the_catalogue_agrees_with_the_commands(name: str) -> None:
    command = COMMANDS[name].load()
    assert command.summary == COMMANDS[name].summary
    assert name in command.names or name.startswith(("builder ", "image build"))


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_of_a_command_are_unique(name: str) -> None:
    flags = COMMANDS[name].load().flags
    names = [word for flag in flags for word in (flag.name, *flag.also)]
    shorts = [flag.short for flag in flags if flag.short]
    assert len(set(names)) == len(names)
    assert len(set(shorts)) == len(shorts)


@pytest.mark.parametrize("width", [20, 40, 60, 200])
def test_help_can_be_shown_at_any_width(width: int) -> None:
    shown = format_command_help(
        COMMANDS["network create"].load(), "network create", program="sampan", width=width
    )
    assert "--subnet strings" in shown


def test_groups_list_their_commands_without_aliases() -> None:
    shown = format_group_help("container", program="sampan")
    assert "  ls          List containers\n" in shown
    assert "  ps  " not in shown
    assert "  list" not in shown


def test_every_command_is_in_one_section_of_the_help() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    top = [name for name in COMMANDS if " " not in name]
    assert sorted(listed) == sorted([*top, *(name for name in GROUPS if " " not in name)])


def test_a_group_lists_the_groups_inside() -> None:
    shown = format_group_help("trust", program="sampan")
    assert "  key         Manage keys for signing images\n  revoke" in shown
    assert "  generate    Generate a key pair" in format_group_help("trust key", program="sampan")
    assert nearest_command("generat", "trust key") == "generate"


def test_the_nearest_command_is_offered() -> None:
    assert nearest_command("imags") == "images"
    assert nearest_command("create-it", "volume") == "create"
    assert nearest_command("zzzzz") is None
