"""Trees of processes by chance: whatever they are made of, the same is true of their stop.

Who catches TERM and has an ancestor that catches it gets none from procrun while that lives; nobody gets two; whoever
has work hears of it and finishes; at the budget nothing is alive.
"""

import json
import os
import random
import re
import shlex
import signal
from math import inf
from time import monotonic
from typing import NamedTuple

import pytest

from tests.harness import PYTHON, TERM, Folder, Run, alive, child, until

DEEPEST = 5
TREES = 6
"""Trees of one run."""

SAVES = ("0.1", "0.2", "0.3")
"""Seconds."""

SOON = 10.0
"""Seconds within which an orphan is told: 0.1 at leisure (the doctor needs more), and this on a busy machine."""

LARGEST_PID = 2**22
"""proc_sys_kernel(5). A sender beyond that was seen now and then, of a TERM that came twice at the same instant."""

CATCH = {"works", "relays", "spreads", "stays"}
SHELLS = {
    "front": "trap 'echo trapped' TERM; CHILD; :",
    "relay": "trap 'kill -TERM $p' TERM; CHILD & p=$!; wait",
    "waits": "trap 'kill -TERM $p; wait $p' TERM; CHILD & p=$!; wait",
    "says": "trap 'echo bye' TERM; CHILD & wait",
    "exits": "trap 'echo bye' EXIT; CHILD & wait",
    "pipe": "CHILD | cat",
    "plain": "CHILD; :",
    "deep": "(CHILD; :) & wait",
}
TRAPS = {"front", "relay", "waits", "says", "exits"}
RELAY = {"relay", "waits"}
"""Shells that tell their child themselves."""

PASSES_ON = {"relays", "spreads", *RELAY}
"""Who waits for a child that it tells."""

OTHERWISE = {"ignores": "dies", "front": "plain", "relay": "waits"}
"""What is not well told by others: two of them wait in vain then, and nobody sees what the last one does."""


class Node(NamedTuple):
    """One process, or a shell around the first of its children."""

    name: str
    kind: str
    place: str
    saves: str
    children: "tuple[Node, ...]"
    shell: str


class Event(NamedTuple):
    """A line of the log; `at` in seconds of the monotonic clock."""

    at: float
    name: str
    what: str
    pids: tuple[int, ...]


def grow(chance: random.Random, name: str, depth: int, ends: bool, above: tuple[Node, ...] = ()) -> Node:
    """A tree of this depth below the processes `above`; without `ends` some of it never end by themselves."""
    kinds = ("dies", "ignores", "works", "relays", "spreads", *SHELLS) if depth > 1 else ("works", "stays", "deaf")
    kind = chance.choice(kinds if depth > 1 or not ends else ("works",))
    place = chance.choice(("plain", "plain", "group", "session"))
    node = _sensible(Node(name, kind, place, chance.choice(SAVES), (), chance.choice(("dash", "bash"))), above)
    many = 0 if depth == 1 else 1 if node.kind in SHELLS else chance.choice((1, 2))
    children = (grow(chance, f"{name}{number}", depth - 1, ends, (*above, node)) for number in range(many))
    return node._replace(children=tuple(children))


def _sensible(node: Node, above: tuple[Node, ...]) -> Node:
    """The same, or another one where it could not be told, or would cut its own work, whoever stops it."""
    parent = above[-1].kind if above else ""
    if parent in SHELLS:
        node = node._replace(place="plain")  # a shell starts it
    if parent == "spreads":
        node = node._replace(place="plain")  # it hears of nothing elsewhere
    elif node.kind == "spreads":
        node = (
            node._replace(kind="relays")
            if parent in SHELLS
            else node._replace(place=node.place.replace("plain", "group"))
        )
    if parent in PASSES_ON:
        node = node._replace(kind=OTHERWISE.get(node.kind, node.kind))
    if node.kind == "pipe" and "spreads" in {each.kind for each in above}:
        node = node._replace(kind="plain")  # its reader would die before it
    own = [each.place for each in (*above[1:], node) if each.place != "plain"]
    if node.kind == "relay" and own[-1:] == ["group"]:
        node = node._replace(kind="waits")  # nobody can be held in that group (procrun.system.holding)
    return node


def words(node: Node, log: str) -> list[str]:
    """Its command."""
    if node.kind in SHELLS:
        return [node.shell, "-c", SHELLS[node.kind].replace("CHILD", shlex.join(words(node.children[0], log)))]
    below = [[each.place, *words(each, log)] for each in node.children]
    return [PYTHON, "-I", "-S", child("node.py").split()[-1], node.name, node.kind, node.saves, log, json.dumps(below)]


def lineage(node: Node, above: tuple[Node, ...] = ()) -> list[tuple[Node, tuple[Node, ...]]]:
    """Every process of the tree that is no shell, each with its ancestors."""
    own = [] if node.kind in SHELLS else [(node, above)]
    return own + [found for each in node.children for found in lineage(each, (*above, node))]


