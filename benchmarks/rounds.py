"""Interleaved repetition: A B C D, A B C D, …, so that what the machine does meanwhile falls on all alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from errors import BenchError
from runners import Runner

Sample = TypeVar("Sample")
Samples = dict[str, list[Sample]]


def interleaved(
    name: str, runners: Sequence[Runner], times: int, once: Callable[[Runner], Sample]
) -> tuple[Samples[Sample], dict[str, str]]:
    """Every runner's samples, and the reason for each that broke; one that broke is not run again."""
    samples: Samples[Sample] = {runner.name: [] for runner in runners}
    broken: dict[str, str] = {}
    for number in range(1, times + 1):
        for runner in runners:
            if runner.name in broken:
                continue
            _progress(f"{name}: round {number} of {times}, {runner.name}")
            try:
                samples[runner.name].append(once(runner))
            except BenchError as error:
                broken[runner.name] = str(error)
    _progress("")
    return samples, broken


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
