"""`after` as a graph: any size, any shape, and what a wrong one says."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrun.core import dependencies
from procrun.plan.layout import build
from procrun.plan.options import Wishes
from tests.harness import TERM, Folder

MANY = 1000
CHAIN = {f"t{n}": (f"t{n + 1}",) for n in range(MANY)}
LAYERS = {f"t{n}{side}": (f"t{n + 1}a", f"t{n + 1}b") for n in range(100) for side in "ab"}


def test_a_chain_of_a_thousand_has_a_rank_for_each() -> None:
    assert dependencies.cycle(CHAIN) == ()
    assert dependencies.ranks(CHAIN) == {f"t{n}": n for n in range(MANY + 1)}
    assert dependencies.all_before("t0", CHAIN) == {f"t{n}" for n in range(1, MANY + 1)}


def test_a_hundred_layers_of_two_have_more_ways_than_could_be_walked() -> None:
    assert dependencies.cycle(LAYERS) == ()
    assert dependencies.ranks(LAYERS) == {f"t{n}{side}": n for n in range(101) for side in "ab"}
    assert len(dependencies.all_before("t0a", LAYERS)) == 200


@pytest.mark.parametrize(
    ("after", "found"),
    [
        ({"a": ("a",)}, "a → a"),
        ({"a": ("b",), "b": ("a",)}, "a → b → a"),
        ({"a": ("b",), "b": ("c",), "c": ("b",)}, "b → c → b"),
        ({"b": ("c",), "a": ("c",), "c": ("a",)}, "a → c → a"),
        ({"a": ("x", "b"), "b": ("y", "c"), "c": ("z", "a")}, "a → b → c → a"),
        (CHAIN | {f"t{MANY}": ("t0",)}, "t0 → t1 → t2 → t3 → t4 → t5 → t6 → t7 → t8 → t9 → … → t0"),
    ],
)
def test_a_cycle_is_told_from_its_first_type_on(after: dependencies.After, found: str) -> None:
    assert dependencies.told(dependencies.cycle(after)) == found


GRAPHS = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=4))


@given(GRAPHS)
def test_there_is_a_cycle_where_a_type_comes_after_itself(after: dict[str, list[str]]) -> None:
    way = dependencies.cycle(after)

    assert bool(way) == any(type_ in dependencies.all_before(type_, after) for type_ in after)
    assert all(second in after[first] for first, second in itertools.pairwise(way))
    assert way[:1] == way[-1:]


@given(GRAPHS)
def test_a_rank_is_one_more_than_that_of_the_last_who_comes_after_it(after: dict[str, list[str]]) -> None:
    if dependencies.cycle(after):
        return
    ranks = dependencies.ranks(after)

    for type_ in {*after, *itertools.chain(*after.values())}:
        behind = [ranks[other] for other, before in after.items() if type_ in before]
        assert ranks[type_] == max(behind, default=-1) + 1


def write_plan(folder: Folder, after: dependencies.After, command: str, setting: str = "") -> None:
    types = list(dict.fromkeys([*after, *itertools.chain(*after.values())]))
    folder.procfile(*(f"{type_}: {command}" for type_ in types))
    tables = (f"[process.{type_}]\nafter = {list(after.get(type_, ()))}\n{setting}" for type_ in types)
    folder.write("procrun.toml", "\n".join(tables))


def test_a_plan_with_a_chain_of_a_thousand_and_a_store_behind_its_first(folder: Folder) -> None:
    """A recognised store comes before all but those that it is said to come after."""
    write_plan(folder, {"redis": ["t0"], **CHAIN, "web": []}, "sleep 600")
    lines = (folder.path / "Procfile").read_text().replace("redis: sleep 600", "redis: redis-server")
    folder.write("Procfile", lines)
    config = (folder.path / "procrun.toml").read_text().replace("[process.web]\nafter = []", "[process.web]")
    folder.write("procrun.toml", config)

    plan = build(Wishes(formation="redis=1"), {})  # each type has a hundred ports, so that not all can be had

    assert plan.manners["redis"].after == ("t0",)
    assert plan.manners["t999"].after == ("t1000",)
    assert plan.manners["web"].after == ("redis",)


def test_layers_start_and_stop_one_after_the_other(folder: Folder) -> None:
    after = {f"t{n}{side}": (f"t{n + 1}a", f"t{n + 1}b") for n in range(22) for side in "ab"}
    write_plan(folder, after, "echo up; exec sleep 600", 'ready = { log = "up" }')
    run = folder.start()
    run.wait_for(r" t0[ab]\.1 +\| up$", count=2)

    assert run.finish(TERM) == -TERM

    started = [int(n) for n in re.findall(r"procrun +\| t(\d+)[ab]\.1 started", run.output)]
    gone = [int(n) for n in re.findall(r"procrun +\| t(\d+)[ab]\.1 TERM 0\.00 → gone", run.output)]
    assert started == sorted(started, reverse=True)
    assert gone == sorted(started)
    assert len(started) == 46
