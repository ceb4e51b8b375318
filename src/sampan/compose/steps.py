# SPDX-License-Identifier: Apache-2.0
"""The steps of bringing a project up or down, as data.

A step has a `key` that is unique in its plan, and `needs`: the keys of the steps that must be done before it.
Steps that do not need each other may be done at the same time. `describe` is what a dry run says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sampan.compose.model import Service
from sampan.compose.model_resources import Network, Volume
from sampan.compose.observed import ObservedContainer


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What every step has."""

    key: str
    needs: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What it is done to, as progress shows it: ``Container demo-web-1``."""
        raise NotImplementedError

    def describe(self) -> str:
        """What it does, in a line."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateNetwork(Step):
    """Make a network that is not there."""

    network_key: str
    network: Network

    @property
    def subject(self) -> str:
        """The network."""
        return f"Network {self.network.name}"

    def describe(self) -> str:
        """What it does."""
        return f"create network {self.network.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNetwork(Step):
    """Remove a network, because its configuration changed or the project goes."""

    name: str
    reason: str = ""

    @property
    def subject(self) -> str:
        """The network."""
        return f"Network {self.name}"

    def describe(self) -> str:
        """What it does, and why."""
        return _because(f"remove network {self.name}", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolume(Step):
    """Make a volume that is not there."""

    volume_key: str
    volume: Volume

    @property
    def subject(self) -> str:
        """The volume."""
        return f"Volume {self.volume.name}"

    def describe(self) -> str:
        """What it does."""
        return f"create volume {self.volume.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveVolume(Step):
    """Remove a volume with what is in it."""

    name: str
    reason: str = ""

    @property
    def subject(self) -> str:
        """The volume."""
        return f"Volume {self.name}"

    def describe(self) -> str:
        """What it does, and why."""
        return _because(f"remove volume {self.name}", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullImage(Step):
    """Get an image from its registry; `services` are those that want it."""

    image: str
    services: tuple[str, ...]
    platform: str = ""
    may_fail: bool = False
    reason: str = ""

    @property
    def subject(self) -> str:
        """The image."""
        return f"Image {self.image}"

    def describe(self) -> str:
        """What it does, and why."""
        return _because(f"pull image {self.image}", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildImage(Step):
    """Build the image of a service."""

    image: str
    service: Service
    reason: str = ""

    @property
    def subject(self) -> str:
        """The image."""
        return f"Image {self.image}"

    def describe(self) -> str:
        """What it does, and why."""
        return _because(f"build image {self.image} of service {self.service.name}", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImage(Step):
    """Remove an image with the project."""

    image: str

    @property
    def subject(self) -> str:
        """The image."""
        return f"Image {self.image}"

    def describe(self) -> str:
        """What it does."""
        return f"remove image {self.image}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStep(Step):
    """Something done to one container of a service."""

    service: str
    name: str

    @property
    def subject(self) -> str:
        """The container."""
        return f"Container {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateContainer(ContainerStep):
    """Make a container."""

    number: int

    def describe(self) -> str:
        """What it does."""
        return f"create container {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecreateContainer(ContainerStep):
    """Make a container anew in the place of `old`; `reasons` say why."""

    number: int
    old: ObservedContainer
    reasons: tuple[str, ...]
    inherit: bool = True

    def describe(self) -> str:
        """What it does, and why."""
        return f"recreate container {self.name}: {', '.join(self.reasons)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepContainer(ContainerStep):
    """Nothing is to do: a container is as the project says."""

    container: ObservedContainer

    def describe(self) -> str:
        """What it does."""
        return f"keep container {self.name}: {self.container.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer(ContainerStep):
    """Start a container; `container` is None where the plan makes it first."""

    container: ObservedContainer | None = None

    def describe(self) -> str:
        """What it does."""
        return f"start container {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartContainer(ContainerStep):
    """Stop a container, if it runs, and start it."""

    container: ObservedContainer

    def describe(self) -> str:
        """What it does."""
        return f"restart container {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopContainer(ContainerStep):
    """Stop a running container."""

    container: ObservedContainer
    reason: str = ""

    def describe(self) -> str:
        """What it does, and why."""
        return _because(f"stop container {self.name}", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveContainer(ContainerStep):
    """Remove a container that has been stopped."""

    container: ObservedContainer
    reason: str = ""

    def describe(self) -> str:
        """What it does, and why."""
        return _because(f"remove container {self.name}", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForService(Step):
    """Wait until a service is as another one needs it.

    `condition` is one of ``depends_on``'s, or ``running_or_healthy`` (of ``up --wait``); where it cannot come
    true and `required` is not set, the other service goes on without it.
    """

    service: str
    condition: str
    dependent: str = ""
    required: bool = True

    @property
    def subject(self) -> str:
        """The service."""
        return f"Service {self.service}"

    def describe(self) -> str:
        """What it does."""
        words = self.condition.removeprefix("service_").replace("_", " ")
        return f"wait until {self.service} is {words}" + (f", for {self.dependent}" if self.dependent else "")


def _because(words: str, reason: str) -> str:
    return f"{words}: {reason}" if reason else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps in an order in which they could be done one by one, and what people should be told before."""

    steps: tuple[Step, ...] = ()
    notices: tuple[str, ...] = ()

    def describe(self) -> list[str]:
        """A line for each step."""
        return [step.describe() for step in self.steps]

    def iter_levels(self) -> Iterator[tuple[Step, ...]]:
        """The steps in groups: each needs only what is in earlier groups."""
        done: set[str] = set()
        left = list(self.steps)
        while left:
            ready = tuple(step for step in left if done.issuperset(step.needs))
            assert ready, "the steps of a plan need each other in a circle"
            yield ready
            done.update(step.key for step in ready)
            left = [step for step in left if step.key not in done]
