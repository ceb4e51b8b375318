# SPDX-License-Identifier: Apache-2.0
"""Which devices a group's processes may use: rules, their v1 writes, and the v2 filter program in eBPF.

v2 has no control file for devices; a program of type BPF_PROG_TYPE_CGROUP_DEVICE decides each access. Its
context is struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor.
"""

from __future__ import annotations

import ctypes
import os
import struct

from sampan.linux.syscall import call, per_machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_BPF = per_machine(321, 280)
_PROG_LOAD, _PROG_ATTACH = 5, 8
_TYPE_CGROUP_DEVICE, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI = 15, 6, 2

_ACCESS = {"m": 1, "r": 2, "w": 4}
_KIND = {"b": 1, "c": 2}

_DEFAULTS = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, None))
_ALWAYS = (
    *(("c", major, minor, "rwm") for major, minor in _DEFAULTS),
    ("c", None, None, "m"),
    ("b", None, None, "m"),
)
"""What every container may: the default devices, terminals, and to make nodes (not to open them)."""


class DeviceRule:
    """Allow or deny accesses; None stands for every major or minor."""

    __slots__ = ("access", "allow", "kind", "major", "minor")

    def __init__(self, allow: bool, kind: str, major: int | None, minor: int | None, access: str) -> None:
        self.allow, self.kind, self.major, self.minor, self.access = allow, kind, major, minor, access

    def format(self) -> str:
        """Return the rule as devices.allow and devices.deny take it."""
        major = "*" if self.major is None else self.major
        minor = "*" if self.minor is None else self.minor
        return f"{self.kind} {major}:{minor} {self.access}"


def reduce_rules(entries: Iterable[dict[str, Any]]) -> tuple[bool, list[DeviceRule]]:
    """Return what is so by default, and the rules after it, of which the last that fits holds.

    Without any rule of the config's everything is denied but what every container may use.
    """
    default, rules = False, list[DeviceRule]()
    for entry in entries:
        kind = entry.get("type") or "a"
        allow, access = bool(entry.get("allow")), entry.get("access") or "rwm"
        major, minor = _number(entry.get("major")), _number(entry.get("minor"))
        if kind == "a" and major is None and minor is None and set(access) == set("rwm"):
            default, rules = allow, []
        else:
            kinds = ("b", "c") if kind == "a" else (kind,)
            rules += [DeviceRule(allow, each, major, minor, access) for each in kinds]
    if not default:
        rules = [*(DeviceRule(True, *always) for always in _ALWAYS), *rules]
    return default, _without_repeats(rules)


def _without_repeats(rules: list[DeviceRule]) -> list[DeviceRule]:
    """Of rules for the very same accesses only the last counts; each would be a write of its own."""
    latest: dict[str, DeviceRule] = {}
    for rule in reversed(rules):
        latest.setdefault(rule.format(), rule)
    return list(reversed(latest.values()))


def _number(value: int | None) -> int | None:
    return None if value is None or value < 0 else value


def plan_v1_writes(default: bool, rules: Iterable[DeviceRule]) -> list[tuple[str, str]]:
    """Return (file, text) for a new v1 group, which starts with its parent's permissions."""
    writes = [("devices.allow" if default else "devices.deny", "a")]
    changes = (rule for rule in rules if not (rule.allow and default))
    return [
        *writes,
        *(("devices.allow" if rule.allow else "devices.deny", rule.format()) for rule in changes),
    ]


def compile_filter(default: bool, rules: Iterable[DeviceRule]) -> bytes:
    """Return the program: r2 type, r3 access, r4 major, r5 minor; the last rule is tried first."""
    program = [
        _instruction(0x61, 2, 1, 0),  # r2 = ctx->access_type
        _instruction(0xBF, 3, 2),  # r3 = r2
        _instruction(0x54, 2, immediate=0xFFFF),  # r2 &= 0xffff
        _instruction(0x74, 3, immediate=16),  # r3 >>= 16
        _instruction(0x61, 4, 1, 4),  # r4 = ctx->major
        _instruction(0x61, 5, 1, 8),  # r5 = ctx->minor
    ]
    for rule in reversed(list(rules)):
        program += _compile_rule(rule)
    return b"".join([*program, *_verdict(default)])


def _compile_rule(rule: DeviceRule) -> list[bytes]:
    """Return tests that jump to the next rule, then the verdict."""
    bits = sum(_ACCESS[letter] for letter in rule.access)
    tests: list[tuple[int, int, int]] = [(0x56, 2, _KIND[rule.kind])]  # w2 != kind
    mask: list[bytes] = []
    if bits != 7:
        mask = [_instruction(0xBF, 1, 3), _instruction(0x54, 1, immediate=bits)]
    tests += [(0x56, 4, rule.major)] if rule.major is not None else []
    tests += [(0x56, 5, rule.minor)] if rule.minor is not None else []
    # An allowing rule must cover all that is asked for (w1 != w3); a denying one any of it (w1 == 0).
    last = [(0x5E, 1, 3) if rule.allow else (0x16, 1, 0)] if mask else []
    verdict = _verdict(rule.allow)
    code = list(verdict)
    for opcode, register, operand in reversed(last):
        jump = len(code)
        code.insert(
            0,
            _instruction(opcode, register, operand, jump)
            if opcode == 0x5E
            else _instruction(opcode, register, 0, jump, operand),
        )
    code = [*mask, *code]
    for opcode, register, operand in reversed(tests):
        code.insert(0, _instruction(opcode, register, 0, len(code), operand))
    return code


def _verdict(allow: bool) -> tuple[bytes, bytes]:
    return _instruction(0xB7, 0, immediate=int(allow)), _instruction(0x95)


def _instruction(
    opcode: int, destination: int = 0, source: int = 0, offset: int = 0, immediate: int = 0
) -> bytes:
    return struct.pack("<BBhi", opcode, destination | source << 4, offset, immediate)


class _LoadAttr(ctypes.Structure):
    _fields_ = [
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_char_p),
        ("license", ctypes.c_char_p),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_uint64),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
    ]


class _AttachAttr(ctypes.Structure):
    _fields_ = [
        ("target_fd", ctypes.c_uint32),
        ("attach_bpf_fd", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("attach_flags", ctypes.c_uint32),
    ]


def attach_filter(directory: str, program: bytes) -> None:
    """Load a filter and attach it to the v2 group at `directory`, whose life it then shares."""
    load = _LoadAttr(_TYPE_CGROUP_DEVICE, len(program) // 8, program, b"Apache-2.0")
    loaded = call("bpf", _BPF, _PROG_LOAD, ctypes.byref(load), ctypes.sizeof(load))
    try:
        group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            attach = _AttachAttr(group, loaded, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI)
            call("bpf", _BPF, _PROG_ATTACH, ctypes.byref(attach), ctypes.sizeof(attach), path=directory)
        finally:
            os.close(group)
    finally:
        os.close(loaded)
