"""Everything at once, in random order: whatever is asked, killed, stopped or torn off, the promises hold.

Each test is one run of a random formation on which random steps are taken, and one random end. The same seed gives the
same steps; what they meet depends on the machine, too. Set by the environment:

    RANDOM_SEED=17        this seed instead of the usual ones; a failure names its own
    RANDOM_RUNS=100       so many seeds, from RANDOM_SEED on (4 from 1)
    RANDOM_SECONDS=30     how long steps are taken in each run (5)

What must be true after each step, and at the end:

1. `ps` agrees with /proc, and, in a world at rest, with what was asked;
2. nothing survives: no process of an instance that is down, none at all at the end;
3. a deadline is kept: KILL comes when the budget is over, not before, and hardly later;
4. what a child wrote is shown once, in order, untorn: for each writer the numbers shown are 1 to n without a gap, and
   n is no less than the last number that the pipe had taken. One more may be shown: it was in flight at a KILL.
"""

import os
import random
import re
import select
import shutil
import signal
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic

import pytest

from procrun.control.protocol import (
    Answer,
    Deploy,
    Deployed,
    Done,
    Final,
    Go,
    Hello,
    Ps,
    Quiet,
    Refused,
    Request,
    Restart,
    Row,
    Scale,
    Signal,
    Start,
    Status,
    Stop,
    Welcome,
    decode_answer,
    encode,
)
from procrun.system.linux import procfs, signals
from procrun.system.process_tree import MARK
from procrun.system.types import Stat
from tests.harness import PATIENCE, PROGRAMS, PYTHON, Folder, Run, alive, child, free_base, until

SEED = int(os.environ.get("RANDOM_SEED", "1"))
RUNS = int(os.environ.get("RANDOM_RUNS", "1" if "RANDOM_SEED" in os.environ else "4"))
SECONDS = float(os.environ.get("RANDOM_SECONDS", "5"))

BUDGET = 1.0
SHORT = 0.4
"""Seconds from TERM to KILL: usually, and in the requests that give a budget of their own."""

SLACK = 5.0
"""Seconds that a busy machine may take longer than it should."""

WRITER = f"{PYTHON} -S -E {PROGRAMS / 'writer.py'} notes"
COMMANDS = {
    "plain": WRITER,
    "worker": f"{WRITER} slow",
    "stubborn": f"{WRITER} stubborn",
    "tree": f"{WRITER} fork session",
    "daemon": f"{WRITER} daemon fork",
    "flood": f"{WRITER} flood",
    "long": f"{WRITER} long",
    "silent": "sleep 1000",
    "shell": "trap '' TERM; while :; do sleep 0.1; done",
    "mainless": child("mainless.py"),
    "threads": child("mainless.py", "deaf"),
}
STORE, USER = "store", "user"
"""A store, before which nothing is started and behind which nothing is stopped, and who says that it needs it."""

LASTING = 'restart = "always"\nrestart_limit = "1000/10"'
"""What is killed starts again, within 10 milliseconds, and does not end the run."""

END_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
TIMELINE = re.compile(r"procrun +\| (\S+) ((?:[A-Z]+ [\d.]+ → )+)gone ([\d.]+) s \(.*\)$", re.MULTILINE)


