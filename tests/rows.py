"""Collects what real programs did under procrun; docs/make_workers_table.py makes the table of docs/workers.md of it.

    def test_it(folder, row):
        ...
        row("sidekiq", "6.4.1", "local", "5 jobs of 30 s", "stop", "5 pushed back, 0 lost, gone in 6.1 s")

Called after the last assertion, so a row is what a passing test has counted.
"""

import json
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

ROWS = Path(__file__).parent.parent / "build" / "rows.jsonl"
"""One JSON object a line. A row replaces an older one of the same program, platform, load and action."""


class Row(NamedTuple):
    """One line of the table."""

    program: str
    version: str
    platform: str
    in_flight: str
    action: str
    happened: str


class Record(Protocol):
    """What the fixture gives: takes a row's values in order."""

    def __call__(
        self, program: str, version: str, platform: str, in_flight: str, action: str, happened: str
    ) -> None: ...


@pytest.fixture
def row() -> Record:
    """Records one row of the table of docs/workers.md."""

    def record(program: str, version: str, platform: str, in_flight: str, action: str, happened: str) -> None:
        ROWS.parent.mkdir(exist_ok=True)
        values = Row(program, version, platform, in_flight, action, happened)._asdict()
        with ROWS.open("a") as file:
            file.write(json.dumps(values, ensure_ascii=False) + "\n")

    return record


def read() -> list[Row]:
    """The rows of the last runs, the newest of each kind, by program and platform."""
    lines = ROWS.read_text().splitlines() if ROWS.exists() else []
    newest = {row[:1] + row[2:5]: row for row in (Row(**json.loads(line)) for line in lines)}
    return sorted(newest.values(), key=lambda row: (row.program, row.platform, row.action, row.in_flight))
