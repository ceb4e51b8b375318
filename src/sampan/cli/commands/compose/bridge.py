# SPDX-License-Identifier: Apache-2.0
"""``sampan compose bridge``: known by name, and refused."""

from __future__ import annotations

from sampan.cli.command import ANY, Command
from sampan.cli.compose_flags import DRY_RUN
from sampan.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(_context: Context, _options: Options, _arguments: list[str]) -> int:
    """Refused: the converters are images of Docker's own."""
    raise Unsupported(
        "compose bridge is not supported: projects are not converted for other orchestrators",
        hint="`sampan compose config --format json` prints the whole project for other tools",
    )


COMMAND = Command(
    "compose bridge",
    run=run,
    summary="Convert compose files into another model; not supported",
    usage="CMD [OPTIONS]",
    arity=ANY,
    flags=(DRY_RUN,),
)
