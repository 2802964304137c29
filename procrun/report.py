"""How things are, as text for people: the status table of `ps`."""

from collections.abc import Sequence

from procrun.messages import Row
from procrun.wording import duration


def status_table(rows: Sequence[Row]) -> str:
    """The instances as a table for people; with a last column BUSY where a process title tells of its work."""
    from tabulate import tabulate

    told = any(row.busy is not None for row in rows)
    cells = [
        (
            row.name,
            row.state,
            row.pid,
            row.port,
            duration(row.uptime) if row.uptime is not None else None,
            row.restarts,
            f"{row.cpu_percent:.1f}%",
            _size(row.memory),
            row.last_exit,
            *([_busy(row)] if told else []),
        )
        for row in rows
    ]
    headers = ("NAME", "STATE", "PID", "PORT", "UPTIME", "RESTARTS", "CPU", "MEMORY", "LAST EXIT", "BUSY")
    return tabulate(cells, headers if told else headers[:-1], tablefmt="plain", missingval="-", disable_numparse=True)


def _busy(row: Row) -> str | None:
    return f"{row.busy} of {row.threads}" if row.busy is not None else None


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count else "-"
