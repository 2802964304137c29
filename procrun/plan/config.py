"""`procrun.toml`: what it may say, and what is wrong with what it says.

A table of keys rather than typed structs: those cannot name the process in their faults, and their import alone
costs 24 ms of a start.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from procrun.core import dependencies
from procrun.core.errors import ConfigError
from procrun.core.spec import LONGEST_WAIT, PERIODS, PLATFORMS, RESTARTS, Limit, ProgramConfig
from procrun.core.text import decoded, did_you_mean, from_here, plain, shown, there_are
from procrun.plan import textfile
from procrun.plan.findings import refusal
from procrun.plan.options import Config, Heroku, ProcessConfig

FILE = "procrun.toml"
SMALLEST_LOG = 10_000
"""Bytes below which a log file would be begun anew all the time."""

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}

AUTO = "auto"
"""The port of a checkout that has one for itself."""

LAST_PORT = 65535

NO_PROFILE = "none"
"""The profile of a program of which nothing is to be assumed."""


def load(root: str) -> Config:
    """What `procrun.toml` in the folder `root` says; an empty Config where there is none.

    Raises ConfigError for a file that cannot be read or is no TOML, for unknown keys and for values of a wrong type.
    """
    path = os.path.join(root, FILE)
    try:
        data = textfile.read(path, from_here(path), largest=textfile.SETTINGS)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", from_here(path)) from None
    name = from_here(path)
    given = _parse(decoded(data, name), name)
    processes = given.pop("process", {})
    if not isinstance(processes, dict):
        raise ConfigError(f"takes tables, as in [process.worker]; this is {shown(processes)}", f"{name}: process")
    heroku = given.pop("heroku", {})
    if not isinstance(heroku, dict):
        raise ConfigError(f"takes a table, as in [heroku]; this is {shown(heroku)}", f"{name}: heroku")
    programs = given.pop("program", {})
    if not isinstance(programs, dict):
        raise ConfigError(f"takes tables, as in [program.mailer]; this is {shown(programs)}", f"{name}: program")
    values = _read(given, _KEYS, f"{name}: ")
    return Config(
        **values,
        processes={
            type_: _process(type_, table, f"{name}: process.{plain(type_)}") for type_, table in processes.items()
        },
        programs={key: _program(key, table, f"{name}: program.{plain(key)}") for key, table in programs.items()},
        where=name,
        heroku=Heroku(**_read(heroku, _HEROKU_KEYS, f"{name}: heroku.")),
    )


def with_manifest(config: Config, manifest: Mapping[str, ProcessConfig], types: Iterable[str]) -> Config:
    """`config` completed from a Cloud 66 manifest, which it beats key by key; types of no Procfile are left out."""
    processes = dict(config.processes)
    for type_ in types:
        if type_ in manifest:
            processes[type_] = _over(processes.get(type_, ProcessConfig()), manifest[type_])
    return config._replace(processes=processes)


def validate(config: Config, types: Sequence[str], profiles: Iterable[str]) -> None:
    """Raise ConfigError where `config` names a process type or a profile that there is not, or `after` has a cycle.

    `types` are those of the Procfile, `profiles` the known names; "none" is one always.
    """
    profiles = tuple(profiles)
    names = (*profiles, NO_PROFILE)
    _refuse_unknown_codes(config, profiles)
    for type_, process in config.processes.items():
        if type_ not in types:
            raise ConfigError(
                f"no such process type{there_are(types, type_)}", f"{config.where}: process.{plain(type_)}"
            )
        for other in process.after or ():
            if other not in types:
                raise ConfigError(f"no process type {shown(other)}{there_are(types, other)}", process.places["after"])
        if process.profile is not None and process.profile not in names:
            hint = did_you_mean(process.profile, names, f"; there are: {', '.join(names)}")
            raise ConfigError(f"no profile {shown(process.profile)}{hint}", process.places["profile"])
    cycle = dependencies.cycle({type_: process.after or () for type_, process in config.processes.items()})
    if cycle:
        text = f"{dependencies.told(cycle)} is a cycle, so none of them can start first; remove one `after`"
        raise ConfigError(text, config.processes[cycle[0]].places["after"])


def _refuse_unknown_codes(config: Config, profiles: Sequence[str]) -> None:
    """Raise ConfigError for a code in `accept` that no finding has there."""
    given = [(f"{config.where}: accept", config.accept, False)]
    given += [(each.places["accept"], each.accept, True) for each in config.processes.values() if each.accept]
    for where, codes, of_process in given:
        for code in codes:
            fault = refusal(code, profiles, of_process)
            if fault is not None:
                raise ConfigError(fault, where)


def _over(mine: ProcessConfig, theirs: ProcessConfig) -> ProcessConfig:
    said = {key: value for key, value in mine._asdict().items() if value is not None}
    return theirs._replace(**{**said, "places": {**theirs.places, **mine.places}})


def _parse(text: str, name: str) -> dict[str, Any]:
    from tomllib import loads  # 12 ms, so only where there is a file

    try:
        return loads(text)
    except (ValueError, RecursionError) as error:
        fault, line, column = _fault(str(error), text)
        hint = 'text stands in quotes, tables in brackets, as in `platform = "server"` and `[process.worker]`'
        raise ConfigError(f"is no TOML: {fault}; {hint}", f"{name}:{line}:{column}") from None


def _fault(message: str, text: str) -> tuple[str, int, int]:
    """tomllib's message without its place, and the place; what it tells without one is put at the end of `text`."""
    found = re.fullmatch(r"(?s)(.*) \(at line (\d+), column (\d+)\)", message)
    if found:
        return plain(found[1], 100), int(found[2]), int(found[3])
    lines = text.split("\n")
    return plain(message.removesuffix(" (at end of document)"), 100), len(lines), len(lines[-1]) + 1


