# SPDX-License-Identifier: Apache-2.0
"""RUN: a program in a new snapshot."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack

from sampan.build.arguments import DEFAULT_PATH
from sampan.build.cache import Result
from sampan.build.draft import split_env
from sampan.build.errors import BuildFailed, process_failed
from sampan.build.files.view import open_view
from sampan.build.mounting import PlannedMount, make_mounts
from sampan.build.seams import ExecStep, Output
from sampan.build.services import StepServices
from sampan.build.steps import RunStep
from sampan.build.stubs import plan_stubs, remove_stubs
from sampan.shim.control import StartFailed

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


async def run_program(
    services: StepServices,
    step: RunStep,
    active: str,
    parent: Result,
    planned: tuple[PlannedMount, ...],
    output: Output,
) -> int:
    """The program's exit code; what it wrote is in the active snapshot, without the mount points it needed."""
    async with AsyncExitStack() as stack:
        script = (step.arguments[-1], step.script) if step.script is not None else None
        ready = await make_mounts(services, planned, script, stack)
        targets = tuple(mount.target for mount in ready.mounts)
        stubs = await services.blocking.run(_plan_stubs, services, parent, targets)
        exec_step = ExecStep(
            snapshot=active,
            arguments=step.arguments,
            env=_environment(services, step, ready.env),
            cwd=step.cwd,
            user=step.user,
            network=network_of(services, step),
            mounts=ready.mounts,
            extra_hosts=services.extra_hosts,
            shm_size_bytes=services.shm_size_bytes,
            limits=services.limits,
            host_ca=services.host_ca,
        )
        try:
            code = await services.executor.run(exec_step, output=output)
        except StartFailed as error:
            words = f"{process_failed(step.arguments, error.exit_code)}: {error.message}"
            raise BuildFailed(words, exit_code=error.exit_code, arguments=step.arguments) from error
        await services.blocking.run(_remove_stubs, services, active, parent, stubs, targets)
        return code


def network_of(services: StepServices, step: RunStep) -> str:
    """The instruction's own word, else the request's."""
    return services.network if step.network == "default" else step.network


def _environment(services: StepServices, step: RunStep, secret_env: tuple[str, ...]) -> tuple[str, ...]:
    """The stage's variables win over the proxies'; a program always has a PATH."""
    env = {"PATH": DEFAULT_PATH, **services.proxy_env}
    env.update(split_env(item) for item in (*step.env, *secret_env))
    return tuple(f"{name}={value}" for name, value in env.items())


def _plan_stubs(services: StepServices, parent: Result, targets: tuple[str, ...]) -> tuple[str, ...]:
    with open_view(services.lowers(parent), services.workplace.empty) as root:
        return plan_stubs(root, targets)


def _remove_stubs(
    services: StepServices, active: str, parent: Result, stubs: tuple[str, ...], targets: tuple[str, ...]
) -> None:
    fd = os.open(services.snapshots.upper_path(active), _DIRECTORY)
    try:
        with open_view(services.lowers(parent), services.workplace.empty) as root:
            layered = services.snapshots.driver.is_layered
            remove_stubs(fd, root if layered else None, stubs, targets)
    finally:
        os.close(fd)
