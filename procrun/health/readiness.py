"""Is an instance ready? It is asked quickly until it is, then never again; and not for longer than it may take."""

import re
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from procrun.core.events import INSTEAD
from procrun.core.spec import OWN_PORT, Readiness
from procrun.core.text import public
from procrun.eventloop.loop import Loop, Timer
from procrun.eventloop.worker import Occasional
from procrun.health.listeners import Own, Sockets
from procrun.health.scheduler import Turns
from procrun.system import limits
from procrun.system.host import process_table
from procrun.system.types import Exit

if TYPE_CHECKING:  # imported behind the children
    from typing import Protocol

    from procrun.health.probes import Address, Answered
    from procrun.health.store_protocols import Protocol as Known
    from procrun.system.process_tree import Family
    from procrun.system.types import Listener

    class Question(Protocol):
        """One that is under way; `reached` is whether somebody was there to answer."""

        @property
        def reached(self) -> bool: ...

        def cancel(self) -> None: ...


EVERY = 0.05
"""Seconds between two questions at the beginning."""

EAGER = 3.0
"""Seconds after which the pauses grow."""

SELDOM = 0.5
"""Seconds between two questions at most, soon where it answers that it is not ready: postgres logs each of them."""

ELSEWHERE_AFTER = 5.0
"""Seconds after which a port counts that is neither its $PORT nor known as its own: a port of a debugger or of a
cluster is often the first that a program opens, 4 s and more before the one that it serves on."""

ANSWER_WITHIN = {"http": 5.0, "command": 10.0}
"""Seconds there are to answer one question, 2 for others; then it is asked anew."""

_ELSEWHERE = 2
"""The rank of a port of which nothing is known."""

_COLOURS = rb"\x1b\[[0-9;:]*m"


class Questions:
    """What all instances share: the turns to ask, whom the ends of commands are told to, and what listens here."""

    def __init__(self, loop: Loop) -> None:
        self.turns = Turns(loop)
        self.ends: dict[int, Callable[[Exit], None]] = {}
        self.sockets = Sockets()
        self._loop = loop
        self._aside: Occasional | None = None

    @property
    def aside(self) -> Occasional:
        """The thread in which command lines and memory are read, as a process may hold them up."""
        if self._aside is None:
            self._aside = Occasional(self._loop)
        return self._aside


class Title:
    """Looks in a thread whether a process of `pids` has a title that matches; `answered` hears why not, or nothing."""

    reached = False

    def __init__(self, aside: Occasional, pattern: str, pids: Iterable[int], answered: "Answered") -> None:
        self._answered: Answered | None = answered
        asked = list(pids)
        aside.do(lambda: _has_title(pattern, asked), self._seen)

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        self._answered = None

    def _seen(self, found: bool) -> None:
        if self._answered is not None:
            self._answered("" if found else _SILENT["title"])


def _has_title(pattern: str, pids: Iterable[int]) -> bool:
    try:
        return any(re.search(pattern, process_table.command_line(pid)) for pid in pids)
    except OSError:
        return False  # no descriptor to look with


class Asked(NamedTuple):
    """What there is to know of the instance that is asked; `readers` hear its lines."""

    name: str
    port: int
    root: str
    env: Mapping[str, str]
    pids: Callable[[], Iterable[int]]
    readers: list[Callable[[bytes], None]]
    family: "Family"


