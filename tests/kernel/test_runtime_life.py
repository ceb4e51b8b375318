# SPDX-License-Identifier: Apache-2.0
"""A container's life: exit codes, failures in Docker's words, signals, terminals, execs, hooks, the built-in init."""

from __future__ import annotations

import json
import os
import signal
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.runtime_bundle import Bundle, streams, wait
from sampan import runtime
from sampan.errors import InvalidArgument
from sampan.linux import process, pty


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    bundle = Bundle(tmp_path / "bundle")
    yield bundle
    bundle.close()


def read_until(fd: int, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        seen += os.read(fd, 4096)
    return seen


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_code_is_the_programs(bundle: Bundle, code: int) -> None:
    assert bundle.run("sh", "-c", f"exit {code}").code == code


def test_standard_streams_are_the_ones_given(bundle: Bundle) -> None:
    spec = bundle.spec("sh", "-c", "cat; echo bad >&2")
    outcome = bundle.run(spec=spec, stdin=b"some text\n")
    assert (outcome.out, outcome.err) == ("some text\n", "bad\n")


def test_the_program_waits_for_start(bundle: Bundle) -> None:
    with streams(b"") as (stdio, read):
        init = bundle.create(bundle.spec("echo", "started"), stdio)
        assert not process.has_ended(init.pidfd, 50)
        assert read() == ("", "")
        init.start()
        assert wait(init.pid, init.pidfd) == 0
        assert read() == ("started\n", "")
        with pytest.raises(InvalidArgument, match="already started"):
            init.start()


def test_a_container_ends_with_its_creator_if_it_was_never_started(bundle: Bundle) -> None:
    with streams(b"") as (stdio, _):
        init = bundle.create(bundle.spec("sleep", "1000"), stdio)
        init._channel.close()  # type: ignore[union-attr]
        assert wait(init.pid, init.pidfd) == 1


@pytest.mark.parametrize(
    ("program", "message", "code"),
    [
        ("nope", 'exec: "nope": executable file not found in $PATH', 127),
        ("/nope", 'exec: "/nope": stat /nope: no such file or directory', 127),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied', 126),
        ("/etc", 'exec: "/etc": is a directory', 126),
        ("/etc/passwd/x", 'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory', 127),
    ],
)
def test_a_missing_program_is_reported_at_create(
    bundle: Bundle, program: str, message: str, code: int
) -> None:
    with pytest.raises(runtime.ExecFailed) as caught:
        bundle.run(program)
    assert (caught.value.message, caught.value.exit_code) == (message, code)


@pytest.mark.parametrize(
    ("content", "message", "code"),
    [
        ("#!/no/interpreter\n", "exec /script: no such file or directory", 127),
        ("\x7fnot a program", "exec /script: exec format error", 126),
    ],
)
def test_a_program_that_the_kernel_refuses_is_reported_at_start(
    bundle: Bundle, content: str, message: str, code: int
) -> None:
    (bundle.rootfs / "script").write_text(content)
    (bundle.rootfs / "script").chmod(0o755)
    with pytest.raises(runtime.ExecFailed) as caught:
        bundle.run("/script")
    assert (caught.value.message.lower(), caught.value.exit_code) == (message, code)


def test_a_failing_step_names_itself_and_leaves_nothing(bundle: Bundle) -> None:
    spec = bundle.spec("true")
    spec["mounts"].append({"destination": "/x", "type": "bind", "source": "/no/such", "options": ["bind"]})
    with pytest.raises(runtime.SetupFailed, match=r"bind /no/such at /x: .*no such file or directory"):
        bundle.run(spec=spec)
    assert list(Path("/sys/fs/cgroup").glob(f"*{spec['linux']['cgroupsPath']}")) == []


def test_a_missing_working_directory_is_made(bundle: Bundle) -> None:
    assert bundle.run(spec=bundle.spec("pwd", cwd="/srv/app/deep")).out == "/srv/app/deep\n"
    assert (bundle.rootfs / "srv/app/deep").stat().st_mode & 0o777 == 0o755


def test_home_comes_from_the_images_passwd_unless_given(bundle: Bundle) -> None:
    assert "HOME=/home/bob" in bundle.run(spec=bundle.spec("env", user={"uid": 1000, "gid": 1000})).lines
    assert "HOME=/" in bundle.run(spec=bundle.spec("env", user={"uid": 4711, "gid": 0})).lines
    assert "HOME=/x" in bundle.run(spec=bundle.spec("env", env=["PATH=/bin", "HOME=/x"])).lines


def test_a_signal_ends_a_program_and_is_told(bundle: Bundle) -> None:
    with bundle.running("sh", "-c", "trap 'exit 9' TERM; echo; while :; do sleep 0.01; done") as container:
        while container.execute("grep", "SigCgt", "/proc/1/status").out.split()[1] == "0" * 16:
            pass
        container.init.signal(signal.SIGTERM)
        assert wait(container.init.pid, container.init.pidfd) == 9


def test_signals_have_their_default_actions(bundle: Bundle) -> None:
    out = bundle.run("grep", "-E", "Sig(Blk|Ign)", "/proc/self/status").out.split()
    assert out == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16]