def _process(type_: str, table: object, where: str) -> ProcessConfig:
    if not isinstance(table, dict):
        raise ConfigError(f"takes a table, as in [process.{plain(type_)}]; this is {shown(table)}", where)
    values = _read(table, _PROCESS_KEYS, f"{where}.")
    if "ready" in values:
        from procrun.plan.probe_config import readiness  # only where a file has it

        values["ready"] = readiness(values["ready"], f"{where}.ready")
    if "alive" in values:
        from procrun.plan.probe_config import aliveness

        values["alive"] = aliveness(values["alive"], f"{where}.alive")
    _refuse_contradictions(values, where)
    return ProcessConfig(**values, places={key: f"{where}.{key}" for key in values})


def _program(key: str, table: object, where: str) -> ProgramConfig:
    if not isinstance(table, dict):
        raise ConfigError(f"takes a table, as in [program.{plain(key)}]; this is {shown(table)}", where)
    values = _read(table, _PROGRAM_KEYS, f"{where}.")
    if not values.get("programs"):
        raise ConfigError(f'names no programs; give the names of its files, as in programs = ["{plain(key)}"]', where)
    if "ready" in values:
        from procrun.plan.probe_config import readiness

        values["ready"] = readiness(values["ready"], f"{where}.ready")
    return ProgramConfig(**values, places={key: f"{where}.{key}" for key in values})


