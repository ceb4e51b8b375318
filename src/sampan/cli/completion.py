# SPDX-License-Identifier: Apache-2.0
"""Completion scripts for bash, zsh and fish, and the words that they offer.

The scripts ask ``sampan completion words -- WORDS…`` at each press of the key, so that they never differ
from the program. Commands, groups and flags come from the declarations; names of containers, images,
networks and volumes from the engine, if one runs.
"""

from __future__ import annotations

from sampan.cli.catalogue import GROUPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cli.flags import Flag

BASH = """\
# bash completion for sampan: put it into ~/.bashrc as  source <(sampan completion bash)
_sampan() {
    local IFS=$'\\n' current="${COMP_WORDS[COMP_CWORD]}"
    COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" completion words -- \\
        "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$current"))
    [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o default 2>/dev/null
}
complete -F _sampan sampan
"""

ZSH = """\
#compdef sampan
# zsh completion for sampan: source <(sampan completion zsh), or save it as _sampan in a folder of $fpath
_sampan() {
    local -a offered
    offered=("${(@f)$(${words[1]} completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$offered" ]]; then compadd -a offered; else _files; fi
}
if [[ "$funcstack[1]" = _sampan ]]; then _sampan "$@"; else compdef _sampan sampan; fi
"""

FISH = """\
# fish completion for sampan: sampan completion fish > ~/.config/fish/completions/sampan.fish
function __sampan_words
    set -l words (commandline -opc) (commandline -ct)
    $words[1] completion words -- $words[2..-1] 2>/dev/null
end
complete -c sampan -a '(__sampan_words)'
"""

SCRIPTS = {"bash": BASH, "fish": FISH, "zsh": ZSH}


class Position:
    """Where the cursor is: the command's name ("" while it is typed), the words after it, and the last."""

    __slots__ = ("current", "name", "words")

    def __init__(self, name: str, words: Sequence[str], current: str) -> None:
        self.name = name
        self.words = words
        self.current = current


def find_position(words: Sequence[str], global_flags: Sequence[Flag]) -> Position:
    """Read a command line that is not finished; its last word is the one under the cursor."""
    *done, current = words or [""]
    index = _skip_flags(done, global_flags)
    if index >= len(done):
        return Position("", [], current)
    name, rest = done[index], done[index + 1 :]
    while name in GROUPS and rest:
        name, rest = f"{name} {rest[0]}", rest[1:]
    return Position(name, rest, current)


def _skip_flags(words: Sequence[str], flags: Sequence[Flag]) -> int:
    index = 0
    while index < len(words) and words[index].startswith("-"):
        index += 1 + takes_next(words[index], flags)
    return index


def takes_next(word: str, flags: Sequence[Flag]) -> bool:
    """Whether the value of the flag `word` is the word after it."""
    if "=" in word or not word.startswith("-"):
        return False
    names = {f"--{flag.name}" for flag in flags if not flag.implied}
    names |= {f"-{flag.short}" for flag in flags if not flag.implied and flag.short}
    return word in names


def offer_flags(flags: Sequence[Flag]) -> list[str]:
    """Flags as they are typed."""
    return [*sorted(f"--{flag.name}" for flag in flags if not flag.hidden), "--help"]


def subject_of(usage: str) -> str:
    """What the arguments of a command name: the first word of its usage that is no option."""
    words = [word for word in usage.split() if not word.startswith("[")]
    return words[0].partition("[")[0].partition("|")[0] if words else ""
