"""What a signal to procrun, the end of its front or of a process means for the run: stop, suspend, go on."""

import signal

from procrun.run import guardian_link
from procrun.run.reporter import Narrator
from procrun.supervise.supervisor import Supervisor, Verdict
from procrun.system import signals


class Orders:
    """Obeys what the front passes on. `orphaned` is how many instances were up when the front died, None until then."""

    def __init__(self, to_front: guardian_link.Link, supervisor: Supervisor, narrator: Narrator) -> None:
        self.orphaned: int | None = None
        self._link = to_front
        self._supervisor = supervisor
        self._narrator = narrator
        self._presses = guardian_link.Presses()
        self._suspended = False

    def obey(self, number: int) -> None:
        """Do what a signal to procrun means; GONE when the front is dead."""
        if number == guardian_link.GONE:
            self.orphaned = len(self._supervisor.alive())
            self.end("the front process is gone", Verdict(128 + signal.SIGKILL))
        elif number in signals.STOPPING:
            self._stop_by(number)
        elif number == signal.SIGTSTP:
            self._suspend()
        elif number == signal.SIGCONT:
            self._continue()
        elif number == signal.SIGWINCH:
            self._supervisor.resize()
        else:
            name = signal.Signals(number).name.removeprefix("SIG")
            self._narrator.say(
                f"{name} is not passed on: a dyno has no {name}, and most programs die of it; "
                "`procrun restart` restarts, INT and TERM stop"
            )

    def end(self, why: str, verdict: Verdict) -> None:
        """Stop everything, unless that is under way; the first verdict stands."""
        if self._supervisor.verdict is None:
            if self._suspended:
                self._continue()
                self._link.wake()
            self._narrator.ending(why, self._supervisor.alive())
            self._supervisor.end(verdict)

    def _stop_by(self, number: int) -> None:
        """The first signal stops everything; each further Ctrl-C goes one step on."""
        self._link.heard()
        press = self._presses.heard() if number == signal.SIGINT else 0
        if self._supervisor.verdict is None:
            self.end(f"{signal.Signals(number).name} received", Verdict(128 + number, number, told=True))
        elif press == 1:
            self._narrator.say("everything is being stopped already; Ctrl-C again goes on to the next step")
        elif press:
            self._narrator.say("Ctrl-C again: the next step now")
            self._supervisor.hurry()

    def _suspend(self) -> None:
        if self._supervisor.verdict is not None:
            self._narrator.say("Ctrl-Z is ignored during a stop")
            return
        self._suspended = True
        self._supervisor.freeze(signal.SIGSTOP)
        self._link.suspended()

    def _continue(self) -> None:
        if self._suspended:
            self._suspended = False
            self._supervisor.freeze(signal.SIGCONT)