def test_a_terminal_is_the_containers_own_and_has_a_size(bundle: Bundle) -> None:
    spec = bundle.spec(
        "sh", "-c", "tty; stty size; ls -l /dev/console; readlink /proc/self/fd/0; read x; echo got $x"
    )
    spec["process"] |= {"terminal": True, "consoleSize": {"height": 33, "width": 77}}
    with streams(b"") as (stdio, _):
        init = bundle.create(spec, stdio)
        init.start()
        seen = read_until(init.console_fd, b"/dev/pts/0\r\n33 77\r\n")
        os.write(init.console_fd, b"word\n")
        seen += read_until(init.console_fd, b"got word")
        assert b"136," in seen
        assert wait(init.pid, init.pidfd) == 0


def test_ctrl_c_at_the_terminal_interrupts_and_a_resize_is_seen(bundle: Bundle) -> None:
    spec = bundle.spec(
        "sh",
        "-c",
        "trap 'stty size' WINCH; trap 'echo int; exit 5' INT; echo go; while :; do sleep 0.01; done",
    )
    spec["process"]["terminal"] = True
    with streams(b"") as (stdio, _):
        init = bundle.create(spec, stdio)
        init.start()
        read_until(init.console_fd, b"go\r\n")
        pty.set_size(init.console_fd, 11, 22)
        read_until(init.console_fd, b"11 22\r\n")
        os.write(init.console_fd, b"\x03")
        read_until(init.console_fd, b"int\r\n")
        assert wait(init.pid, init.pidfd) == 5


def test_an_exec_is_in_the_same_namespaces_groups_and_limits(bundle: Bundle) -> None:
    script = "for n in mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done; "
    script += "grep -E 'CapEff|Seccomp:' /proc/self/status"
    with bundle.running() as container:
        outcome = container.execute("sh", "-c", script)
        namespaces = [
            os.readlink(f"/proc/{container.init.pid}/ns/{n}")
            for n in ["mnt", "pid", "net", "ipc", "uts", "cgroup"]
        ]
        assert outcome.lines[:6] == namespaces
        assert outcome.lines[6:] == ["CapEff:\t00000000a80425fb", "Seccomp:\t2"]
        assert (
            container.execute("cat", "/proc/self/cgroup").out
            == container.execute("cat", "/proc/1/cgroup").out
        )
        assert container.execute("sh", "-c", "ls /proc/$$/fd; true").lines == ["0", "1", "2"]


def test_an_exec_has_its_own_user_directory_environment_and_code(bundle: Bundle) -> None:
    with bundle.running() as container:
        outcome = container.execute(
            "sh", "-c", "id -u; pwd; echo $A; exit 3",
            user={"uid": 1000, "gid": 1000}, cwd="/tmp", env=["PATH=/bin", "A=b"],
        )  # fmt: skip
        assert (outcome.lines, outcome.code) == (["1000", "/tmp", "b"], 3)
        with pytest.raises(runtime.ExecFailed, match=r'exec: "nope": executable file not found in \$PATH'):
            container.execute("nope")
        with pytest.raises(
            runtime.ExecFailed, match=r'chdir to cwd \("/nowhere"\) set in config.json failed'
        ):
            container.execute("true", cwd="/nowhere")
        assert container.cgroup.pids() == [container.init.pid]


def test_an_exec_gets_a_terminal(bundle: Bundle) -> None:
    with bundle.running() as container, streams(b"") as (stdio, _):
        running = container.start("sh", "-c", "tty; echo $PPID", stdio=stdio, console=True)
        assert b"/dev/pts/0" in read_until(running.console_fd, b"\r\n0\r\n")
        assert wait(running.pid, running.pidfd) == 0
        os.close(running.console_fd)
        os.close(running.pidfd)


def test_an_exec_into_a_user_namespace_works(bundle: Bundle) -> None:
    for parent in (bundle.path, *bundle.path.parents):
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    spec = bundle.spec("sleep", "1000")
    spec["linux"]["namespaces"].append({"type": "user"})
    mapping = [
        {"containerID": 0, "hostID": 0, "size": 1000},
        {"containerID": 1000, "hostID": 101000, "size": 1},
    ]
    spec["linux"] |= {"uidMappings": mapping, "gidMappings": mapping}
    with bundle.running(spec=spec) as container:
        outcome = container.execute(
            "sh", "-c", "id -u; cat /proc/self/uid_map", user={"uid": 1000, "gid": 1000}
        )
        assert outcome.lines[0] == "1000"
        assert outcome.lines[2].split() == ["1000", "101000", "1"]


