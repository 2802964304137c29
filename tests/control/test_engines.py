"""What the command line asks of a run, with an engine that is none: no socket, and no process."""

import json
from collections.abc import Sequence
from typing import get_args

import pytest

from procrun.cli.follow import follow
from procrun.control.protocol import Deployed, Keys, More, Request, Resize
from procrun.core.errors import NOT_READY
from procrun.core.events import Event, EventKind
from procrun.core.spec import STILL_ALIVE
from procrun.engines.base import Heed, Operation, Outcome, Step
from procrun.supervise.handlers.dispatch import HANDLERS

READY = Event("web.1", EventKind.READY, 0.5, "", 7)
LATE = Event("web.1", EventKind.UNREADY, 5.0, "nothing listens", 7)
SURVIVED = Event("web.1", EventKind.GONE, 10.0, STILL_ALIVE, 7)


def operation(happenings: Sequence[Event], failed: Sequence[str] = (), notes: Sequence[str] = ()) -> Operation:
    """One that goes like this, a step each second, and ends so."""

    def carry_out(heed: Heed) -> Outcome:
        for at, event in enumerate(happenings, 1):
            heed(Step(float(at), event))
        return Outcome(list(failed), list(notes))

    return carry_out


@pytest.mark.parametrize(
    ("happenings", "failed", "options", "status", "said"),
    [
        ((READY,), (), {}, 0, ""),
        ((), ("web.1",), {}, 1, "procrun: did not come up: web.1; its output says why\n"),
        ((LATE,), ("web.1",), {"waits": True}, NOT_READY, "procrun: runs, but was not ready in time: web.1\n"),
        ((LATE,), ("web.1",), {}, 1, "procrun: runs, but was not ready in time: web.1\n"),
        ((LATE, READY), ("web.1",), {"waits": True}, 1, "procrun: did not come up: web.1; its output says why\n"),
        (
            (SURVIVED,),
            ("web.1",),
            {},
            1,
            "procrun: could not be stopped, and something of it is still alive: web.1\n",
        ),
        (
            (),
            ("web.1",),
            {"stops": True},
            1,
            "procrun: could not be stopped, and something of it is still alive: web.1\n",
        ),
    ],
)
def test_an_operation_ends_with_a_status_and_with_what_failed(
    happenings: Sequence[Event],
    failed: Sequence[str],
    options: dict[str, bool],
    status: int,
    said: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert follow(operation(happenings, failed), **options) == status

    out, err = capfd.readouterr()
    assert out.count("\n") == len(happenings)
    assert err == said


def test_as_json_an_operation_is_one_object(capfd: pytest.CaptureFixture[str]) -> None:
    assert follow(operation([READY], notes=["a note"]), as_json=True) == 0

    out, err = capfd.readouterr()
    shown = json.loads(out)
    assert {key: shown[key] for key in ("failed", "notes")} == {"failed": [], "notes": ["a note"]}
    assert [(step["at"], step["name"], step["what"], step["pid"]) for step in shown["steps"]] == [
        (1.0, "web.1", "ready", 7)
    ]
    assert err == ""


def test_each_request_has_a_handler_but_those_that_go_on_with_another() -> None:
    assert set(get_args(Request)) - set(HANDLERS) == {Deployed, Keys, More, Resize}
    assert set(HANDLERS) <= set(get_args(Request))
