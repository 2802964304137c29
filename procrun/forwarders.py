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

HASTY = frozenset(
    (
        "dumb-init",  # run 1.2.5: TERM to the process group (session) of its child; `-c` to the child alone
        "timeout",  # run coreutils 9.1: TERM to its own process group; `--foreground` to the child alone
        "tini",  # run 0.19: TERM to its child; `-g` to the child's process group
        "docker-init",  # the same program, as `docker run --init` has it
        "catatonit",  # run 0.1.7: TERM to its child alone
        "script",  # run util-linux 2.38: ends at TERM at once, and its terminal with it, which is a HUP for its child
        "su",  # run util-linux 2.38: TERM to its child, and KILL 2 s later
        "runuser",  # the same, where it has a shell run a command
    )
)
"""Wrappers that end at TERM in a way that costs their child its work, or may; all of them end when it has ended."""

RUNNERS = frozenset(
    (
        "honcho",  # run 2.0.0: TERM to the process group of each child
        "foreman",  # run 0.87.2: the same, as its children lead groups of their own
    )
)
"""Procfile runners, by the names of their processes: when the first child has ended, TERM goes to all the others."""
