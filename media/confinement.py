"""Confinement: what the process that decodes strangers' pictures gives up before it looks at the first byte.

Danger. A decoder with a hole runs the sender's code with our rights, and a small file that unpacks into all of our
memory or keeps a processor busy for ever.

Principle. Everything is given up for good and by the kernel: 5 s of processor, a bounded address space, no file may
be opened or grow, no core dump, no new rights, no network and no other program. Where the kernel allows it the process
moves into an empty network namespace; a system-call filter then refuses files, sockets, programs and other processes.
On a machine whose calls we do not know (neither x86-64 nor aarch64) the limits alone must do, and `confine` says so.
"""

import ctypes
import os
import platform
import resource
import struct
from typing import Final

CPU_SECONDS: Final = 5
MEMORY_BYTES: Final = 512 << 20

_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_CLONE_THREAD: Final = 0x00010000  # the HEIC decoder needs threads; a process of its own nobody needs
_CLONE3: Final = 435
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_FILTER_MODE: Final = 2

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1  # the call fails with EPERM
_UNKNOWN: Final = 0x00050000 | 38  # ENOSYS: libc then asks for a thread by clone, whose flags can be seen
_KILL: Final = 0x80000000
_X32_CALLS: Final = 0x40000000  # x86-64's second table of the same calls

# linux/audit.h, asm/unistd_64.h and asm-generic/unistd.h: open openat openat2 creat, socket socketpair connect bind
# accept accept4 sendto sendmsg, execve execveat fork vfork, ptrace process_vm_readv/writev, kill tkill tgkill,
# rename unlink mkdir symlink link, mount, io_uring_*, bpf, userfaultfd, keyctl, perf_event_open, memfd_create,
# name_to_handle_at open_by_handle_at, unshare setns, prlimit64 setrlimit
_CALLS: Final[dict[str, tuple[int, int, tuple[int, ...]]]] = {
    "x86_64": (
        0xC000003E,
        56,
        (
            2, 257, 437, 85, 41, 53, 42, 49, 43, 288, 44, 46, 59, 322, 57, 58, 101, 310, 311, 62, 200, 234,
            82, 264, 316, 87, 263, 83, 258, 88, 266, 86, 265, 165, 425, 426, 427, 321, 323, 248, 249, 250, 298, 319,
            303, 304, 272, 308, 160,
        ),
    ),
    "aarch64": (
        0xC00000B7,
        220,
        (
            56, 437, 198, 199, 203, 200, 202, 242, 206, 211, 221, 281, 117, 270, 271, 129, 130, 131,
            38, 276, 35, 34, 36, 37, 40, 425, 426, 427, 280, 282, 217, 218, 219, 241, 279, 264, 265, 97, 268, 164,
        ),
    ),
}  # fmt: skip


def confine() -> bool:
    """Give everything up; whether the system-call filter is in force. Call after every import."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    _limit(resource.RLIMIT_AS, _address_space() + MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, 3)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return _filter_calls(libc)


def _limit(what: int, value: int) -> None:
    resource.setrlimit(what, (value, value))


def _address_space() -> int:
    with open("/proc/self/statm", "rb") as statistics:
        return int(statistics.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def _filter_calls(libc: ctypes.CDLL) -> bool:
    """A classic BPF program over the number of each call, as linux/seccomp.h describes."""
    if platform.machine() not in _CALLS:
        return False
    architecture, clone, refused = _CALLS[platform.machine()]
    count = len(refused)
    steps = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, count + 5, 0, _X32_CALLS),
        *((_EQUAL, count + 4 - at, 0, number) for at, number in enumerate(refused)),
        (_EQUAL, 5, 0, _CLONE3),
        (_EQUAL, 0, 2, clone),
        (_LOAD, 0, 0, 16),
        (_ANY_BIT, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _UNKNOWN),
    ]
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = _Program(len(steps), code)
    return bool(libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0) == 0)
