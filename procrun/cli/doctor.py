"""Looks for what earlier runs left, and offers to stop it: doctor."""

import sys
from collections.abc import Iterable
from typing import Any

import click

from procrun.cli.click_options import takes
from procrun.cli.control import root_of
from procrun.cli.options import APP, JSON, TIMEOUT
from procrun.cli.printing import show, show_json, show_lines
from procrun.core.errors import require_processes
from procrun.core.events import Event, EventKind, Timeline, step
from procrun.engines.local import Local
from procrun.eventloop import stderr
from procrun.recovery import leftovers, past_runs, run_record
from procrun.recovery.cleanup import clear
from procrun.recovery.leftovers import Found, Leftover
from procrun.recovery.past_runs import Earlier, account, leftover_rows, leftover_table
from procrun.system.host import process_handles, process_table


@click.command("doctor")
@takes(*APP, *TIMEOUT, *JSON)
@click.option("--clean", is_flag=True, help="Stop what is left, without asking.")
@click.option("--all", "everywhere", is_flag=True, help="Also what runs in other folders left, known by its mark.")
def doctor_command(clean: bool, everywhere: bool, timeout: float | None, as_json: bool, **where: Any) -> int:
    """List what earlier runs in this folder left alive, and stop it: on a terminal it asks first.

    A run that was killed with its front, both at the same instant, leaves its processes behind. They are known by the
    run's record in .procrun/, by the mark in their environment, and by the pipe they write into. TERM, and KILL when
    the budget is over, stores last. What belongs to a living run is never touched; where there is doubt, "perhaps" is
    said and nothing done.

    Exits 0 when nothing is left, 1 when something is.
    """
    require_processes()
    root = root_of(where)
    Local(root).runs()  # clears the sockets that nobody answers on
    earlier = past_runs.look_back(root)
    found = _look(root)
    chosen = _chosen(found, everywhere)
    if not as_json:
        _show(root, earlier, found, everywhere)
    steps: list[dict[str, Any]] = []
    rows = leftover_rows(chosen)
    left = chosen
    if chosen and (clean or (not as_json and _asked(chosen))):
        _stop(root, everywhere, timeout, as_json, steps)
        left = _chosen(_look(root), everywhere)
        doubtful = past_runs.give_up(root)
        if doubtful and not as_json:
            stderr.tell(
                f"left alone, since it may be somebody else's: pid {', '.join(str(one.row.pid) for one in doubtful)}"
            )
    if as_json:
        told = [_as_json(one) for one in earlier]
        show_json({"runs": told, "found": rows, "steps": steps, "left": len(left)})
    elif steps and not left:
        stderr.tell("everything is gone")
    return 1 if left else 0


def _as_json(earlier: Earlier) -> dict[str, Any]:
    record = earlier.record
    return {
        "run": record.supervisor,
        "since": record.since,
        "fate": earlier.fate.name.lower(),
        "text": account(earlier),
    }


def _look(root: str, seen: Iterable[Leftover] = ()) -> Found:
    return leftovers.find(root, run_record.records(root), seen)


def _chosen(found: Found, everywhere: bool) -> list[Leftover]:
    return [*found.here, *(found.elsewhere if everywhere else ())]


def _show(root: str, earlier: list[Earlier], found: Found, everywhere: bool) -> None:
    for one in earlier:
        stderr.tell(account(one))
    for record, _ in past_runs.rescued(root):
        pid = record.front.partition("-")[0]
        stderr.tell(
            f"the procrun with pid {pid} is still stopping what its killed supervisor left; that is not listed here"
        )
    for path in run_record.strangers(root):
        stderr.tell(f"{path} is another user's or open to others, and not believed; its owner can run `procrun doctor`")
    chosen = _chosen(found, everywhere)
    if chosen:
        show_lines(leftover_table(chosen))
    else:
        others = "1 process" if found.unseen == 1 else f"{found.unseen} processes"
        unseen = f" ({others} of other users or containers cannot be looked into)"
        stderr.tell(f"nothing is left of earlier runs in {root}{unseen if found.unseen else ''}")
    if found.elsewhere and not everywhere:
        stderr.tell(f"{len(found.elsewhere)} left by runs in other folders; --all lists them")


def _asked(chosen: list[Leftover]) -> bool:
    """Whether somebody is there to ask, and says yes."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    count = sum(left.sure for left in chosen)
    if not count:
        return False
    return click.confirm(f"Stop {'this process' if count == 1 else f'these {count} processes'}?")


def _stop(root: str, everywhere: bool, budget: float | None, as_json: bool, steps: list[dict[str, Any]]) -> None:
    timeline = Timeline()
    if process_handles.refusal():
        stderr.tell(process_handles.warning())

    def tell(event: Event) -> None:
        steps.append({**event._asdict(), "seconds": round(event.seconds, 3), "text": step(event)})
        line = timeline.add(event)
        if (line or event.what == EventKind.STUCK) and not as_json:
            show(line or f"{event.name} {step(event)}")

    for left in clear(lambda seen: _chosen(_look(root, seen), everywhere), budget, tell):
        if not as_json:
            stderr.tell(f"pid {left.row.pid} ({process_table.title(left.row.pid)}) could not be stopped")