class Probe:
    """Asks until the answer is yes, then calls `told` with what answered; after its time with "" and why not."""

    def __init__(
        self, loop: Loop, wish: Readiness, asked: Asked, questions: Questions, told: Callable[[str, str], None]
    ) -> None:
        self._loop = loop
        self._wish = wish
        self._asked = asked
        self._questions = questions
        self._told = told
        self._question: Question | None = None
        self._begun = monotonic()
        self._what = ""
        self._left = wish.within
        self._pause = EVERY
        self._turn = 0
        self._reason = _SILENT.get(wish.kind, "it has not answered yet")
        if wish.kind == "log":
            self._reason += f' "{wish.value}"'
        pattern = wish.value if wish.kind == "log" else wish.line
        self._pattern = pattern.encode(errors="surrogateescape")
        if pattern:
            asked.readers.append(self._read)
        self._own = Own(questions.sockets, asked.pids)
        self._limit = loop.after(wish.within, self._give_up)
        self._next: Timer = questions.turns.after(wish.every or EVERY, self._ask)

    def cancel(self) -> None:
        """Ask no more; the process is gone."""
        self._next.cancel()
        self._limit.cancel()
        if self._question is not None:
            self._question.cancel()
        if self._read in self._asked.readers:
            self._asked.readers.remove(self._read)

    def notified(self) -> None:
        """It has said so by itself (sd_notify(3), READY=1); nothing where something else is asked."""
        if self._wish.kind == "notify":
            self._end("READY=1", "")

    def freeze(self, frozen: bool) -> None:
        """It is suspended, and that time does not count; or it goes on."""
        self._limit.cancel()
        if frozen:
            self._left = self._limit.when - monotonic()
        else:
            self._limit = self._loop.after(max(0.0, self._left), self._give_up)

    def _end(self, by: str, reason: str) -> None:
        self.cancel()
        self._told(by, reason)

    def _give_up(self) -> None:
        """Say what came back last; or that nothing did, where somebody has been asked and still thinks."""
        thinks = self._question is not None and self._question.reached
        self._end("", f"{self._what} has not answered yet" if thinks else self._reason)

    # What is asked

    def _ask(self) -> None:
        self._turn += 1
        try:
            self._put_question()
        except OSError as error:  # no descriptor is left to look or to ask with
            self._heard("")(limits.why(error))

    def _put_question(self) -> None:
        match self._wish.kind:
            case "port":
                self._ask_port()
            case "http":
                from procrun.core import values
                from procrun.health.probes import Get

                url = values.read(self._wish.value, self._asked.port)
                self._question = Get(self._loop, url, self._within(), self._heard(f"GET {url}"))
            case "command":
                self._run()
            case "title":
                self._look()
            case "redis" | "postgres" | "memcached" as kind:
                from procrun.health.store_protocols import PROTOCOLS

                self._connect(self._listeners(), PROTOCOLS[kind].called, PROTOCOLS[kind])

    def _ask_port(self) -> None:
        from procrun.health.probes import at_port

        number = self._asked.port if self._wish.value == OWN_PORT else int(self._wish.value or 0)
        if not number:
            self._ask_any_port()
            return
        addresses = at_port(number)
        if self._turn % 4 == 0:  # it may have an address of its own, and looking for it costs more
            addresses += [row.address for row in self._own.listeners(number)]
        self._connect(addresses, f"port {number}")

    def _ask_any_port(self) -> None:
        """Its $PORT, else one that is known as its own, else one that it has listened on for a while."""
        rows = self._own.listeners()
        row = min(rows, key=lambda row: (self._rank(row), -self._own.age(row)), default=None)
        if row is None:
            self._connect([], "")
            return
        where = _called([row.address])
        if self._rank(row) >= _ELSEWHERE:
            where += f"{INSTEAD}{self._usual_port()}"
            if self._rank(row) > _ELSEWHERE or self._own.age(row) < ELSEWHERE_AFTER:
                self._heard(where)(f"it listens on {where}")
                return
        self._connect([row.address], where)

    def _usual_port(self) -> str:
        """What its port should be: the one that is known as its own, else its $PORT."""
        return f"port {self._wish.ports[0]}" if self._wish.ports else f"PORT {self._asked.port}"

    def _rank(self, row: "Listener") -> int:
        """How much the socket is its own: 0 its $PORT, 1 known as its own, then any, then a debugger's."""
        wish = self._wish
        if isinstance(row.address, str):
            return 1 if row.address.rpartition("/")[2] in wish.sockets else _ELSEWHERE
        port = row.address[1]
        return 0 if port == self._asked.port else 1 if port in wish.ports else _ELSEWHERE + (port in wish.never)

    def _listeners(self) -> "list[Address]":
        """One of the addresses that its own processes listen on, each in its turn."""
        found = self._own.listeners()
        return [found[self._turn % len(found)].address] if found else []

    def _connect(self, addresses: "list[Address]", by: str, known: "Known | None" = None) -> None:
        from procrun.health.probes import Exchange

        if not addresses:
            self._heard(by)("it listens on no port")
            return
        more = () if known is None else (known.words, known.judge)
        self._question = Exchange(self._loop, addresses, self._within(), self._heard(by), by, *more)

    def _run(self) -> None:
        from procrun.health.exec_probe import Command

        asked, line = self._asked, self._wish.value
        name, answered = f"{asked.name}:ready", self._heard("command", f"the command `{public(line)}`")
        args = (name, line, asked.root, asked.env, self._within(), answered)
        self._question = Command(self._loop, asked.family, self._questions.ends, *args)

    def _look(self) -> None:
        """What its processes call themselves (a worker that rewrites its title once it works)."""
        self._question = Title(self._questions.aside, self._wish.value, self._asked.pids(), self._heard("title"))

    def _within(self) -> float:
        return ANSWER_WITHIN.get(self._wish.kind, 2.0)

    # What is answered

    def _heard(self, by: str, what: str = "") -> "Answered":
        self._what = what or by

        def answered(reason: str) -> None:
            reached = self._question is not None and self._question.reached
            self._question = None
            if reason:
                self._reason = reason
                self._again(reached)
            else:
                self._end(by, "")

        return answered

    def _again(self, reached: bool) -> None:
        """Soon less often for who answers that it is not ready: it may log that, or work for it."""
        if reached:
            self._pause = min(2 * self._pause, SELDOM)
        elif monotonic() - self._begun > EAGER:
            self._pause = min(1.2 * self._pause, SELDOM)
        self._next = self._questions.turns.after(self._wish.every or self._pause, self._ask)

    def _read(self, lines: bytes) -> None:
        """Whole lines of its output, in which its line may be."""
        from procrun.core.text import PATIENCE, in_time

        pattern = re.compile(self._pattern)  # not before the children are started
        found = in_time(pattern, re.sub(_COLOURS, b"", lines).replace(b"\r\n", b"\n"))
        if found:
            self._end("log line", "")
        elif found is None:
            self._asked.readers.remove(self._read)
            self._reason = f"its pattern took longer than {PATIENCE:g} s to search a line; make it simpler"


_SILENT = {
    "log": "no line of its output matches",
    "notify": "it has not sent READY=1",
    "title": "neither its title nor its output says so",
}
"""What is said of who has shown nothing."""


def _called(addresses: "list[Address]") -> str:
    """`port 3000`, or the path of a socket."""
    first = addresses[0] if addresses else ""
    return first if isinstance(first, str) else f"port {first[1]}"
