"""overmind's `.overmind.env`: variables for the processes, and options by the names that overmind gives them.

Source: overmind 2.5.1, main.go: the file is loaded below `.env`, from the folder that one is in.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from procrun.core import values
from procrun.core.errors import ConfigError, Finding
from procrun.core.text import decoded
from procrun.plan.env_file import Setting, parse
from procrun.plan.options import Variable

FILE = ".overmind.env"

_PREFIX = "OVERMIND_"
_KNOWN: dict[str, tuple[str, Callable[[str], object]]] = {
    "OVERMIND_PROCFILE": ("procfile", str),
    "OVERMIND_ROOT": ("app_root", str),
    "OVERMIND_PORT": ("port", values.port),
    "OVERMIND_FORMATION": ("concurrency", str),  # what it does not name runs once, as with `-c`
    "OVERMIND_TIMEOUT": ("timeout", values.seconds),
    "OVERMIND_IGNORED_PROCESSES": ("exclude", lambda text: (text,)),
}
"""overmind's name of an option, ours, and how its value is read."""

_CURES = {
    "OVERMIND_PROCESSES": "name them: procrun start web worker",
    "OVERMIND_ENV": "name the files: -e .env,more.env",
    "OVERMIND_CAN_DIE": "set essential = false for them in procrun.toml",
    "OVERMIND_ANY_CAN_DIE": "set essential = false for them in procrun.toml",
    "OVERMIND_AUTO_RESTART": 'set restart = "always" for them in procrun.toml',
    "OVERMIND_STOP_SIGNALS": "set stop_sequence for them in procrun.toml",
    "OVERMIND_DAEMONIZE": "start it with nohup and &",
    "OVERMIND_NO_PORT": "an instance gets its own PORT always",
}


def defaults(place: str) -> dict[str, Any]:
    """The options that the file at `place` gives, by the names they have here. Raises ConfigError for its faults."""
    try:
        with open(place, "rb") as file:
            text = decoded(file.read(), FILE)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", place) from None
    given = [item for item in parse(text, place) if isinstance(item, Setting) and item.name in _KNOWN and item.raw]
    return {_KNOWN[item.name][0]: _value(item) for item in given}


def findings(variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """A finding for each option of overmind's in its file that has no counterpart here."""
    for name, (_, source) in variables.items():
        if name.startswith(_PREFIX) and name not in _KNOWN and FILE in source:
            yield Finding(
                source, f"{name} is left unused; {_CURES.get(name, 'it means nothing here')}", "unused-option"
            )


def _value(item: Setting) -> object:
    try:
        return _KNOWN[item.name][1](item.raw)
    except ValueError as error:
        raise ConfigError(f"{item.name}: {error}", item.where) from None
