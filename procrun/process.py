"""One instance: it is spawned, read, signalled and reaped here, as the table of `lifecycle` decides."""

import os
import signal
import subprocess
from collections.abc import Callable
from time import monotonic, time
from typing import NamedTuple, Protocol

from procrun import proc
from procrun.family import MARK, Family
from procrun.lifecycle import TABLE, Action, Event, State
from procrun.lines import LineBuffer
from procrun.loop import Loop, Timer
from procrun.model import Exit, Happening, Spec, Stat, Step
from procrun.stopping import describe, signal_name, wants_continue

CHUNK = 256 * 1024
"""Bytes read at once."""

PROMPT_AFTER = 0.2
"""Seconds after which an unfinished line is shown as it stands, when nobody of the process is running: it waits."""

BUSY_PROMPT_AFTER = 1.0
"""The same where somebody is running: on a busy machine a writer may be kept from finishing its line for a while."""

SETTLED_AFTER = 0.25
"""Seconds a new process must live to be called running: one whose command cannot start ends sooner."""


class Output(Protocol):
    """Where lines go: `emit` answers False when no more should come for a while."""

    def emit(self, name: str, lines: bytes) -> bool: ...

    def preview(self, name: str, partial: bytes) -> None: ...


class Surroundings(NamedTuple):
    """What all instances share, handed in at construction; `tell` is the one call upward."""

    loop: Loop
    family: Family
    output: Output
    stdin: int
    tell: Callable[["Process", Happening], None]


