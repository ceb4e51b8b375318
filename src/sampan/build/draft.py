# SPDX-License-Identifier: Apache-2.0
"""An image config in the making: environment, defaults and history, as a stage's lines change them.

Two environments are kept apart, as BuildKit does: `config.env`, which the image keeps, and `env`, which the
lines of the stage see. An ARG is in the second only, and hides an earlier ENV of its name from there on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sampan.build.arguments import DEFAULT_PATH
from sampan.build.dockerfile.duration import format_duration
from sampan.build.quoting import go_quoted_list
from sampan.oci.config import ImageConfig
from sampan.oci.run_config import Healthcheck, RunConfig

HISTORY_COMMENT = "buildkit.dockerfile.v0"
DEFAULT_SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line this build adds to the history; times are known only when it is finished."""

    created_by: str
    empty_layer: bool


class Draft:
    """The mutable state of one stage while its instructions are read."""

    def __init__(self, config: RunConfig, *, author: str = "") -> None:
        self.config = config
        self.author = author
        self.env: dict[str, str] = dict(split_env(item) for item in config.env)
        self.args: dict[str, str | None] = {}
        self.history: list[HistoryLine] = []
        self.cmd_is_own = False

    @classmethod
    def from_scratch(cls) -> Draft:
        """FROM scratch: no files, but Docker gives it a PATH and a working directory."""
        return cls(RunConfig(env=(f"PATH={DEFAULT_PATH}",), working_dir="/"))

    @classmethod
    def from_image(cls, image: ImageConfig) -> Draft:
        """FROM an image: its config, and the default PATH where that has none."""
        config = image.config
        if not any(split_env(item)[0] == "PATH" for item in config.env):
            config = replace(config, env=(*config.env, f"PATH={DEFAULT_PATH}"))
        return cls(config, author=image.author)

    def child(self) -> Draft:
        """FROM another stage: the config, and the build arguments that its lines declared."""
        draft = Draft(self.config, author=self.author)
        draft.env = {**self.env, **draft.env}
        draft.args = dict(self.args)
        draft.history = list(self.history)
        return draft

    def take_triggers(self) -> tuple[str, ...]:
        """The base's ONBUILD lines, which are used up by this stage."""
        triggers = self.config.on_build
        self.change(on_build=())
        return triggers

    @property
    def shell(self) -> tuple[str, ...]:
        """What the shell form is given to."""
        return self.config.shell or DEFAULT_SHELL

    @property
    def working_dir(self) -> str:
        """The current directory, absolute."""
        return self.config.working_dir or "/"

    def set_env(self, pairs: Mapping[str, str]) -> None:
        """ENV: the image keeps it and the following lines see it."""
        kept = dict(split_env(item) for item in self.config.env)
        kept.update(pairs)
        self.env.update(pairs)
        self.change(env=tuple(f"{name}={value}" for name, value in kept.items()))

    def set_arg(self, name: str, value: str | None) -> None:
        """ARG: the following lines see it when it has a value."""
        self.args[name] = value
        if value is not None:
            self.env[name] = value

    def change(self, **fields: object) -> None:
        """Replace fields of the config."""
        self.config = replace(self.config, **fields)  # type: ignore[arg-type]

    def record(self, created_by: str, *, layer: bool = False, suffix: bool | None = None) -> None:
        """Add a history line; those of file system steps end as BuildKit ends them."""
        ends = layer if suffix is None else suffix
        self.history.append(HistoryLine(created_by + " # buildkit" * ends, empty_layer=not layer))

    def run_prefix(self) -> list[str]:
        """What stands before a RUN's words in the history: ``|2 a=1 b=2`` for the arguments in scope."""
        args = [f"{name}={self.env.get(name, value or '')}" for name, value in self.args.items()]
        return [f"|{len(args)}", *args] if args else []


def split_env(item: str) -> tuple[str, str]:
    """``NAME=VALUE`` as a pair; a bare name has the empty value."""
    name, _, value = item.partition("=")
    return name, value


def describe_healthcheck(check: Healthcheck) -> str:
    """The history's text for a HEALTHCHECK: Go's ``%q`` of Docker's structure."""
    times = (check.interval_ns, check.timeout_ns, check.start_period_ns, check.start_interval_ns)
    shown = " ".join(f'"{format_duration(time)}"' for time in times)
    retries = f"'\\x{check.retries:02x}'" if check.retries < 0x20 else f"'{chr(check.retries)}'"
    return f"HEALTHCHECK &{{{go_quoted_list(check.test)} {shown} {retries}}}"
