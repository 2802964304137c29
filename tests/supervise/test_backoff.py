"""How long a restart waits: docker's doubling, cap and reset, and Upstart's limit, which the cap lets be reached."""

import pytest

from procrun.core.spec import Limit, Policy
from procrun.supervise.restart_policy import FIRST, LONGEST, STEADY, Backoff, comes_back
from procrun.system.types import Exit

ALWAYS = Policy("always")


def waits(policy: Policy, lived: float, count: int) -> list[float | None]:
    """The waits of something that lives `lived` seconds each time."""
    backoff, now, found = Backoff(), 1000.0, []
    for _ in range(count):
        found.append(backoff.wait(policy, lived, now))
        now += lived + (found[-1] or 0.0)
    return found


def test_each_restart_waits_twice_as_long_as_the_one_before_up_to_a_minute() -> None:
    assert waits(ALWAYS, 0.0, 12) == [min(FIRST * 2**n, LONGEST) for n in range(12)]


def test_what_has_crashed_a_thousand_times_still_waits_a_minute() -> None:
    assert waits(ALWAYS, 0.0, 1100)[-1] == LONGEST


def test_what_has_lived_for_a_while_begins_anew() -> None:
    backoff = Backoff()
    for now in range(5):
        backoff.wait(ALWAYS, 0.0, now)

    assert backoff.wait(ALWAYS, STEADY, 100.0) == FIRST


@pytest.mark.parametrize("limit", [Limit(10, 5), Limit(1, 1), Limit(3, 600), Limit(1000, 1), Limit(2, 1000000)])
def test_a_limit_is_reached_by_what_crashes_at_once(limit: Limit) -> None:
    found = waits(Policy("always", limit), 0.0, limit.restarts + 1)

    assert None not in found[:-1]
    assert found[-1] is None


def test_restarts_that_are_far_apart_reach_no_limit() -> None:
    assert None not in waits(Policy("always", Limit(2, 5)), 6.0, 50)


@pytest.mark.parametrize(
    ("restart", "end", "again"),
    [
        ("never", Exit(3, None), False),
        ("never", Exit(None, 9), False),
        ("on-failure", Exit(0, None), False),
        ("on-failure", Exit(3, None), True),
        ("on-failure", Exit(None, 9), True),
        ("on-failure", Exit(None, 11), True),
        ("on-failure", Exit(None, 15), False),
        ("on-failure", Exit(None, 13), False),
        ("always", Exit(0, None), True),
        ("always", Exit(None, 15), True),
    ],
)
def test_the_policy_says_which_ends_are_undone(restart: str, end: Exit, again: bool) -> None:
    assert comes_back(Policy(restart), end) is again


def test_instances_do_not_count_for_each_other() -> None:
    policy = Policy("always", Limit(1, 100))
    first, second = Backoff(), Backoff()

    assert [each.wait(policy, 0.0, 1.0) for each in (first, second)] == [FIRST, FIRST]
