# SPDX-License-Identifier: Apache-2.0
"""``sampan completion bash|zsh|fish``, and what the scripts ask for: ``sampan completion words -- …``."""

from __future__ import annotations

from sampan.cli.catalogue import COMMANDS, GROUPS, names_in
from sampan.cli.command import Command, Exit, at_least
from sampan.cli.completion import (
    SCRIPTS,
    Position,
    find_position,
    offer_flags,
    subject_of,
    takes_next,
)
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine


def run(context: Context, _options: Options, arguments: list[str]) -> int:
    """Print a script, or the words for a position."""
    shell, *words = arguments
    if shell == "words":
        for word in offer(context, words):
            context.out.line(word)
        return 0
    if shell not in SCRIPTS:
        raise Exit(1, f"no completion for {shell}", hint="bash, zsh and fish have one")
    context.out.text(SCRIPTS[shell])
    return 0


def offer(context: Context, words: list[str]) -> list[str]:
    """What may stand under the cursor."""
    from sampan.cli.main import GLOBAL_FLAGS

    position = find_position(words, GLOBAL_FLAGS)
    if position.name in COMMANDS:
        return _offer_for_command(context, position)
    if position.name and position.name not in GROUPS:
        return []
    if position.current.startswith("-"):
        return [] if position.name else offer_flags(GLOBAL_FLAGS)
    return names_in(position.name)


def _offer_for_command(context: Context, position: Position) -> list[str]:
    command = COMMANDS[position.name].load()
    if position.words and takes_next(position.words[-1], command.flags):
        return []
    if position.current.startswith("-"):
        return offer_flags(command.flags)
    if position.name == "completion":
        return list(SCRIPTS)
    try:
        return _offer_objects(context, subject_of(command.usage))
    except SampanError:
        return []  # no engine, no names: completion never starts one and never complains


def _offer_objects(context: Context, subject: str) -> list[str]:
    from sampan.client.api import Engine

    engine = Engine(context.address)
    try:
        return _names_of(engine, subject)
    finally:
        engine.close()


def _names_of(engine: Engine, subject: str) -> list[str]:
    if subject.startswith("CONTAINER") or subject == "NAME":
        return [name.removeprefix("/") for one in engine.containers.list(every=True) for name in one["Names"]]
    if "IMAGE" in subject:
        return [tag for image in engine.images.list() for tag in image.get("RepoTags") or ()]
    if subject == "NETWORK":
        return [network["Name"] for network in engine.networks.list()]
    if subject == "VOLUME":
        return [volume["Name"] for volume in engine.volumes.list()]
    return []


COMMAND = Command(
    "completion",
    run=run,
    summary="Generate the autocompletion script for the specified shell",
    usage="bash|zsh|fish",
    arity=at_least(1),
    interspersed=False,
)
