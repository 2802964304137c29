"""The table that decides is complete, and a wish is never lost in it."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import procrun
from procrun.supervise.instance import Instance
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


def own_attributes() -> set[str]:
    """What an instance sets of itself."""
    path = Path(str(procrun.__file__)).parent / "supervise/instance.py"
    classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    instance = next(node for node in classes if node.name == Instance.__name__)
    return {target.attr for target in assigned(instance)} - {"spec", "pid", "program"}  # those of its members


def assigned(tree: ast.AST) -> Iterator[ast.Attribute]:
    """The attributes that are assigned to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node


START = "start.started"
"""Of the report of how a run came up, which has a time of its own."""


def test_only_the_instance_changes_itself() -> None:
    """Elsewhere an object may have an attribute of such a name, and set its own; nobody sets that of another."""
    names = own_attributes()
    package = Path(str(procrun.__file__)).parent
    others = [
        f"{path.relative_to(package)}:{target.lineno} {ast.unparse(target)}"
        for path in sorted(package.rglob("*.py"))
        for target in assigned(ast.parse(path.read_text()))
        if target.attr in names and ast.unparse(target) not in {f"self.{target.attr}", START}
    ]

    assert {"status", "next_spec", "restarts"} <= names
    assert others == []
