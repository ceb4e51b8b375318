# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.client.failures import (
    ContainerNotFound,
    ImageNotFound,
    NetworkNotFound,
    VolumeNotFound,
    name_failure,
)
from sampan.errors import Conflict, NotFound


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("No such image: a:latest", ImageNotFound),
        ("No such container: a", ContainerNotFound),
        ("get a: no such volume", VolumeNotFound),
        ("network a not found", NetworkNotFound),
        ("Could not find the file /a in container b", NotFound),
        ("No such exec instance: a", NotFound),
    ],
)
def test_what_is_missing_is_found_by_dockers_words(message: str, kind: type[NotFound]) -> None:
    failure = name_failure(NotFound, message)
    assert type(failure) is kind
    assert failure.message == message


def test_words_alone_make_nothing_missing() -> None:
    assert type(name_failure(Conflict, "No such image: a")) is Conflict
