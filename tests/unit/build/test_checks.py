# SPDX-License-Identifier: Apache-2.0
"""Build checks, rule by rule: a file that breaks it and one that does not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.build.arguments import platform_arguments
from sampan.build.checks.options import CheckOptions, parse_check_options
from sampan.build.checks.rules import RULES, Finding
from sampan.build.checks.run import (
    Surroundings,
    check_dockerfile,
    check_options,
    fail_on,
    findings_json,
    format_findings,
)
from sampan.build.dockerfile.instructions import Dockerfile
from sampan.build.dockerfile.location import DockerfileError
from sampan.build.dockerfile.parser import parse_dockerfile
from sampan.build.stages import plan_stages
from sampan.errors import InvalidArgument
from sampan.oci.platform import Platform

AMD64 = Platform("linux", "amd64")
EVERYTHING = CheckOptions(experimental=frozenset({"all"}))
IGNORED = {"secret.txt"}


def check(
    text: str,
    options: CheckOptions = EVERYTHING,
    environments: Mapping[int, Mapping[str, str] | None] | None = None,
) -> tuple[Finding, ...]:
    file = parse_dockerfile(text)
    platform_args = platform_arguments(AMD64, AMD64, "")
    plan = plan_stages(file, build_args={}, platform_args=platform_args, platform=AMD64)
    around = Surroundings(
        platform_args=platform_args,
        environments=environments or {},
        platforms={0: Platform("linux", "arm64")} if "# arm64 is here" in text else {},
        is_ignored=IGNORED.__contains__,
    )
    return check_dockerfile(file, plan, around, options)


BROKEN = [
    ("StageNameCasing", "FROM a AS Build", 1, "Stage name 'Build' should be lowercase"),
    ("FromAsCasing", "FROM a as build", 1, "'as' and 'FROM' keywords' casing do not match"),
    ("NoEmptyContinuation", "FROM a\nRUN x \\\n\n y", 2, "Empty continuation line"),
    (
        "ConsistentInstructionCasing",
        "FROM a\nrun x\nRUN y",
        2,
        "Command 'run' should match the case of the command majority (uppercase)",
    ),
    (
        "ConsistentInstructionCasing",
        "from a\nrun x\nRun y",
        3,
        "Command 'Run' should match the case of the command majority (lowercase)",
    ),
    (
        "DuplicateStageName",
        "FROM a AS b\nFROM c AS b",
        2,
        'Duplicate stage name "b", stage names should be unique',
    ),
    (
        "ReservedStageName",
        "FROM a AS context",
        1,
        'Stage name should not use the same name as reserved stage "context"',
    ),
    (
        "JSONArgsRecommended",
        "FROM a\nENTRYPOINT x",
        2,
        "JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals",
    ),
    (
        "MaintainerDeprecated",
        "FROM a\nMAINTAINER me",
        2,
        "Maintainer instruction is deprecated in favor of using label",
    ),
    (
        "UndefinedArgInFrom",
        "ARG VERSION=1\nFROM a${VERSON}",
        2,
        "FROM argument 'VERSON' is not declared (did you mean VERSION?)",
    ),
    (
        "WorkdirRelativePath",
        "FROM a\nWORKDIR app",
        2,
        'Relative workdir "app" can have unexpected results if the base image changes',
    ),
    ("UndefinedVar", "FROM a\nCOPY x $there", 2, "Usage of undefined variable '$there'"),
    (
        "UndefinedVar",
        "FROM a\nARG MODE=1\nENV B=$MODES",
        3,
        "Usage of undefined variable '$MODES' (did you mean $MODE?)",
    ),
    (
        "MultipleInstructionsDisallowed",
        'FROM a\nCMD ["x"]\nCMD ["y"]',
        2,
        "Multiple CMD instructions should not be used in the same stage because only the last one will be used",
    ),
    (
        "LegacyKeyValueFormat",
        "FROM a\nENV a b",
        2,
        '"ENV key=value" should be used instead of legacy "ENV key value" format',
    ),
    (
        "InvalidBaseImagePlatform",
        "# arm64 is here\n\nFROM a",
        3,
        'Base image a was pulled with platform "linux/arm64", expected "linux/amd64" for current build',
    ),
    (
        "RedundantTargetPlatform",
        "FROM --platform=$TARGETPLATFORM a",
        1,
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    ),
    (
        "SecretsUsedInArgOrEnv",
        "FROM a\nARG DATABASE_PASSWORD",
        2,
        'Do not use ARG or ENV instructions for sensitive data (ARG "DATABASE_PASSWORD")',
    ),
    (
        "FromPlatformFlagConstDisallowed",
        "FROM --platform=linux/amd64 a AS b",
        1,
        'FROM --platform flag should not use constant value "linux/amd64"',
    ),
    (
        "CopyIgnoredFile",
        "FROM a\nCOPY secret.txt /x",
        2,
        'Attempting to COPY file "secret.txt" that is excluded by .dockerignore',
    ),
    (
        "InvalidDefinitionDescription",
        "# the base\nFROM a AS base",
        2,
        "Comment for FROM should follow the format: `# base <description>`",
    ),
    (
        "ExposeProtoCasing",
        "FROM a\nEXPOSE 80/TCP",
        2,
        "Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
    ),
]


@pytest.mark.parametrize(("rule", "text", "line", "message"), BROKEN)
def test_a_broken_rule_is_named_with_its_line(rule: str, text: str, line: int, message: str) -> None:
    found = [finding for finding in check(text) if finding.rule.name == rule]
    assert [(finding.location.start, finding.message) for finding in found] == [(line, message)]


def test_a_default_that_names_no_image_is_reported_also_when_an_argument_is_given() -> None:
    file = parse_dockerfile("ARG TAG\nFROM $TAG")
    plan = plan_stages(file, build_args={"TAG": "a:1"}, platform_args={}, platform=AMD64)
    (found,) = check_dockerfile(file, plan, Surroundings(), EVERYTHING)
    assert found.message == "Default value for ARG $TAG results in empty or invalid base image name"


def test_a_mapping_is_not_a_port() -> None:
    (found,) = check("FROM a\nEXPOSE 127.0.0.1:8000:80")
    assert found.message == (
        "EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:8000:80'"
    )


@pytest.mark.parametrize(
    "text",
    [
        "FROM a AS build",
        "from a as build\nrun x",
        'FROM a\nCMD ["x"]\nFROM b\nCMD ["y"]',
        'FROM a\nSHELL ["/bin/bash", "-c"]\nCMD x',
        "FROM a\nWORKDIR /app\nWORKDIR inner",
        "FROM a AS x\nWORKDIR /app\nFROM x\nWORKDIR inner",
        "FROM a\nENV A=1\nCOPY x /$A",
        "FROM a AS x\nENV A=1\nFROM x\nCOPY x /$A",
        "FROM a\nCOPY x /${A:-y}${B:+z}",
        "FROM a\nENV PATH=/opt/bin:$PATH",
        "FROM a\nARG X\nENV Y=$X",
        "FROM a\nARG PUBLIC_KEY",
        "FROM --platform=$BUILDPLATFORM a",
        "FROM --platform=linux/amd64 a AS build_amd64",
        "FROM a\nCOPY --from=b secret.txt /",
        "# base Everything stands on it.\nFROM a AS base",
        "# a comment\n\nFROM a AS base",
        "# syntax=docker/dockerfile:1\nFROM a AS base",
        "FROM a\nEXPOSE 80/tcp 90 ${P:-8000}",
        "FROM a\nRUN echo $anything",
    ],
)
def test_what_is_right_is_not_reported(text: str) -> None:
    assert check(text) == ()


def test_nothing_is_said_of_variables_on_an_unknown_base() -> None:
    assert check("FROM a AS x\nCOPY x $there\nFROM x\nCOPY y $here", environments={0: None}) == ()


def test_a_base_image_s_own_variables_are_known() -> None:
    assert check("FROM a\nCOPY x $HOME_OF_A", environments={0: {"HOME_OF_A": "/srv"}}) == ()


def test_there_are_buildkit_s_twenty_two_rules() -> None:
    assert len(RULES) == 22
    assert {rule for rule, *_ in BROKEN} | {"ExposeInvalidFormat", "InvalidDefaultArgInFrom"} == set(RULES)
    assert RULES["JSONArgsRecommended"].url.endswith("/json-args-recommended/")
    assert RULES["MultipleInstructionsDisallowed"].url.endswith("/multiple-instructions-disallowed/")


def test_rules_are_skipped_by_name_and_all_together() -> None:
    text = "FROM a as Build"
    assert [f.rule.name for f in check(text, parse_check_options("skip=FromAsCasing"))] == ["StageNameCasing"]
    assert check(text, parse_check_options("skip=all")) == ()
    assert check(text, parse_check_options("skip=FromAsCasing, StageNameCasing;error=true")) == ()


def test_experimental_rules_are_asked_for() -> None:
    text = "# the base\nFROM a AS base\nCOPY secret.txt /"
    assert check(text, CheckOptions()) == ()
    assert [f.rule.name for f in check(text, parse_check_options("experimental=CopyIgnoredFile"))] == [
        "CopyIgnoredFile"
    ]
    assert len(check(text, parse_check_options("experimental=all"))) == 2


def test_the_build_argument_wins_over_the_directive() -> None:
    file = parse_dockerfile("# check=skip=all;error=true\nFROM a")
    assert check_options(file, {}) == CheckOptions(skip=frozenset({"all"}), error=True)
    assert (
        check_options(
            file, {"BUILDKIT_DOCKERFILE_CHECK": "skip=none".replace("none", "StageNameCasing")}
        ).error
        is False
    )


@pytest.mark.parametrize("text", ["skip", "colour=blue", "error=perhaps", "skip=StageNameCase"])
def test_a_wrong_option_is_named(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid check option"):
        parse_check_options(text)


def test_findings_are_shown_with_their_lines() -> None:
    text = "FROM a AS Build\nRUN x"
    file = parse_dockerfile(text)
    shown = format_findings(check(text), file.source)
    assert shown == (
        "WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/\n"
        "Stage name 'Build' should be lowercase\n"
        "Dockerfile:1\n"
        "--------------------\n"
        "   1 | >>> FROM a AS Build\n"
        "   2 |     RUN x\n"
        "--------------------\n"
        "\n"
        "Check complete, 1 warning has been found!\n"
    )
    assert format_findings((), file.source) == "Check complete, no warnings found.\n"


def test_findings_have_buildkit_s_json() -> None:
    text = "FROM a\nMAINTAINER me"
    document = findings_json(check(text), parse_dockerfile(text).source)
    (warning,) = document["warnings"]  # type: ignore[misc]
    assert warning["ruleName"] == "MaintainerDeprecated"
    assert warning["location"]["ranges"] == [{"start": {"line": 2}, "end": {"line": 2}}]


def test_an_error_names_each_rule_once() -> None:
    findings = check("FROM a as Build\nFROM b as Other")
    assert str(fail_on(findings)) == "lint violation found for rules: FromAsCasing, StageNameCasing"


LINES = st.lists(
    st.sampled_from(
        [
            "FROM a",
            "from b as X",
            "ARG A=$B",
            "ENV C $D",
            "COPY $x ${y:-z} /",
            "WORKDIR a",
            "CMD x",
            "EXPOSE 1:2",
            "RUN \\",
        ]
    )
    | st.text(alphabet="FROMcopyENV ${}:\\\"'/=#\n", max_size=30),
    max_size=8,
)


@given(LINES)
def test_no_file_that_parses_breaks_the_checks(lines: list[str]) -> None:
    try:
        file: Dockerfile = parse_dockerfile("\n".join(["FROM a", *lines]))
        plan = plan_stages(file, build_args={}, platform_args={}, platform=AMD64)
    except DockerfileError:
        return
    check_dockerfile(file, plan, Surroundings(is_ignored=lambda _: True), EVERYTHING)
