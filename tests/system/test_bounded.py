"""What may block is done in a thread, and waited for only so long."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from procrun.system import bounded
from tests.harness import until


class Still:
    """A job that stands still until it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.done = 0

    def __call__(self) -> str:
        self.gate.wait()
        self.done += 1
        return "late"


@pytest.fixture
def still() -> Iterator[Callable[[], Still]]:
    made: list[Still] = []

    def make() -> Still:
        made.append(Still())
        return made[-1]

    yield make
    for job in made:
        job.gate.set()
    until(lambda: not bounded.any_late(), "all have answered")


def test_what_each_returns_is_in_its_place() -> None:
    assert bounded.each([("a", lambda: 1), ("b", lambda: 2), ("c", lambda: 3)]) == [1, 2, 3]
    assert bounded.each([]) == []


def test_what_stands_still_is_passed_over(still: Callable[[], Still]) -> None:
    jobs: list[tuple[str, Callable[[], str]]] = [("a", lambda: "1"), ("b", still()), ("c", lambda: "3")]
    assert bounded.each(jobs) == ["1", None, "3"]
    assert bounded.late("b") > 0
    assert not bounded.late("a")


def test_what_stands_still_is_not_asked_again_before_it_has_answered(still: Callable[[], Still]) -> None:
    first = still()
    assert bounded.each([("a", first)]) == [None]
    assert bounded.each([("a", lambda: "1"), ("b", lambda: "2")]) == [None, "2"]

    first.gate.set()
    until(lambda: not bounded.late("a"), "it has answered")

    assert bounded.each([("a", lambda: "1")]) == ["1"]
    assert first.done == 1


def test_where_too_many_stand_still_nothing_more_is_tried(still: Callable[[], Still]) -> None:
    assert bounded.each([(number, still()) for number in range(bounded.MOST)]) == [None] * bounded.MOST
    done: list[str] = []
    assert bounded.each([(name, partial(done.append, name)) for name in ("more", "yet more")]) == [None, None]
    assert not done


def test_what_a_job_raises_is_raised_where_it_is_waited_for() -> None:
    def fail() -> None:
        raise OSError("no descriptor")

    with pytest.raises(OSError, match="no descriptor"):
        bounded.each([("a", fail)])
    assert not bounded.any_late()