def _refuse_contradictions(values: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError where two keys of one process type cannot both be meant."""
    if not values.get("run_once"):
        return
    if values.get("restart") == "always":
        text = 'with run_once it would never be done; "on-failure" starts it again until it ends with 0'
        raise ConfigError(text, f"{where}.restart")
    if "ready" in values and values["ready"].kind:
        raise ConfigError("with run_once it is ready when it has ended with 0; remove one of them", f"{where}.ready")
    if "alive" in values:
        text = "with run_once it is never asked, as it is ready when it has ended with 0; remove one of them"
        raise ConfigError(text, f"{where}.alive")


def _read(table: Mapping[str, object], keys: Mapping[str, "_Reader"], where: str) -> dict[str, Any]:
    """The values of `table` by the readers of `keys`; `where` goes before the key in a fault."""
    values = {}
    for key, value in table.items():
        place = f"{where}{plain(key)}"
        if key not in keys:
            raise ConfigError(_why_unknown(key, value, keys), place)
        try:
            values[key] = keys[key](value)
        except ValueError as error:
            raise ConfigError(f"{error}; this is {shown(value)}", place) from None
    return values


def _why_unknown(key: str, value: object, keys: Mapping[str, "_Reader"]) -> str:
    if keys is not _KEYS and key in _KEYS:
        return "unknown key; it stands at the top of the file, above the first [process.…]"
    if keys is _KEYS and key in _PROCESS_KEYS:
        return "unknown key; it belongs to a process type: put it under [process.NAME]"
    if key in _HEROKU_KEYS:
        return "unknown key; it belongs to the simulated dyno: put it under [heroku]"
    known = (*keys, "process", "program", "heroku") if keys is _KEYS else tuple(keys)
    otherwise = f"; there are: {', '.join(known)}"
    if keys is _KEYS and isinstance(value, dict):
        otherwise = f"; for a process type write [process.{plain(key)}]"
    return f"unknown key{did_you_mean(key, known, otherwise)}"


# The readers of values. The docstring of each is the type and the unit as docs/configuration.md has them:
# tests/plan/test_configuration.py holds one against the other.


def _one_of(*choices: str) -> "_Reader":
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"takes one of {', '.join(choices)}")
        return str(value)

    read.__doc__ = ", ".join(f'`"{choice}"`' for choice in choices)
    return read


def _limit(value: object) -> Limit:
    """`"RESTARTS/SECONDS"`"""
    found = re.fullmatch(r"\s*([0-9]{1,6})\s*/\s*([0-9]{1,7})\s*", value, re.ASCII) if isinstance(value, str) else None
    if found is None or not int(found[1]) or not 0 < int(found[2]) <= LONGEST_WAIT:
        raise ValueError('takes restarts and the seconds in which they are too many, as in "10/5"')
    return Limit(int(found[1]), float(found[2]))


def _size(value: object) -> int:
    """bytes, with `k`, `M` or `G`"""
    found = re.fullmatch(r"\s*([0-9]{1,12})\s*([kMG]?)B?\s*", value, re.ASCII) if isinstance(value, str) else None
    number = int(found[1]) * _UNITS[found[2]] if found is not None else 0
    if number < SMALLEST_LOG:
        raise ValueError('takes bytes, from "10k" upwards, as in "10M" or "1G"')
    return number


def _count(value: object) -> int:
    """number, 1 to 1000"""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1000:
        raise ValueError("takes a number of files, from 1 to 1000")
    return value


def _seconds(value: object) -> float:
    """seconds"""
    # The range is never true of nan.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_WAIT:
        raise ValueError(f"takes seconds, a number above 0 and up to {LONGEST_WAIT}, as in 10 or 0.5")
    return float(value)


def _memory(value: object) -> int:
    """bytes, with `k`, `M` or `G` of 1024, or `false`"""
    if value is False:  # no quota; 1024 as Heroku and docker have it
        return 0
    found = re.fullmatch(r"\s*([0-9]{1,12})\s*([kMG])B?\s*", value, re.ASCII) if isinstance(value, str) else None
    number = int(found[1]) * 1024 ** ("kMG".index(found[2]) + 1) if found is not None else 0
    if not number:
        raise ValueError('takes memory, as in "512M" or "1G", or false')
    return number


def _seconds_or_not(value: object) -> float:
    """seconds, or `false`"""
    if value is False:
        return 0.0
    try:
        return _seconds(value)
    except ValueError as error:
        raise ValueError(f"{error}, or false") from None


def _text_or_not(what: str, example: str) -> "_Reader":
    def read(value: object) -> str:
        if value is False:
            return ""
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f'takes text, as in "{example}", or false')
        return value

    read.__doc__ = what
    return read


def _watchdog(value: object) -> float:
    """seconds, from 1"""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= LONGEST_WAIT:
        raise ValueError(f"takes seconds, a number from 1 to {LONGEST_WAIT}, as in 30")
    return float(value)


def _text(what: str, example: str) -> "_Reader":
    def read(value: object) -> str:
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise ValueError(f'takes text, as in "{example}"')
        return value

    read.__doc__ = what
    return read


def _port(value: object) -> int | str:
    """number, or `"auto"`"""
    if value == AUTO:
        return AUTO
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LAST_PORT:
        raise ValueError(f'takes "{AUTO}", or the base port as a number from 1 to {LAST_PORT}')
    return value


def _flag(value: object) -> bool:
    """`true`, `false`"""
    if not isinstance(value, bool):
        raise ValueError("takes true or false, without quotes")
    return value


def _sequence(value: object) -> str | tuple[object, ...]:
    """signals and seconds by turns"""
    if not isinstance(value, str | list):
        raise ValueError('takes signals and seconds by turns, as in "tstp, 120, term, 30, kill"')
    return tuple(value) if isinstance(value, list) else value


def _signal(value: object) -> str | int:
    """name of a signal"""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError('takes the name of a signal, as in "usr1"')
    return value


def _types(value: object) -> tuple[str, ...]:
    """list of types"""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('takes a list of process types, as in ["redis"]')
    return tuple(value)


def _codes(value: object) -> tuple[str, ...]:
    """list of codes"""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('takes a list of the codes that `procrun check` shows in brackets, as in ["unset-variable"]')
    return tuple(value)


def _names(example: str) -> "_Reader":
    def read(value: object) -> tuple[str, ...]:
        """list of words"""
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            raise ValueError(f'takes a list of words, as in ["{example}"]')
        return tuple(value)

    return read


def _patterns(value: object) -> tuple[str, ...]:
    """list of patterns"""
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise ValueError('takes a list of patterns of files, as in ["app/**/*.py"]')
    if value:
        from procrun.eventloop.globs import read  # where files are watched

        read(value, "/")
    return tuple(value)


def _table(what: str) -> "_Reader":
    def read(value: object) -> object:
        return value  # it is read by `asked`

    read.__doc__ = what
    return read


_Reader = Callable[[object], object]

# A key more: its reader here, its field with the default in model.py, its row in docs/configuration.md.
_KEYS: dict[str, _Reader] = {
    "platform": _one_of(*PLATFORMS),
    "restart_budget": _seconds,
    "store_budget": _seconds,
    "total_budget": _seconds,
    "formation": _text("as for `-c`", "web=1,worker=2"),
    "metadata": _text("path from the app's folder", ".cloud66/manifest.yml"),
    "environment": _text("text", "production"),
    "log_dir": _text("path from the app's folder", "log"),
    "log_size": _size,
    "log_keep": _count,
    "log_rotate": _one_of(*PERIODS),
    "port": _port,
    "accept": _codes,
}
_PROCESS_KEYS: dict[str, _Reader] = {
    "profile": _text("name", "sidekiq"),
    "stop_sequence": _sequence,
    "no_kill": _flag,
    "restart_signal": _signal,
    "restart_on_deploy": _flag,
    "after": _types,
    "restart": _one_of(*RESTARTS),
    "restart_limit": _limit,
    "essential": _flag,
    "pty": _flag,
    "memory": _memory,
    "ready": _table("table, or `false`"),
    "run_once": _flag,
    "watchdog": _watchdog,
    "alive": _table("table"),
    "watch": _patterns,
    "accept": _codes,
}
_PROGRAM_KEYS: dict[str, _Reader] = {
    "programs": _names("sidekiq"),
    "verbs": _names("work"),
    "stop_signal": _signal,
    "quiet_signal": _signal,
    "timeout": _seconds,
    "timeout_option": _text("option", "--timeout"),
    "timeout_variable": _text("name of a variable", "MAILER_TIMEOUT"),
    "runs_again": _flag,
    "ready": _table("table, or `false`"),
    "store": _flag,
}
_HEROKU_KEYS: dict[str, _Reader] = {
    "crash_restart": _flag,
    "boot_timeout": _seconds_or_not,
    "memory": _memory,
    "cycle": _text_or_not('`"24h"`, `"15m"`, `"90s"`, or `false`', "24h"),
    "app_json": _flag,
    "log": _flag,
}
