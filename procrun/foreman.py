"""foreman's `.foreman`: a YAML file of default options."""

from collections.abc import Callable
from typing import Any

import yaml

from procrun import values
from procrun.errors import ConfigError

_KNOWN: dict[str, tuple[str, Callable[[str], object]]] = {
    "procfile": ("procfile", str),
    "root": ("app_root", str),
    "env": ("env_files", lambda text: (text,)),
    "port": ("port", values.port),
    "formation": ("formation", str),
    "concurrency": ("concurrency", str),
    "timeout": ("timeout", values.seconds),
}
"""foreman's name of an option, ours, and how its value is read; the options of its `export` are not ours."""


def defaults(place: str) -> dict[str, Any]:
    """The options that the file at `place` gives, by the names they have here. Raises ConfigError for its faults."""
    try:
        with open(place, "rb") as file:
            given = yaml.safe_load(file) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot be read: {' '.join(str(error).split())}", place) from None
    if not isinstance(given, dict):
        raise ConfigError("is not `option: value` lines, as in `formation: web=2`", place)
    return {_KNOWN[key][0]: _value(key, given[key], place) for key in _KNOWN if given.get(key) is not None}


def _value(option: str, value: object, place: str) -> object:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ConfigError(f"{option}: takes one plain value, as on foreman's command line", place)
    try:
        return _KNOWN[option][1](str(value))
    except ValueError as error:
        raise ConfigError(f"{option}: {error}", place) from None
