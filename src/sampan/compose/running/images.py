# SPDX-License-Identifier: Apache-2.0
"""Get the images that services need: pull them, or build them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

from sampan.client.api import Engine
from sampan.client.credentials import CredentialStore
from sampan.client.images import split_name
from sampan.client.objects.building import open_context, send_build
from sampan.compose.build_plan import BuildSettings, plan_build_query, read_build_secrets
from sampan.compose.image_plan import ImageFacts
from sampan.compose.model import Service
from sampan.compose.naming import image_name
from sampan.compose.project import Project
from sampan.compose.running.report import Report
from sampan.compose.running.runner import Interruption
from sampan.compose.steps import BuildImage, PullImage, Step
from sampan.errors import Cancelled, Internal, NotFound, SampanError, Unsupported

_URLS = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")


class BuildFailed(SampanError):  # noqa: N818 - named after the fact, as all of ours
    """A service's image could not be built; `exit_code` is that of the command that failed."""

    def __init__(
        self, message: str, *, exit_code: int = 1, excerpt: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
        self.excerpt = excerpt


class ImageWork:
    """Pulls and builds, and knows the ids of images by the services that use them."""

    # Nothing is half made by one that is not waited for: the engine ends it when its connection closes.
    may_be_left = True

    def __init__(
        self,
        engine: Engine,
        project: Project,
        report: Report,
        interruption: Interruption,
        *,
        environ: Mapping[str, str],
        settings: BuildSettings | None = None,
        quiet_pull: bool = False,
    ) -> None:
        self._engine = engine
        self._project = project
        self._report = report
        self._interruption = interruption
        self._credentials = CredentialStore(environ)
        self._settings = settings or BuildSettings()
        self._quiet_pull = quiet_pull

    def facts(self) -> ImageFacts:
        """Which of the project's images the engine has."""
        ids: dict[str, str] = {}
        pulled_ns: dict[str, int] = {}
        names = {image_name(self._project.name, service) for service in self._project.services.values()}
        for name in sorted(names):
            try:
                found = self._engine.images.inspect(name)
            except NotFound:
                continue
            ids[name] = found["Id"]
            pulled_ns[name] = read_time_ns((found.get("Metadata") or {}).get("LastTagTime", ""))
        return ImageFacts(ids=ids, pulled_ns=pulled_ns, now_ns=time.time_ns())

    def ids_by_service(self) -> dict[str, str]:
        """Each service's image; those without one are left out."""
        ids = self.facts().ids
        found = {
            name: ids.get(image_name(self._project.name, service))
            for name, service in self._project.services.items()
        }
        return {name: image_id for name, image_id in found.items() if image_id}

    def __call__(self, step: Step) -> None:
        """Do one step."""
        try:
            if isinstance(step, PullImage):
                self._pull(step)
            elif isinstance(step, BuildImage):
                self.build(step.service, step.image)
        except Cancelled:
            raise
        except SampanError as error:
            if isinstance(step, PullImage) and step.may_fail:
                self._report.notice(f"image {step.image} cannot be pulled, and is built: {error.message}")
                for name in step.services:
                    self.build(self._project.services[name], step.image)
                return
            self._report.failed(step.subject, "Error", error.message)
            if isinstance(step, PullImage):
                whose = f"service{'s' if len(step.services) > 1 else ''} {', '.join(step.services)}"
                error.message = f"{whose}: cannot pull image {step.image}: {error.message}"
            raise

    def _pull(self, step: PullImage) -> None:
        self._report.working(step.subject, "Pulling", step.reason)
        repository, tag = _split(step.image)
        answer = self._engine.images.pull(
            repository,
            tag,
            platform=step.platform,
            credentials=self._credentials.header_for(step.image),
        )
        amounts: dict[str, tuple[int, int]] = {}
        for message in self._until_interrupted(answer):
            problem = message.get("errorDetail") or message.get("error")
            if problem:
                raise NotFound(str(problem["message"] if isinstance(problem, dict) else problem))
            detail = message.get("progressDetail") or {}
            if detail.get("total") and not self._quiet_pull:
                amounts[str(message.get("id"))] = (int(detail.get("current", 0)), int(detail["total"]))
                self._report.working(step.subject, "Pulling", _percent(amounts))
        self._report.done(step.subject, "Pulled")

    def build(self, service: Service, image: str) -> str:
        """Build one service's image; its id."""
        subject = f"Image {image}"
        self._report.working(subject, "Building")
        build = service.build
        if build is None:
            raise Internal(f"service {service.name} has nothing to build")
        for what, given in (("entitlements", build.entitlements), ("privileged", build.privileged)):
            if given:
                raise Unsupported(
                    f"services.{service.name}.build.{what}: steps with more rights are not supported"
                )
        query = plan_build_query(self._project, service, image, self._settings)
        secrets = read_build_secrets(self._project, service)
        accounts = self._credentials.header_for_all()
        if build.context.startswith(_URLS):
            query |= {"remote": build.context, "dockerfile": build.dockerfile or "Dockerfile"}
            answer = self._engine.images.build(query, None)
            image_id = self._follow(service, subject, answer)
        else:
            text = build.dockerfile_inline or None
            with open_context(build.context, text, None if text else _dockerfile(service)) as context:
                answer = send_build(self._engine, context, query, secrets, accounts=accounts)
                image_id = self._follow(service, subject, answer)
        self._report.done(subject, "Built")
        return image_id

    def _follow(self, service: Service, subject: str, answer: Any) -> str:
        image_id = ""
        for message in self._until_interrupted(answer):
            if self._settings.quiet and ("sampan" in message or "stream" in message):
                continue
            if "sampan" in message:
                self._report.build_event(subject, message["sampan"])
            elif "stream" in message:
                self._report.output(subject, str(message["stream"]))
            elif "aux" in message:
                image_id = (message["aux"] or {}).get("ID", image_id)
            elif "errorDetail" in message or "error" in message:
                detail = message.get("errorDetail") or {"message": message.get("error")}
                raise BuildFailed(
                    f"service {service.name}: failed to build: {detail.get('message')}",
                    exit_code=int(detail.get("code") or 1),
                    excerpt=str(detail.get("excerpt") or ""),
                    hint=detail.get("hint"),
                )
        if not image_id:
            raise BuildFailed(f"service {service.name}: build ended without an image")
        return image_id

    def _until_interrupted(self, answer: Any) -> Any:
        """The messages; leaving off closes the connection, which ends the work at the other side."""
        with closing(answer.iter_json()) as messages:
            for message in messages:
                if self._interruption.is_set:
                    raise Cancelled("interrupted")
                yield message


def read_time_ns(text: str) -> int:
    """An RFC 3339 time in nanoseconds since the epoch, 0 for one that is not set."""
    try:
        seconds = datetime.fromisoformat(text[:19] + "+00:00").timestamp()
    except ValueError:
        return 0
    return max(0, int(seconds * 1_000_000_000))


def _split(name: str) -> tuple[str, str]:
    repository, at, digest = name.partition("@")
    if at:
        return repository, digest
    repository, tag = split_name(name)
    return repository, tag or "latest"


def _dockerfile(service: Service) -> str:
    """The path by which the file is found from here; empty for the context's own."""
    import os

    build = service.build
    if build is None or not build.dockerfile or build.dockerfile == "Dockerfile":
        return ""
    return os.path.join(build.context, build.dockerfile)


def _percent(amounts: Mapping[str, tuple[int, int]]) -> str:
    current = sum(done for done, _ in amounts.values())
    total = sum(whole for _, whole in amounts.values())
    return f"{current * 100 // total}%" if total else ""
