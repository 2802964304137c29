"""What an instance is, and what follows from it: tables, with no process and no clock."""

import itertools
import signal

import pytest

from procrun.core.spec import Manners, Policy, Readiness, Spec, Step
from procrun.supervise.state_machine import State
from procrun.supervise.status import Status

DOWN, UP, STOPPING = State.DOWN, State.UP, State.STOPPING


def spec(ready: Readiness | None = None, once: bool = False) -> Spec:
    """One that is asked this way whether it is ready."""
    steps = (Step(signal.SIGTERM, 10.0), Step(signal.SIGKILL, 5.0))
    manners = Manners(steps, ready=ready, policy=Policy(once=once))
    return Spec("web.1", "web", "x", "x", {}, "/", 5000, False, manners)


PLAIN, ASKED, AWAITED = spec(), spec(Readiness("port")), spec(Readiness("port", awaited=True))


@pytest.mark.parametrize(
    ("status", "of", "word"),
    [
        (Status(), PLAIN, "down"),
        (Status(DOWN, finished=True), PLAIN, "down"),
        (Status(DOWN, finished=True, ready=True), PLAIN, "done"),
        (Status(DOWN, wanted=True), PLAIN, "waiting"),
        (Status(DOWN, wanted=True, crashed=True), PLAIN, "crashed"),
        (Status(DOWN, crashed=True), PLAIN, "down"),  # it was stopped while its next start waited
        (Status(UP, wanted=True), PLAIN, "up"),
        (Status(UP, wanted=True, probing=True), ASKED, "starting"),
        (Status(UP, wanted=True, ready=True), ASKED, "ready"),
        (Status(UP, wanted=True, unready=True), ASKED, "unready"),
        (Status(UP, wanted=True, ready=True, quieted=True), ASKED, "quiet"),
        (Status(STOPPING), PLAIN, "stopping"),
        (Status(STOPPING, quieted=True), PLAIN, "stopping"),
        (Status(STOPPING, wanted=True), PLAIN, "restarting"),
    ],
)
def test_every_status_has_one_word(status: Status, of: Spec, word: str) -> None:
    assert status.word(of) == word


def every_status() -> list[Status]:
    """All that can be written, more than can be."""
    flags = itertools.product([False, True], repeat=len(Status._fields) - 1)
    return [Status(state, *each) for each in flags for state in State]


def test_it_is_in_one_state_at_a_time() -> None:
    assert all([status.down, status.up, status.stopping].count(True) == 1 for status in every_status())


def test_what_a_changed_file_restarts_now_it_does_not_restart_later_too() -> None:
    assert not any(status.restartable and status.restartable_later for status in every_status())


def test_a_changed_file_starts_nothing_that_was_stopped_by_hand() -> None:
    by_hand = [status for status in every_status() if status.left_down]

    assert by_hand
    assert not any(status.restartable or status.restartable_later for status in by_hand)


def test_what_waits_to_start_neither_runs_nor_is_over() -> None:
    waiting = [status for status in every_status() if status.waits]

    assert waiting
    assert not any(status.up or status.stopping or status.over or status.crashed for status in waiting)


@pytest.mark.parametrize(
    ("status", "of", "until_ready", "settled"),
    [
        (Status(DOWN), PLAIN, False, True),
        (Status(DOWN, wanted=True), PLAIN, False, False),
        (Status(DOWN, wanted=True, crashed=True), PLAIN, False, True),
        (Status(STOPPING), PLAIN, False, False),
        (Status(UP, wanted=True), PLAIN, False, False),
        (Status(UP, wanted=True, settled=True), PLAIN, True, True),
        (Status(UP, wanted=True, settled=True, probing=True), ASKED, False, True),
        (Status(UP, wanted=True, settled=True, probing=True), ASKED, True, False),
        (Status(UP, wanted=True, settled=True, probing=True), AWAITED, False, False),
        (Status(UP, wanted=True, settled=True, ready=True), AWAITED, False, True),
        (Status(UP, wanted=True, settled=True), spec(once=True), False, False),
    ],
)
def test_when_what_was_asked_for_has_happened(status: Status, of: Spec, until_ready: bool, settled: bool) -> None:
    assert status.has_settled(of, until_ready) is settled


@pytest.mark.parametrize(
    ("status", "answers", "up"),
    [
        (Status(DOWN, ready=True), True, True),
        (Status(DOWN), False, False),
        (Status(UP), True, True),
        (Status(UP, unready=True), False, True),
        (Status(UP, unready=True), True, False),
        (Status(STOPPING), False, False),
    ],
)
def test_what_came_up(status: Status, answers: bool, up: bool) -> None:
    assert status.came_up(answers) is up
