"""`procrun chaos`: faults on purpose in a running procrun, and whether everything recovers."""

import random
import re
from collections.abc import Sequence
from typing import Any

import click

from procrun.chaos.runner import RUNNING, Chaos, Report, targets
from procrun.chaos.schedule import KINDS, Fault, Outcome, draw
from procrun.cli.click_options import process_names, takes
from procrun.cli.control import engine_of
from procrun.cli.options import APP, JSON, Option
from procrun.cli.printing import show, show_json, show_lines
from procrun.control.protocol import Row
from procrun.core.errors import ConfigError, NoRunError, VanishedError, require_processes
from procrun.core.text import there_are
from procrun.core.values import split
from procrun.engines.base import Engine, Run
from procrun.eventloop import stderr
from procrun.system.host import process_handles
from procrun.system.signals import obey_at_once, signal_name

_LONGEST = 3600.0
_SHORTEST = 0.1


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not _SHORTEST <= value <= _LONGEST:  # never true of nan
        raise ValueError(f'"{text}" is no time here; give seconds from {_SHORTEST:g} to {_LONGEST:g}')
    return value


def _kinds(text: str) -> tuple[str, ...]:
    wanted = split([text])
    for kind in wanted:
        if kind not in KINDS:
            raise ValueError(f'"{kind}" is no fault{there_are(KINDS, kind)}')
    if not wanted:
        raise ValueError(f"names no fault{there_are(KINDS, '')}")
    return tuple(kind for kind in KINDS if kind in wanted)


def _seed(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError(f'"{text}" is no seed; give a whole number of up to 18 digits')
    return int(text)


_OPTIONS = (
    Option("duration", ("--for",), "SECONDS", _seconds, "How long faults are done, else 30; an hour at most."),
    Option("every", ("--every",), "SECONDS", _seconds, "From one fault to the next, else 2."),
    Option("kinds", ("--faults",), "kill,stop,flood", _kinds, "Only these.", words=KINDS),
    Option("seed", ("--seed",), "N", _seed, "Do again what was done with this seed; else a new one is chosen."),
    Option("recover", ("--recover",), "SECONDS", _seconds, "How long everything has to recover, else 90."),
    Option("dry_run", ("--dry-run",), None, bool, "Show the plan and do nothing."),
)


@click.command("chaos")
@takes(*APP, *_OPTIONS, *JSON)
@click.argument("names", nargs=-1, metavar="[NAME]…", shell_complete=process_names)
def chaos_command(
    names: tuple[str, ...],
    duration: float | None,
    every: float | None,
    kinds: tuple[str, ...] | None,
    seed: int | None,
    recover: float | None,
    dry_run: bool,
    as_json: bool,
    **where: Any,
) -> int:
    """Do harm to what runs here, for a while, and see whether everything recovers and nothing is left.

    \b
    kill    KILL out of the blue, to an instance's leader or another of its
            processes; only where its restart policy starts it again
    stop    everything of an instance stands still for 0.5 to 3 seconds
    flood   lines at full speed into its output for about a second, 50 MB at most

    All running instances are meant, or those of NAME; a store is killed only by name. The plan is drawn from a seed,
    which is printed: the same seed does the same to the same instances.

    Exits with 0 when everything is up again and nothing was left, with 1 otherwise. Ctrl-C ends it early, and
    whatever is stopped goes on.
    """
    require_processes()
    there = _instances(engine_of(where), names)
    up = _running([row for _, row, meant in there if meant])
    chosen, notes = targets(up, kinds or KINDS, bool(names))
    for note in notes:
        stderr.tell(note)
    seed = seed if seed is not None else random.SystemRandom().randrange(10**6)
    plan = draw(seed, chosen, duration or 30.0, every or 2.0)
    if not plan:
        raise ConfigError("nothing here can take such a fault", "chaos")
    if dry_run:
        _show_plan(seed, plan, as_json)
        return 0
    if not as_json:
        show(f"seed {seed}: {_count(plan)} on {', '.join(sorted({fault.instance for fault in plan}))}")
    if process_handles.refusal():
        stderr.tell(process_handles.warning())
    runs = list(dict.fromkeys(run for run, _, _ in there))
    report = Chaos(runs, plan, recover or 90.0).run()
    obey_at_once()
    return _show(seed, plan, report, as_json)


def _instances(engine: Engine, names: tuple[str, ...]) -> list[tuple[Run, Row, bool]]:
    """All instances of the runs that are meant, each with whether it is meant itself."""
    found = []
    for run, chosen in engine.find(names):
        try:
            there = run.ps(at_once=True)
        except (OSError, VanishedError):
            raise NoRunError(f"{run.title} does not answer; it may be ending just now") from None
        found += [(run, row, not chosen or {row.name, row.name.rpartition(".")[0]} & set(chosen)) for row in there]
    return [(run, row, bool(meant)) for run, row, meant in found]


def _running(meant: Sequence[Row]) -> list[Row]:
    idle = [f"{row.name} is {row.state}" for row in meant if row.state not in RUNNING]
    if idle:
        stderr.tell(f"left alone: {', '.join(idle)}")
    return sorted((row for row in meant if row.state in RUNNING), key=lambda row: row.name)


def _show_plan(seed: int, plan: Sequence[Fault], as_json: bool) -> None:
    if as_json:
        show_json({"seed": seed, "plan": [fault._asdict() for fault in plan]})
        return
    from procrun.chaos.report import plan_table

    show(f"seed {seed}: {_count(plan)}")
    show_lines(plan_table(plan))


def _show(seed: int, plan: Sequence[Fault], report: Report, as_json: bool) -> int:
    """Tell how it went; the exit status."""
    if as_json:
        show_json(
            {
                "seed": seed,
                "plan": [fault._asdict() for fault in plan],
                "results": [_result(outcome) for outcome in report.outcomes],
                "seconds": round(report.lasted, 3),
                "answers": report.answers,
                "slowest_answer": round(report.slowest, 4),
                "trouble": list(report.trouble),
                "interrupted": signal_name(report.interrupted) if report.interrupted else None,
                "ok": report.ok,
            }
        )
    else:
        from procrun.chaos.report import outcome_table

        show_lines(outcome_table(report.outcomes))
        show(_summary(seed, report))
    for line in report.trouble:
        stderr.tell(line)
    if report.interrupted:
        return 128 + report.interrupted
    return 0 if report.ok else 1


def _result(outcome: Outcome) -> dict[str, Any]:
    fields = outcome._asdict()
    number = fields.pop("fault").number
    return {"number": number, **{key: round(v, 3) if isinstance(v, float) else v for key, v in fields.items()}}


def _summary(seed: int, report: Report) -> str:
    done = sum(outcome.pid is not None for outcome in report.outcomes)
    how = "everything recovered, nothing is left"
    if report.interrupted:
        how = f"ended by {signal_name(report.interrupted)}; what was stopped goes on, nothing else was waited for"
    elif report.trouble:
        how = "not everything is as it was"
    asked = f"slowest of {report.answers} answers {report.slowest * 1000:.0f} ms"
    return f"{done} fault{'s' * (done != 1)} in {report.lasted:.1f} s: {how}; {asked}; seed {seed}"


def _count(plan: Sequence[Fault]) -> str:
    return f"{len(plan)} fault{'s' * (len(plan) != 1)} in {plan[-1].at + plan[-1].seconds:.0f} s"
