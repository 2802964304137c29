"""Draws docs/growth.svg from the figures that the measure `growth` took last: a panel for each figure, both axes log.

run.py growth && plot.py
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from measures.growth import FIGURES, UNITS

TARGET = Path(__file__).parent.parent / "docs/growth.svg"
COLOURS = {"procrun": "#c0392b", "honcho": "#2471a3", "foreman": "#7d6608"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 210, 150, 60, 34, 90  # of a panel, in pixels

Lines = Mapping[str, Mapping[str, float]]
"""By runner, then by number of children."""


def main() -> None:
    """Write the file; an exit status of 1 where nothing was measured."""
    if not FIGURES.exists():
        sys.exit("no figures: run.py growth takes them")
    panels: dict[str, Lines] = json.loads(FIGURES.read_text())
    TARGET.write_text("\n".join(_picture(panels)) + "\n")


def _picture(panels: Mapping[str, Lines]) -> Iterator[str]:
    width, height = LEFT + len(panels) * (WIDTH + GAP), TOP + HEIGHT + 60
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    yield '     font-family="sans-serif" font-size="11" fill="#222">'
    yield f'<rect width="{width}" height="{height}" fill="white"/>'
    for number, (title, lines) in enumerate(panels.items()):
        yield f'<g transform="translate({LEFT + number * (WIDTH + GAP)} {TOP})">'
        yield from _panel(f"{title} ({UNITS[title]})", lines)
        yield "</g>"
    for number, (name, colour) in enumerate(COLOURS.items()):
        x = LEFT + number * 90
        yield f'<path d="M{x} {height - 10}h18" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{x + 24}" y="{height - 6}">{name}</text>'
    yield "</svg>"


def _panel(title: str, lines: Lines) -> Iterator[str]:
    across = _decades([int(count) for figures in lines.values() for count in figures])
    up = _decades([value for figures in lines.values() for value in figures.values()])
    yield f'<text y="-12" font-weight="bold">{title}</text>'
    for power in range(across[0], across[1] + 1):
        x = _place(10.0**power, across) * WIDTH
        yield f'<path d="M{x:.1f} 0v{HEIGHT}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{HEIGHT + 16}" text-anchor="middle">{10**power:,}</text>'
    for power in range(up[0], up[1] + 1):
        y = HEIGHT - _place(10.0**power, up) * HEIGHT
        yield f'<path d="M0 {y:.1f}h{WIDTH}" stroke="#ddd"/>'
        yield f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{10.0**power:,.{max(0, -power)}f}</text>'
    yield f'<text x="{WIDTH / 2}" y="{HEIGHT + 31}" text-anchor="middle">children</text>'
    for name, figures in lines.items():
        points = [
            (_place(int(count), across) * WIDTH, HEIGHT - _place(value, up) * HEIGHT)
            for count, value in figures.items()
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>'
        for x, y in points:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{COLOURS[name]}"/>'


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten between which all of these lie."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _place(value: float, decades: tuple[int, int]) -> float:
    """Where on an axis of these decades: 0 at its beginning, 1 at its end."""
    return (math.log10(value) - decades[0]) / (decades[1] - decades[0])


if __name__ == "__main__":
    main()
