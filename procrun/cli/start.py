"""`procrun start`: one run, put together from plan, supervisor, stream and socket; kept free of click for its speed."""

import os
import signal
from typing import Any, NoReturn

from procrun import front
from procrun.cli.faults import told, warn


def start(names: tuple[str, ...] = (), **values: Any) -> NoReturn:
    """Run the processes of the Procfile in the foreground, their output merged into one stream.

    NAME is a process type (worker) or an instance (worker.2); all are started when none is named. One process's
    end ends the run; Ctrl-C stops everything by TERM, a second Ctrl-C by KILL. Exits with the status of the first
    process that ended by itself.
    """
    front.lead(lambda link: told(lambda: _supervise(link, names, values)))


def _supervise(link: front.Link, names: tuple[str, ...], values: dict[str, Any]) -> int:
    from procrun import plan, rundir
    from procrun.output import wants_colour

    colour = not values["no_colour"] and wants_colour(os.environ, 1)
    wishes = plan.Wishes(
        **{name: value for name, value in values.items() if name in plan.Wishes._fields},
        names=names,
        defaults={"PYTHONUNBUFFERED": "1"} | ({"FORCE_COLOR": "1"} if colour else {}),
    )
    made = plan.build(wishes, os.environ)
    for finding in made.findings:
        warn(f"{finding.where}: {finding.text}")
    folder = rundir.make(made.root)
    with rundir.lock(folder):
        elsewhere = _other_runs(made, wishes)
        if elsewhere is not None:
            return elsewhere
        plan.taken_ports(made.specs)
        session = _Session(link, made, values, colour)
        session.begin(rundir.socket_path(folder))
    return session.run()


def _other_runs(made: Any, wishes: Any) -> int | None:
    """Refuse names that run already; start them in their run where they are down. None when they are free."""
    from procrun import rundir

    if not rundir.sockets(made.root):
        return None
    from procrun.cli.elsewhere import take_part

    return take_part(made, wishes)


class _Session:
    """Wires the floors below to each other for one run; what the front passes on is obeyed here."""

    def __init__(self, link: front.Link, made: Any, values: dict[str, Any], colour: bool) -> None:
        from procrun.loop import Loop
        from procrun.narrator import Narrator
        from procrun.output import Look, Sink, Stream
        from procrun.supervisor import Supervisor

        self._link = link
        self._plan = made
        self._server: Any = None
        self._suspended = False
        self._last_interrupt = 0.0
        self._loop = Loop()
        self._sink = Sink(self._loop, 1, lambda: self._supervisor.resume_reading())
        width = max(len("procrun"), *(len(spec.name) for spec in made.specs))
        look = Look(width, colour, not values["no_timestamp"], not values["no_prefix"])
        stream = Stream(self._sink, look, terminal=os.isatty(1))
        self._narrator = Narrator(self._loop, stream.say)
        self._supervisor = Supervisor(f"{os.getpid()}", self._loop, stream, self._narrator.hear)

    def begin(self, path: str) -> None:
        """Start everything, then what is not needed to start: the socket, the watch over orphans."""
        made = self._plan
        front.listen_to(self._loop, self.obey, self._supervisor.reap)
        self._link.listen(self._loop, self.obey)
        self._link.budget(made.budget)
        self._supervisor.start(made.specs)

        from procrun import plan, proc
        from procrun.server import Server

        proc.become_subreaper()
        self._server = Server(
            path,
            self._loop,
            self._supervisor,
            lambda type_, count: plan.instances(made, type_, count),
            lambda: [
                f"{os.path.relpath(file, made.root)} has changed since the start; restart keeps the old plan"
                for file in plan.changed_files(made)
            ],
        )
        if plan.RELEASE in [entry.name for entry in made.entries] and plan.RELEASE not in [t.name for t in made.types]:
            self._narrator.say("the release entry is left out; `procrun release` runs it")

    def run(self) -> int:
        """Serve until everything is over; the exit status."""
        self._loop.run()
        supervisor = self._supervisor
        self._narrator.sum_up(supervisor.processes.values())
        self._server.close()
        supervisor.sweep()
        self._sink.close()
        if self._sink.dropped:
            warn(f"{self._sink.dropped} bytes of output could not be shown")
        verdict = supervisor.verdict
        if verdict is not None and verdict.signal is not None:
            self._link.die_of(verdict.signal)
        return verdict.status if verdict is not None else 1

    def obey(self, number: int) -> None:
        """Do what a signal to procrun means; GONE when the front is dead."""
        if number == front.GONE:
            self._end(signal.SIGKILL, "the front process is gone")
        elif number in front.STOPPING:
            self._end(number, f"{signal.Signals(number).name} received")
        elif number == signal.SIGTSTP:
            self._suspend()
        elif number == signal.SIGCONT:
            if self._suspended:
                self._suspended = False
                self._supervisor.freeze(signal.SIGCONT)
        else:
            name = signal.Signals(number).name.removeprefix("SIG")
            self._narrator.say(
                f"{name} is not passed on: a dyno has no {name}, and most programs die of it; "
                "`procrun restart` restarts, INT and TERM stop"
            )

    def _end(self, number: int, why: str) -> None:
        from procrun.supervisor import Verdict

        supervisor = self._supervisor
        if supervisor.verdict is None:
            self._last_interrupt = self._narrator.ending(supervisor, why)
            supervisor.end(Verdict(128 + number, None if number == signal.SIGKILL else number))
        elif number == signal.SIGINT and self._narrator.patience_ended(self._last_interrupt):
            supervisor.hurry()

    def _suspend(self) -> None:
        if self._supervisor.verdict is not None:
            self._narrator.say("Ctrl-Z is ignored during a stop")
            return
        self._suspended = True
        self._supervisor.freeze(signal.SIGSTOP)
        self._link.suspended()
