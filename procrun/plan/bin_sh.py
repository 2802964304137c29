"""Which variables /bin/sh passes on to the programs that it runs."""

import os

_DROPPING = ("dash", "ash", "busybox", "mksh", "lksh")
"""Shells that drop a variable whose name is none of theirs: dash 0.5.12, busybox 1.35 and mksh 59c do, when tried;
bash 5.2, zsh 5.9, yash 2.54 and ksh93u+m pass it on."""


def dropped_by(name: str, shell: str = "/bin/sh") -> str:
    """The shell that would drop a variable of this name (`dash`); empty where it is passed on."""
    if name.isascii() and name.isidentifier():
        return ""
    program = os.path.basename(os.path.realpath(shell))
    return program if program in _DROPPING else ""
