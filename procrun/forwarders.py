"""Programs that stand in front of others and treat a signal in a way of their own: what a stop must know of them."""

SHELLS = frozenset(
    ("sh", "ash", "dash", "bash", "zsh", "ksh", "ksh93", "mksh", "lksh", "yash", "posh", "busybox")
)  # `busybox sh` has the name of the whole
"""Whose handlers are traps."""

UNMOVED = frozenset(("sh", "ash", "dash", "bash", "busybox"))
"""Shells whose `wait` goes on when a child is stopped.

Run: dash 0.5.12, bash 5.2, busybox 1.35. ksh93 1.0.4 and zsh 5.9 end their `wait` then, and mksh 59 sends HUP to what
is stopped when it ends itself.
"""

MULTICALL = frozenset(("busybox", "toybox", "coreutils"))
"""One file that is many programs, by the name that it is called by."""

GROUPS = frozenset(
    (
        "dumb-init",  # run 1.2.5: TERM to the process group (session) of its child; `-c` to the child alone
        "timeout",  # run coreutils 9.1: TERM to its own process group; `--foreground` to the child alone
        "tini",  # run 0.19: TERM to its child; `-g` to the child's process group
        "docker-init",  # the same program, as `docker run --init` has it
        "catatonit",  # run 0.1.7: TERM to its child alone
    )
)
"""Wrappers that signal more than their child, or may; all of them end when their child has ended."""
