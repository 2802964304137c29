"""The sink, on real files and pipes: whole lines in their order, and shown + counted = written, whatever happens."""

import fcntl
import itertools
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procrun.eventloop.loop import Loop
from procrun.output import stdout_writer
from procrun.output.line_buffer import Amount, measure
from procrun.output.prefix import Look
from procrun.output.stdout_writer import Sink
from procrun.output.stream import Stream

LINES = st.tuples(st.just("lines"), st.integers(1, 30))
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Bench:
    """A sink on `fd`, fed with numbered lines."""

    def __init__(self, fd: int) -> None:
        self.loop = Loop()
        self.losses: list[str] = []
        self.sink = Sink(self.loop, fd, lambda: None, self.losses.append, self.mark)
        self.written = b""
        self._number = itertools.count()

    @staticmethod
    def mark(lost: Amount) -> bytes:
        return b"missing %d %d\n" % lost

    def write(self, count: int, ours: bool = False) -> None:
        data = b"".join(b"line %d %s\n" % (n, b"x" * (n * 7 % 50)) for n in itertools.islice(self._number, count))
        self.written += data
        self.sink.write(data, ours)

    def settle(self) -> None:
        """A thread writes to files: wait until it has."""
        while self.sink._watched:
            self.loop.turn()


def turn(loop: Loop) -> None:
    """One round of the loop."""
    loop.stopped = False
    loop.after(0, loop.stop)
    loop.run()


def check(shown: bytes, bench: Bench) -> None:
    """Every line is one that was written, in its order, or tells to the byte what is missing in its place."""
    written = bench.written.splitlines(keepends=True)
    at, total = 0, Amount()
    for line in shown.splitlines(keepends=True):
        if line.startswith(b"missing"):
            size, lines = map(int, line.split()[1:])
            assert len(b"".join(written[at : at + lines])) == size
            at, total = at + lines, total.plus(Amount(size, lines))
        else:
            assert line == written[at]
            at += 1
    assert at == len(written)
    assert total == bench.sink.dropped


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files may have so many bytes (setrlimit(2); Python ignores the XFSZ that comes with it): a disk, to the byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@SETTINGS
@given(st.lists(LINES | st.tuples(st.just("room"), st.integers(0, 900)), max_size=40))
def test_a_disk_that_is_full_now_and_then_tears_no_line(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryFile() as file:
        bench, room = Bench(file.fileno()), 0
        for what, number in steps:
            if what == "room":
                room = os.fstat(file.fileno()).st_size + number
            else:
                with room_for(room):
                    bench.write(number)
                    bench.settle()
        bench.sink.close(1)
        file.seek(0)
        check(file.read(), bench)


@SETTINGS
@given(st.integers(0, 900), st.lists(st.integers(1, 30), max_size=20))
def test_what_a_full_disk_has_not_taken_at_the_end_is_counted(room: int, counts: list[int]) -> None:
    with tempfile.TemporaryFile() as file, room_for(room):
        bench = Bench(file.fileno())
        for count in counts:
            bench.write(count)
        bench.settle()
        bench.sink.close(1)
        file.seek(0)
        shown = file.read()

    assert bench.written.startswith(shown)
    assert measure(shown).plus(bench.sink.dropped) == measure(bench.written)
    assert len(bench.losses) == (shown != bench.written)


def test_a_long_line_that_waits_for_a_disk_holds_nobody_back() -> None:
    """Nobody would tell when there is room again."""
    with tempfile.TemporaryFile() as file, room_for(10):
        bench = Bench(file.fileno())
        bench.sink.write(b"x" * 2 * stdout_writer.FULL + b"\n")
        bench.settle()

        assert bench.losses
        assert not bench.sink.full


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for a few lines."""
    monkeypatch.setattr(stdout_writer, "FULL", 1000)
    monkeypatch.setattr(stdout_writer, "OVERFLOW", 4000)
    monkeypatch.setattr(stdout_writer, "SMALL", 100)


@SETTINGS
@given(
    st.lists(
        LINES | st.tuples(st.just("ours"), st.just(1)) | st.tuples(st.just("read"), st.integers(1, 5000)), max_size=60
    )
)
@pytest.mark.usefixtures("small")
def test_a_slow_reader_gets_whole_lines_and_is_told_what_is_missing(steps: list[tuple[str, int]]) -> None:
    reader, writer = pipe_of_one_page()
    bench, shown = Bench(writer), b""
    for what, number in steps:
        if what == "read":
            shown += read(reader, number)
            turn(bench.loop)
        else:
            bench.write(number, ours=what == "ours")
        assert bench.sink._size <= 6000
    while bench.sink._size:
        shown += read(reader, 5000)
        turn(bench.loop)
    bench.sink.close(1)
    shown += read(reader, 5000)
    os.close(reader)
    os.close(writer)

    check(shown, bench)


def test_a_pipe_is_wide_only_while_all_write_much() -> None:
    """What is in it stands before the next line of who writes little."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    bench, much = Bench(writer), b"x" * 65535 + b"\n"

    def size() -> int:
        return fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)

    def write(data: bytes) -> None:
        bench.sink.write(data)
        turn(bench.loop)

    write(much)
    assert size() == stdout_writer.USUAL_PIPE  # as long as all of it has room
    write(much)
    assert size() == stdout_writer.WIDE_PIPE

    while read(reader, 65536):
        turn(bench.loop)
    write(b"a few words\n")
    assert size() == stdout_writer.USUAL_PIPE
    write(much)
    write(much)
    assert size() == stdout_writer.USUAL_PIPE
    os.close(reader)
    os.close(writer)


def pipe_of_one_page() -> tuple[int, int]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(reader, False)
    return reader, writer


def read(reader: int, size: int) -> bytes:
    try:
        return os.read(reader, size)
    except BlockingIOError:
        return b""


class Prompts:
    """A stream on a pipe that is read at last."""

    def __init__(self) -> None:
        self._reader, self._writer = pipe_of_one_page()
        self._loop = Loop()
        look = Look(timestamps="", width=1)
        self.sink = Sink(self._loop, self._writer, lambda: None, lambda _: None, lambda lost: self.stream.mark(lost))
        self.stream = Stream(self.sink, look, terminal=False)

    def fill(self, up_to: int) -> None:
        """Have so many bytes wait."""
        while self.sink._size < up_to - 100:
            self.stream.emit("b", b"x" * 90 + b"\n")

    def read(self) -> bytes:
        shown = b""
        while data := read(self._reader, 5000):
            shown += data
            turn(self._loop)
        return shown

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def prompts(small: None) -> Iterator[Prompts]:
    made = Prompts()
    yield made
    made.close()


def test_the_line_of_a_prompt_that_was_lost_comes_whole(prompts: Prompts) -> None:
    prompts.fill(4000)
    prompts.stream.emit("b", b"y" * 900 + b"\n")
    prompts.stream.preview("a", b"sure? ")
    prompts.read()

    prompts.stream.emit("a", b"sure? yes\n")

    missing = b"procrun | 915 bytes (1 line) of output could not be shown here\n"
    assert prompts.read() == missing + b"a | sure? yes\n"


def test_a_prompt_whose_end_was_lost_is_not_glued_to_what_tells_so(prompts: Prompts) -> None:
    prompts.fill(4000)
    prompts.stream.preview("a", b"sure? ")
    prompts.stream.emit("a", b"sure? " + b"y" * 900 + b"\n")

    prompts.stream.say("end")

    missing = b"procrun | 901 bytes (1 line) of output could not be shown here\n"
    assert prompts.read().endswith(b"x\na | sure? \n" + missing + b"procrun | end\n")
