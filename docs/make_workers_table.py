"""Prints the tables of docs/workers.md and of the README from what the last runs left in build/.

make_workers_table.py           what the tests saw each program do
make_workers_table.py jobs      what became of work in flight under each runner (`make bench`)
make_workers_table.py readme    a part of that for the README
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.apps.cases import PARENTS, WRAPPERS
from tests.rows import Row, read

HEAD = Row("program", "version", "platform", "in flight", "action", "what happened")
JOBS = Path(__file__).parent.parent / "build" / "jobs.json"


def main(which: Sequence[str]) -> None:
    """The table on standard output; an exit status of 1 where there is nothing to make it of."""
    made = {"": _programs, "jobs": _jobs, "readme": _readme}.get("".join(which))
    if made is None:
        sys.exit(__doc__)
    made()


def _programs() -> None:
    rows = read()
    if not rows:
        sys.exit("no rows: run the tests first (pytest), they write build/rows.jsonl")
    _print(HEAD, rows)


def _jobs() -> None:
    result = _result()
    runners = [*result["runners"], "kill"]
    rows = [[f"`{row['entry']}`", row["flight"], *(row[name] for name in runners)] for row in result["rows"]]
    _print(["entry", "in flight", *_titles(result)], rows)


def _readme() -> None:
    result = _result()
    runners = [*result["runners"], "kill"]
    chosen = {case.name for case in (*PARENTS, *WRAPPERS)}
    rows = [[f"`{row['entry']}`", *(row[name] for name in runners)] for row in result["rows"] if row["name"] in chosen]
    losing = [sum("lost" in row[name] for row in result["rows"]) for name in runners]
    total = f"**forms in which work is lost, of all {len(result['rows'])}**"
    _print(["entry", *_titles(result)], [*rows, [total, *map(str, losing)]])


def _result() -> Any:
    if not JOBS.exists():
        sys.exit("no result: run `make bench` first, or benchmarks/run.py jobs")
    return json.loads(JOBS.read_text())


def _titles(result: Any) -> list[str]:
    return [*(f"{name} {version}" for name, version in result["runners"].items()), "`kill`"]


def _print(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
