# SPDX-License-Identifier: Apache-2.0
"""Figures and the access log of a registry."""

from __future__ import annotations

import re

import pytest
from aiohttp.test_utils import make_mocked_request

from sampan.registry.server.access_log import AccessLog
from sampan.registry.server.telemetry import Telemetry


@pytest.mark.parametrize(
    ("amounts", "shown"),
    [([0], "0"), ([1 << 40, 1], "1099511627777"), ([123_456_789], "123456789"), ([0.5], "0.5")],
)
def test_figures_have_all_their_digits(amounts: list[float], shown: str) -> None:
    telemetry = Telemetry(2)
    for row, amount in enumerate(amounts):
        telemetry.row = row
        telemetry.add("sampan_registry_sent_bytes_total", amount)
    assert f"\nsampan_registry_sent_bytes_total {shown}\n" in telemetry.render({}).decode()


def test_answers_are_counted_where_their_time_belongs() -> None:
    telemetry = Telemetry(1)
    for seconds in (0.0005, 0.3, 100.0):
        telemetry.begin()
        telemetry.end("blob", "GET", 200, seconds)
    text = telemetry.render({}).decode()
    assert 'requests_total{resource="blob",method="GET",code="200"} 3\n' in text
    found = dict(re.findall(r'duration_seconds_bucket\{resource="blob",le="(.*)"\} (.*)\n', text))
    assert (found["0.001"], found["0.1"], found["0.5"], found["60"], found["+Inf"]) == (
        "1",
        "1",
        "2",
        "2",
        "3",
    )


def test_a_log_that_cannot_be_written_is_said_once_and_costs_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = AccessLog("/dev/full")
    for _ in range(3):
        log.add(make_mocked_request("GET", "/v2/"), "ada", 200, 2, 0.1)
        log.flush()
    assert [record.getMessage() for record in caplog.records] == [
        "access log: no space left on device; lines are left out"
    ]
