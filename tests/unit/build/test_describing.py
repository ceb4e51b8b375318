# SPDX-License-Identifier: Apache-2.0
"""What a Dockerfile offers: its targets, and what one of them takes."""

from __future__ import annotations

from sampan.build.describing import format_outline, format_targets, list_targets, outline
from sampan.build.dockerfile.instructions import Dockerfile
from sampan.build.dockerfile.parser import parse_dockerfile
from sampan.build.stages import StagePlan, plan_stages
from sampan.oci.platform import parse_platform

TEXT = """\
# VERSION which release is built
ARG VERSION=3.12
FROM scratch AS base
ARG VERSION
# not about anything
FROM base AS other
ARG UNUSED=1
# final runs the application
FROM base AS final
ARG MODE=fast EMPTY
RUN --mount=type=secret,id=token,required=true --mount=type=ssh true
RUN --mount=type=secret,id=maybe --mount=type=cache,target=/$X true
"""


def plan(target: str = "") -> tuple[Dockerfile, StagePlan]:
    file = parse_dockerfile(TEXT)
    platform = parse_platform("linux/amd64")
    return file, plan_stages(file, target=target, build_args={}, platform_args={}, platform=platform)


def test_targets_are_listed_with_their_descriptions() -> None:
    text = format_targets(list_targets(plan()[1]))
    assert text == ("TARGET            DESCRIPTION\nbase\nother\nfinal (default)   runs the application\n")


def test_an_outline_has_what_the_wanted_stages_take() -> None:
    file, planned = plan()
    assert format_outline(outline(planned, file, {"MODE": "slow"})) == (
        "TARGET:      final\n"
        "DESCRIPTION: runs the application\n"
        "\n"
        "BUILD ARG   VALUE   DESCRIPTION\n"
        "VERSION     3.12    which release is built\n"
        "MODE        slow\n"
        "EMPTY\n"
        "\n"
        "SECRET   REQUIRED\n"
        "token    true\n"
        "maybe\n"
        "\n"
        "SSH       REQUIRED\n"
        "default\n"
    )
