# SPDX-License-Identifier: Apache-2.0
"""Errors, capability names, messages with descriptors: what needs no privilege."""

from __future__ import annotations

import errno
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.linux import capability, process
from sampan.linux.socket import peer_credentials, recv_fds, send_fds, seqpacket_pair
from sampan.linux.syscall import SyscallError, failure


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOENT, FileNotFoundError), (errno.EPERM, PermissionError), (errno.ENOTDIR, NotADirectoryError)],
)
def test_a_failed_call_is_also_the_builtin_error(number: int, kind: type[OSError]) -> None:
    error = failure("mount", "/x", number=number)
    assert isinstance(error, SyscallError)
    assert isinstance(error, kind)
    assert (error.errno, error.call, error.filename) == (number, "mount", "/x")


def test_a_failed_call_says_which_and_where() -> None:
    assert (
        str(failure("move_mount", "/proc", number=errno.EBUSY)) == "move_mount /proc: device or resource busy"
    )
    assert str(failure("unshare", number=errno.EPERM)) == "unshare: operation not permitted"


@given(st.sets(st.sampled_from(capability.NAMES)))
def test_capability_masks_and_names_are_each_others_reverse(names: set[str]) -> None:
    assert set(capability.names_of(capability.mask_of(names))) == names


def test_capability_numbers_are_the_kernels() -> None:
    assert capability.NUMBERS["CAP_SYS_ADMIN"] == 21
    assert capability.NUMBERS["CAP_CHECKPOINT_RESTORE"] == 40
    assert capability.mask_of(["CAP_UNHEARD_OF"]) == 0


def test_own_sets_agree_with_the_status_file() -> None:
    with open("/proc/self/status", encoding="ascii") as lines:
        status = dict(line.split(":", 1) for line in lines)
    assert capability.read_sets() == tuple(int(status[key], 16) for key in ("CapEff", "CapPrm", "CapInh"))


def test_descriptors_cross_a_socket_closed_on_exec() -> None:
    ours, theirs = seqpacket_pair()
    with ours, theirs:
        reader, writer = os.pipe()
        send_fds(ours, b"here", [writer])
        data, (received,) = recv_fds(theirs, 100)
        assert data == b"here"
        assert not os.get_inheritable(received)
        os.write(received, b"x")
        assert os.read(reader, 1) == b"x"
        for fd in (reader, writer, received):
            os.close(fd)


def test_the_end_is_an_empty_message() -> None:
    ours, theirs = seqpacket_pair()
    with theirs:
        ours.close()
        assert recv_fds(theirs, 100) == (b"", [])


def test_a_message_larger_than_agreed_is_an_error_and_leaks_nothing() -> None:
    ours, theirs = seqpacket_pair()
    before = len(os.listdir("/proc/self/fd"))
    with ours, theirs:
        send_fds(ours, b"x" * 50, [0, 1])
        with pytest.raises(OSError, match="Message too long"):
            recv_fds(theirs, 10)
        send_fds(ours, b"x", [0, 1, 2])
        with pytest.raises(OSError, match="Message too long"):
            recv_fds(theirs, 10, max_fds=1)
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_stream_takes_long_data_whole() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send_fds(ours, b"head", [0])
        data, (fd,) = recv_fds(theirs, 100)
        os.close(fd)
        assert data == b"head"


def test_the_peer_is_known() -> None:
    ours, theirs = seqpacket_pair()
    with ours, theirs:
        assert peer_credentials(ours) == (os.getpid(), os.geteuid(), os.getegid())


def test_a_sealed_copy_cannot_be_changed() -> None:
    fd = process.copy_to_sealed_memfd("/bin/true")
    try:
        assert process.is_sealed(fd)
        assert os.fstat(fd).st_size == os.stat("/bin/true").st_size
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)
    with open("/proc/self/exe", "rb") as file:
        assert not process.is_sealed(file.fileno())
