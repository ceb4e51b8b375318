# SPDX-License-Identifier: Apache-2.0
"""SSH agents of the one who builds, lent to a RUN step: a socket in the step's tree, which leaves no trace there.

Implements: the Dockerfile reference, ``RUN --mount=type=ssh``.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack

from sampan.build.dockerfile.mounts import RunMount
from sampan.build.seams import ExecMount
from sampan.build.services import StepServices
from sampan.errors import NotFound

_DEFAULT = "default"


async def lend_agent(
    services: StepServices, mount: RunMount, target: str, stack: AsyncExitStack
) -> ExecMount | None:
    """The mount of the agent's socket, as long as the stack is open; None where there is none and none is needed."""
    name = mount.id or _DEFAULT
    path = await stack.enter_async_context(services.agents.open(name))
    if path is None:
        if mount.required:
            raise NotFound(f"unset ssh forward key {name}", hint=f"give it with --ssh {name}")
        return None
    os.chown(path, mount.uid or 0, mount.gid or 0)
    os.chmod(path, 0o600 if mount.mode is None else mount.mode)
    return ExecMount("bind", target, source=path)