class Forest:
    """The trees of one run, as its instances, and what has happened in them."""

    def __init__(self, folder: Folder, seed: int, ends: bool = True) -> None:
        chance = random.Random(seed)
        self._log = folder.write("log", "")
        trees = [grow(chance, f"t{number}n", chance.randint(2, DEEPEST), ends) for number in range(TREES)]
        self.nodes = {node.name: (node, above) for tree in trees for node, above in lineage(tree)}
        for number, tree in enumerate(trees):
            script = folder.write(f"tree{number}", f"exec {shlex.join(words(tree, str(self._log)))}\n")
            script.chmod(0o755)
        folder.procfile(*(f"t{number}: sh tree{number}" for number in range(TREES)))
        self.told = 0.0

    def events(self) -> list[Event]:
        found = re.findall(r"(?m)^(\d+) (\w+) (\w+)((?: \d+)*)$", self._log.read_text())
        events = [Event(int(at) / 1e9, name, what, tuple(map(int, rest.split()))) for at, name, what, rest in found]
        return [event for event in events if all(pid <= LARGEST_PID for pid in event.pids)]

    def grown(self) -> None:
        """Wait until all are there."""
        until(lambda: len({e.name for e in self.events() if e.what == "up"}) == len(self.nodes), "all are up")

    def gone(self) -> None:
        """Nothing is alive."""
        assert [event for event in self.events() if event.what == "up" and alive(event.pids[0])] == []

    def check(self, finished: bool = True) -> None:
        """What is true of every stop; where it was `finished`, everybody had the time for its work."""
        events = self.events()
        up = {event.name: event.pids for event in events if event.what == "up"}
        inside = {up[name][0] for name in up}
        inside |= {up[name][1] for name, (_, above) in self.nodes.items() if above and above[-1].kind in SHELLS}
        for name, (node, above) in self.nodes.items():
            asked = [event for event in events if event.name == name and event.what == "asked"]
            ours = [event for event in asked if event.pids[0] not in inside]
            story = f"{name} {[each.kind for each in (*above, node)]}: {asked}, ours {ours}"
            assert len(ours) <= 1, story
            assert all(self._was_due(event, above, events) for event in ours), story
            if finished and node.kind in CATCH:
                assert any(event.name == name and event.what == "ended" for event in events), story
                assert len(asked) == 1 or "spreads" in {each.kind for each in (*above, node)}, story
                assert not (ours and above and above[-1].kind in RELAY), story

    def _was_due(self, event: Event, above: tuple[Node, ...], events: list[Event]) -> bool:
        """Whether it was told by us when nobody answered for it, and soon after that.

        Its nearest ancestor that catches TERM has ended; or has passed it on, to what stood between the two.
        """
        nearest = next((each for each in reversed(above) if each.kind in (*CATCH, *TRAPS)), None)
        over = {"ended"} if nearest is None or nearest is above[-1] or nearest.kind == "works" else {"ended", "asked"}
        ends = [other.at for other in events if nearest and other.name == nearest.name and other.what in over]
        names = {each.name for each in above}
        since = max([self.told, *(other.at for other in events if other.name in names and other.at < event.at)])
        answered = nearest is not None and nearest.kind in CATCH
        return (not answered or min(ends, default=inf) < event.at) and event.at - since < SOON


SEEDS = range(4)


def stopped(forest: Forest, run: Run, pid: int, number: int) -> int:
    """Send a signal once all are there; the exit status of procrun."""
    forest.grown()
    forest.told = monotonic()
    os.kill(pid, number)
    return run.finish()


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_responsible_is_told_once_and_all_work_is_finished(folder: Folder, seed: int) -> None:
    forest = Forest(folder, seed)
    run = folder.start("-t", "30")

    assert stopped(forest, run, run.pid, TERM) == -TERM

    forest.gone()
    forest.check()
    assert "→ KILL" not in run.output


@pytest.mark.parametrize("seed", SEEDS)
def test_the_front_tells_the_same(folder: Folder, seed: int) -> None:
    forest = Forest(folder, 100 + seed)
    run = folder.start("-t", "30")
    forest.grown()

    assert stopped(forest, run, run.supervisor(), signal.SIGKILL) == 137

    forest.gone()
    forest.check()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_doctor_tells_the_same(folder: Folder, seed: int) -> None:
    forest = Forest(folder, 200 + seed)
    run = folder.start("-t", "30")
    forest.grown()
    supervisor = run.supervisor()
    os.kill(run.pid, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    os.kill(run.pid, signal.SIGKILL)
    run.finish()

    assert folder.procrun("doctor", "--clean").returncode == 0

    forest.told = min(event.at for event in forest.events() if event.what == "asked")
    forest.gone()
    forest.check()


@pytest.mark.parametrize("seed", SEEDS)
def test_at_the_budget_nothing_is_alive(folder: Folder, seed: int) -> None:
    forest = Forest(folder, 300 + seed, ends=False)
    run = folder.start("-t", "2")

    assert stopped(forest, run, run.pid, TERM) == -TERM

    forest.gone()
    forest.check(finished=False)
