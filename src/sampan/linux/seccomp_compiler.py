# SPDX-License-Identifier: Apache-2.0
"""From the runtime-spec's linux.seccomp to a BPF program, by libseccomp.

Two things are added to what libseccomp makes, as runc does. A call that is newer than all that the profile
names gets ENOSYS in place of the default EPERM: a C library then falls back to the older call it replaces
(glibc's clone3, for one). And the default action never is "kill" for those.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from sampan.errors import InvalidArgument, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

COMPILER_VERSION = 1
"""Changes when the same profile gives another program, so that cached ones are not used."""

LIBRARY = "libseccomp.so.2"

_RET_ALLOW, _RET_ERRNO, _RET_LOG, _RET_TRACE, _RET_TRAP = 0x7FFF0000, 0x50000, 0x7FFC0000, 0x7FF00000, 0x30000
ACTIONS = {
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": _RET_TRAP,
    "SCMP_ACT_ERRNO": _RET_ERRNO,
    "SCMP_ACT_TRACE": _RET_TRACE,
    "SCMP_ACT_LOG": _RET_LOG,
    "SCMP_ACT_ALLOW": _RET_ALLOW,
}
_WITH_ERRNO = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
_NATIVE = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64", "riscv64": "SCMP_ARCH_RISCV64"}
TOKENS = {
    "SCMP_ARCH_X86": 0x40000003,
    "SCMP_ARCH_X86_64": 0xC000003E,
    "SCMP_ARCH_X32": 0x4000003E,
    "SCMP_ARCH_ARM": 0x40000028,
    "SCMP_ARCH_AARCH64": 0xC00000B7,
    "SCMP_ARCH_RISCV64": 0xC00000F3,
    "SCMP_ARCH_PPC64LE": 0xC0000015,
    "SCMP_ARCH_S390": 0x16,
    "SCMP_ARCH_S390X": 0x80000016,
    "SCMP_ARCH_LOONGARCH64": 0xC0000102,
}
_X32_BIT = 0x40000000
_ATTR_ACT_BADARCH, _ATTR_CTL_NNP, _ATTR_CTL_OPTIMIZE = 2, 3, 8
_UNKNOWN_CALL = -1


class _Comparison(ctypes.Structure):
    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("value_two", ctypes.c_uint64),
    ]


def compile_filter(profile: dict[str, Any]) -> bytes:
    """Return the program for a config's linux.seccomp."""
    library = open_library()
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    context = library.seccomp_init(ctypes.c_uint32(default))
    if not context:
        raise InvalidArgument("seccomp profile: the default action is not supported by libseccomp")
    try:
        architectures = _add_architectures(library, context, profile.get("architectures") or ())
        _set_attributes(library, context)
        for rule in profile.get("syscalls") or ():
            _add_rule(library, context, rule, default)
        program = _export(library, context)
    finally:
        library.seccomp_release(context)
    if profile["defaultAction"] not in ("SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL"):
        return program
    return _newer_calls_preamble(library, profile, architectures) + program


def open_library() -> ctypes.CDLL:
    """Load libseccomp, or say what to do without."""
    try:
        library = ctypes.CDLL(LIBRARY, use_errno=True)
    except OSError as error:
        raise Unsupported(
            f"seccomp profile: {LIBRARY} is not installed on the host",
            hint="install libseccomp2, or run without a filter: --security-opt seccomp=unconfined",
        ) from error
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_arch_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p,
    ]  # fmt: skip
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return library


def _check(result: int, subject: str) -> None:
    """Libseccomp answers with a negative errno; EEXIST says that it is so already."""
    if result < 0 and -result != errno.EEXIST:
        raise InvalidArgument(f"seccomp profile: {subject}: {os.strerror(-result).lower()}")


def _action(name: str, errno_value: int | None) -> int:
    if name not in ACTIONS:
        raise InvalidArgument(f'seccomp profile: unknown action "{name}"')
    value = ACTIONS[name]
    if name in _WITH_ERRNO:
        value |= (errno.EPERM if errno_value is None else errno_value) & 0xFFFF
    return value


