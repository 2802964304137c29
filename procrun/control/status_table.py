"""The table of `procrun ps`."""

from collections.abc import Sequence

from procrun.control.protocol import Row
from procrun.core.events import duration
from procrun.core.tables import table
from procrun.core.text import plain


def status_table(rows: Sequence[Row]) -> str:
    """The instances as a table for people; with a column BUSY where a process title tells of its work.

    And with a column STATUS where one tells how it is.
    """
    told = any(row.busy is not None for row in rows)
    said = any(row.status for row in rows)
    cells = [
        (
            row.name,
            row.state,
            *([_busy(row)] if told else []),
            row.pid,
            row.port,
            duration(row.uptime) if row.uptime is not None else None,
            row.restarts,
            f"{row.cpu_percent:.1f}%",
            _size(row.memory),
            row.last_exit,
            *([plain(row.status) if row.status else None] if said else []),
        )
        for row in rows
    ]
    first = ("NAME", "STATE", *(["BUSY"] if told else []))
    headers = (*first, "PID", "PORT", "UPTIME", "RESTARTS", "CPU", "MEMORY", "LAST EXIT", *(["STATUS"] if said else []))
    return table(cells, headers)


def _busy(row: Row) -> str | None:
    return f"{row.busy}/{row.threads}" if row.busy is not None else None


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count else "-"
