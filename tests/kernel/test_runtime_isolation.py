# SPDX-License-Identifier: Apache-2.0
"""What a program sees and may do in a container with Docker's defaults, asserted from inside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.runtime_bundle import CAPABILITIES, Bundle
from sampan.linux.capability import mask_of


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    bundle = Bundle(tmp_path / "bundle")
    yield bundle
    bundle.close()


def test_the_program_is_the_first_process_and_sees_no_other(bundle: Bundle) -> None:
    outcome = bundle.run("sh", "-c", "echo $$; ls /proc | grep -c '^[0-9]'")
    assert outcome.lines[0] == "1"
    assert int(outcome.lines[1]) <= 3  # the shell, ls, grep


def test_namespaces_are_the_containers_own(bundle: Bundle) -> None:
    kinds = ("mnt", "pid", "net", "ipc", "uts", "cgroup")
    outcome = bundle.run("sh", "-c", "for n in " + " ".join(kinds) + "; do readlink /proc/self/ns/$n; done")
    assert len(outcome.lines) == len(kinds)
    for kind, inside in zip(kinds, outcome.lines, strict=True):
        assert inside != os.readlink(f"/proc/self/ns/{kind}")


def test_a_namespace_that_the_config_leaves_out_is_shared(bundle: Bundle) -> None:
    spec = bundle.spec("readlink", "/proc/self/ns/net")
    spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
    assert bundle.run(spec=spec).out.strip() == os.readlink("/proc/self/ns/net")


def test_the_hostname_is_the_configs_and_the_hosts_stays(bundle: Bundle) -> None:
    before = os.uname().nodename
    assert bundle.run("hostname").out == "box\n"
    assert os.uname().nodename == before


def test_there_is_no_interface_but_loopback(bundle: Bundle) -> None:
    outcome = bundle.run("sh", "-c", "tail -n +3 /proc/net/dev | wc -l")
    assert outcome.out.strip() == "1"


def test_capabilities_are_dockers_fourteen(bundle: Bundle) -> None:
    outcome = bundle.run("grep", "Cap", "/proc/self/status")
    sets = dict(line.split() for line in outcome.lines)
    expected = f"{mask_of(CAPABILITIES):016x}"
    assert expected == "00000000a80425fb"
    assert sets["CapEff:"] == sets["CapPrm:"] == sets["CapBnd:"] == expected
    assert sets["CapInh:"] == sets["CapAmb:"] == "0" * 16


def test_ambient_capabilities_reach_a_program_of_another_user(bundle: Bundle) -> None:
    names = ["CAP_NET_BIND_SERVICE"]
    sets = dict.fromkeys(("bounding", "effective", "permitted", "inheritable", "ambient"), names)
    spec = bundle.spec(
        "grep", "CapEff", "/proc/self/status", user={"uid": 1000, "gid": 1000}, capabilities=sets
    )
    assert bundle.run(spec=spec).out.split() == ["CapEff:", f"{mask_of(names):016x}"]


def test_another_user_has_no_effective_capabilities(bundle: Bundle) -> None:
    spec = bundle.spec(
        "sh", "-c", "id -u; id -g; id -G; grep CapEff /proc/self/status; umask",
        user={"uid": 1000, "gid": 1000, "additionalGids": [10, 27], "umask": 0o027},
    )  # fmt: skip
    assert bundle.run(spec=spec).lines == ["1000", "1000", "1000 10 27", "CapEff:\t" + "0" * 16, "0027"]


def test_the_seccomp_filter_is_on_and_refuses(bundle: Bundle) -> None:
    outcome = bundle.run("sh", "-c", "grep ^Seccomp: /proc/self/status; unshare -n true")
    assert outcome.lines == ["Seccomp:\t2"]
    assert outcome.code != 0
    assert "Operation not permitted" in outcome.err


def test_a_filter_with_no_new_privileges_is_installed_too(bundle: Bundle) -> None:
    spec = bundle.spec("grep", "-E", "^(Seccomp|NoNewPrivs):", "/proc/self/status", noNewPrivileges=True)
    assert bundle.run(spec=spec).lines == ["NoNewPrivs:\t1", "Seccomp:\t2"]


def test_without_a_profile_there_is_no_filter(bundle: Bundle) -> None:
    spec = bundle.spec("grep", "^Seccomp:", "/proc/self/status")
    del spec["linux"]["seccomp"]
    assert bundle.run(spec=spec).lines == ["Seccomp:\t0"]


def test_a_compiled_filter_is_kept_for_the_next_container(bundle: Bundle) -> None:
    bundle.run("true")
    (first,) = bundle.cache.iterdir()
    before = first.stat().st_mtime_ns
    bundle.run("true")
    assert [path.stat().st_mtime_ns for path in bundle.cache.iterdir()] == [before]


def test_masked_paths_are_empty_and_readonly_paths_refuse(bundle: Bundle) -> None:
    script = "cat /proc/timer_list | wc -c; cat /proc/keys | wc -c; ls /sys/firmware | wc -l; "
    script += "echo 1 > /proc/sys/kernel/shmmni"
    outcome = bundle.run("sh", "-c", script)
    assert outcome.lines == ["0", "0", "0"]
    assert "Read-only file system" in outcome.err


def test_dev_has_dockers_nodes_and_links_and_nothing_else(bundle: Bundle) -> None:
    outcome = bundle.run("sh", "-c", "cd /dev; for f in *; do echo $f $(stat -c '%F %t:%T %a' $f); done")
    nodes = dict(line.split(" ", 1) for line in outcome.lines)
    device = "character special file"
    for name, numbers in (
        ("null", "1:3"), ("zero", "1:5"), ("full", "1:7"), ("random", "1:8"), ("urandom", "1:9"), ("tty", "5:0"),
    ):  # fmt: skip
        assert nodes.pop(name) == f"{device} {numbers} 666"
    nodes.pop("core", None)  # where the kernel has /proc/kcore
    assert sorted(nodes) == ["fd", "mqueue", "ptmx", "pts", "shm", "stderr", "stdin", "stdout"]


def test_a_device_can_be_added_and_no_other_can_be_used(bundle: Bundle) -> None:
    spec = bundle.spec("sh", "-c", "stat -c '%t:%T %a %u' /dev/fused; mknod /tmp/m b 7 0 && cat /tmp/m")
    spec["linux"]["devices"] = [
        {
            "path": "/dev/fused",
            "type": "c",
            "major": 10,
            "minor": 229,
            "fileMode": 0o640,
            "uid": 1000,
            "gid": 0,
        }
    ]
    outcome = bundle.run(spec=spec)
    assert outcome.lines == ["a:e5 640 1000"]
    assert "Operation not permitted" in outcome.err


def test_the_root_is_private_and_writable_unless_read_only(bundle: Bundle) -> None:
    assert bundle.run("touch", "/made").code == 0
    assert (bundle.rootfs / "made").exists()
    spec = bundle.spec("sh", "-c", "echo x > /dev/shm/ok && touch /made2")
    spec["root"]["readonly"] = True
    outcome = bundle.run(spec=spec)
    assert "Read-only file system" in outcome.err
    assert not (bundle.rootfs / "made2").exists()


def test_nothing_of_the_host_is_mounted_and_nothing_is_left_there(bundle: Bundle) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    outcome = bundle.run("cat", "/proc/mounts")
    targets = [line.split()[1] for line in outcome.lines]
    allowed = ("/proc", "/dev", "/sys")
    assert [t for t in targets if t != "/" and not t.startswith(allowed)] == []
    assert Path("/proc/self/mountinfo").read_text() == before


def test_binds_are_writable_or_read_only_as_told(bundle: Bundle, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("hello\n")
    spec = bundle.spec("sh", "-c", "cat /a/file /etc/one; touch /a/new; touch /b/new")
    spec["mounts"] += [
        {"destination": "/a", "type": "bind", "source": str(source), "options": ["rbind", "rw", "rprivate"]},
        {"destination": "/b", "type": "bind", "source": str(source), "options": ["rbind", "ro", "rprivate"]},
        {
            "destination": "/etc/one",
            "type": "bind",
            "source": str(source / "file"),
            "options": ["bind", "ro"],
        },
    ]
    outcome = bundle.run(spec=spec)
    assert outcome.lines == ["hello", "hello"]
    assert outcome.err.count("Read-only file system") == 1
    assert (source / "new").exists()


def test_a_tmpfs_has_its_options_and_may_start_with_the_images_files(bundle: Bundle) -> None:
    (bundle.rootfs / "srv").mkdir()
    (bundle.rootfs / "srv/seed").write_text("seed\n")
    spec = bundle.spec("sh", "-c", "cat /srv/seed; grep ' /scratch ' /proc/mounts; ls /scratch | wc -l")
    spec["mounts"] += [
        {"destination": "/srv", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "size=1m"]},
        {
            "destination": "/scratch", "type": "tmpfs", "source": "tmpfs",
            "options": ["noexec", "nosuid", "nodev", "size=64k", "mode=1770"],
        },
    ]  # fmt: skip
    seed, line, count = bundle.run(spec=spec).lines
    assert (seed, count) == ("seed", "0")
    for option in ("noexec", "nosuid", "nodev", "size=64k", "mode=1770"):
        assert option in line


def test_groups_are_seen_as_roots_and_read_only(bundle: Bundle) -> None:
    outcome = bundle.run("sh", "-c", "cat /proc/self/cgroup; mkdir /sys/fs/cgroup/memory/x /sys/fs/cgroup/x")
    assert {line.rpartition(":")[2] for line in outcome.lines} == {"/"}
    assert outcome.err.count("Read-only file system") >= 1


def test_no_descriptor_of_ours_reaches_the_program(bundle: Bundle) -> None:
    leak = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        outcome = bundle.run("sh", "-c", "ls /proc/1/fd; true")
    finally:
        os.close(leak)
    assert outcome.lines == ["0", "1", "2"]


def test_a_user_namespace_maps_root_to_somebody(bundle: Bundle) -> None:
    for parent in (bundle.path, *bundle.path.parents):
        if str(parent) != "/tmp" and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    for path in (bundle.rootfs, *bundle.rootfs.rglob("*")):
        os.chown(path, 100000, 100000, follow_symlinks=False)
    spec = bundle.spec(
        "sh",
        "-c",
        "id -u; cat /proc/self/uid_map; echo x > /dev/null; touch /mine; grep CapEff /proc/self/status",
    )
    spec["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    spec["linux"] |= {"uidMappings": mapping, "gidMappings": mapping}
    outcome = bundle.run(spec=spec)
    assert outcome.err == ""
    assert outcome.lines[0] == "0"
    assert outcome.lines[1].split() == ["0", "100000", "65536"]
    assert (bundle.rootfs / "mine").stat().st_uid == 100000


def test_kernel_parameters_of_own_namespaces_are_set(bundle: Bundle) -> None:
    spec = bundle.spec("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/kernel/msgmax")
    spec["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "0", "kernel.msgmax": "4096"}
    assert bundle.run(spec=spec).lines == ["0", "4096"]


def test_two_containers_can_share_namespaces_by_path(bundle: Bundle) -> None:
    with bundle.running() as first:
        spec = bundle.spec(
            "sh", "-c", "readlink /proc/self/ns/net; ls /proc/1/ns >/dev/null; cat /proc/1/comm"
        )
        for entry in spec["linux"]["namespaces"]:
            if entry["type"] in ("network", "pid"):
                kind = {"network": "net", "pid": "pid"}[entry["type"]]
                entry["path"] = f"/proc/{first.init.pid}/ns/{kind}"
        net, name = bundle.run(spec=spec).lines
        assert net == os.readlink(f"/proc/{first.init.pid}/ns/net")
        assert name == "sleep"
