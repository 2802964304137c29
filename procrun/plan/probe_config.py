"""What `ready = {…}` and `alive = {…}` may say in `procrun.toml`, and what is wrong with what they say."""

import re
from collections.abc import Callable, Mapping

from procrun.core import values
from procrun.core.errors import ConfigError
from procrun.core.spec import LONGEST_WAIT, OWN_PORT, AliveCheck, Readiness
from procrun.core.text import did_you_mean, plain, shown

FASTEST = 0.01
"""Seconds between two questions at least: more of them would be all that the run does."""

OFTENEST = 0.1
"""The same for a process that serves others meanwhile."""


def readiness(value: object, where: str) -> Readiness:
    """What the key says; of the kind "" where it says false. Raises ConfigError that begins with the place `where`."""
    if value is False:
        return Readiness("")
    if not isinstance(value, dict):
        raise ConfigError(
            f'takes a table, as in {{ port = true }} or {{ http = "/health" }}, or false{_this(value)}', where
        )
    kind, text = question(value, where, KINDS, ("within", "every"))
    within, every = value.get("within", Readiness("").within), value.get("every")
    if every is not None and kind in ("log", "notify"):
        raise ConfigError(f"{kind} is heard and not asked for; remove it", f"{where}.every")
    return Readiness(
        kind,
        text,
        within=seconds(within, f"{where}.within"),
        every=None if every is None else seconds(every, f"{where}.every", FASTEST),
        awaited=True,
    )


def aliveness(value: object, where: str) -> AliveCheck:
    """What the key says. Raises ConfigError that begins with the place `where`."""
    if not isinstance(value, dict):
        raise ConfigError(f'takes a table, as in {{ http = "/health" }} or {{ port = true }}{_this(value)}', where)
    kinds = {kind: KINDS[kind] for kind in ("port", "http", "command")}
    kind, text = question(value, where, kinds, ("every", "within", "failures"))
    usual = AliveCheck(kind, text)
    return usual._replace(
        every=seconds(value.get("every", usual.every), f"{where}.every", OFTENEST),
        within=seconds(value.get("within", usual.within), f"{where}.within"),
        failures=_misses(value.get("failures", usual.failures), f"{where}.failures"),
    )


def _misses(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1000:
        raise ConfigError(f"takes a number of misses, from 1 to 1000{_this(value)}", where)
    return value


def question(
    table: Mapping[str, object], where: str, kinds: Mapping[str, "_Reader"], besides: tuple[str, ...]
) -> tuple[str, str]:
    """The one kind of question that the table has, and what is asked; `besides` are the other keys it may have.

    Raises ConfigError for an unknown key, for none or two kinds, and for what cannot be asked.
    """
    known = (*kinds, *besides)
    for key in table:
        if key not in known:
            hint = did_you_mean(key, known, f"; there are: {', '.join(known)}")
            raise ConfigError(f"unknown key{hint}", f"{where}.{plain(key)}")
    given = [key for key in kinds if key in table]
    if len(given) != 1:
        have = f"takes one of them, and has {' and '.join(given)}" if given else "says nothing to ask for; give one"
        raise ConfigError(f"{have}: {', '.join(kinds)}", where)
    kind = given[0]
    try:
        return kind, kinds[kind](table[kind])
    except ValueError as error:
        raise ConfigError(f"{error}{_this(table[kind])}", f"{where}.{kind}") from None


def seconds(value: object, where: str, least: float = 0.0) -> float:
    """A number of seconds above 0, and not below `least`. Raises ConfigError."""
    # The range is never true of nan.
    if isinstance(value, bool) or not isinstance(value, int | float) or not max(least, 1e-9) <= value <= LONGEST_WAIT:
        from_ = f"from {least:g}" if least else "above 0"
        raise ConfigError(f"takes seconds, a number {from_} up to {LONGEST_WAIT}{_this(value)}", where)
    return float(value)


def _this(value: object) -> str:
    return f"; this is {shown(value)}"


def _port(value: object) -> str:
    """number, or `true`"""
    if value is True:
        return OWN_PORT
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= values.LAST_PORT:
        raise ValueError(f"takes a port from 1 to {values.LAST_PORT}, or true for its $PORT")
    return str(value)


def _http(value: object) -> str:
    """path, or `http://` URL"""
    text = value if isinstance(value, str) else ""
    values.read(text, 1)
    return text


def _log(value: object) -> str:
    """regular expression"""
    if not isinstance(value, str) or not value:
        raise ValueError('takes a regular expression, as in "Listening on"')
    try:
        re.compile(value.encode(errors="surrogateescape"))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"takes a regular expression of Python: {error}") from None
    return value


def _command(value: object) -> str:
    """shell command"""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError('takes a command, as in "pg_isready -q"')
    return value


def _notify(value: object) -> str:
    """`true`"""
    if value is not True:
        raise ValueError("takes true alone; remove it, or write ready = false to ask for nothing")
    return ""


_Reader = Callable[[object], str]

KINDS: dict[str, _Reader] = {"port": _port, "http": _http, "log": _log, "command": _command, "notify": _notify}
"""What may be asked for, each with what reads its value; their docstrings are the types in docs/configuration.md."""
