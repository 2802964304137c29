"""foreman's `.foreman`: a YAML file of default options."""

from collections.abc import Callable
from typing import Any

import yaml

from procrun.core import values
from procrun.core.errors import ConfigError
from procrun.plan import textfile
from procrun.plan.cloud66 import no_yaml

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
        data = textfile.read(place, place, largest=textfile.SETTINGS)
        given = yaml.load(data, yaml.BaseLoader) or {}  # text only: no merge can grow, no number is too long
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", place) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise no_yaml(error, "", place) from None
    if not isinstance(given, dict):
        raise ConfigError("is not `option: value` lines, as in `formation: web=2`", place)
    return {_KNOWN[key][0]: _value(key, given[key], place) for key in _KNOWN if given.get(key)}


def _value(option: str, value: object, place: str) -> object:
    if not isinstance(value, str) or not value.isprintable():
        raise ConfigError(f"{option}: takes one plain value, as on foreman's command line", place)
    try:
        return _KNOWN[option][1](value)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}", place) from None
