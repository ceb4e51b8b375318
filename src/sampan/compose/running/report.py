# SPDX-License-Identifier: Apache-2.0
"""What a command tells about its progress while it carries out a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Report(Protocol):
    """Takes events from several threads; a subject is ``Container demo-web-1``, a word ``Creating``."""

    def working(self, subject: str, word: str, detail: str = "") -> None:
        """Something began, or is in another state of its way."""

    def done(self, subject: str, word: str, detail: str = "") -> None:
        """It has come to its end."""

    def failed(self, subject: str, word: str, detail: str = "") -> None:
        """It could not be done."""

    def output(self, subject: str, text: str) -> None:
        """Lines that a build or a pull says, for those who want to read them all."""

    def build_event(self, subject: str, event: Mapping[str, Any]) -> None:
        """What the builder says of an image (`sampan.build.progress`)."""

    def notice(self, text: str) -> None:
        """Something that people should know."""


class Silence:
    """Nobody is told."""

    def working(self, subject: str, word: str, detail: str = "") -> None:
        """Nothing."""

    done = failed = working

    def output(self, subject: str, text: str) -> None:
        """Nothing."""

    def build_event(self, subject: str, event: Mapping[str, Any]) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        """Nothing."""
