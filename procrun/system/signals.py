"""Signals by their names, those that end a process, and what an exit means in words."""

import signal

from procrun.system.types import Exit

ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})
"""Signals that ask to end; CONT follows them, since a stopped process cannot die (as systemd, runit and s6 do)."""


ENDING_NAMES = frozenset(("TERM", "INT", "QUIT", "HUP", "KILL"))
"""The same by name, and KILL."""


def signal_name(number: int) -> str:
    """`TERM` for 15; the number itself where it has no name (real-time signals)."""
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)


def exit_status(end: Exit) -> int:
    """What a shell would show: the status, or 128 + n for a death by signal n."""
    return end.status if end.status is not None else 128 + (end.signal or 0)


def describe(end: Exit) -> str:
    """`exit 3`, `killed by SEGV`."""
    return f"exit {end.status}" if end.status is not None else f"killed by {signal_name(end.signal or 0)}"


STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""The signals that stop everything."""


KNOWN = (*STOPPING, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)
"""The signals that mean something to procrun; the front passes them on."""


def obey_at_once() -> None:
    """From here on a stopping signal ends this process by itself: before its loop runs, or when nothing is left."""
    for number in STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
