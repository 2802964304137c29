"""The plan of faults, drawn from a seed: the same seed gives the same plan for the same instances."""

from collections.abc import Mapping, Sequence
from math import ceil
from random import Random
from typing import NamedTuple

KINDS = ("kill", "stop", "flood")
"""What may be done to an instance."""

_LASTS = {"kill": (0.0, 0.0), "stop": (0.5, 3.0), "flood": (0.8, 1.2)}
"""The shortest and the longest that a fault of each kind lasts, in seconds."""

_CHILD = 0.3
"""How often a kill means another process of the instance than its leader."""


class Fault(NamedTuple):
    """One fault: when, what, to whom, for how long; `at` and `seconds` are in seconds.

    `child` is None where a kill means the leader; else which of the other processes, from 0 (the first) to below 1.
    """

    number: int
    at: float
    kind: str
    instance: str
    seconds: float = 0.0
    child: float | None = None


class Outcome(NamedTuple):
    """What became of a fault: begun at `at` seconds against `pid`; None where it was skipped, for the reason `note`.

    `recovered` is in seconds from the fault's end, None where it did not recover; `written` is a flood's bytes. A kill
    that was to hit a `child` hits the leader where there is none.
    """

    fault: Fault
    at: float
    pid: int | None
    recovered: float | None
    note: str = ""
    child: bool = False
    written: int = 0


def draw(seed: int, targets: Mapping[str, Sequence[str]], duration: float, every: float) -> tuple[Fault, ...]:
    """A fault each `every` seconds for `duration` seconds; `targets` are the instances that each kind may be done to.

    Only `Random.random` is asked, whose numbers are the same in every Python (its documentation, Reproducibility), and
    always four a fault, so that a longer plan begins with the shorter one. Empty where there is no target at all.
    """
    kinds = [kind for kind in KINDS if targets.get(kind)]
    random = Random(seed).random
    faults = []
    for number in range(1, ceil(duration / every) + 1 if kinds else 1):
        kind = _pick(kinds, random())
        instance = _pick(sorted(targets[kind]), random())
        shortest, longest = _LASTS[kind]
        seconds = round(shortest + (longest - shortest) * random(), 2)
        aim = random() / _CHILD
        child = aim if kind == "kill" and aim < 1 else None
        faults.append(Fault(number, round((number - 1) * every, 3), kind, instance, seconds, child))
    return tuple(faults)


def _pick(items: Sequence[str], chance: float) -> str:
    return items[int(chance * len(items))]