class Process:
    """One instance over all its restarts; only this object changes its state, only in `_handle`."""

    def __init__(self, spec: Spec, around: Surroundings) -> None:
        self.spec = spec
        self.state = State.DOWN
        self.wanted = False
        self.pid = 0
        self.started = 0.0
        self.lived = 0.0
        self.since = 0.0
        self.last_exit: Exit | None = None
        self.restarts = 0
        self.forced = 0
        self.settled = False
        self._around = around
        self._pipe = _Pipe(spec, around)
        self._sequence = spec.stop_sequence
        self._step = 0
        self._begun = 0.0
        self._timer: Timer | None = None
        self._hurried = False
        self._untouchable: set[tuple[int, int]] = set()

    # What is wanted of it

    def start(self) -> None:
        """Have it up."""
        self.wanted = True
        self._handle(Event.START)

    def stop(self, sequence: tuple[Step, ...] | None = None) -> None:
        """Have it down, by its own stop sequence or by `sequence`."""
        self.wanted = False
        self._begin_by(sequence)

    def restart(self, sequence: tuple[Step, ...] | None = None) -> None:
        """Stop it and start it again; one that is down is started."""
        self.wanted = True
        self._begin_by(sequence)
        self._handle(Event.START)

    def hurry(self) -> None:
        """Go one step on in the stop sequence now."""
        self._hurried = True
        self._handle(Event.STEP)
        self._hurried = False

    def freeze(self, number: int) -> None:
        """Pass STOP or CONT to everything of it (Ctrl-Z, fg)."""
        self._signal(number)

    # What happened to it

    def exited(self, end: Exit) -> None:
        """Its leader was reaped: say so at once, behind its last output."""
        self.last_exit = end
        self.lived = monotonic() - self.started
        pid, self.pid = self.pid, 0
        self._around.family.died(pid)
        self._pipe.drain()
        if self.state is State.UP:
            self.wanted = False
        seconds = self._elapsed() if self.state is State.STOPPING else self.lived
        self._around.tell(self, Happening(self.spec.name, "exited", seconds, describe(end), pid))
        self._handle(Event.EXITED)

    def check_gone(self) -> None:
        """Some process ended: see whether anything of this instance is left."""
        if self.state is State.DOWN or self.pid:
            return
        left = self.alive()
        if not left:
            self._handle(Event.GONE)
        elif self._at_kill():
            self._signal(signal.SIGKILL)  # it was born while its parent was being killed

    def resume(self) -> None:
        """Read on: the output takes lines again."""
        self._pipe.resume()

    # What is

    def alive(self) -> list[Stat]:
        """Everything of it that is alive and ours to signal."""
        return [
            row
            for row in self._around.family.members(self.spec.name)
            if (row.pid, row.started) not in self._untouchable
        ]

    def stopping_for(self) -> float:
        """Seconds since its first signal."""
        return self._elapsed()

    def next_step(self) -> str:
        """What comes next and when, for people: `KILL in 3 s`."""
        if self.state is not State.STOPPING or self._timer is None or self._step + 1 >= len(self._sequence):
            return ""
        wait = max(0.0, self._timer.when - monotonic())
        return f"{signal_name(self._sequence[self._step + 1].signal)} in {wait:.0f} s"

    # What is done about it

    def _handle(self, event: Event) -> None:
        self.state, action = TABLE[self.state, event]
        _ACTIONS[action](self)

    def _begin_by(self, sequence: tuple[Step, ...] | None) -> None:
        if self.state is State.UP:
            self._sequence = sequence or self.spec.stop_sequence
        self._handle(Event.STOP)

    def _spawn(self) -> None:
        spec = self.spec
        self.started, self.since = monotonic(), time()
        self.settled = False
        self._untouchable.clear()
        self._sequence = spec.stop_sequence
        self._begun = 0.0
        writer = self._pipe.open()
        try:
            popen = subprocess.Popen(
                ["/bin/sh", "-c", spec.shell_line],
                cwd=spec.root,
                env={**spec.env, MARK: self._around.family.mark(spec.name)},
                stdin=self._around.stdin,
                stdout=writer,
                stderr=writer,
                start_new_session=True,
            )
        except OSError as error:
            self._cannot_spawn(error)
            return
        finally:
            os.close(writer)
        popen.returncode = 0  # the supervisor reaps, not Popen
        self.pid = popen.pid
        self._around.family.born(spec.name, popen.pid)
        self._tell("started", 0.0, "")
        self._around.loop.after(SETTLED_AFTER, lambda: self._settle(popen.pid))

    def _cannot_spawn(self, error: OSError) -> None:
        self.last_exit = Exit(126, None)
        self.wanted = False
        self._tell("failed", 0.0, f"{error.strerror}: {error.filename or '/bin/sh'}")
        self._handle(Event.GONE)

    def _settle(self, pid: int) -> None:
        if self.pid == pid and self.state is State.UP:
            self.settled = True
            self._tell("running", SETTLED_AFTER, "")

    def _begin(self) -> None:
        self._pipe.read_regardless()
        self._step = 0
        self._take_step()

    def _next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._step += 1
        if self._step < len(self._sequence):
            self._take_step()
        else:
            self._give_up()

    def _take_step(self) -> None:
        """Signal, and arm the deadline in the same breath; the budget counts from the moment TERM is out."""
        step = self._sequence[self._step]
        hit = self._signal(step.signal)
        now = monotonic()
        if hit:
            self._begun = self._begun or now
            self._timer = self._around.loop.at(now + step.wait, lambda: self._handle(Event.STEP))
            killed = step.signal == signal.SIGKILL
            self.forced += killed
            self._tell(
                "timeout" if killed and not self._hurried else "signal", self._elapsed(), signal_name(step.signal)
            )
        elif self._untouchable and not self.alive():
            self._handle(Event.GONE)  # `sudo …`: reported, not waited for

    def _signal(self, number: int) -> int:
        """Signal everything of it that may be signalled; how many were hit."""
        hit = 0
        for row in self.alive():
            try:
                hit += proc.send(number, row)
                if wants_continue(number):
                    proc.send(signal.SIGCONT, row)
            except PermissionError:
                self._untouchable.add((row.pid, row.started))
                self._tell("stuck", self._elapsed(), f"pid {row.pid} ({proc.title(row.pid)}) is another user's")
        return hit

    def _give_up(self) -> None:
        for row in self.alive():
            self._untouchable.add((row.pid, row.started))
            self._tell("stuck", self._elapsed(), f"pid {row.pid} ({proc.title(row.pid)}) cannot be killed")
        self._handle(Event.GONE)

    def _conclude(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.pid = 0
        self._pipe.close()
        self._around.family.buried(self.spec.name)
        self._tell("gone", self._elapsed(), describe(self.last_exit) if self.last_exit else "")
        if self.wanted:
            self.restarts += 1
            self._handle(Event.START)

    def _at_kill(self) -> bool:
        return self.state is State.STOPPING and self._sequence[self._step].signal == signal.SIGKILL

    def _elapsed(self) -> float:
        return monotonic() - self._begun if self._begun else 0.0

    def _tell(self, what: str, seconds: float, detail: str) -> None:
        self._around.tell(self, Happening(self.spec.name, what, seconds, detail, self.pid))

    def _rest(self) -> None:
        pass


_ACTIONS: dict[Action, Callable[[Process], None]] = {
    Action.NOTHING: Process._rest,
    Action.SPAWN: Process._spawn,
    Action.BEGIN: Process._begin,
    Action.NEXT: Process._next,
    Action.CONCLUDE: Process._conclude,
}


class _Pipe:
    """A dyno's stdout and stderr: one pipe, so that their order is kept; it exists before the child."""

    def __init__(self, spec: Spec, around: Surroundings) -> None:
        self._name = spec.name
        self._quiet = spec.quiet
        self._around = around
        self._fd = -1
        self._watched = False
        self._regardless = False
        self._lines = LineBuffer()
        self._touched = 0.0
        self._prompt: Timer | None = None

    def open(self) -> int:
        """The end to give to the child."""
        self._fd, writer = os.pipe()
        os.set_blocking(self._fd, False)
        self._regardless = False
        self.resume()
        return writer

    def resume(self) -> None:
        if self._fd >= 0 and not self._watched:
            self._around.loop.read(self._fd, self._readable)
            self._watched = True

    def read_regardless(self) -> None:
        """Never hold it back again: a worker that cannot write hangs before it saves its jobs (Sidekiq, measured)."""
        self._regardless = True
        self.resume()

    def drain(self) -> None:
        """Everything that was written so far goes out, an unfinished line too: one read empties a pipe."""
        if self._fd >= 0:
            self._read()
        self._emit(self._lines.flush())

    def close(self) -> None:
        self.drain()
        self._hang_up()

    def _readable(self) -> None:
        if not self._read() and self._watched and not self._regardless:
            self._around.loop.forget(self._fd)
            self._watched = False

    def _read(self) -> bool:
        """Read one chunk and pass its whole lines on; False when the output wants no more for a while."""
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return True
        if not data:
            self._hang_up()
            return True
        flowing = self._emit(self._lines.feed(data))
        self._touched = monotonic()
        if self._prompt is None and self._lines.partial():
            self._prompt = self._around.loop.after(PROMPT_AFTER, self._show_prompt)
        return flowing

    def _show_prompt(self) -> None:
        self._prompt = None
        if self._watched:
            self._read()  # what waits in the pipe may finish the line
        partial = self._lines.partial()
        if not partial or self._quiet or self._prompt is not None:
            return
        idle = monotonic() - self._touched
        if idle >= BUSY_PROMPT_AFTER or (idle >= PROMPT_AFTER and not self._busy()):
            self._around.output.preview(self._name, partial)
        else:
            self._prompt = self._around.loop.after(PROMPT_AFTER, self._show_prompt)

    def _busy(self) -> bool:
        return any(row.state == "R" for row in self._around.family.members(self._name))

    def _emit(self, lines: bytes) -> bool:
        return not lines or self._quiet or self._around.output.emit(self._name, lines)

    def _hang_up(self) -> None:
        if self._fd >= 0:
            self._around.loop.forget(self._fd)
            os.close(self._fd)
            self._fd, self._watched = -1, False
            self._emit(self._lines.flush())
