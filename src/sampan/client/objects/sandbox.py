# SPDX-License-Identifier: Apache-2.0
"""``client.sandbox``: run snippets that are not to be trusted, each in a container of its own.

A snippet sees its image read-only, a small /tmp in memory, no network and no right that an unprivileged user
on a machine of its own would not have. Nothing it does outlives it, and nothing that it does is an
exception: its Result tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sampan.client.objects.options import ContainerOptions, plan_container

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.client.objects.containers import ContainerCollection
    from sampan.client.objects.result import Result

DEFAULTS: ContainerOptions = {
    "network": "none",
    "memory": "256m",
    "memory_swap": "256m",  # together with memory: none of it is swap
    "pids_limit": 64,
    "read_only": True,
    "tmpfs": {"/tmp": "size=16m,mode=1777"},
    "workdir": "/tmp",
    "environment": {"HOME": "/tmp"},
    "user": "65534:65534",
    "cap_drop": ("ALL",),
    "security_opt": ("no-new-privileges",),
    "log_driver": "none",
}


class Sandbox:
    """A way to run snippets; made by `client.sandbox`. It holds nothing, and threads may share it."""

    def __init__(
        self,
        containers: ContainerCollection,
        image: str,
        *,
        interpreter: Sequence[str],
        timeout_s: float,
        limit_bytes: int,
        options: ContainerOptions,
    ) -> None:
        self._containers = containers
        self._image = image
        self._interpreter = tuple(interpreter)
        self._timeout_s = timeout_s
        self._limit_bytes = limit_bytes
        self._options = cast("ContainerOptions", {**DEFAULTS, **options})

    def run(
        self,
        program: str | Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - as subprocess.run has it
        environment: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Result:
        """Run a snippet for the interpreter (a str) or a program with its words (a list) to its end.

        After `timeout_s` it is killed, and the result says `timed_out`; when it printed more than the limit,
        the result says `truncated`. A snippet can be 128 KiB long; longer ones come in by `input`. Raises
        only what is not the snippet's doing: ImageNotFound, Unavailable, and the engine's words when the
        program is not in the image.
        """
        words = [*self._interpreter, program] if isinstance(program, str) else list(program)
        variables = {**self._options.get("environment", {}), **(environment or {})}
        options = cast("ContainerOptions", {**self._options, "environment": variables})
        return self._containers.run_attached(
            plan_container(self._image, words, options),
            stdin=input,
            timeout_s=self._timeout_s if timeout_s is None else timeout_s,
            limit_bytes=self._limit_bytes,
        )
