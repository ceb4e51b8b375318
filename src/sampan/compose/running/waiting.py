# SPDX-License-Identifier: Apache-2.0
"""Wait until containers are as ``depends_on`` or ``up --wait`` wants them.

A state is looked at again and again, at first after milliseconds: services that come up at once are not waited
for longer than they take.
"""

from __future__ import annotations

from typing import Any

from sampan.client.api import Engine
from sampan.compose.running.report import Report
from sampan.compose.running.runner import Interruption
from sampan.errors import SampanError, Unavailable

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.25

HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"
RUNNING_OR_HEALTHY = "running_or_healthy"


class NotReady(Unavailable):
    """A container that will not become what somebody waits for."""


def wait_for_container(
    engine: Engine, container_id: str, condition: str, *, report: Report, interruption: Interruption
) -> None:
    """Until the container meets the condition; NotReady when it cannot any more, Cancelled when interrupted."""
    pause_s = _FIRST_PAUSE_S
    told = False
    while True:
        found = engine.containers.inspect(container_id)
        subject = f"Container {str(found['Name']).removeprefix('/')}"
        try:
            word = judge(found, condition)
        except SampanError as error:
            report.failed(subject, "Error", error.message)
            raise
        if word:
            report.done(subject, word)
            return
        if not told:
            report.working(subject, "Waiting")
            told = True
        interruption.pause(pause_s)
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)


def judge(found: dict[str, Any], condition: str) -> str:
    """``Healthy``, ``Started`` or ``Exited`` when the condition is met, nothing while it may still be."""
    state = found["State"]
    name = str(found["Name"]).removeprefix("/")
    status = state.get("Status", "")
    health = (state.get("Health") or {}).get("Status", "none")
    ended = status in ("exited", "dead") and not state.get("Restarting")
    if condition == COMPLETED:
        return _judge_end(name, ended, int(state.get("ExitCode", 0)))
    if ended:
        raise NotReady(f"container {name} exited ({state.get('ExitCode', 0)})", hint=f"sampan logs {name}")
    if condition == HEALTHY and health == "none":
        raise NotReady(f"container {name} has no healthcheck configured")
    if health == "unhealthy":
        raise NotReady(f"container {name} is unhealthy", hint=_last_words(state, name))
    if condition == HEALTHY or (condition == RUNNING_OR_HEALTHY and health != "none"):
        return "Healthy" if health == "healthy" else ""
    return "Healthy" if status == "running" else ""


def _judge_end(name: str, ended: bool, code: int) -> str:
    if ended and code:
        raise NotReady(f"container {name} exited ({code})", hint=f"sampan logs {name}")
    return "Exited" if ended else ""


def _last_words(state: dict[str, Any], name: str) -> str:
    log = (state.get("Health") or {}).get("Log") or []
    said = str(log[-1].get("Output", "")).strip().splitlines() if log else []
    return f"its last check said: {said[-1]}" if said else f"sampan logs {name}"
