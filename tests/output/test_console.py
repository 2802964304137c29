"""What an instance reads from and writes to: a stdin of its own, stdout and stderr together or apart, a terminal."""

import functools
import os
import subprocess
from collections.abc import Callable

from procrun.core.spec import APART, PIPES, PTY
from procrun.eventloop.loop import Loop
from procrun.output.reader import PROMPT_AFTER
from procrun.output.stdio import UNREAD_INPUT, Console, Window
from tests.harness import INT, Folder


class Kept:
    """Keeps what is put out."""

    def __init__(self, ready: Callable[[], None] = lambda: None) -> None:
        self._ready = ready
        self.full = False
        self.held: list[Callable[[], None]] = []
        self.lines: list[tuple[str, bytes]] = []
        self.previews: list[bytes] = []

    def holds(self, name: str, floods: bool, resume: Callable[[], None]) -> bool:
        if self.full:
            self.held.append(resume)
        return self.full

    def emit(self, name: str, lines: bytes, stream: str) -> None:
        self.lines.append((stream, lines))
        if b"ready" in lines:
            self._ready()

    def preview(self, name: str, partial: bytes, stream: str) -> None:
        self.previews.append(partial)


def ran(kind: str, line: str, typed: bytes = b"") -> Kept:
    """What `line` writes on a console of this kind; `typed` is typed into it when it says that it is ready."""
    loop = Loop()
    kept = Kept(loop.stop)
    console = Console("a.1", loop, kept, lambda: False, lambda: Window(33, 77))
    ends = console.open(kind)
    child = subprocess.Popen(
        ["/bin/sh", "-c", ends.before + line],
        stdin=ends.stdin,
        stdout=ends.stdout,
        stderr=ends.stderr,
        start_new_session=True,
    )
    ends.close()
    if typed:
        loop.run()
        assert console.type(typed, lambda: None)
    child.wait(30)
    console.close()
    return kept


def test_stdout_and_stderr_are_one_and_keep_their_order() -> None:
    kept = ran(PIPES, "echo a; echo b >&2; echo c")

    assert kept.lines == [("output", b"a\nb\nc\n")]


def test_stdout_and_stderr_can_be_told_apart() -> None:
    kept = ran(APART, "echo a; echo b >&2; echo c")

    assert sorted(kept.lines) == [("stderr", b"b\n"), ("stdout", b"a\nc\n")]


def test_a_terminal_is_one_for_all_three_and_controls_the_session() -> None:
    kept = ran(PTY, "test -t 0 && test -t 1 && test -t 2 && stty size </dev/tty")

    assert kept.lines == [("output", b"33 77\n")]


def test_lines_of_a_terminal_are_tamed() -> None:
    kept = ran(PTY, r"printf '\033[2J10%%\r100%%\n\033]0;title\007done'")

    assert b"".join(lines for _, lines in kept.lines) == b"100%\ndone\n"


def test_who_is_held_back_in_the_middle_of_a_line_has_no_prompt() -> None:
    loop, kept = Loop(), Kept()
    console = Console("a.1", loop, kept, lambda: False, Window)
    ends = console.open(PIPES)
    os.write(ends.stdout, b"half a li")
    loop.turn()

    kept.full = True
    os.write(ends.stdout, b"ne\nand mo")
    while not kept.held:
        loop.turn()
    loop.after(2 * PROMPT_AFTER, loop.stop)
    loop.run()
    assert not kept.previews

    kept.full = loop.stopped = False
    kept.held.pop()()
    loop.after(2 * PROMPT_AFTER, loop.stop)
    loop.run()
    assert (kept.lines, kept.previews) == ([("output", b"half a line\n")], [b"and mo"])
    ends.close()
    console.close()


def test_ctrl_c_typed_into_a_terminal_is_a_signal_there() -> None:
    kept = ran(PTY, "trap 'echo interrupted; exit' INT; echo ready; while :; do sleep 0.02; done", b"\x03")

    assert b"interrupted" in b"".join(lines for _, lines in kept.lines)


def test_what_is_typed_comes_from_stdin() -> None:
    kept = ran(PIPES, "echo ready; read line; echo got $line", b"one two\n")

    assert kept.lines == [("output", b"ready\n"), ("output", b"got one two\n")]


def test_who_reads_no_stdin_is_typed_a_bounded_amount() -> None:
    console = Console("a.1", Loop(), Kept(), lambda: False, Window)
    ends = console.open(PIPES)
    taken: list[int] = []

    counts = [n for n in range(100) if console.type(b"x" * 65536, functools.partial(taken.append, n))]

    assert len(counts) <= 2 + UNREAD_INPUT // 65536
    assert taken == [0]  # as much as a pipe holds
    ends.close()
    console.close()
    assert taken == counts


def test_every_instance_has_a_stdin_of_its_own_that_stays_open_and_silent(folder: Folder) -> None:
    folder.procfile("a: readlink /proc/self/fd/0; cat; echo ended")

    run = folder.start("-m", "a=2")
    pipes = {run.wait_for(rf"a\.{number} .*(pipe:\[\d+\])")[1] for number in (1, 2)}

    assert len(pipes) == 2
    run.finish(INT)
    assert "| ended" not in run.output
