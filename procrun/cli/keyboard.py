"""What the keys do while `procrun start` runs on a terminal: a digit chooses an instance, m mutes it, r restarts it."""

from collections.abc import Callable

from procrun.desk import Desk
from procrun.errors import ProcrunError
from procrun.messages import Answer, Done, Ps, Refused, Reload, Request, Restart, Status
from procrun.outlet import Outlet
from procrun.report import status_table
from procrun.supervisor import Supervisor

HELP = "keys: 1-9 choose, m mutes or shows it, a shows all, r restarts it, R reloads, p lists states, ? this help"


class Keyboard:
    """Does what a client's request does, by the same `desk`; what there is to tell goes to `say`."""

    def __init__(self, supervisor: Supervisor, desk: Desk, outlet: Outlet, say: Callable[[str], None]) -> None:
        self._supervisor = supervisor
        self._desk = desk
        self._outlet = outlet
        self._say = say
        self._chosen = ""

    def press(self, key: str) -> None:
        """A key; one that means nothing is ignored."""
        if key in "123456789":
            self._choose(int(key))
        elif key in "?h":
            self._help()
        elif key == "p":
            self._ask(Ps())
        elif key == "R":
            self._ask(Reload())
        elif key == "a":
            self._show_all()
        elif key in "mr":
            self._do(key)

    def _names(self) -> list[str]:
        return list(self._supervisor.processes)

    def _choose(self, number: int) -> None:
        names = self._names()
        if number <= len(names):
            self._chosen = names[number - 1]
            self._say(f"{self._chosen} is chosen: m mutes or shows it, r restarts it")
        else:
            self._say(f"there is no instance {number}: ? lists them")

    def _help(self) -> None:
        self._say(HELP)
        for number, name in enumerate(self._names()[:9], 1):
            state = "" if self._outlet.shows(name) else ", muted"
            self._say(f"{number} {name}{state}{', chosen' if name == self._chosen else ''}")

    def _show_all(self) -> None:
        for name in self._names():
            if not self._outlet.shows(name):
                self._outlet.toggle(name)
        self._say("all are shown")

    def _do(self, key: str) -> None:
        names = self._names()
        name = names[0] if len(names) == 1 else self._chosen
        if name not in names:
            self._say("none is chosen: 1-9 choose, ? lists them")
        elif key == "r":
            self._ask(Restart([name]))
        else:
            self._say(f"{name} is {'shown' if self._outlet.toggle(name) else 'muted; m shows it again'}")

    def _ask(self, request: Request) -> None:
        try:
            self._desk.serve(request, self._answer)
        except ProcrunError as error:
            self._say(str(error))

    def _answer(self, answer: Answer) -> None:
        """The steps are told already."""
        match answer:
            case Status():
                for line in status_table(answer.rows).splitlines():
                    self._say(line)
            case Done():
                for note in answer.notes:
                    self._say(note)
            case Refused():
                self._say(answer.text)
