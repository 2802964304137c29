"""The tables of `procrun chaos`: what is planned, and what came of it."""

from collections.abc import Sequence

from procrun.chaos.schedule import Fault, Outcome
from procrun.core.tables import table


def plan_table(faults: Sequence[Fault]) -> str:
    """What is to be done, when and to whom."""
    return table([(f"{fault.at:.2f} s", _fault(fault), fault.instance) for fault in faults], _PLAN)


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    """What was done to whom, and how long it took to recover."""
    cells = [
        (
            f"{outcome.at:.2f} s",
            _done(outcome),
            outcome.fault.instance,
            outcome.pid,
            outcome.note or (f"{outcome.recovered:.2f} s" if outcome.recovered is not None else "no"),
        )
        for outcome in outcomes
    ]
    return table(cells, (*_PLAN, "PID", "RECOVERED AFTER"))


_PLAN = ("TIME", "FAULT", "INSTANCE")


def _fault(fault: Fault) -> str:
    """`kill`, `kill child`, `stop 1.3 s`, `flood 1.0 s`."""
    if fault.kind == "kill":
        return "kill" if fault.child is None else "kill child"
    return f"{fault.kind} {fault.seconds:.1f} s"


def _done(outcome: Outcome) -> str:
    """The same as it was done: a flood with its bytes, `flood 50.0 MB`."""
    if outcome.fault.kind == "flood":
        return f"flood {outcome.written / 10**6:.1f} MB"
    return _fault(outcome.fault._replace(child=0.0 if outcome.child else None))
