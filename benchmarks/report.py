"""What a measure hands back, and how it is printed: tables with a row a runner, and goals."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from runners import PROCRUN


@dataclass(frozen=True, slots=True)
class Table:
    """The samples of each runner in one unit; a note is a last cell for that runner."""

    title: str
    unit: str
    samples: dict[str, list[float]]
    notes: dict[str, str] = field(default_factory=dict)

    def median(self, runner: str) -> float | None:
        """None for a runner without samples."""
        samples = self.samples.get(runner)
        return statistics.median(samples) if samples else None

    def ratio(self, runner: str) -> float | None:
        """procrun's median as a part of this runner's; None where one is missing or the runner's is zero."""
        ours, theirs = self.median(PROCRUN), self.median(runner)
        return ours / theirs if ours is not None and theirs else None

    def lines(self) -> list[str]:
        """The table as text."""
        counts = max((len(samples) for samples in self.samples.values()), default=0)
        rows = [["runner", "median", "min", "max", "procrun / it", ""]]
        rows += [self._row(name, samples) for name, samples in self.samples.items()]
        return [f"{self.title} ({self.unit}; medians of {counts})", *_aligned(rows)]

    def _row(self, name: str, samples: list[float]) -> list[str]:
        note = self.notes.get(name, "")
        if not samples:
            return [name, "-", "-", "-", "-", note]
        ratio = self.ratio(name)
        figures = [_figure(value) for value in (statistics.median(samples), min(samples), max(samples))]
        return [name, *figures, "-" if ratio is None else f"{ratio:.2f}", note]


@dataclass(frozen=True, slots=True)
class Spread:
    """How the samples of each runner lie, in one unit; a note is a last cell for that runner.

    Each has a list of samples for each round; min and max are those of all of them, the rest medians of the rounds.
    """

    title: str
    unit: str
    samples: dict[str, list[list[float]]]
    notes: dict[str, str] = field(default_factory=dict)

    def p99(self, runner: str) -> float | None:
        """The 99th percentile; None for a runner without samples."""
        rounds = self._rounds(runner)
        return _of_rounds(rounds)[3] if rounds else None

    def _rounds(self, runner: str) -> list[list[float]]:
        return [samples for samples in self.samples.get(runner, []) if samples]

    def lines(self) -> list[str]:
        """The spread as text."""
        rows = [["runner", "count", "min", "median", "p90", "p99", "max", ""]]
        for name in self.samples:
            rounds = self._rounds(name)
            figures = [_figure(value) for value in _of_rounds(rounds)] if rounds else ["-"] * 5
            rows.append([name, str(sum(map(len, rounds))), *figures, self.notes.get(name, "")])
        return [f"{self.title} ({self.unit})", *_aligned(rows)]


@dataclass(frozen=True, slots=True)
class Growth:
    """One figure of each runner for each number of children, in one unit; a number that was not tried is missing."""

    title: str
    unit: str
    figures: dict[str, dict[int, float]]

    def lines(self) -> list[str]:
        """The growth as text, a column a number of children."""
        counts = sorted({count for figures in self.figures.values() for count in figures})
        rows = [["children", *map(str, counts), ""]]
        for name, figures in self.figures.items():
            rows.append([name, *(_figure(figures[count]) if count in figures else "-" for count in counts), ""])
        return [f"{self.title} ({self.unit})", *_aligned(rows)]


@dataclass(frozen=True, slots=True)
class Grid:
    """What is no figure: words, a row for each thing tried and a column for each runner."""

    title: str
    runners: Sequence[str]
    cells: dict[str, list[str]]

    def lines(self) -> list[str]:
        """The grid as text."""
        return [
            self.title,
            *_aligned([["", *self.runners, ""], *([name, *row, ""] for name, row in self.cells.items())]),
        ]


@dataclass(frozen=True, slots=True)
class Goal:
    """Something procrun promises; `met` is None where nothing could be measured."""

    text: str
    value: str
    met: bool | None

    def line(self) -> str:
        """The goal as text."""
        verdict = "not measured" if self.met is None else "met" if self.met else "MISSED"
        return f"  {verdict:12}  {self.text}: {self.value}"


@dataclass(frozen=True, slots=True)
class Report:
    """All that one measure has to say."""

    tables: Sequence[Table | Spread | Growth | Grid]
    goals: list[Goal]
    broken: dict[str, str]


def ratio_goal(what: str, table: Table, peer: str, limit: float) -> Goal:
    """procrun's median is at most `limit` of the peer's."""
    return most_goal(what, table.median(PROCRUN), peer, table.median(peer), limit)


def most_goal(what: str, ours: float | None, peer: str, theirs: float | None, limit: float) -> Goal:
    """procrun's figure is at most `limit` of the peer's."""
    text = f"{what} <= {limit:g} x {peer}"
    if ours is None or not theirs:
        return Goal(text, "-", None)
    return Goal(text, f"{ours / theirs:.2f} x", ours / theirs <= limit)


def least_goal(what: str, table: Table, peer: str, limit: float) -> Goal:
    """procrun's median is at least `limit` of the peer's."""
    text, ratio = f"{what} >= {limit:g} x {peer}", table.ratio(peer)
    if ratio is None:
        return Goal(text, "-", None)
    return Goal(text, f"{ratio:.2f} x", ratio >= limit)


def zero_goal(what: str, table: Table) -> Goal:
    """Not one of procrun's samples is above zero."""
    samples = table.samples.get(PROCRUN)
    if not samples:
        return Goal(f"{what} = 0", "-", None)
    return Goal(f"{what} = 0", f"at most {_figure(max(samples))} {table.unit}", max(samples) == 0)


def _figure(value: float) -> str:
    return f"{value:.0f}" if value == int(value) or value >= 1000 else f"{value:.3g}"


def _spread(samples: Sequence[float]) -> tuple[float, ...]:
    """Minimum, median, 90th and 99th percentile, maximum; the percentiles between two samples in proportion."""
    parts = statistics.quantiles(samples, n=100, method="inclusive") if len(samples) > 1 else [samples[0]] * 99
    return min(samples), statistics.median(samples), parts[89], parts[98], max(samples)


def _of_rounds(rounds: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The same of several rounds: the least and the greatest of all, of the rest the medians."""
    low, *middle, high = zip(*map(_spread, rounds), strict=True)
    return min(low), *map(statistics.median, middle), max(high)


def _aligned(rows: list[list[str]]) -> list[str]:
    """A line for each row: the name and the note to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for cells in rows:
        figures = [cell.rjust(width) for cell, width in zip(cells[1:-1], widths[1:-1], strict=True)]
        lines.append("  " + "  ".join([cells[0].ljust(widths[0]), *figures, cells[-1]]).rstrip())
    return lines