def test_the_built_in_init_reaps_passes_signals_and_returns_the_code(bundle: Bundle) -> None:
    spec = bundle.spec("sh", "-c", "trap 'exit 7' TERM; (sleep 0.05 &) ; echo; while :; do sleep 0.01; done")
    spec["annotations"] = {"io.sampan.init": "true"}
    with bundle.running(spec=spec) as container:
        assert container.execute("cat", "/proc/1/comm").out == "sampan-init\n"
        while container.execute("grep", "SigCgt", "/proc/2/status").out.split()[1] == "0" * 16:
            pass
        states = container.execute("sh", "-c", "sleep 0.1; grep -h State /proc/[0-9]*/status").out
        assert "zombie" not in states
        container.init.signal(signal.SIGTERM)
        assert wait(container.init.pid, container.init.pidfd) == 7


def test_the_built_in_init_says_why_a_program_does_not_start(bundle: Bundle) -> None:
    (bundle.rootfs / "script").write_text("#!/no/interpreter\n")
    (bundle.rootfs / "script").chmod(0o755)
    spec = bundle.spec("/script")
    spec["annotations"] = {"io.sampan.init": "true"}
    with pytest.raises(runtime.ExecFailed, match="exec /script: no such file or directory"):
        bundle.run(spec=spec)


def test_hooks_run_at_their_points_with_the_state(bundle: Bundle, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = tmp_path / "hook"
    script.write_text(f"#!/bin/sh\n{{ echo $1; cat; echo; }} >> {log}\n")
    script.chmod(0o755)
    spec = bundle.spec("true")
    host_side = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    spec["hooks"] = {name: [{"path": str(script), "args": ["hook", name]}] for name in host_side}
    inside = bundle.rootfs / "inside"
    inside.write_text("#!/bin/sh\ncat > /state\n")
    inside.chmod(0o755)
    spec["hooks"]["startContainer"] = [{"path": "/inside", "env": ["PATH=/bin"]}]
    assert bundle.run(spec=spec).warnings == []
    lines = log.read_text().splitlines()
    assert lines[::2] == list(host_side)
    states = [json.loads(line) for line in lines[1::2]]
    assert [state["status"] for state in states] == ["creating"] * 3 + ["running", "stopped"]
    assert states[0]["bundle"] == str(bundle.path)
    assert json.loads((bundle.rootfs / "state").read_text())["id"] == states[0]["id"]


def test_a_failing_hook_stops_the_creation(bundle: Bundle) -> None:
    spec = bundle.spec("true")
    spec["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    with pytest.raises(runtime.SetupFailed, match="hook /bin/false: ended with 1"):
        bundle.run(spec=spec)
    spec["hooks"] = {"createContainer": [{"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}]}
    with pytest.raises(runtime.SetupFailed, match="hook /bin/sleep: took longer than 1 s"):
        bundle.run(spec=spec)


def test_rlimits_hold_and_what_may_not_be_had_is_a_warning(bundle: Bundle) -> None:
    spec = bundle.spec("grep", "Max open files", "/proc/self/limits")
    spec["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]
    outcome = bundle.run(spec=spec)
    assert (outcome.out.split()[3:5], outcome.warnings) == (["100", "200"], [])
    with pytest.raises(InvalidArgument, match="rlimit RLIMIT_NONSENSE: unknown"):
        bundle.run(spec=bundle.spec("true", rlimits=[{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}]))


def test_the_oom_score_is_adjusted(bundle: Bundle) -> None:
    assert bundle.run(spec=bundle.spec("cat", "/proc/self/oom_score_adj", oomScoreAdj=321)).out == "321\n"


def test_the_terminal_given_is_in_cooked_mode(bundle: Bundle) -> None:
    spec = bundle.spec("sleep", "1000")
    spec["process"]["terminal"] = True
    with bundle.running(spec=spec) as container:
        assert termios.tcgetattr(container.init.console_fd)[3] & termios.ECHO


def test_a_value_that_the_kernel_refuses_names_its_file_and_leaves_nothing(bundle: Bundle) -> None:
    spec = bundle.spec("true")
    spec["linux"]["resources"]["cpu"] = {"cpus": "4000"}
    with pytest.raises(runtime.SetupFailed, match=r"set up cgroup .*cpuset\.cpus"):
        bundle.run(spec=spec)
    assert list(Path("/sys/fs/cgroup").glob(f"*{spec['linux']['cgroupsPath']}")) == []


def test_a_map_that_the_kernel_refuses_is_reported(bundle: Bundle) -> None:
    spec = bundle.spec("true")
    spec["linux"]["namespaces"].append({"type": "user"})
    spec["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 0}]
    with pytest.raises(runtime.SetupFailed, match=r"map users: .*uid_map"):
        bundle.run(spec=spec)
