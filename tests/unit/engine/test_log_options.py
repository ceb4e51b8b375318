# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.engine.log_options import check_log_options, format_details
from sampan.engine.model import Container, Document, State
from sampan.errors import InvalidArgument
from sampan.schema.container import ContainerConfig, HostConfig, LogConfig


def container(**options: str) -> Container:
    config = ContainerConfig(
        labels={"role": "front end", "com.a": "1", "other": "2"}, env=["MODE=x=y", "EMPTY=", "UNSET"]
    )
    document = Document(
        image_id="sha256:" + "b" * 64,
        image="app:1",
        path="sh",
        args=[],
        config=config,
        host_config=HostConfig(
            log_config=LogConfig(config={k.replace("_", "-"): v for k, v in options.items()})
        ),
        state=State(),
    )
    return Container("a" * 64, "web", 1, document)


@pytest.mark.parametrize(
    ("options", "details"),
    [
        ({}, ""),
        ({"labels": "role,missing"}, "role=front+end"),
        ({"labels_regex": "^com\\."}, "com.a=1"),
        ({"env": "MODE,EMPTY,UNSET"}, "EMPTY=,MODE=x%3Dy"),
        ({"env_regex": "^M", "labels": "other"}, "MODE=x%3Dy,other=2"),
        ({"tag": "{{.Name}}/{{.ID}}"}, "tag=web%2F" + "a" * 12),
        ({"tag": "{{.ImageName}}"}, "tag=app%3A1"),
    ],
)
def test_details(options: dict[str, str], details: str) -> None:
    assert format_details(container(**options)) == details


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        ("json-file", {"bad": "1"}, "unknown log opt 'bad' for json-file log driver"),
        ("", {"bad": "1"}, "unknown log opt 'bad' for json-file log driver"),
        ("local", {"labels": "a"}, "unknown log opt 'labels' for local log driver"),
        ("json-file", {"labels-regex": "("}, "labels-regex: "),
        ("json-file", {"max-size": "big"}, "invalid size: 'big'"),
        ("json-file", {"max-file": "0"}, "max-file cannot be less than 1"),
        ("json-file", {"max-file": "many"}, "max-file: many"),
    ],
)
def test_options_that_cannot_be(driver: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_log_options(LogConfig(type=driver, config=options))
    assert refused.value.message.startswith(words)


def test_options_that_can() -> None:
    check_log_options(LogConfig(type="local", config={"max-size": "1m", "max-file": "3", "compress": "true"}))
    for size in ("-1", "10", "1.5g", "20MB", "5 k"):
        check_log_options(LogConfig(config={"max-size": size}))
    check_log_options(LogConfig(type="none", config={"anything": "goes"}))
