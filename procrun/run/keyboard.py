"""What the keys do while `procrun start` runs on a terminal: a digit chooses an instance, m mutes it, r restarts it.

Keys may be meant for somebody else: who types at a debugger's prompt in the stream types into procrun. So a key that
restarts anything has to be pressed twice, text that comes at once is no keys, and while a prompt stands open the keys
only say how to answer it.
"""

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from procrun.control.protocol import Answer, Done, Ps, Refused, Reload, Request, Restart, Status, Talk
from procrun.control.status_table import status_table
from procrun.core.errors import ProcrunError
from procrun.output.router import Outlet
from procrun.output.stream import Prompt
from procrun.supervise.supervisor import Supervisor
from procrun.system.terminal import PASTED

HELP = "keys: 1-9 choose, m mutes or shows it, a shows all, rr restarts it, RR reloads, p lists states, ? this help"

AGAIN_WITHIN = 5.0
"""Seconds in which a key that restarts something is pressed the second time."""

ESCAPE = "\x1b"


class _Asked(NamedTuple):
    """A key that was pressed once, and what it does when it is pressed again before `until` (monotonic seconds)."""

    key: str
    request: Request
    until: float


Serve = Callable[[Request, Callable[[Answer], None]], Talk]
"""Serves a request, and answers by its second argument."""


class Keyboard:
    """Does what a client's request does, by the same `serve`; what there is to tell goes to `say`."""

    def __init__(self, supervisor: Supervisor, serve: Serve, outlet: Outlet, say: Callable[[str], None]) -> None:
        self._supervisor = supervisor
        self._serve = serve
        self._outlet = outlet
        self._say = say
        self._chosen = ""
        self._asked: _Asked | None = None
        self._answered: Prompt | None = None
        self._ignored: Prompt | None = None
        self._told_of_text = False

    def press(self, key: str) -> None:
        """A key; one that means nothing is ignored."""
        asked, self._asked = self._asked, None
        prompt = self._outlet.prompt
        if key == PASTED.decode():
            self._refuse_text()
        elif key in "?h":
            self._help()
        elif key == ESCAPE:
            self._ignored = prompt
        elif prompt is not None and prompt != self._ignored:
            self._tell_how_to_answer(prompt)
        elif asked is not None and asked.key == key and monotonic() < asked.until:
            self._ask(asked.request)
        else:
            self._do(key)

    def _do(self, key: str) -> None:
        if key in "123456789":
            self._choose(int(key))
        elif key == "p":
            self._ask(Ps())
        elif key == "R":
            self._ask_first(key, Reload(), "reload: what has changed is restarted")
        elif key == "a":
            self._show_all()
        elif key in "mr":
            self._do_with_one(key)

    def _refuse_text(self) -> None:
        """Said once: whoever pastes again has been told."""
        if not self._told_of_text:
            self._told_of_text = True
            self._say("several keys at once are taken for text, and ignored; `procrun attach NAME` types to a process")

    def _tell_how_to_answer(self, prompt: Prompt) -> None:
        """Said once for each prompt, not for each letter."""
        if prompt != self._answered:
            self._answered = prompt
            how = f"`procrun attach {prompt.name}` in another terminal answers it"
            self._say(f"{prompt.name} shows a prompt: {how}; Esc makes these keys procrun's again")

    def _ask_first(self, key: str, request: Request, what: str) -> None:
        self._asked = _Asked(key, request, monotonic() + AGAIN_WITHIN)
        self._say(f"press {key} again within {AGAIN_WITHIN:g} s to {what}")

    def _names(self) -> list[str]:
        return list(self._supervisor.processes)

    def _choose(self, number: int) -> None:
        names = self._names()
        if number <= len(names):
            self._chosen = names[number - 1]
            self._say(f"{self._chosen} is chosen: m mutes or shows it, rr restarts it")
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

    def _do_with_one(self, key: str) -> None:
        names = self._names()
        name = names[0] if len(names) == 1 else self._chosen
        if name not in names:
            self._say("none is chosen: 1-9 choose, ? lists them")
        elif key == "r":
            self._ask_first(key, Restart([name]), f"restart {name}")
        else:
            self._say(f"{name} is {'shown' if self._outlet.toggle(name) else 'muted; m shows it again'}")

    def _ask(self, request: Request) -> None:
        try:
            self._serve(request, self._answer)
        except ProcrunError as error:
            self._say(str(error))

    def _answer(self, answer: Answer) -> None:
        """The steps are told already."""
        match answer:
            case Status():
                for line in status_table(answer.rows).split("\n"):
                    self._say(line)
            case Done():
                for note in answer.notes:
                    self._say(note)
            case Refused():
                self._say(answer.text)
