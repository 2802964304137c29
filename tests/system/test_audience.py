"""Who is told that an instance is to end: the rule by itself, as tables of trees."""

import signal
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from procrun.system.audience import Audience, Bearing, Key, audience, key
from procrun.system.signalling import main_process
from procrun.system.types import Stat

CATCHES, IGNORES, DIES, BLOCKS = Bearing.CATCHES, Bearing.IGNORES, Bearing.DIES, Bearing.BLOCKS
PROCRUN = 1


class Node(NamedTuple):
    """A process of a tree: its name, its parent's (none: it hangs on procrun), and what it does with the signal."""

    name: str
    parent: str = ""
    bearing: Bearing = DIES
    shell: bool = False
    wrapper: bool = False
    runner: bool = False
    background: bool = False
    terminal: bool = False
    """Whether it leads a session with a terminal."""
    awaits: bool = False
    reads: str = ""
    """Whose output is its stdin, by name."""


class Tree:
    """Processes, and the facts about them."""

    def __init__(self, *nodes: Node) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.pids = {name: pid for pid, name in enumerate(self.nodes, 100)}

    def row(self, name: str) -> Stat:
        node, pid = self.nodes[name], self.pids[name]
        sid = pid if node.terminal else 100
        parent = self.pids.get(node.parent, PROCRUN)
        return Stat(pid, "S", parent, 100, sid, 0, 5, 0, terminal=int(node.terminal))

    def node(self, row: Stat) -> Node:
        return self.nodes[next(name for name, pid in self.pids.items() if pid == row.pid)]

    def bearing(self, row: Stat, number: int) -> Bearing:
        assert number == signal.SIGTERM
        return self.node(row).bearing

    def awaits(self, row: Stat, number: int) -> bool:
        assert any(node.parent == self.node(row).name for node in self.nodes.values()), "asked only of parents"
        return self.node(row).awaits

    def is_shell(self, row: Stat) -> bool:
        return self.node(row).shell

    def steps_aside(self, row: Stat) -> bool:
        return self.node(row).wrapper

    def is_runner(self, row: Stat) -> bool:
        return self.node(row).runner

    def is_unmoved(self, shell: Stat) -> bool:
        return True

    def in_background(self, row: Stat, shell: Stat) -> bool:
        assert row.ppid == shell.pid
        return self.node(row).background

    def is_fed(self, row: Stat, by: Sequence[Stat]) -> bool:
        return self.pids.get(self.node(row).reads) in {other.pid for other in by}

    def told(self, before: dict[str, bool] | None = None) -> Audience:
        """Who is told now, where those `before` were told, each with whether it answers for those below."""
        return audience(signal.SIGTERM, [self.row(name) for name in self.nodes], self._known(before), self)

    def _known(self, before: dict[str, bool] | None) -> dict[Key, bool]:
        return {key(self.row(name)): answers for name, answers in (before or {}).items()}

    def names(self, before: dict[str, bool] | None = None) -> str:
        """The names of those who are told now, and `…` where others may be told later."""
        found = self.told(before)
        return " ".join([*(self.node(call.row).name for call in found.calls), *(["…"] if found.waits else [])])