class Talk:
    """One connection to the run, which may be left alone, followed, or torn off."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.answers: list[Answer] = []
        self._rest = b""
        self._ended = False
        self.say(data)

    def say(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except BrokenPipeError:
            pass  # the run has hung up on garbage already

    def hear(self, wait: bool = False) -> bool:
        """Take what has come, or wait for something; False behind the last answer."""
        self.socket.settimeout(PATIENCE if wait else 0)
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        self._ended = self._ended or not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.answers += map(decode_answer, lines)
        return bool(data)

    def final(self, wait: bool = False) -> Final | None:
        """The last word, if it has come."""
        while not self.is_over() and self.hear(wait):
            pass
        last = self.answers[-1] if self.answers else None
        return last if isinstance(last, Final) else None

    def is_over(self) -> bool:
        return bool(self.answers) and isinstance(self.answers[-1], Final)

    def wait_for(self, kind: type) -> bool:
        """Whether an answer of this kind comes before the last word."""
        while not any(isinstance(answer, kind) for answer in self.answers) and not self.is_over() and self.hear(True):
            pass
        return any(isinstance(answer, kind) for answer in self.answers)


class World:
    """One run, what was asked of it, and everybody who was ever seen in it."""

    def __init__(self, folder: Folder, rng: random.Random) -> None:
        self.folder, self.rng = folder, rng
        self.platform = rng.choice(["local", "local", "server"])
        self.types = [*rng.sample(sorted(COMMANDS), 4), STORE, USER]
        self.refused = rng.choice(["", "", "ENOSYS", "EPERM"])
        self.lasting = {type_ for type_ in self.types if rng.random() < 0.5}
        self.talks: list[Talk] = []
        self.connections: list[Talk] = []
        self.wanted: dict[str, bool | None] = {}
        self.seen: set[tuple[int, int]] = set()
        self.log: list[str] = []
        self.torn = self.hurried = False
        self.shown: dict[str, int] = {}
        self.looked, self.unfinished = 0, b""
        self._write_files()
        self.run = self._start()

    def _write_files(self) -> None:
        commands = {**COMMANDS, STORE: child("listener.py", "listen"), USER: WRITER}
        self.folder.procfile(*(f"{type_}: {commands[type_]}" for type_ in self.types))
        lines = [f'platform = "{self.platform}"', f"restart_budget = {BUDGET}", f"store_budget = {BUDGET}"]
        for type_ in self.types:
            lines.append(f"[process.{type_}]")
            if type_ == USER:
                lines.append(f'after = ["{STORE}"]')
            if type_ in self.lasting:
                lines.append(LASTING)
            if type_ == STORE:
                lines.append('profile = "minio"')
            if self.platform == "server":
                quiet = "tstp, 0.3, " if type_ == "worker" else ""
                lines.append(f'stop_sequence = "{quiet}term, {BUDGET}, kill"')
                if type_ == "worker":
                    lines.append('profile = "sidekiq"\nready = false')  # it shows nothing of what a Sidekiq shows
        self.folder.write("procrun.toml", "\n".join(lines) + "\n")

    def _start(self) -> Run:
        counts = {type_: 1 if type_ == STORE else self.rng.randint(0, 2) for type_ in self.types}
        self.note(f"{self.platform} {counts}{self.refused and f', pidfds refused with {self.refused}'}")
        formation = ",".join(f"{type_}={count}" for type_, count in counts.items())
        before = [PYTHON, str(PROGRAMS / "no_pidfds.py"), self.refused] if self.refused else []
        run = self.folder.start("-c", formation, "-p", str(free_base(100 * len(self.types))), before=before)
        run.wait_for("started")
        until(lambda: list(self.folder.path.glob(".procrun/*.sock")), "the control socket is there")  # it listens then
        self.path = next(self.folder.path.glob(".procrun/*.sock"))
        self.supervisor = int(self.path.stem)
        self.identity = procfs.identity(self.supervisor)
        self.wanted = {f"{type_}.{n}": True for type_, count in counts.items() for n in range(1, count + 1)}
        return run

    def note(self, text: str) -> None:
        self.log.append(text)

    # Asking

    def connect(self, data: bytes) -> Talk:
        talk = Talk(self.path, data)
        self.connections.append(talk)
        return talk

    def close(self) -> None:
        """Let go of everybody who was ever talked to."""
        for talk in self.connections:
            talk.socket.close()

    def ask(self, request: Request) -> Talk:
        """Send it, and be sure that it is taken before anything that is asked later."""
        self.note(str(request))
        talk = self.connect(encode(request))
        self.states()
        talk.final()
        return talk

    def answer(self, request: Request) -> Final | None:
        """What is answered at once, on a connection that is then closed: there are many in a run."""
        talk = Talk(self.path, encode(request))
        with talk.socket:
            return talk.final(wait=True)

    def states(self) -> dict[str, str]:
        """What Hello tells."""
        answer = self.answer(Hello())
        assert isinstance(answer, Welcome)
        return answer.states

    def rows(self) -> list[Row]:
        answer = self.answer(Ps())
        assert isinstance(answer, Status)
        return answer.rows

    def chosen(self, names: Iterable[str]) -> list[str]:
        """The instances that are meant by types and instances."""
        return [name for name in self.states() if name in names or name.rpartition(".")[0] in names]

    def some_names(self) -> list[str]:
        """A type or two, or instances."""
        there = list(self.states())
        names = sorted({*there, *(name.rpartition(".")[0] for name in there)})
        return self.rng.sample(names, min(len(names), self.rng.randint(1, 2)))

    def want(self, names: list[str], wish: bool | None) -> None:
        self.wanted |= dict.fromkeys(names, wish)

    def want_of_those_there(self, names: list[str], wish: bool | None) -> None:
        """What was scaled away may have gone before its turn came: it stays away."""
        there = self.states()
        self.want([name for name in names if name in there], wish)
        self.want([name for name in names if name not in there], None if wish is None else False)

    def may_wait(self, names: list[str]) -> bool:
        """Whether these can come up: what is started waits for a store that was stopped by hand."""
        for row in self.members():
            signals.send(signal.SIGCONT, row)  # a frozen store does not become ready
        return all(self.wanted[name] for name in self.chosen([STORE]) if name not in names and STORE not in names)

    def wish(self, request: Request, names: list[str], wish: bool) -> None:
        """Ask, and remember what must come of it."""
        meant = self.chosen(names)
        talk = self.ask(request)
        if not isinstance(talk.final(), Refused):
            self.want_of_those_there(meant, wish)
        self.talks.append(talk)

    # Steps

    def start(self) -> None:
        names = self.some_names()
        self.wish(Start(names), names, True)

    def stop(self) -> None:
        names = self.some_names()
        self.wish(Stop(names, self.rng.choice([None, SHORT])), names, False)

    def restart(self) -> None:
        names = self.some_names()
        self.wish(Restart(names, self.rng.choice([None, SHORT])), names, True)

    def scale(self) -> None:
        type_ = self.rng.choice(self.types)
        count = self.rng.randint(0, 1 if type_ == STORE else 3)
        fewer = [name for name in self.chosen([type_]) if int(name.rpartition(".")[2]) > count]
        talk = self.ask(Scale({type_: count}))
        assert not isinstance(talk.final(), Refused), talk.answers
        self.want(fewer, False)
        self.want([f"{type_}.{n + 1}" for n in range(count)], True)
        self.talks.append(talk)

    def rolling(self) -> None:
        """To its end, or torn off behind its first progress."""
        names = self.some_names()
        meant = self.chosen(names)
        talk = self.ask(Restart(names, rolling=True))
        patient = self.rng.random() < 0.5 and self.may_wait([])
        done = patient and talk.wait_for(Done)
        talk.socket.close()
        self.want_of_those_there(meant, True if done else None)
        self.note(f"  {'waited' if patient else 'hung up'}")

    def quiet(self) -> None:
        answer = self.ask(Quiet(self.some_names())).final()
        assert self.platform == "server" or isinstance(answer, Refused)

    def deploy(self) -> None:
        """To its end, failed, or torn off on the way."""
        names = self.some_names()
        meant = self.chosen(names)
        talk = self.ask(Deploy(names))
        if talk.wait_for(Go):
            self.want(meant, None)
            how = self.rng.choice(["done", "failed", "gone", "gone later"] if self.may_wait(names) else ["gone"])
            self.note(f"  {how}")
            if how != "gone":
                talk.say(encode(Deployed(int(how == "failed"))))
            if not how.startswith("gone"):
                assert talk.wait_for(Done), talk.answers
        else:
            assert self.platform == "local"
        talk.socket.close()

    def signal(self) -> None:
        name = self.rng.choice(["usr1", "ttin", "cont", "winch", "tstp"])
        answer = self.ask(Signal(name, self.some_names())).final()
        assert isinstance(answer, Done | Refused)

    def by_command(self) -> None:
        """The real command, killed at any moment or not at all."""
        names = self.some_names()
        verb, wish = self.rng.choice([("restart", True), ("stop", False), ("start", True), ("ps", None)])
        meant = self.chosen(names)
        words = [verb] if verb == "ps" else [verb, *names]
        self.note(f"procrun {' '.join(words)}")
        with self.folder.background(*words) as command:
            # `start` of what was scaled away meanwhile is a run of its own, which goes on.
            kill = self.rng.random() < 0.5 or verb == "start" or not self.may_wait(names)
            if kill:
                assert command.stdout is not None
                select.select([command.stdout], [], [], self.rng.random())
                command.kill()
            try:
                command.communicate(timeout=PATIENCE)
            finally:
                command.kill()
        if verb != "ps":
            self.want_of_those_there(meant, None if command.returncode else wish)
        self.note(f"  {command.returncode}")

    def hang_up(self) -> None:
        if self.talks:
            talk = self.talks.pop(self.rng.randrange(len(self.talks)))
            self.note("hang up")
            talk.socket.close()

    def garbage(self) -> None:
        """No request: refused in one line, or left unfinished."""
        data = self.rng.choice(
            [
                self.rng.randbytes(self.rng.randint(1, 300)) + b"\n",
                b"x" * 70_000,
                b'{"type":"ps","deep":' + b"[" * 60_000 + b"\n",
                b'{"type":"stop","na',
                encode(Stop(["plain"]))[:-1],
                b"[]\n" * 1000,
                b'{"type":"scale","formation":{"plain":-1}}\n',
                encode(Scale({"plain": 10**9})),
                encode(Deployed(0)),
                encode(Restart(["no such thing"])),
                b"\n\n\n",
                b"",
            ]
        )
        self.note(f"garbage {data[:60]!r} ({len(data)})")
        talk = self.connect(data)
        answer = talk.final(wait=data.endswith(b"\n") or len(data) > 65536)
        assert answer is None or isinstance(answer, Refused), answer
        if self.rng.random() < 0.5:
            talk.socket.close()
        else:
            self.talks += [talk] if talk.is_over() else []

    def kill_one(self) -> None:
        """KILL to a descendant, but not to a leader whose death ends the run."""
        members = self.born()
        rows = {row.pid: row for row in self.rows()}
        victims = [member for member in members if member.pid not in rows or self.may_die(rows[member.pid])]
        if victims:
            victim = self.rng.choice(victims)
            self.note(f"kill {victim.pid} of {rows[victim.pid].name if victim.pid in rows else victim.sid}")
            signals.send(signal.SIGKILL, victim)

    def may_die(self, row: Row) -> bool:
        """Whether a KILL of this leader leaves the run as it is wanted."""
        return row.name.rpartition(".")[0] in self.lasting or row.state in ("stopping", "restarting")

    def freeze(self) -> None:
        number = self.rng.choice([signal.SIGSTOP, signal.SIGCONT])
        there = self.born()
        for row in self.rng.sample(there, min(3, len(there))):
            self.note(f"{number.name} {row.pid}")
            signals.send(number, row)

    def clean(self) -> None:
        """What the run has in its folder is taken away, as by `git clean -fdx`; it is soon to be reached again."""
        self.note("clean")
        away = self.folder.path / f"away{len(self.log)}"
        (self.folder.path / ".procrun").rename(away)
        shutil.rmtree(away)
        until(self.is_reached, "it is reached again")

    def is_reached(self) -> bool:
        try:
            return isinstance(self.answer(Hello()), Welcome)
        except OSError:
            return False

    # Looking

    def members(self) -> list[Stat]:
        """Every process of an instance; they are remembered."""
        table = procfs.snapshot()
        below = [row for row in procfs.descendants(self.run.pid, table) if row.pid != self.supervisor]
        self.seen |= {(row.pid, row.started) for row in below}
        return below

    def born(self) -> list[Stat]:
        """The same without who still is a copy of the supervisor, which stands still until that runs its program."""
        members, marked = self.members(), self.marked()
        return [row for row in members if row.pid in marked]

    def marked(self) -> dict[int, str]:
        """Every living process of this machine that was started for this run, with its instance."""
        found = {}
        for row in procfs.snapshot().values():
            run, _, name = (procfs.mark(row.pid, MARK) or "").partition(":")
            if run == self.identity and row.alive:
                found[row.pid] = name
        return found

    def rest(self) -> None:
        """Wait for what was asked, and compare what is said with what is."""
        for row in self.members():
            signals.send(signal.SIGCONT, row)
        wrong: list[str] = []

        def settled() -> bool:
            assert self.run.popen.poll() is None, "the run is over"
            wrong[:] = self.discrepancies()
            return not wrong

        self.note("rest")
        try:
            until(settled, "at rest")
        except AssertionError as error:
            raise AssertionError(f"{error}: {wrong}") from None
        states = {row.name: row.state for row in self.rows()}
        self.wanted = {name: states.get(name, "down") != "down" for name in self.wanted}
        self.talks = [talk for talk in self.talks if not talk.is_over()]

    def discrepancies(self) -> list[str]:
        """What is not, or not yet, as it should be."""
        rows = {row.name: row for row in self.rows()}
        marked = self.marked()
        held = any(row.state != "ready" for row in rows.values() if row.name.startswith(STORE))
        wrong = [f"{name} is not wanted" for name in rows if name not in self.wanted]
        wrong += [f"pid {pid} of {name}" for pid, name in marked.items() if not (name in rows and rows[name].pid)]
        for name, wish in self.wanted.items():
            state = rows[name].state if name in rows else "absent"
            up, down = {"up", "ready", "quiet"}, {"down", "absent"}
            good = {True: up, False: down, None: up | down}[wish]
            if state not in good and not (state == "waiting" and held and wish is not False):
                wrong.append(f"{name} is {state}, wanted: {wish}")
        for row in rows.values():
            wrong += self.untrue(row)
        waiting = any(row.state == "waiting" for row in rows.values())
        return wrong + [f"no answer yet to {talk.answers}" for talk in self.talks if not waiting and not talk.final()]

    def check_step(self) -> None:
        """What must be true at any moment, with whatever is under way."""
        wrong: list[str] = []

        def true() -> bool:
            assert self.run.popen.poll() is None, "the run is over"
            wrong[:] = self.untrue_now()
            return not wrong

        try:
            until(true, "what ps says is what /proc says")
        except AssertionError as error:
            raise AssertionError(f"{error}: {wrong}") from None
        self.check_output()

    def untrue_now(self) -> list[str]:
        """What `ps` says and /proc does not, of the instances that were the same before and after the look."""
        before = {row.name: (row.state, row.pid) for row in self.rows()}
        table, marked = procfs.snapshot(), self.marked()
        rows = {row.name: row for row in self.rows()}
        steady = [row for row in rows.values() if before.get(row.name) == (row.state, row.pid)]
        without = {row.name for row in steady if not row.pid and row.state not in ("stopping", "restarting")}
        wrong = [
            f"{row} is {table.get(row.pid or 0)}"
            for row in steady
            if row.pid and not self.leads(table.get(row.pid or 0))
        ]
        there = before.keys() | rows.keys()
        return wrong + [f"pid {pid} of {name}" for pid, name in marked.items() if name in without or name not in there]

    def leads(self, stat: Stat | None) -> bool:
        """Whether it is a child of the supervisor in a session of its own."""
        return stat is not None and stat.ppid == self.supervisor and stat.sid == stat.pid

    def untrue(self, row: Row) -> list[str]:
        """What `ps` says and /proc does not."""
        if row.state in ("down", "waiting"):
            return [f"{row} has a process"] if row.pid or row.memory or row.uptime is not None else []
        stat = procfs.stat(row.pid or 0)
        if stat is None or stat.sid != row.pid or stat.ppid != self.supervisor or row.memory <= 0 or not row.uptime:
            return [f"{row} is {stat}"]
        mark = procfs.mark(stat.pid, MARK)
        return [f"{row} is marked {mark}"] if mark != f"{self.identity}:{row.name}" else []

    # Ends

    def end(self) -> None:
        """One of the ways to end a run, from the middle of anything; its exit status, and that nothing is left."""
        ways: list[Callable[[], int]] = [
            *(lambda number=number: self.end_by(number) for number in END_SIGNALS),
            self.end_twice,
            self.end_by_request,
            self.end_by_a_death,
            self.end_without_front,
            self.end_without_supervisor,
            self.end_without_supervisor_in_a_hurry,
        ]
        way = self.rng.choice(ways)
        self.members()
        self.note(f"end: {getattr(way, '__name__', way)}")
        expected = way()
        status = self.run.finish()
        until(lambda: not self.marked(), "nothing of the run is left")
        left = [
            pid for pid, started in self.seen if (row := procfs.stat(pid)) and row.started == started and alive(pid)
        ]
        assert not left, left
        assert status == expected

    def end_by(self, number: int) -> int:
        self.note(signal.Signals(number).name)
        self.run.signal(number)
        return -number

    def end_twice(self) -> int:
        """Ctrl-C until it is answered, or over."""
        self.run.signal(signal.SIGINT)

        def hurried() -> bool:
            if self.run.popen.poll() is None:
                self.run.signal(signal.SIGINT)
            return "Ctrl-C again" in self.run.output or self.run.popen.poll() is not None

        until(hurried, "the second Ctrl-C is obeyed")
        return -signal.SIGINT

    def end_by_request(self) -> int:
        self.connect(encode(Stop([])))
        return 0

    def end_by_a_death(self) -> int:
        """A leader is killed while it is up; only where one is."""
        self.rest()
        up = [row for row in self.rows() if row.pid and not self.may_die(row)]
        if not up:
            return self.end_by(signal.SIGTERM)
        os.kill(self.rng.choice(up).pid or 0, signal.SIGKILL)
        return 128 + signal.SIGKILL

    def end_without_front(self) -> int:
        os.kill(self.run.pid, signal.SIGKILL)
        return -signal.SIGKILL

    def end_without_supervisor(self) -> int:
        self.torn = True
        os.kill(self.supervisor, signal.SIGKILL)
        return 128 + signal.SIGKILL

    def end_without_supervisor_in_a_hurry(self) -> int:
        status = self.end_without_supervisor()
        until(lambda: "the supervisor ended" in self.run.output or self.run.popen.poll() is not None, "the front works")
        if self.run.popen.poll() is None:
            self.run.signal(signal.SIGINT)
        return status

    # What was written and told

    def check_output(self) -> None:
        """What has been told and shown since the last look."""
        news, newline, self.unfinished = self.run.raw[self.looked :].rpartition(b"\n")
        self.looked += len(news + newline)
        self.check_deadlines(news.decode(errors="replace"))
        self.check_lines(news)

    def check_deadlines(self, told: str) -> None:
        """KILL at the budget behind TERM, earlier only for the impatient; gone right after."""
        self.hurried = self.hurried or "Ctrl-C again" in told
        for name, steps, gone in TIMELINE.findall(told):
            times = {word: float(time) for word, time in re.findall(r"([A-Z]+) ([\d.]+)", steps)}
            if "KILL" in times:
                waited = times["KILL"] - times["TERM"] if "TERM" in times else times["KILL"]
                assert self.hurried or waited >= SHORT - 0.01, (name, steps)
                assert waited <= BUDGET + SLACK, (name, steps)
                assert float(gone) - times["KILL"] <= SLACK, (name, steps, gone)
        first: dict[str, float] = {}
        for key, what, time in self.notes():
            if what == "TERM":
                first.setdefault(key, time)
            lived = time - first.get(key, time)
            assert lived <= (2 if self.torn else 1) * (BUDGET + SLACK), f"{key} lived {lived:.1f} s after TERM"

    def check_lines(self, news: bytes) -> None:
        """Every number once, in order, whole."""
        shown, odd = shown_lines(news, set(self.wanted))
        assert self.torn or not odd, odd[:3]
        for key, numbers in shown.items():
            last = self.shown.get(key, 0)
            assert numbers == list(range(last + 1, last + 1 + len(numbers))), f"{key}: {gaps(last, numbers)}"
            self.shown[key] = numbers[-1]

    def check_all_was_shown(self) -> None:
        """No number is missing that the pipe had taken."""
        if self.torn:
            return
        assert not self.unfinished
        taken = {key: int(what) for key, what, _ in self.notes() if what != "TERM"}
        short = {key: (self.shown.get(key, 0), last) for key, last in taken.items() if self.shown.get(key, 0) < last}
        assert not short, f"lost (shown, taken): {short}"

    def notes(self) -> list[tuple[str, str, float]]:
        path = self.folder.path / "notes"
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(key, what, float(time)) for key, what, time in rows]


def shown_lines(raw: bytes, names: set[str]) -> tuple[dict[str, list[int]], list[str]]:
    """The numbers that each writer's lines show, in order, and the lines that no writer wrote so.

    A long line is written in parts: where it is unfinished it may be shown as it stands, and whole later.
    """
    found: dict[str, list[int]] = {}
    odd = []
    for line in raw.decode(errors="replace").splitlines():
        match = re.fullmatch(r"\d\d:\d\d:\d\d (\S+) +\| <((\S+?)/(\S+)/\d+) (\d+)>(x*)", line)
        if match is None:
            odd += [line[:200]] if "/" in line and re.match(r"\S+ (\S+) +\| .*\d>", line) else []
            continue
        owner, key, name, words, number, padding = match.groups()
        whole = 20_000 if "long" in words else 60 if "flood" in words else 0
        if owner != name or name not in names or (len(padding) != whole and whole != 20_000):
            odd.append(line[:200])
        elif len(padding) == whole:
            found.setdefault(key, []).append(int(number))
    return found, odd


def gaps(last: int, numbers: list[int]) -> list[tuple[int, int]]:
    """Where the order behind `last` breaks."""
    return [(a, b) for a, b in zip([last, *numbers], numbers, strict=False) if b != a + 1][:5]


STEPS: list[Callable[[World], None]] = [
    *[World.start] * 3,
    *[World.stop] * 3,
    *[World.restart] * 3,
    *[World.scale] * 3,
    *[World.kill_one] * 3,
    *[World.freeze] * 3,
    *[World.hang_up] * 2,
    *[World.garbage] * 2,
    World.rolling,
    World.quiet,
    World.signal,
    World.deploy,
    World.by_command,
    World.clean,
    World.rest,
]


@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
@pytest.mark.timeout(120 + 4 * SECONDS)
def test_promises_hold_whatever_happens_in_whatever_order(folder: Folder, seed: int) -> None:
    rng = random.Random(seed)
    world = World(folder, rng)
    try:
        end = monotonic() + SECONDS
        while monotonic() < end:
            rng.choice(STEPS)(world)
            world.members()
            world.check_step()
        if rng.random() < 0.5:
            world.rest()
        world.end()
        world.check_output()
        world.check_all_was_shown()
    except BaseException:
        print(f"RANDOM_SEED={seed}; steps:", *world.log, sep="\n  ")
        print("procrun:", *(line for line in world.run.output.splitlines() if "| <" not in line), sep="\n  ")
        raise
    finally:
        world.close()
