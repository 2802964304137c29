"""A smoke run: everything is started, must be ready in time, and may then run one command."""

import os
import shlex
import signal
import time
from typing import Any

from procrun.core import descriptors
from procrun.core.errors import ConfigError
from procrun.core.events import Event
from procrun.core.text import shown, there_are
from procrun.eventloop import stderr
from procrun.output.filter import LogWatch
from procrun.output.github_actions import Workflow
from procrun.output.prefix import OURS
from procrun.plan import preflight
from procrun.plan.options import Wishes
from procrun.plan.sources import read
from procrun.run.guardian_link import Link
from procrun.run.session import Session, tell_findings, wishes_of
from procrun.run.smoke import command as driver
from procrun.run.smoke import junit, ports, report
from procrun.run.smoke.conductor import Around, Asked, Conductor
from procrun.run.smoke.ports import Placed
from procrun.run.smoke.result import CMD, Result
from procrun.supervise.instance import Instance
from procrun.supervise.supervisor import Verdict

READY_WITHIN = 60.0
"""Seconds in which everything must be ready, where nothing else is said."""


STAY = 5.0
"""Seconds to stay up, where no command is given."""


LAST_LINES = 10
"""Lines of output that are told of who is at fault."""


LOG_LINES = 1000
"""The same in the JUnit report."""


LONGEST_LINE = 500
"""Letters of a line that are told of."""


def _supervise(to_front: Link, names: tuple[str, ...], command: list[str] | None, values: dict[str, Any]) -> int:
    wishes = wishes_of(names, values)
    sources = read(wishes, os.environ)
    _refuse_command(names, [entry.name for entry in sources.entries], command is not None)
    placed = ports.place(sources, wishes)
    sources = placed.plan.sources
    # Log files are the app's own, and another run may be writing them just now.
    alone = sources._replace(config=sources.config._replace(log_dir=None))
    placed = placed._replace(plan=placed.plan._replace(sources=alone))
    tell_findings(placed.plan)
    preflight.make_room(placed.plan.specs, descriptors.STANDING + len(placed.claims) + 3)
    return _Smoke(to_front, placed, wishes, values, command).go()


def _refuse_command(names: tuple[str, ...], types: list[str], given: bool) -> None:
    """Raise ConfigError where a first word that is no name was probably meant to be the command."""
    if names and not given and names[0] not in types and names[0].rpartition(".")[0] not in types:
        line = " ".join(map(shlex.quote, names))
        text = f"no process {shown(names[0])}{there_are(types, names[0])}; a command stands behind --: smoke -- {line}"
        raise ConfigError(text)


class _Smoke(Session):
    """A run without socket and record: nobody else reaches it, and it needs no room in the app's folder."""

    def __init__(
        self, to_front: Link, placed: Placed, wishes: Wishes, values: dict[str, Any], command: list[str] | None
    ) -> None:
        super().__init__(to_front, placed.plan, wishes, {**values, "wait": False})
        self._startup.over = True  # how long it all took is in the table at the end
        self._supervisor.on_end = lambda why, verdict: None  # when it is over the conductor says
        self._placed = placed
        self._values = values
        patterns = values["patterns"]
        asked = Asked(
            within=values["within"] or READY_WITHIN,
            stay=values["stay"] or STAY,
            restarts=values["restarts"] or 0,
            command=driver.driver(placed.plan, CMD, command) if command else None,
            patterns=tuple(pattern.pattern.decode(errors="surrogateescape") for pattern in patterns),
        )
        around = Around(self._loop, self._supervisor, self._end, self._narrator.say, self._last_lines)
        self._conductor = Conductor(asked, placed.plan.specs, around)
        if patterns:
            watch = LogWatch(patterns, (OURS, CMD), self._conductor.found_in_log)
            self._outputs.outlet.taps.append(watch.hear)

    def go(self) -> int:
        """Do all of it; the exit status."""
        if self._placed.notice:
            self._narrator.say(self._placed.notice)
        self.launch()
        self._say_what_is_left_out()
        self._conductor.begin()
        return self.run()

    def _end(self, why: str) -> None:
        self._orders.end(why, Verdict(0))

    def _last_lines(self, name: str, count: int = LAST_LINES) -> list[str]:
        backlog = self._outputs.backlog
        pieces = backlog.after(backlog.before_last(count, (name,)), (name,), 1 << 30)
        text = b"".join(piece.lines for piece in pieces if piece.name == name).decode(errors="replace")
        lines = text.split("\n")[:-1][-count:]
        return [line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…" for line in lines]

    def _annotate(self, workflow: Workflow, process: Instance, event: Event) -> None:
        """Every fault gets its annotation at the end."""

    def _sum_up(self) -> int:
        """Tell the result in each of the forms that are wanted; the exit status."""
        verdict = self._supervisor.verdict
        assert verdict is not None  # nothing else ends the loop
        result = self._conductor.conclude()._replace(interrupted=self._interrupted(verdict))
        status = self._report(result, verdict.status if result.interrupted else result.status)
        if self._values["as_json"]:
            self._outputs.raw(report.as_json(result, status, time.time()))
        else:
            for line in report.lines(result, status):
                self._narrator.say(line)
        self._tell_github(result, status)
        return status

    def _interrupted(self, verdict: Verdict) -> str:
        """Why it had to end before its end, if it had; a signal that came later does not matter."""
        if verdict.signal is not None:
            return f"{signal.Signals(verdict.signal).name} received"
        return "the front process was killed" if self._orders.orphaned is not None else ""

    def _tell_github(self, result: Result, status: int) -> None:
        if self._outputs.workflow is not None:
            for fault in result.faults:
                self._outputs.workflow.error(f"smoke: {fault.kind}", "\n".join([fault.text, *fault.lines]))
        page = os.environ.get("GITHUB_STEP_SUMMARY")
        if page:
            try:
                with open(page, "a", encoding="utf-8", errors="replace") as file:
                    file.write(report.markdown(result, status))
            except OSError as error:
                stderr.tell(f"GITHUB_STEP_SUMMARY: {page}: {error.strerror}")

    def _report(self, result: Result, status: int) -> int:
        """Write the JUnit report, if one is wanted: without it nothing has passed."""
        if self._values["junit"] is not None:
            try:
                junit.write(self._values["junit"], result, lambda name: "\n".join(self._last_lines(name, LOG_LINES)))
            except OSError as error:
                stderr.tell(f"--junit: {self._values['junit']}: {error.strerror}")
                return status or 1
        return status