TREES = {
    "one that catches": (Tree(Node("a", bearing=CATCHES)), "a"),
    "one that dies": (Tree(Node("a")), "a"),
    "one that ignores it is left until KILL": (Tree(Node("a", bearing=IGNORES)), ""),
    "who catches answers for who catches": (Tree(Node("a", bearing=CATCHES), Node("b", "a", CATCHES)), "a …"),
    "who catches answers for who dies": (Tree(Node("a", bearing=CATCHES), Node("b", "a")), "a …"),
    "and for those further below": (
        Tree(Node("a", bearing=CATCHES), Node("b", "a"), Node("c", "b", CATCHES), Node("d", "b", IGNORES)),
        "a …",
    ),
    "the children of one that dies are told at once": (
        Tree(Node("a"), Node("b", "a", CATCHES), Node("c", "a"), Node("d", "c", CATCHES)),
        "a b c d",
    ),
    "one that ignores it is passed over": (
        Tree(Node("a", bearing=IGNORES), Node("b", "a", CATCHES), Node("c", "a", IGNORES), Node("d", "c")),
        "b d",
    ),
    "an orphan is told": (Tree(Node("a", bearing=CATCHES), Node("orphan", bearing=CATCHES)), "a orphan"),
    "and answers for those below": (Tree(Node("orphan", bearing=CATCHES), Node("b", "orphan")), "orphan …"),
    "a runner of one process is passed over": (
        Tree(Node("honcho", bearing=CATCHES, runner=True), Node("a", "honcho", CATCHES)),
        "a …",
    ),
    "a runner of two answers for them": (
        Tree(Node("honcho", bearing=CATCHES, runner=True), Node("a", "honcho", CATCHES), Node("b", "honcho", CATCHES)),
        "honcho …",
    ),
    "one that takes the terminal along is passed over": (
        Tree(Node("sh", terminal=True), Node("a", "sh", CATCHES), Node("b", "sh")),
        "a b …",
    ),
    "and told when it has no child left": (Tree(Node("sh", terminal=True)), "sh"),
    "and at once where nobody below it would finish": (Tree(Node("sh", terminal=True), Node("a", "sh")), "sh a"),
    "one with a terminal that catches is told": (
        Tree(Node("a", bearing=CATCHES, terminal=True), Node("b", "a", CATCHES)),
        "a …",
    ),
    "a reader waits for its writer": (
        Tree(Node("sh"), Node("worker", "sh", CATCHES), Node("tee", "sh", reads="worker")),
        "sh worker …",
    ),
    "what a reader has started is told": (
        Tree(Node("sh"), Node("worker", "sh"), Node("while", "sh", reads="worker"), Node("sleep", "while")),
        "sh worker sleep …",
    ),
    "unless the reader answers for it": (
        Tree(Node("sh"), Node("worker", "sh"), Node("log", "sh", CATCHES, reads="worker"), Node("b", "log", CATCHES)),
        "sh worker …",
    ),
    "all of a pipeline wait for the first": (
        Tree(Node("sh"), Node("a", "sh", CATCHES), Node("b", "sh", reads="a"), Node("c", "sh", reads="b")),
        "sh a …",
    ),
    "a parent that feeds its child is no writer": (
        Tree(Node("sh", bearing=IGNORES), Node("a", "sh"), Node("b", "a", CATCHES, reads="a")),
        "a b",
    ),
    "a reader without a writer is told": (Tree(Node("tee", reads="gone")), "tee"),
    "a shell answers for its background child": (
        Tree(Node("sh", bearing=CATCHES, shell=True), Node("worker", "sh", CATCHES, background=True)),
        "sh …",
    ),
    "and not for its foreground child": (
        Tree(
            Node("sh", bearing=CATCHES, shell=True),
            Node("a", "sh", CATCHES, background=True),
            Node("b", "sh", CATCHES),
            Node("c", "b", CATCHES),
        ),
        "sh b …",
    ),
    "who takes it without a handler catches it": (
        Tree(Node("tini", awaits=True), Node("a", "tini", CATCHES)),
        "tini …",
    ),
    "a parent that blocks it may be about to catch it": (
        Tree(Node("dramatiq", bearing=BLOCKS), Node("a", "dramatiq", CATCHES)),
        "dramatiq …",
    ),
    "who blocks it and has no child is told": (Tree(Node("a", bearing=BLOCKS)), "a"),
    "who blocks it and takes the terminal along is passed over": (
        Tree(Node("sh", bearing=BLOCKS, terminal=True), Node("a", "sh", CATCHES)),
        "a …",
    ),
    "a shell without a trap dies, and all below it are told": (
        Tree(Node("sh", shell=True), Node("a", "sh", CATCHES, background=True), Node("b", "sh", CATCHES)),
        "sh a b",
    ),
    "a shell's foreground reader waits": (
        Tree(
            Node("sh", bearing=CATCHES, shell=True),
            Node("a", "sh", CATCHES),
            Node("tee", "sh", reads="a"),
        ),
        "sh a …",
    ),
    "a wrapper is passed over for its child": (
        Tree(Node("timeout", bearing=CATCHES, wrapper=True), Node("worker", "timeout", CATCHES), Node("b", "worker")),
        "worker …",
    ),
    "a wrapper that has no child is told": (Tree(Node("timeout", bearing=CATCHES, wrapper=True)), "timeout"),
    "a wrapper below one that dies": (
        Tree(Node("sh"), Node("dumb-init", "sh", CATCHES, wrapper=True), Node("worker", "dumb-init", CATCHES)),
        "sh worker …",
    ),
}


@pytest.mark.parametrize(("tree", "expected"), TREES.values(), ids=TREES)
def test_who_is_told(tree: Tree, expected: str) -> None:
    assert tree.names() == expected


