"""The profiles of an app's own programs, as `[program.NAME]` of procrun.toml describes them."""

from math import inf
from signal import SIGKILL, SIGTERM

from procrun.core import stop_sequence
from procrun.core.errors import ConfigError
from procrun.core.spec import ProgramConfig
from procrun.plan.options import Config
from procrun.plan.programs.profile import Patience, Profile, Versions, steps

_WAIT = 90.0
"""Seconds that a program of no time-out has on a server, as Cloud 66 gives a worker."""

_MARGIN = 1.0
"""Seconds that a program may need behind its own time-out."""


def profiles_of(config: Config) -> tuple[Profile, ...]:
    """The profiles, in the order of the file. Raises ConfigError for signals that there are not."""
    return tuple(_profile(name, given) for name, given in config.programs.items())


def _profile(name: str, given: ProgramConfig) -> Profile:
    signal = _signal(given, "stop_signal") or SIGTERM
    quiet = _signal(given, "quiet_signal")
    if signal == SIGKILL:
        raise ConfigError(
            "no program can act on kill; name the signal that it ends its work at", given.places["stop_signal"]
        )
    timed = given.timeout is not None or given.timeout_option or given.timeout_variable
    wait = given.timeout if given.timeout is not None else inf
    longest = max(_WAIT, wait + _MARGIN) if wait < inf else _WAIT
    return Profile(
        name,
        given.programs or (),
        steps(signal, longest, SIGKILL),
        verbs=given.verbs,
        quiet=() if quiet is None else (Versions(quiet),),
        patience=None
        if not timed
        else Patience(
            default=wait,
            margin=_MARGIN,
            loses="its work runs again" if given.runs_again else "its work in flight is lost",
            work="work",
            harmless=given.runs_again,
            signal=signal,
            options=(given.timeout_option,) if given.timeout_option else (),
            variables=(given.timeout_variable,) if given.timeout_variable else (),
        ),
        store=given.store,
        ready="connect" if given.store else "",
        readiness=given.ready,
        source="procrun.toml",
    )


def _signal(given: ProgramConfig, key: str) -> int | None:
    name = getattr(given, key)
    return stop_sequence.signal_number(name, given.places[key]) if name is not None else None
