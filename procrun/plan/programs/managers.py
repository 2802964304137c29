"""The programs that run a number of others: how they pass TERM on, and after how long they kill what is left.

`children` says what they run.
"""

from math import inf
from signal import SIGKILL, SIGTERM
from typing import Any

from procrun.plan.programs.profile import Config, Patience, Profile, Variant, steps

KILLS_OTHERS = ("-k", "--kill-others", "--kill-others-on-fail")
"""Options by which concurrently ends all of its programs when one of them has ended."""

_LOSES = "what its programs still do is lost"
_TERM = steps(SIGTERM, 90, SIGKILL)


def _manager(name: str, programs: str, seconds: float, source: str, **more: Any) -> Profile:
    """A manager that passes TERM on, and kills what is left after so many seconds; `more` says how that is set."""
    made = Profile(name, tuple(programs.split()), _TERM, manager=True, source=source)
    fields = {key: more.pop(key) for key in list(more) if key in Patience._fields}
    return made._replace(deadline=Patience(seconds, margin=2, loses=_LOSES, work="programs", **fields), **more)


SUPERVISORD = _manager(
    "supervisord",
    "supervisord",
    10,
    "run, 4.3.0: KILL 10 s after TERM",
    cure="set stopwaitsecs = {seconds} in its section",
)
CIRCUSD = _manager(
    "circusd",
    "circusd",
    30,
    "run, 0.19.0: KILL 31 s after TERM",
    cure="set graceful_timeout = {seconds} in its section",
)
PM2 = _manager(
    "pm2-runtime",
    "pm2-runtime pm2-docker",
    1.6,
    "run, 7.0.4: INT 0.5 s after TERM, KILL 1.6 s later",
    options=("--kill-timeout",),
    variables=("PM2_KILL_TIMEOUT",),
    cure="set kill_timeout: {milliseconds}",
    unit=0.001,
    npm="pm2",
)
FOREMAN = _manager("foreman", "foreman", 5, "run, 0.87.2", verbs=("start",), options=("-t", "--timeout"))
HONCHO = _manager(
    "honcho", "honcho", 5, "run, 2.0.0: KILL 5 s after the first of its processes has ended", verbs=("start",)
)
PROCRUN = _manager(
    "procrun",
    "procrun",
    10,
    "its documentation",
    verbs=("start",),
    options=("-t", "--timeout"),
    config=Config("restart_budget", files=("procrun.toml",)),
)
OVERMIND = _manager(
    "overmind",
    "overmind",
    5,
    "docs",
    verbs=("start", "s"),
    options=("-t", "--timeout"),
    variables=("OVERMIND_TIMEOUT",),
)
HIVEMIND = _manager("hivemind", "hivemind", 5, "docs", options=("-t", "--timeout"), variables=("HIVEMIND_TIMEOUT",))
GOREMAN = _manager("goreman", "goreman", 10, "source (proc.go): KILL after 10 s", verbs=("start",))
FOREGO = _manager("forego", "forego", 3, "source (start.go): shutdownGraceTime", verbs=("start",), options=("-t",))
CONCURRENTLY = _manager(
    "concurrently",
    "concurrently conc",
    inf,
    "run, 9.2.5: it sends TERM to every process below it and waits",
    options=("--kill-timeout",),
    unit=0.001,
    npm="concurrently",
    passed_over=True,
    # run: when the first of its programs has ended, it sends TERM to every process of the others
    variants=(Variant({"passed_over": False}, options=KILLS_OTHERS, value=".*"),),
)
YACRON = _manager("yacron", "yacron", 30, "source (config.py): killTimeout")

MANAGERS: tuple[Profile, ...] = (
    SUPERVISORD,
    CIRCUSD,
    PM2,
    FOREMAN,
    HONCHO,
    PROCRUN,
    OVERMIND,
    HIVEMIND,
    GOREMAN,
    FOREGO,
    CONCURRENTLY,
    YACRON,
)
