"""Runs a command where pidfds are refused, as on an old kernel (ENOSYS) or in an old container runtime (EPERM).

no_pidfds.py ENOSYS|EPERM COMMAND…
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2  # prctl(2)
SEND_SIGNAL, OPEN = 424, 434  # pidfd_send_signal, pidfd_open: the same on all architectures
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h
ALLOW, ERRNO = 0x7FFF0000, 0x00050000  # seccomp(2)


def refuse(number: int) -> None:
    """Have both calls answer with this error, here and in all descendants."""
    steps = [
        (LOAD, 0, 0, 0),  # the number of the system call (struct seccomp_data)
        (JUMP_IF_EQUAL, 2, 0, SEND_SIGNAL),
        (JUMP_IF_EQUAL, 1, 0, OPEN),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, ERRNO | number),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    header = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, MODE_FILTER, header):
        raise OSError(ctypes.get_errno(), "seccomp")


refuse(getattr(errno, sys.argv[1]))
os.execvp(sys.argv[2], sys.argv[2:])
