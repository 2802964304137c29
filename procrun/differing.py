"""What differs between two Specs of one instance, in words: most manners can be taken over without a restart."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from procrun.core.spec import Spec

MOST = 6
"""Names of variables that are told; of more their number."""

_WORDS = {"shell_line": "command", "root": "folder", "console": "terminal", "policy": "restart policy"}
"""What a field is called, where that is not its own name."""

_ASIDE = frozenset({"name", "type", "quiet", "manners", "command", "env"})
"""Fields of a Spec that are told in another way, or that a process knows nothing of."""

_WATCHED = frozenset({"watchdog", "alive"})
"""Manners that are looked after from a start on, and told to the process by its environment."""


class Difference(NamedTuple):
    """What is new for an instance: in `runs_with` what only a new process can have, in `manners` the rest."""

    runs_with: tuple[str, ...]
    manners: tuple[str, ...]


def difference(before: Spec, now: Spec) -> Difference:
    """What `now` has that `before` had not; names alone, since values may be secrets."""
    env = list(_variables(before.env, now.env))
    fields = (name for name in Spec._fields if name not in _ASIDE and getattr(before, name) != getattr(now, name))
    manners = [name for name in now.manners._fields if getattr(before.manners, name) != getattr(now.manners, name)]
    watched = [name for name in manners if name in _WATCHED]
    return Difference(
        (*([f"env {_some(env)}"] if env else ()), *_told(fields), *_told(watched)),
        tuple(_told(name for name in manners if name not in watched)),
    )


def _variables(before: Mapping[str, str], now: Mapping[str, str]) -> Iterable[str]:
    """The variables that differ, but for PORT: that is told as the port."""
    return (name for name in sorted({*before, *now} - {"PORT"}) if before.get(name) != now.get(name))


def _some(names: list[str]) -> str:
    more = len(names) - MOST
    return " ".join(names[:MOST]) + (f" and {more} more" if more > 0 else "")


def _told(fields: Iterable[str]) -> Iterable[str]:
    return (_WORDS.get(name, name.replace("_", " ")) for name in fields)
