"""Prints the table of docs/workers.md from the rows that the tests left in build/: make docs-table."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.rows import Row, read

HEAD = Row("program", "version", "platform", "in flight", "action", "what happened")


def main() -> None:
    """The table on standard output; an exit status of 1 where no test has left a row."""
    rows = read()
    if not rows:
        sys.exit("no rows: run the tests first (pytest), they write build/rows.jsonl")
    for row in (HEAD, Row(*["---"] * len(HEAD)), *rows):
        print(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")


if __name__ == "__main__":
    main()
