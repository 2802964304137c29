"""The table that decides is complete, and a wish is never lost in it."""

import itertools

import pytest

from procrun.supervise.state_machine import TABLE, Action, State, Trigger


def test_every_state_answers_every_event() -> None:
    assert set(TABLE) == set(itertools.product(State, Trigger))


@pytest.mark.parametrize("state", State)
def test_only_what_is_down_is_spawned(state: State) -> None:
    spawns = [trigger for trigger in Trigger if TABLE[state, trigger][1] is Action.SPAWN]

    assert spawns == ([Trigger.START] if state is State.DOWN else [])


@pytest.mark.parametrize("trigger", [Trigger.STOP, Trigger.EXITED])
def test_what_is_up_is_left_only_through_its_stop_sequence(trigger: Trigger) -> None:
    assert TABLE[State.UP, trigger] == (State.STOPPING, Action.BEGIN)


def test_a_stop_under_way_is_not_begun_again() -> None:
    assert TABLE[State.STOPPING, Trigger.STOP] == (State.STOPPING, Action.NOTHING)


@pytest.mark.parametrize("state", [State.UP, State.STOPPING])
def test_the_wish_is_looked_at_when_all_is_gone(state: State) -> None:
    assert TABLE[state, Trigger.GONE] == (State.DOWN, Action.CONCLUDE)
