"""Stop sequences and budgets: which signals, how long between them, and where each one goes."""

import signal
from collections.abc import Iterable, Sequence

from procrun.core.errors import ConfigError
from procrun.core.spec import LONGEST_WAIT, Step
from procrun.core.text import did_you_mean, shown
from procrun.system.signals import ENDING, signal_name
from procrun.system.types import Stat

DEFAULT_BUDGET = 10.0
"""Seconds from TERM to gone: Heroku's figure in the days of Sidekiq's `-t 8`, and still `docker stop`'s."""

HEROKUS_BUDGET = 30.0
"""Seconds that a dyno has from TERM to KILL today (docs)."""

UNKILLABLE_AFTER = 5.0
"""Seconds after KILL: what is still there then cannot be killed (state D, another user's) and is reported."""


_EXAMPLE = "tstp, 120, term, 30, kill"


def dyno_sequence(budget: float, first: int = signal.SIGTERM) -> tuple[Step, ...]:
    """TERM, then KILL at exactly `budget` seconds: all that a dyno knows; a store may have another first signal."""
    return (Step(first, budget), Step(signal.SIGKILL, UNKILLABLE_AFTER))


def ending_step(steps: Iterable[Step]) -> Step:
    """The first step that ends the program: TERM of `tstp, 120, term, 30, kill`, INT for postgres."""
    return next((step for step in steps if step.signal in ENDING), Step(signal.SIGTERM, DEFAULT_BUDGET))


def within(steps: Iterable[Step], budget: float) -> tuple[Step, ...]:
    """A stop inside `budget` seconds of what has these steps: the first that ends it, then KILL."""
    return dyno_sequence(budget, ending_step(steps).signal)


def parse_sequence(given: str | Sequence[object], where: str, no_kill: bool = False) -> tuple[Step, ...]:
    """`tstp, 120, term, 30, kill` as steps: Cloud 66's grammar (its manifest reference, "Process Signal Options").

    Signals and waits (seconds, 0 or more) take turns; any case, `SIG` and leading colons are taken, as is a list. Only
    KILL may be last, unless `no_kill`; then a wait may be last too, before what is left is reported. Raises
    ConfigError at `where`.
    """
    items: list[object] = [part.strip() for part in given.split(",")] if isinstance(given, str) else list(given)
    if items in ([], [""]):
        raise ConfigError(f"is empty; give signals and seconds by turns, as in {_EXAMPLE}", where)
    if "" in items:
        raise ConfigError("has a comma too many; signals and seconds take turns between commas", where)
    _refuse_odd_turns(items, where)
    signals = [_stop_signal(item, where) for item in items[::2]]
    waits = [_wait(item, where) for item in items[1::2]]
    _refuse_odd_kill(signals, len(waits) == len(signals), where, no_kill)
    if len(waits) < len(signals):
        waits.append(UNKILLABLE_AFTER)
    return tuple(Step(*step) for step in zip(signals, waits, strict=True))


def format_sequence(steps: Iterable[Step]) -> str:
    """A stop sequence in Cloud 66's form, lower case without `SIG`: what `parse_sequence` reads."""
    parts = [part for step in steps for part in (signal_name(step.signal).lower(), _plain_number(step.wait))]
    if parts and (parts[-2] == "kill" or float(parts[-1]) == UNKILLABLE_AFTER):
        parts.pop()
    return ", ".join(parts)


def signal_number(name: str | int, where: str) -> int:
    """15 for `TERM`, `sigterm`, `:term` or `15`. Raises ConfigError at `where` for what is no signal."""
    word = str(name).strip().lstrip(":").upper().removeprefix("SIG")
    if word.isascii() and word.isdigit() and len(word) <= 2 and int(word) in signal.valid_signals():
        return int(word)
    found = signal.Signals.__members__.get(f"SIG{word}")
    if found is None:
        names = [known.removeprefix("SIG").lower() for known in signal.Signals.__members__]
        hint = did_you_mean(word.lower(), names, "; give its name, as in term or usr1")
        raise ConfigError(f"{shown(name)} is no signal{hint}", where)
    return int(found)


def unkillable(row: Stat) -> str:
    """Why `row` is alive after KILL, for people: the kernel ends no process in state D before it has its answer."""
    why = "waits for a disk or a device (state D)" if row.state == "D" else f"is in state {row.state}"
    return f"outlives KILL: it {why}"


def _refuse_odd_turns(items: Sequence[object], where: str) -> None:
    """Raise ConfigError where signals and waits do not take turns."""
    for index, item in enumerate(items):
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            raise ConfigError(f"{shown(item)} is neither a signal nor seconds; write it as in {_EXAMPLE}", where)
        after = f" after {shown(items[index - 1])}" if index else " at the beginning"
        if index % 2 and not _is_number(item):
            raise ConfigError(
                f"{shown(item)} stands{after}, where a wait belongs; give the seconds between them", where
            )
        if not index % 2 and _is_number(item):
            raise ConfigError(f"{shown(item)} stands{after}, where a signal belongs; name it, as in {_EXAMPLE}", where)


def _refuse_odd_kill(signals: Sequence[int], ends_in_wait: bool, where: str, no_kill: bool) -> None:
    """Raise ConfigError where KILL is not last, or something else is without `no_kill`."""
    if signal.SIGKILL in signals[:-1] or (ends_in_wait and signals[-1] == signal.SIGKILL):
        raise ConfigError("goes on after kill, which nothing outlives; let kill be the last", where)
    if signals[-1] != signal.SIGKILL and not no_kill:
        text = "does not end in kill, so what ignores it would stay; add seconds and kill"
        raise ConfigError(f"{text}, as in term, 10, kill, or set no_kill = true in procrun.toml", where)


def _stop_signal(item: object, where: str) -> int:
    number = signal_number(str(item), where)
    if number == signal.SIGSTOP:
        text = "stop freezes a program, so that it can finish nothing"
        raise ConfigError(f"{text}; use tstp for a worker that takes it, or term", where)
    return number


def _is_number(item: object) -> bool:
    """Whether an item is meant as seconds, good or bad: `30`, `-1`, `30s`."""
    return not isinstance(item, str) or item.strip().lstrip("+-.")[:1].isdigit()


def _wait(item: object, where: str) -> float:
    try:
        seconds = float(item) if isinstance(item, str | int | float) else -1.0
    except (ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:  # never true of nan
        text = f"give seconds from 0 to {LONGEST_WAIT}, as in 30 or 0.5"
        raise ConfigError(f"{shown(item)} is no wait; {text}", where)
    return seconds


def _plain_number(seconds: float) -> str:
    """`30`, `0.5`: never with an exponent."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".")
