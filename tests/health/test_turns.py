"""Who asks something has a turn when it is due; all of them together leave the loop most of its time."""

from time import monotonic

from procrun.eventloop.loop import Loop
from procrun.health.scheduler import Turns


def test_turns_come_in_the_order_in_which_they_are_due() -> None:
    loop, told = Loop(), list[str]()
    turns = Turns(loop)
    turns.after(0.03, lambda: told.append("c"))
    turns.after(0.01, lambda: told.append("a"))
    turns.after(0.02, lambda: told.append("never")).cancel()
    turns.after(0.02, lambda: told.append("b"))
    turns.after(0.04, loop.stop)
    loop.run()
    assert told == ["a", "b", "c"]


def test_between_two_that_take_long_the_loop_has_its_rest() -> None:
    """A deadline that is due meanwhile does not wait for all of them."""
    loop, told = Loop(), list[str]()
    turns = Turns(loop)

    def work() -> None:
        told.append("turn")
        end = monotonic() + 0.02
        while monotonic() < end:
            pass

    for _ in range(5):
        turns.after(0.0, work)
    turns.after(0.0, loop.stop)
    loop.after(0.03, lambda: told.append("deadline"))
    loop.run()
    assert told[:2] == ["turn", "deadline"]
    assert told.count("turn") == 5


def test_nobody_waiting_wakes_up_nothing() -> None:
    loop = Loop()
    turns = Turns(loop)
    turns.after(0.01, lambda: None)
    loop.after(0.05, loop.stop)
    loop.run()
    assert loop._patience() is None
