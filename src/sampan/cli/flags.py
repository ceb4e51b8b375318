# SPDX-License-Identifier: Apache-2.0
"""Declared flags, and a parser that reads a command line as Go's pflag does.

Accepted: ``--name=value``, ``--name value``, ``-n value``, ``-nvalue``, ``-n=value``, clusters of short
switches (``-itd``), ``--switch=false``, and ``--`` to end flags. A command that hands words on to another
program (run, exec) stops at its first positional word. Messages are pflag's, because scripts match on them.

The same declarations give the help text (`usage`) and the shell completions (`completion`).
Not here: what the values of one particular command mean (its module), global flags (`main`).
"""

from __future__ import annotations

from sampan.cli.options import Options, Value
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


class FlagError(InvalidArgument):
    """A command line that does not follow the declared flags; commands exit with 125 for it."""


class Flag:
    """One declared flag; `kind` says how its words are read, `shows` how help names the value."""

    __slots__ = (
        "about",
        "also",
        "default",
        "hidden",
        "implied",
        "kind",
        "name",
        "short",
        "shows",
        "shows_default",
    )

    def __init__(
        self,
        name: str,
        kind: str,
        about: str,
        *,
        short: str = "",
        default: Value | None = None,
        shows: str = "",
        shows_default: str = "",
        also: tuple[str, ...] = (),
        hidden: bool = False,
        implied: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.about = about
        self.short = short
        self.default: Value = _ZERO[kind] if default is None else default
        self.shows = shows or _SHOWN[kind]
        self.shows_default = shows_default
        self.also = also
        self.hidden = hidden
        self.implied = "true" if kind == "bool" else implied

    @property
    def repeats(self) -> bool:
        """Whether every occurrence adds to a list."""
        return self.kind in ("list", "strings")

    @property
    def label(self) -> str:
        """How messages name it: ``-t, --timeout``."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"

    def read(self, word: str) -> Value:
        """The value that one word means; a repeating flag gives the items that the word adds."""
        if self.kind == "bool":
            return self._read_bool(word)
        if self.kind == "int":
            return self._read_int(word)
        if self.kind == "strings":
            return word.split(",")
        return [word] if self.kind == "list" else word

    def _read_bool(self, word: str) -> bool:
        if word not in _TRUE and word not in _FALSE:
            raise self._invalid(word, f'strconv.ParseBool: parsing "{word}": invalid syntax')
        return word in _TRUE

    def _read_int(self, word: str) -> int:
        try:
            return int(word, 0)
        except ValueError:
            raise self._invalid(word, f'strconv.ParseInt: parsing "{word}": invalid syntax') from None

    def _invalid(self, word: str, reason: str) -> FlagError:
        return FlagError(f'invalid argument "{word}" for "{self.label}" flag: {reason}')


_ZERO: dict[str, Value] = {"bool": False, "string": "", "int": 0, "list": [], "strings": []}
_SHOWN = {"bool": "", "string": "string", "int": "int", "list": "list", "strings": "strings"}


def switch(name: str, about: str, *, short: str = "", default: bool = False, hidden: bool = False) -> Flag:
    """A flag that is there or not."""
    return Flag(name, "bool", about, short=short, default=default, hidden=hidden)


def text(
    name: str,
    about: str,
    *,
    short: str = "",
    default: str = "",
    shows: str = "",
    shows_default: str = "",
    also: tuple[str, ...] = (),
    hidden: bool = False,
    implied: str = "",
) -> Flag:
    """A flag with one value, kept as written; the last occurrence wins. `implied` is its value when it has no ``=``."""
    return Flag(
        name,
        "string",
        about,
        short=short,
        default=default,
        shows=shows,
        shows_default=shows_default,
        also=also,
        hidden=hidden,
        implied=implied,
    )


def number(
    name: str,
    about: str,
    *,
    short: str = "",
    default: int = 0,
    shows: str = "",
    shows_default: str = "",
    also: tuple[str, ...] = (),
) -> Flag:
    """A flag with a whole number."""
    return Flag(
        name, "int", about, short=short, default=default, shows=shows, shows_default=shows_default, also=also
    )


def several(
    name: str,
    about: str,
    *,
    short: str = "",
    shows: str = "",
    shows_default: str = "",
    commas: bool = False,
    also: tuple[str, ...] = (),
) -> Flag:
    """A flag that may be given more than once; with `commas`, one occurrence may hold several values."""
    kind = "strings" if commas else "list"
    return Flag(name, kind, about, short=short, shows=shows, shows_default=shows_default, also=also)


HELP = switch("help", "Print usage", hidden=True)


def parse_flags(
    flags: Sequence[Flag], words: Sequence[str], *, interspersed: bool = True
) -> tuple[Options, list[str]]:
    """Split `words` into the values of `flags` and the positional words."""
    parser = _Parser(flags, words)
    parser.run(interspersed=interspersed)
    return Options(parser.values, frozenset(parser.given)), parser.positional


class _Parser:
    """Walks the words once; `values` starts as the defaults."""

    def __init__(self, flags: Sequence[Flag], words: Sequence[str]) -> None:
        self.by_name: dict[str, Flag] = {"help": HELP}
        self.by_short: dict[str, Flag] = {"h": HELP}
        self.values: dict[str, Value] = {"help": False}
        self.given: set[str] = set()
        self.positional: list[str] = []
        self._rest = list(reversed(words))
        for flag in flags:
            self._declare(flag)

    def _declare(self, flag: Flag) -> None:
        for name in (flag.name, *flag.also):
            self.by_name[name] = flag
        if flag.short:
            self.by_short[flag.short] = flag
        self.values[flag.name] = list(flag.default) if isinstance(flag.default, list) else flag.default

    def run(self, *, interspersed: bool) -> None:
        while self._rest:
            word = self._rest.pop()
            if word == "--":
                break
            if word.startswith("--"):
                self._long(word[2:])
            elif word.startswith("-") and word != "-":
                self._cluster(word[1:])
            else:
                self.positional.append(word)
                if not interspersed:
                    break
        self.positional.extend(reversed(self._rest))

    def _long(self, body: str) -> None:
        name, equals, value = body.partition("=")
        if not name or name.startswith("-"):
            raise FlagError(f"bad flag syntax: --{body}")
        flag = self.by_name.get(name)
        if flag is None:
            raise FlagError(f"unknown flag: --{name}")
        if equals:
            self._set(flag, value)
        elif flag.implied:
            self._set(flag, flag.implied)
        else:
            self._set(flag, self._next(f"--{name}"))

    def _cluster(self, letters: str) -> None:
        while letters:
            flag = self.by_short.get(letters[0])
            if flag is None:
                raise FlagError(f"unknown shorthand flag: '{letters[0]}' in -{letters}")
            rest = letters[1:]
            if rest.startswith("="):
                return self._set(flag, rest[1:])
            if flag.kind != "bool":
                return self._set(flag, rest or self._next(f"'{letters[0]}' in -{letters}"))
            self._set(flag, "true")
            letters = rest
        return None

    def _next(self, label: str) -> str:
        if not self._rest:
            raise FlagError(f"flag needs an argument: {label}")
        return self._rest.pop()

    def _set(self, flag: Flag, word: str) -> None:
        value = flag.read(word)
        held = self.values[flag.name]
        if isinstance(held, list) and isinstance(value, list):
            value = held + value if flag.name in self.given else value
        self.given.add(flag.name)
        self.values[flag.name] = value
