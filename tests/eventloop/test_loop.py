"""Who comes first where several can be read."""

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from procrun.eventloop.loop import Loop
from procrun.output.reader import FLOOD, Intake

Pipe = tuple[int, int]
LINE = b"x" * 79 + b"\n"


class Heard:
    """Whose lines came, in their order; nobody is held back."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def holds(self, name: str, floods: bool, resume: Callable[[], None]) -> bool:
        return False

    def emit(self, name: str, lines: bytes, stream: str) -> None:
        self.names.append(name)

    def preview(self, name: str, partial: bytes, stream: str) -> None:
        pytest.fail("no line is unfinished here")


@pytest.fixture
def pipes() -> Iterator[list[Pipe]]:
    """Two of them, as reader and writer."""
    made = [os.pipe(), os.pipe()]
    yield made
    for reader, writer in made:
        os.close(reader)
        os.close(writer)


def write_to_both(pipes: list[Pipe]) -> None:
    for _, writer in pipes:
        os.write(writer, LINE)


def test_who_is_last_comes_behind_others_that_can_be_read(pipes: list[Pipe]) -> None:
    loop, called = Loop(), list[int]()
    for number, (reader, _) in enumerate(pipes):
        loop.read(reader, partial(called.append, number), last=number == 0)
    write_to_both(pipes)

    loop.turn()

    assert called == [1, 0]


def test_who_is_forgotten_and_read_anew_is_last_no_more(pipes: list[Pipe]) -> None:
    loop, called = Loop(), list[int]()
    for number, (reader, _) in enumerate(pipes):
        loop.read(reader, partial(called.append, number), last=number == 0)
    loop.forget(pipes[0][0])
    loop.read(pipes[0][0], partial(called.append, 0))
    write_to_both(pipes)

    loop.turn()

    assert called == [0, 1]


def test_who_has_flooded_comes_behind_who_writes_little(pipes: list[Pipe]) -> None:
    loop, heard = Loop(), Heard()
    intakes = [Intake(name, loop, heard, lambda: False, "output", False, []) for name in ("flood", "quiet")]
    for intake, (reader, _) in zip(intakes, pipes, strict=True):
        intake.open(os.dup(reader))
    write_to_both(pipes)
    loop.turn()
    os.write(pipes[0][1], LINE * (FLOOD // len(LINE) + 1))
    loop.turn()
    write_to_both(pipes)

    loop.turn()

    assert heard.names == ["flood", "quiet", "flood", "quiet", "flood"]
    for intake in intakes:
        intake.close()
