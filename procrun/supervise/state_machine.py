"""The one table that decides: (state, event) → (state, action); no I/O, no flags.

What is wanted of an instance is kept apart from what is, as in s6-supervise: "stop" changes the wish and begins the
stop sequence; when everything is gone, CONCLUDE looks at the wish. So there is no "restarting" state.
"""

from enum import Enum


class State(Enum):
    """What is."""

    DOWN = "down"  # nothing of it is alive
    UP = "up"  # the leader runs
    STOPPING = "stopping"  # a stop sequence is under way; the leader may be gone already


class Event(Enum):
    """What happens."""

    START = "start"  # somebody wants it up
    STOP = "stop"  # somebody wants it down
    EXITED = "exited"  # the leader ended
    STEP = "step"  # a wait of the sequence is over, or somebody is impatient
    GONE = "gone"  # nothing of it is alive any more


class Action(Enum):
    """What to do about it."""

    NOTHING = "nothing"
    SPAWN = "spawn"
    BEGIN = "begin"  # the first step of the stop sequence
    NEXT = "next"  # the next step
    CONCLUDE = "conclude"  # all gone: report, and start again if it is wanted up


_D, _U, _S = State.DOWN, State.UP, State.STOPPING

TABLE: dict[tuple[State, Event], tuple[State, Action]] = {
    (_D, Event.START): (_U, Action.SPAWN),
    (_D, Event.STOP): (_D, Action.NOTHING),
    (_D, Event.EXITED): (_D, Action.NOTHING),
    (_D, Event.STEP): (_D, Action.NOTHING),
    (_D, Event.GONE): (_D, Action.NOTHING),
    (_U, Event.START): (_U, Action.NOTHING),
    (_U, Event.STOP): (_S, Action.BEGIN),
    (_U, Event.EXITED): (_S, Action.BEGIN),  # for what it left behind; GONE follows at once where it left nothing
    (_U, Event.STEP): (_U, Action.NOTHING),
    (_U, Event.GONE): (_D, Action.CONCLUDE),
    (_S, Event.START): (_S, Action.NOTHING),
    (_S, Event.STOP): (_S, Action.NOTHING),
    (_S, Event.EXITED): (_S, Action.NOTHING),
    (_S, Event.STEP): (_S, Action.NEXT),
    (_S, Event.GONE): (_D, Action.CONCLUDE),
}
