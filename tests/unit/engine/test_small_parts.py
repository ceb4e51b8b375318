# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.engine.launching import parse_size
from sampan.engine.logs import LogRequest, Rendering
from sampan.engine.model import Container, Document, State
from sampan.engine.names import check_container_name, new_id, new_name
from sampan.engine.restart import RestartSchedule
from sampan.engine.security import parse_security_options
from sampan.engine.signals import parse_signal
from sampan.engine.status import describe_status, format_duration
from sampan.engine.user_devices import parse_rule
from sampan.engine.waiting import check_condition
from sampan.errors import InvalidArgument, Unsupported
from sampan.schema.container import ContainerConfig, HostConfig, RestartPolicy

S = 1_000_000_000


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (120, "2 minutes"),
        (3600, "About an hour"),
        (3 * 3600, "3 hours"),
        (47 * 3600, "47 hours"),
        (3 * 86400, "3 days"),
        (20 * 86400, "2 weeks"),
        (100 * 86400, "3 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations_are_said_as_docker_says_them(seconds, words):
    assert format_duration(int(seconds * S)) == words


def test_statuses():
    assert describe_status(State(), now_ns=S) == "Created"
    assert describe_status(State(status="running", started_ns=S), now_ns=6 * S) == "Up 5 seconds"
    assert describe_status(State(status="paused", started_ns=S), now_ns=6 * S) == "Up 5 seconds (Paused)"
    exited = State(status="exited", exit_code=3, started_ns=S, finished_ns=2 * S)
    assert describe_status(exited, now_ns=4 * S) == "Exited (3) 2 seconds ago"


@pytest.mark.parametrize(
    ("text", "number"), [("TERM", 15), ("sigkill", 9), ("2", 2), ("RTMIN+3", 37), ("SIGRTMAX-1", 63)]
)
def test_signals(text, number):
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "NOPE", "TERM+1", "RTMIN+x", "SIG_BLOCK"])
def test_what_is_no_signal_is_refused(text):
    with pytest.raises(InvalidArgument):
        parse_signal(text)


def container(policy: str, *, retries: int = 0, **state: object) -> Container:
    host = HostConfig(restart_policy=RestartPolicy(name=policy, maximum_retry_count=retries))
    document = Document("i", "image", "sh", [], ContainerConfig(), host, State(status="exited", **state))
    return Container("c" * 64, "name", 0, document)


def test_restarts_back_off_and_begin_anew_after_a_good_run():
    schedule = RestartSchedule()
    short = container("always", started_ns=0, finished_ns=S)
    assert [schedule.delay_s(short) for _ in range(3)] == [0.1, 0.2, 0.4]
    short.state.finished_ns = 20 * S
    assert schedule.delay_s(short) == 0.1


def test_restarts_wait_a_minute_at_most():
    schedule = RestartSchedule()
    failing = container("always", finished_ns=S)
    assert max(schedule.delay_s(failing) or 0 for _ in range(30)) == 60.0


def test_on_failure_gives_up():
    assert RestartSchedule().delay_s(container("on-failure", exit_code=0)) is None
    assert RestartSchedule().delay_s(container("on-failure", exit_code=1)) == 0.1
    assert RestartSchedule().delay_s(container("on-failure", retries=2, exit_code=1, restart_count=2)) is None


def test_what_the_user_stopped_stays_stopped():
    assert RestartSchedule().delay_s(container("always", stopped_by_user=True)) is None


def test_security_options():
    assert parse_security_options(["no-new-privileges"]).no_new_privileges
    assert parse_security_options(["seccomp=unconfined"]).seccomp == "unconfined"
    assert parse_security_options(["no-new-privileges:false", "apparmor=unconfined"]).seccomp == ""
    with pytest.raises(InvalidArgument):
        parse_security_options(["magic=on"])
    with pytest.raises(Unsupported):
        parse_security_options(["apparmor=my-profile"])


def test_device_rules():
    assert parse_rule("c 1:3 mr") == {"allow": True, "type": "c", "access": "mr", "major": 1, "minor": 3}
    assert parse_rule("a *:* rwm") == {"allow": True, "type": "a", "access": "rwm"}
    for bad in ("", "x 1:3 r", "c 1 r", "c 1:3 z", "c a:b r"):
        with pytest.raises(InvalidArgument):
            parse_rule(bad)


@pytest.mark.parametrize("name", ["", "a", "-a", "a b", "ä1", "a/b"])
def test_bad_names_are_refused(name):
    with pytest.raises(InvalidArgument, match="Invalid container name"):
        check_container_name(name)


def test_made_names_and_ids_are_good():
    assert check_container_name(new_name())
    assert len(new_id()) == 64
    assert check_container_name("/web.1") == "web.1"


def test_conditions():
    assert check_condition("") == "not-running"
    with pytest.raises(InvalidArgument):
        check_condition("happy")


def test_sizes():
    assert [parse_size(text) for text in ("10", "2k", "1m", "1G")] == [10, 2048, 1 << 20, 1 << 30]


def test_log_frames_carry_stream_and_length():
    rendering = Rendering(LogRequest())
    assert rendering.render([(1, 1, b"out\n"), (2, 2, b"err")]) == (
        b"\x01\0\0\0\0\0\0\x04out\n" + b"\x02\0\0\0\0\0\0\x03err"
    )


def test_only_the_wanted_stream_is_shown():
    assert Rendering(LogRequest(stderr=False, framed=False)).render([(1, 1, b"a"), (2, 2, b"b")]) == b"a"


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_timestamps_change_nothing_but_the_beginning_of_lines(chunks):
    rendering = Rendering(LogRequest(timestamps=True, framed=False))
    out = rendering.render([(S, 1, chunk) for chunk in chunks]) + rendering.finish()
    stamp = b"1970-01-01T00:00:01.000000000Z "
    lines = out.split(b"\n")
    assert all(line.startswith(stamp) for line in lines if line)
    assert b"\n".join(line.removeprefix(stamp) for line in lines) == b"".join(chunks)
