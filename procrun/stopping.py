"""Stop sequences and budgets: which signals, how long between them, and where each one goes."""

import signal

from procrun.model import Exit, Step

DEFAULT_BUDGET = 10.0
"""Seconds from TERM to gone: Heroku's figure in the days of Sidekiq's `-t 8`, and still `docker stop`'s."""

UNKILLABLE_AFTER = 5.0
"""Seconds after KILL: what is still there then cannot be killed (state D, another user's) and is reported."""

_CONTINUED = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}


def dyno_sequence(budget: float) -> tuple[Step, ...]:
    """TERM, then KILL at exactly `budget` seconds: all that a dyno knows."""
    return (Step(signal.SIGTERM, budget), Step(signal.SIGKILL, UNKILLABLE_AFTER))


def wants_continue(number: int) -> bool:
    """Whether CONT follows signal `number`: a stopped process cannot die of it (as systemd, runit and s6 do)."""
    return number in _CONTINUED


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
