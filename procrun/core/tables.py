"""Tables for people: columns of clean cells, so that no cell can break out of its row."""

from collections.abc import Iterable, Sequence

from procrun.core.text import clean


def table(cells: Iterable[Iterable[object]], headers: Sequence[str]) -> str:
    """The rows below their headers; None is shown as `-`."""
    from tabulate import tabulate  # 10 ms, so only where there is a table

    rows = [[clean(cell) if isinstance(cell, str) else cell for cell in row] for row in cells]
    return tabulate(rows, headers, tablefmt="plain", missingval="-", disable_numparse=True)
