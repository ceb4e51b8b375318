# SPDX-License-Identifier: Apache-2.0
"""What a command gets besides its own words: the engine, the output, the environment."""

from __future__ import annotations

from sampan.cli.options import Options
from sampan.client.address import Address, resolve_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.cli.output import Output
    from sampan.client.api import Engine
    from sampan.paths import Roots


class Context:
    """Connects to the engine when first asked for it, and starts one where that is allowed."""

    __slots__ = ("_engine", "compose", "debug", "environ", "host", "invoked", "out", "roots")

    def __init__(
        self, *, environ: Mapping[str, str], out: Output, roots: Roots, host: str = "", debug: bool = False
    ) -> None:
        self.environ = environ
        self.out = out
        self.roots = roots
        self.host = host
        self.debug = debug
        self.invoked = ""
        self.compose = Options({})  # the flags between `compose` and its subcommand
        self._engine: Engine | None = None

    @property
    def address(self) -> Address:
        """Where the engine listens."""
        return resolve_address(self.environ, flag=self.host, socket=self.roots.socket)

    @property
    def engine(self) -> Engine:
        """The engine's API; the engine runs when this returns."""
        if self._engine is None:
            from sampan.client.connect import open_engine

            self._engine = open_engine(self.roots, self.address, environ=self.environ, say=self.out.note)
        return self._engine

    def close(self) -> None:
        """Let the engine go."""
        if self._engine is not None:
            self._engine.close()
