# SPDX-License-Identifier: Apache-2.0
"""Known ways out of a container, each by its number, and what closes it here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.runtime_bundle import Bundle, streams
from sampan.errors import InvalidArgument, SampanError
from sampan.linux import mount, namespace, process, resolve

PR_GET_DUMPABLE = 3


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    bundle = Bundle(tmp_path / "bundle")
    yield bundle
    bundle.close()


def test_cve_2019_5736_the_runtime_runs_from_a_sealed_copy() -> None:
    script = (
        "import os, sys\n"
        "from sampan.linux import process\n"
        "process.reexec_from_sealed_memfd([*sys.orig_argv[1:]], dict(os.environ))\n"
        "assert process.runs_from_sealed_memfd()\n"
        "try:\n"
        "    os.open('/proc/self/exe', os.O_WRONLY)\n"
        "except OSError as error:\n"
        "    print(error.errno, sys.prefix)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    number, prefix = done.stdout.split()
    assert int(number) in (1, 26)  # EPERM by the seal, ETXTBSY while it runs
    assert prefix == sys.prefix


def test_cve_2019_5736_the_waiting_process_is_not_a_file_of_the_host(bundle: Bundle) -> None:
    with bundle.running() as container:
        assert container.execute("readlink", "/proc/1/exe").out == "/bin/busybox\n"


def test_cve_2016_9962_a_process_is_undumpable_before_it_joins(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a program in the container could trace it and take the host's descriptors."""
    join = namespace.setns

    def checked(fd: int, flags: int = 0) -> None:
        if process.prctl(PR_GET_DUMPABLE) != 0:
            os._exit(99)
        join(fd, flags)

    with bundle.running() as container:
        monkeypatch.setattr(namespace, "setns", checked)
        assert container.execute("echo", "joined").out == "joined\n"


def test_cve_2021_30465_a_link_as_mount_target_stays_inside(bundle: Bundle, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (bundle.rootfs / "absolute").symlink_to(outside)
    (bundle.rootfs / "relative").symlink_to("../../../../../.." + str(outside))
    spec = bundle.spec("sh", "-c", "grep outside /proc/mounts | wc -l")
    for name in ("absolute", "relative"):
        spec["mounts"].append({"destination": f"/{name}/x", "type": "tmpfs", "source": "t", "options": []})
    assert bundle.run(spec=spec).code == 0
    assert list(outside.iterdir()) == []
    assert (bundle.rootfs / str(outside).lstrip("/") / "x").is_dir()


def test_cve_2021_30465_a_link_swapped_in_after_resolution_changes_nothing(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "dir").mkdir(parents=True)
    outside.mkdir()
    pid = os.fork()
    if pid == 0:
        namespace.unshare(namespace.CLONE_NEWNS)
        mount.set_attributes("/", propagation=mount.MS_PRIVATE, recursive=True)
        root_fd = os.open(root, os.O_PATH)
        target = resolve.open_in_root(root_fd, "/dir")
        (root / "dir").rename(root / "moved")
        (root / "dir").symlink_to(outside)
        mount.attach(mount.create_mount("tmpfs"), target)
        lines = Path("/proc/self/mountinfo").read_text()
        os._exit(0 if f" {root}/moved " in lines and str(outside) not in lines else 1)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("target", ["/proc/self/attr", "/proc/sys/kernel", "/proc/1"])
def test_cve_2019_16884_nothing_is_mounted_inside_proc(bundle: Bundle, tmp_path: Path, target: str) -> None:
    spec = bundle.spec("true")
    spec["mounts"].append(
        {"destination": target, "type": "bind", "source": str(tmp_path), "options": ["bind"]}
    )
    with pytest.raises(InvalidArgument, match="cannot be mounted because it is inside /proc"):
        bundle.run(spec=spec)


def test_cve_2019_19921_proc_is_not_mounted_through_a_link(bundle: Bundle) -> None:
    (bundle.rootfs / "proc").rmdir()
    (bundle.rootfs / "proc").symlink_to("/tmp/fake")
    with pytest.raises(InvalidArgument, match="the path is a symbolic link in the image"):
        bundle.run("true")


@pytest.mark.parametrize("fd", range(3, 12))
def test_cve_2024_21626_no_working_directory_of_the_host(bundle: Bundle, fd: int) -> None:
    host = os.open("/", os.O_RDONLY)
    try:
        with pytest.raises(SampanError):
            bundle.run(spec=bundle.spec("cat", "../../../etc/hostname", cwd=f"/proc/self/fd/{fd}"))
        with bundle.running() as container, pytest.raises(SampanError):
            container.execute("pwd", cwd=f"/proc/self/fd/{fd}")
    finally:
        os.close(host)


def test_cve_2025_31133_a_false_dev_null_masks_nothing_wrong(bundle: Bundle) -> None:
    """Masks use the host's own /dev/null, whatever the image or a bind has put in its place."""
    decoy = bundle.path / "decoy"
    decoy.write_text("decoy\n")
    spec = bundle.spec("sh", "-c", "cat /proc/timer_list; cat /dev/null")
    spec["mounts"].append(
        {"destination": "/dev/null", "type": "bind", "source": str(decoy), "options": ["bind"]}
    )
    assert bundle.run(spec=spec).out == "decoy\n"


def test_cve_2025_52565_the_console_is_the_kernels_own_slave(bundle: Bundle) -> None:
    """A planted /dev/pts/0 cannot come in the way: the slave is asked of the master, not opened by path."""
    (bundle.rootfs / "dev/pts").mkdir(parents=True)
    (bundle.rootfs / "dev/pts/0").symlink_to("/etc/passwd")
    spec = bundle.spec("sh", "-c", "exec stat -c '%F' /dev/console")
    spec["process"]["terminal"] = True
    with streams(b"") as (stdio, _):
        init = bundle.create(spec, stdio)
        init.start()
        assert b"character special file" in os.read(init.console_fd, 100)


def test_cve_2025_52881_sysctl_is_not_written_through_the_containers_files(bundle: Bundle) -> None:
    decoy = bundle.rootfs / "decoy"
    decoy.mkdir()
    spec = bundle.spec("cat", "/proc/sys/kernel/msgmax")
    spec["mounts"] = [entry for entry in spec["mounts"] if entry["destination"] != "/proc"]
    (bundle.rootfs / "proc/sys/kernel").mkdir(parents=True)
    (bundle.rootfs / "proc/sys/kernel/msgmax").write_text("untouched\n")
    spec["linux"]["sysctl"] = {"kernel.msgmax": "4096"}
    assert bundle.run(spec=spec).out == "untouched\n"


def test_a_sysctl_name_cannot_leave_proc_sys(bundle: Bundle) -> None:
    spec = bundle.spec("true")
    spec["linux"]["sysctl"] = {"kernel/../../self/oom_score_adj": "1"}
    with pytest.raises(SampanError):
        bundle.run(spec=spec)
