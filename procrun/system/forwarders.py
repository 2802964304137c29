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
        # To more than its child
        "dumb-init",  # run 1.2.5: to the session of its child; with -c to the child alone
        "timeout",  # run coreutils 9.1: to its child and to its own process group; with --foreground to the child alone
        "tini",  # run 0.19: to its child; with -g to the child's process group
        "docker-init",  # tini, as `docker run --init` has it
        "catatonit",  # run 0.1.7: to its child; docs: -g as tini
        "pnpm",  # run 11: to the process group of the script
        "parallel",  # run 20221122: to the process group of each job, and again after 0.2 s, KILL after 0.4 s
        "entr",  # run 5.3: with -r to the process group of its child; without it to nobody
        # To its child, whose end it is soon after
        "script",  # run util-linux 2.38: ends at once or in 2 s, and its terminal with it, which is a HUP for its child
        "su",  # run util-linux 2.38: KILL after 2.0 s
        "runuser",  # the same, where it has a shell run a command
        # To nobody
        "unshare",  # run util-linux 2.38, with --fork: has TERM blocked while its child runs
    )
)
"""Wrappers whom TERM reaches in a way that costs their child its work, or may: whom they send it to, and what follows.

All of them end when their child has ended, or are told then.
"""

RUNNERS = frozenset(
    (
        "honcho",  # run 2.0.0: TERM to the process group of each child, KILL after 5 s
        "foreman",  # run 0.87.2: TERM to each child alone, KILL after 5 s
    )
)
"""Procfile runners, by the names of their processes: when the first child has ended, TERM goes to all the others."""
