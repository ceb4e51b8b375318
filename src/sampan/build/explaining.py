# SPDX-License-Identifier: Apache-2.0
"""Explain a build context: what of a folder a build sees, how large it is, and which line of .dockerignore decided.

Holds: reads names and sizes only, never contents; nothing of a folder that cannot be read is guessed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from sampan.build.dockerignore import iter_patterns
from sampan.build.patterns import Match, PatternSet
from sampan.linux.descent import Descent

_EXAMPLES = 3


@dataclass(slots=True)
class Share:
    """A number of files and their bytes."""

    files: int = 0
    size_bytes: int = 0

    def add(self, size_bytes: int) -> None:
        """One file more."""
        self.files += 1
        self.size_bytes += size_bytes


@dataclass(slots=True)
class Rule:
    """One line of the ignore file, what it left out, and the first names of that."""

    line: int
    text: str
    left_out: Share = field(default_factory=Share)
    kept: Share = field(default_factory=Share)
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Explanation:
    """A context as a build sees it; `tops` has what is sent, by the first component of its name."""

    sent: Share = field(default_factory=Share)
    left_out: Share = field(default_factory=Share)
    tops: dict[str, Share] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def explain_context(path: str, ignore_text: str) -> Explanation:
    """Walk a folder with the text of its ignore file ("" when it has none); OSError when it cannot be opened."""
    explanation = Explanation(rules=_rules(ignore_text))
    walk = _Walk(PatternSet(iter_patterns(ignore_text)), explanation)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        walk.run(fd)
    finally:
        os.close(fd)
    return explanation


def _rules(text: str) -> list[Rule]:
    """The lines that hold a pattern, in the order in which `iter_patterns` gives the patterns."""
    lines = enumerate(text.removeprefix("\ufeff").split("\n"), 1)
    return [
        Rule(number, line.strip()) for number, line in lines if next(iter_patterns(line), None) is not None
    ]


class _Walk:
    def __init__(self, patterns: PatternSet, explanation: Explanation) -> None:
        self.patterns = patterns
        self.told = explanation

    def run(self, top: int) -> None:
        descent = Descent(top)
        levels: list[tuple[str, Match | None, Iterator[tuple[str, bool]]]] = [
            ("", None, self._children(top, ""))
        ]
        try:
            while levels:
                prefix, above, children = levels[-1]
                name, is_folder = next(children, ("", False))
                if not name:
                    levels.pop()
                    if levels:
                        descent.leave()
                    continue
                path = prefix + name
                verdict = self.patterns.match(path, above)
                if not is_folder:
                    self._file(descent.fd, name, path, verdict)
                    continue
                try:
                    inner = descent.enter(name)
                except OSError:
                    self.told.unreadable.append(path)
                    continue
                levels.append((path + "/", verdict, self._children(inner, path)))
        finally:
            descent.close()

    def _children(self, fd: int, path: str) -> Iterator[tuple[str, bool]]:
        """Names, sorted, and whether each is a folder."""
        try:
            with os.scandir(fd) as listing:
                return iter(sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing))
        except OSError:
            self.told.unreadable.append(path or ".")
            return iter(())

    def _file(self, parent: int, name: str, path: str, verdict: Match) -> None:
        try:
            size_bytes = os.stat(name, dir_fd=parent, follow_symlinks=False).st_size
        except OSError:  # gone since it was listed
            return
        # The last pattern that hit decides (`PatternSet.match`).
        rule = self.told.rules[verdict.hits.bit_length() - 1] if verdict.hits else None
        if not verdict.matched:
            self.told.sent.add(size_bytes)
            top, below, _ = path.partition("/")
            self.told.tops.setdefault(top + below, Share()).add(size_bytes)
            if rule is not None:
                rule.kept.add(size_bytes)
            return
        self.told.left_out.add(size_bytes)
        if rule is not None:
            rule.left_out.add(size_bytes)
            if len(rule.examples) < _EXAMPLES:
                rule.examples.append(path)


def format_explanation(told: Explanation, ignore_file: str) -> str:
    """The explanation for people: what is sent, the largest first, and what each line of the ignore file did."""
    lines = [f"Context: {_amount(told.sent)} sent, {_amount(told.left_out)} left out"]
    tops = sorted(told.tops.items(), key=lambda item: (-item[1].size_bytes, item[0]))
    if tops:
        lines += ["", "Sent:"]
        lines += [f"  {_printable(name):<32} {_amount(share)}" for name, share in tops]
    if told.rules:
        lines += ["", f"{ignore_file}:"]
        for rule in told.rules:
            lines.append(f"  {f'{rule.line}: {_printable(rule.text)}':<32} {_effect(rule)}")
            lines += [f"      {_printable(example)}" for example in rule.examples]
    elif not ignore_file:
        lines += ["", "There is no .dockerignore: everything is sent."]
    lines += [f"cannot be read: {_printable(name)}" for name in told.unreadable]
    return "\n".join(lines) + "\n"


def _effect(rule: Rule) -> str:
    parts = []
    if rule.left_out.files:
        parts.append(f"leaves out {_amount(rule.left_out)}")
    if rule.kept.files:
        parts.append(f"keeps {_amount(rule.kept)}")
    return ", ".join(parts) or "decides nothing"


def _amount(share: Share) -> str:
    files = "1 file" if share.files == 1 else f"{share.files} files"
    return f"{files}, {_size(share.size_bytes)}"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{count}B" if unit == "B" else f"{size:.2f}{unit}"
        size /= 1000
    return f"{size:.2f}TB"


def _printable(name: str) -> str:
    """A name that cannot move the cursor or begin a line."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def explanation_json(told: Explanation, ignore_file: str) -> dict[str, object]:
    """The explanation for programs."""
    return {
        "ignoreFile": ignore_file,
        "sent": _share_json(told.sent),
        "leftOut": _share_json(told.left_out),
        "tops": {_printable(name): _share_json(share) for name, share in sorted(told.tops.items())},
        "rules": [
            {
                "line": rule.line,
                "text": _printable(rule.text),
                "leftOut": _share_json(rule.left_out),
                "kept": _share_json(rule.kept),
                "examples": [_printable(name) for name in rule.examples],
            }
            for rule in told.rules
        ],
        "unreadable": [_printable(name) for name in told.unreadable],
    }


def _share_json(share: Share) -> dict[str, int]:
    return {"files": share.files, "bytes": share.size_bytes}
