# SPDX-License-Identifier: Apache-2.0
"""Which images have to be pulled or built before a project's containers can be made.

Implements: ``pull_policy`` with ``build`` and the flags ``--pull``, ``--build``, ``--no-build``. Pure: which
images there are, and how old they are, is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sampan.compose.durations import parse_duration
from sampan.compose.graph import order_by_need
from sampan.compose.model import Service
from sampan.compose.naming import image_name
from sampan.compose.project import Project
from sampan.compose.steps import BuildImage, Plan, PullImage, Step
from sampan.errors import InvalidArgument

_DAY_NS = 86_400_000_000_000
_AGES = {"daily": _DAY_NS, "weekly": 7 * _DAY_NS}


class PullPolicy(NamedTuple):
    """`kind` is always, never, missing, build or refresh; `age_ns` is how old an image may be for refresh."""

    kind: str
    age_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """The images that the engine has, and when each was last pulled, by the names that services use."""

    ids: Mapping[str, str] = field(default_factory=dict)
    pulled_ns: Mapping[str, int] = field(default_factory=dict)
    now_ns: int = 0


def read_pull_policy(project: Project, service: Service) -> PullPolicy:
    """The policy of a service."""
    text = service.pull_policy
    if text in ("always", "never", "build", "missing"):
        return PullPolicy(text)
    if text in _AGES:
        return PullPolicy("refresh", _AGES[text])
    if text.startswith("every_"):
        try:
            return PullPolicy("refresh", parse_duration(text.removeprefix("every_")))
        except InvalidArgument as error:
            raise project.error(("services", service.name, "pull_policy"), error.message) from None
    return PullPolicy("missing")


def plan_images(
    project: Project, facts: ImageFacts, *, pull: str = "", build: bool = False, no_build: bool = False
) -> Plan:
    """The pulls and builds for the services that are to run; `pull` and `build` are flags of ``up``."""
    pulls: dict[str, PullImage] = {}
    builds: dict[str, BuildImage] = {}
    for name, service in project.services.items():
        if _comes_with_another(service, project, builds):
            continue
        if pull and not (service.build and pull != "build"):
            service = replace(service, pull_policy="" if pull in ("policy", "missing") else pull)
        image = image_name(project.name, service)
        policy = read_pull_policy(project, service)
        step = _plan_one(service, image, policy, facts, build=build, no_build=no_build)
        if isinstance(step, BuildImage):
            builds[name] = step
        elif isinstance(step, PullImage):
            held = pulls.get(step.key)
            pulls[step.key] = replace(held, services=(*held.services, name)) if held else step
        elif image not in facts.ids and policy.kind == "never":
            raise project.error(
                ("services", name, "image"), f"image {image} is not here, and pull_policy is never"
            )
        elif image not in facts.ids and service.build is not None and no_build:
            raise project.error(
                ("services", name, "build"), f"image {image} is not here, and --no-build is given"
            )
    return Plan(steps=(*pulls.values(), *_order_builds(builds)))


def _comes_with_another(service: Service, project: Project, builds: dict[str, BuildImage]) -> bool:
    """Whether another service gets this one's image, by a build of its own or by the very same one."""
    image = image_name(project.name, service)
    if service.build is None:
        others = (each for each in project.services.values() if each.build is not None)
        return any(image_name(project.name, other) == image for other in others)
    if any(f"service:{service.name}" in _contexts(other) for other in project.services.values()):
        return False
    return any(
        (step.image, step.service.build, step.service.platform) == (image, service.build, service.platform)
        for step in builds.values()
    )


def _contexts(service: Service) -> tuple[str, ...]:
    return tuple(service.build.additional_contexts.values()) if service.build else ()


def _plan_one(
    service: Service, image: str, policy: PullPolicy, facts: ImageFacts, *, build: bool, no_build: bool
) -> Step | None:
    missing = image not in facts.ids
    if service.build is not None and not no_build:
        if build or policy.kind == "build":
            return _build(service, image, "asked for")
        if missing and (policy.kind != "always" or not service.image):
            return _build(service, image, "no such image")
    if service.build is not None and not service.image:
        return None
    if policy.kind == "always":
        return _pull(service, image, "pull_policy is always")
    if policy.kind == "refresh" and not missing:
        age_ns = facts.now_ns - facts.pulled_ns.get(image, 0)
        return _pull(service, image, "older than pull_policy allows") if age_ns > policy.age_ns else None
    if missing and policy.kind in ("missing", "refresh"):
        return _pull(service, image, "no such image")
    return None


def _build(service: Service, image: str, reason: str) -> BuildImage:
    needs = tuple(
        f"build:{context.removeprefix('service:')}"
        for context in _contexts(service)
        if context.startswith("service:")
    )
    return BuildImage(key=f"build:{service.name}", needs=needs, image=image, service=service, reason=reason)


def _pull(service: Service, image: str, reason: str) -> PullImage:
    return PullImage(
        key=f"pull:{image}" + (f":{service.platform}" if service.platform else ""),
        image=image,
        services=(service.name,),
        platform=service.platform,
        may_fail=service.build is not None,
        reason=reason,
    )


def _order_builds(builds: dict[str, BuildImage]) -> list[BuildImage]:
    """A service whose image is a context of another one's is built first; needs of what is not built go."""
    keys = {step.key: name for name, step in builds.items()}
    needs = {name: [keys[key] for key in step.needs if key in keys] for name, step in builds.items()}
    return [
        replace(builds[name], needs=tuple(f"build:{need}" for need in needs[name]))
        for name in order_by_need(needs)
    ]
