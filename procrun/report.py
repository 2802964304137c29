"""How things are, as text for people: the status table of `ps`."""

from collections.abc import Sequence

from procrun.messages import Row
from procrun.wording import duration


def status_table(rows: Sequence[Row]) -> str:
    """The instances as a table for people."""
    from tabulate import tabulate

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
        )
        for row in rows
    ]
    headers = ("NAME", "STATE", "PID", "PORT", "UPTIME", "RESTARTS", "CPU", "MEMORY", "LAST EXIT")
    return tabulate(cells, headers, tablefmt="plain", missingval="-", disable_numparse=True)


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count else "-"