def _add_architectures(library: ctypes.CDLL, context: int, names: Iterable[str]) -> list[str]:
    """Add those besides the native one, and return all that this library and kernel family can have."""
    native = _NATIVE.get(os.uname().machine, "")
    added = [native] if native else []
    for name in names:
        if name != native and name in TOKENS:
            _check(library.seccomp_arch_add(context, TOKENS[name]), name)
            added.append(name)
    return added


def _set_attributes(library: ctypes.CDLL, context: int) -> None:
    """Leave no_new_privs to the caller, and sort the calls into a tree for quick decisions."""
    _check(library.seccomp_attr_set(context, _ATTR_CTL_NNP, 0), "no_new_privs")
    library.seccomp_attr_set(context, _ATTR_CTL_OPTIMIZE, 2)


def _add_rule(library: ctypes.CDLL, context: int, rule: dict[str, Any], default: int) -> None:
    action = _action(rule["action"], rule.get("errnoRet"))
    if action == default:
        return  # libseccomp refuses what changes nothing
    for name in rule["names"]:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == _UNKNOWN_CALL:
            continue  # newer than the library, or of another machine
        for comparisons in _alternatives(rule.get("args") or []):
            array = (_Comparison * len(comparisons))(*comparisons)
            result = library.seccomp_rule_add_array(
                context, action, number, len(comparisons), ctypes.byref(array) if comparisons else None
            )
            _check(result, name)


def _alternatives(arguments: list[dict[str, Any]]) -> list[list[_Comparison]]:
    """All comparisons of a rule must hold; two on one argument are alternatives, as in runc."""
    comparisons = [
        _Comparison(a["index"], OPERATORS[a["op"]], a.get("value") or 0, a.get("valueTwo") or 0)
        for a in arguments
    ]
    if len({c.argument for c in comparisons}) == len(comparisons):
        return [comparisons]
    return [[comparison] for comparison in comparisons]


def _export(library: ctypes.CDLL, context: int) -> bytes:
    memory = os.memfd_create("bpf", os.MFD_CLOEXEC)
    try:
        _check(library.seccomp_export_bpf(context, memory), "export")
        return os.pread(memory, os.fstat(memory).st_size, 0)
    finally:
        os.close(memory)


def _newer_calls_preamble(library: ctypes.CDLL, profile: dict[str, Any], architectures: list[str]) -> bytes:
    """Return instructions that answer ENOSYS to calls above the highest one named, an architecture each."""
    blocks = b""
    for name in architectures:
        if name == "SCMP_ARCH_X32":
            continue  # shares its token with x86-64, apart by bit 30, which the block leaves alone
        highest = _highest_number(library, profile, TOKENS[name])
        if highest > 0:
            token = 0xC000003E if name == "SCMP_ARCH_X86_64" else TOKENS[name]
            blocks += _block(token, highest, is_x86_64=name == "SCMP_ARCH_X86_64")
    return blocks


def _highest_number(library: ctypes.CDLL, profile: dict[str, Any], token: int) -> int:
    names = {name for rule in profile.get("syscalls") or () for name in rule["names"]}
    return max(
        (library.seccomp_syscall_resolve_name_arch(token, name.encode()) for name in names), default=-1
    )


def _block(token: int, highest: int, *, is_x86_64: bool) -> bytes:
    """If the architecture is `token` and the number above `highest`: return ENOSYS. Else fall through."""
    load_arch, load_number = (0x20, 0, 0, 4), (0x20, 0, 0, 0)
    fail = (0x06, 0, 0, _RET_ERRNO | errno.ENOSYS)
    tests = [(0x35, 2, 0, _X32_BIT), (0x25, 0, 1, highest)] if is_x86_64 else [(0x25, 0, 1, highest)]
    code = [load_number, *tests, fail]
    return b"".join(struct.pack("<HBBI", *i) for i in [load_arch, (0x15, 0, len(code), token), *code])
