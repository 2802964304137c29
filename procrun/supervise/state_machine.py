"""The one table that decides: (state, trigger) → (state, action); no I/O, no flags.

What is wanted of an instance is kept apart from what is, as in s6-supervise: "stop" changes the wish and begins the
stop sequence; when everything is gone, CONCLUDE looks at the wish. So there is no "restarting" state.
"""

from enum import Enum


class State(Enum):
    """What is."""

    DOWN = "down"  # nothing of it is alive
    UP = "up"  # the leader runs
    STOPPING = "stopping"  # a stop sequence is under way; the leader may be gone already


class Trigger(Enum):
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

TABLE: dict[tuple[State, Trigger], tuple[State, Action]] = {
    (_D, Trigger.START): (_U, Action.SPAWN),
    (_D, Trigger.STOP): (_D, Action.NOTHING),
    (_D, Trigger.EXITED): (_D, Action.NOTHING),
    (_D, Trigger.STEP): (_D, Action.NOTHING),
    (_D, Trigger.GONE): (_D, Action.NOTHING),
    (_U, Trigger.START): (_U, Action.NOTHING),
    (_U, Trigger.STOP): (_S, Action.BEGIN),
    (_U, Trigger.EXITED): (_S, Action.BEGIN),  # for what it left behind; GONE follows at once where it left nothing
    (_U, Trigger.STEP): (_U, Action.NOTHING),
    (_U, Trigger.GONE): (_D, Action.CONCLUDE),
    (_S, Trigger.START): (_S, Action.NOTHING),
    (_S, Trigger.STOP): (_S, Action.NOTHING),
    (_S, Trigger.EXITED): (_S, Action.NOTHING),
    (_S, Trigger.STEP): (_S, Action.NEXT),
    (_S, Trigger.GONE): (_D, Action.CONCLUDE),
}