@pytest.mark.parametrize(("tree", "expected"), TREES.values(), ids=TREES)
def test_nobody_is_told_twice(tree: Tree, expected: str) -> None:
    first = {tree.node(call.row).name: call.answers for call in tree.told().calls}

    assert tree.told(first).calls == []
    assert tree.told(first).waits == tree.told().waits


def test_who_has_taken_its_handler_away_since_it_was_told_still_answers() -> None:
    """A second TERM shall kill it: many programs restore the default action in their handler."""
    tree = Tree(Node("a", bearing=DIES), Node("b", "a", CATCHES))

    assert tree.names({"a": True}) == "…"


def test_who_ignores_it_now_and_was_told_before_still_answers() -> None:
    tree = Tree(Node("a", bearing=IGNORES), Node("b", "a", CATCHES))

    assert tree.names({"a": True}) == "…"


def test_what_a_trap_has_started_is_left_to_its_shell() -> None:
    tree = Tree(Node("sh", bearing=CATCHES, shell=True), Node("rm", "sh"))

    assert tree.names({"sh": True}) == "…"


def test_what_one_that_dies_has_started_since_is_told() -> None:
    tree = Tree(Node("a"), Node("new", "a", CATCHES))

    assert tree.names({"a": False}) == "new"


def test_who_loses_its_parent_is_told() -> None:
    before = Tree(Node("a", bearing=CATCHES), Node("b", "a", CATCHES), Node("c", "b", CATCHES))
    after = Tree(Node("b", bearing=CATCHES), Node("c", "b", CATCHES))

    assert before.names() == "a …"
    assert after.names() == "b …"


def test_a_process_is_told_by_from_when_it_is_and_not_by_its_pid() -> None:
    tree = Tree(Node("a", bearing=CATCHES))
    row = tree.row("a")

    assert audience(signal.SIGTERM, [row], {(row.pid, row.started - 1): True}, tree).calls[0].row == row
    assert key(row) == (row.pid, row.started)


CHAINS = {
    "the leader": (Tree(Node("a", bearing=CATCHES)), "a"),
    "behind wrappers": (Tree(Node("a"), Node("b", "a"), Node("c", "b", CATCHES)), "c"),
    "beside others": (Tree(Node("sh"), Node("sleep", "sh"), Node("c", "sh", CATCHES)), "c"),
    "the nearest": (Tree(Node("sh"), Node("a", "sh", CATCHES), Node("b", "a", CATCHES)), "a"),
    "below one of several": (Tree(Node("sh"), Node("a", "sh"), Node("b", "sh"), Node("c", "b", CATCHES)), "c"),
    "two that are equally near": (Tree(Node("sh"), Node("a", "sh", CATCHES), Node("b", "sh", CATCHES)), ""),
    "nobody": (Tree(Node("sh"), Node("a", "sh")), ""),
    "an orphan where nobody below the leader does": (Tree(Node("sh"), Node("b"), Node("c", "b", CATCHES)), "c"),
}


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Lets the tree of the test tell who catches."""
    tree: Tree = request.getfixturevalue("tree")

    def catches(pid: int, number: int) -> bool:
        return next(node.bearing is CATCHES for name, node in tree.nodes.items() if tree.pids[name] == pid)

    monkeypatch.setattr("procrun.system.linux.signals.catches", catches)


@pytest.mark.usefixtures("caught")
@pytest.mark.parametrize(("tree", "expected"), CHAINS.values(), ids=CHAINS)
def test_the_main_process_is_the_nearest_that_catches_the_signal(tree: Tree, expected: str) -> None:
    found = main_process(signal.SIGUSR1, 100, [tree.row(name) for name in tree.nodes])

    assert (tree.node(found).name if found is not None else "") == expected


@pytest.mark.usefixtures("caught")
@pytest.mark.parametrize("tree", [Tree(Node("sh"), Node("a", "sh", CATCHES), Node("b", "a", CATCHES), Node("c", "a"))])
@pytest.mark.parametrize(("preferred", "expected"), [("b", "b"), ("c", "a")])
def test_a_preferred_process_is_the_main_one_where_it_catches_the_signal(
    tree: Tree, preferred: str, expected: str
) -> None:
    found = main_process(signal.SIGUSR1, 100, [tree.row(name) for name in tree.nodes], tree.pids[preferred])

    assert found is not None
    assert tree.node(found).name == expected
