"""Stop sequences as people write them: what they mean, and what is said of the odd ones."""

import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procrun.core.errors import ConfigError
from procrun.core.spec import Step
from procrun.core.stop_sequence import UNKILLABLE_AFTER, format_sequence, parse_sequence, signal_number, within
from procrun.plan.options import ProcessConfig
from procrun.plan.policies import configured_restart_signal, configured_sequence

WHERE = "procrun.toml: process.worker.stop_sequence"
SIDEKIQ = (
    Step(signal.SIGTSTP, 120),
    Step(signal.SIGTERM, 30),
    Step(signal.SIGKILL, UNKILLABLE_AFTER),
)
UNICORN = (
    Step(signal.SIGQUIT, 75),
    Step(signal.SIGTERM, 15),
    Step(signal.SIGKILL, UNKILLABLE_AFTER),
)
NAMES = [known.name for known in signal.Signals if known not in (signal.SIGKILL, signal.SIGSTOP)]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("tstp, 120, term, 30, kill", SIDEKIQ),
        ("TSTP, 120, TERM, 30, KILL", SIDEKIQ),
        ("SIGTSTP,120,sigterm,30,SigKill", SIDEKIQ),
        ("  tstp ,120 ,  term,\n 30.0,\tkill ", SIDEKIQ),
        (":quit,75,:term,15,:kill", UNICORN),
        (["tstp", 120, "term", 30.0, "kill"], SIDEKIQ),
        (["TSTP", "120", ":SIGTERM", "30", "kill"], SIDEKIQ),
        ("kill", (Step(signal.SIGKILL, UNKILLABLE_AFTER),)),
        ("usr1, 0.5, kill", (Step(signal.SIGUSR1, 0.5), Step(signal.SIGKILL, UNKILLABLE_AFTER))),
        ("term, 0, kill", (Step(signal.SIGTERM, 0), Step(signal.SIGKILL, UNKILLABLE_AFTER))),
        ("term, 1000000, kill", (Step(signal.SIGTERM, 1_000_000), Step(signal.SIGKILL, UNKILLABLE_AFTER))),
    ],
)
def test_sequence_is_read_in_every_form_that_is_in_use(text: str | list[object], steps: tuple[Step, ...]) -> None:
    assert parse_sequence(text, WHERE) == steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("int", (Step(signal.SIGINT, UNKILLABLE_AFTER),)),
        ("int, 300", (Step(signal.SIGINT, 300),)),
        ("term, 60, int", (Step(signal.SIGTERM, 60), Step(signal.SIGINT, UNKILLABLE_AFTER))),
        ("term, 9, kill", (Step(signal.SIGTERM, 9), Step(signal.SIGKILL, UNKILLABLE_AFTER))),
    ],
)
def test_sequence_without_kill_is_an_explicit_choice(text: str, steps: tuple[Step, ...]) -> None:
    assert parse_sequence(text, WHERE, no_kill=True) == steps


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is empty; give signals and seconds by turns"),
        ([], "is empty; give signals and seconds by turns"),
        ("trem, 10, kill", '"trem" is no signal; did you mean "term"?'),
        ("SIGTSPT, 10, kill", '"SIGTSPT" is no signal; did you mean "tstp"?'),
        ("frobnicate, 10, kill", '"frobnicate" is no signal; give its name'),
        ("term, 10, kill,", "has a comma too many"),
        ("term,, kill", "has a comma too many"),
        ("term 10 kill", '"term 10 kill" is no signal'),
        ("30, term, 10, kill", '"30" stands at the beginning, where a signal belongs'),
        ("term, 10, 20, kill", '"20" stands after "10", where a signal belongs'),
        ("15, 10, 9", '"15" stands at the beginning, where a signal belongs'),
        ("term, kill", '"kill" stands after "term", where a wait belongs; give the seconds between them'),
        ("term, 30s, kill", '"30s" is no wait; give seconds from 0 to 1000000'),
        ("term, 30.seconds, kill", '"30.seconds" is no wait'),
        ("term, -1, kill", '"-1" is no wait'),
        ("term, 1e99, kill", '"1e99" is no wait'),
        ("term, 1000001, kill", '"1000001" is no wait'),
        (["term", float("nan"), "kill"], "nan is no wait"),
        (["term", float("inf"), "kill"], "inf is no wait"),
        (["term", 10**5000, "kill"], "a huge number is no wait"),
        (["term", True, "kill"], "true is neither a signal nor seconds"),
        (["term", None, "kill"], "nothing is neither a signal nor seconds"),
        (["term", ["kill"]], "a list is neither a signal nor seconds"),
        ("term, 30", "does not end in kill, so what ignores it would stay; add seconds and kill"),
        ("term", "does not end in kill, so what ignores it would stay; add seconds and kill"),
        ("kill, 5, term, 5, kill", "goes on after kill"),
        ("term, 5, kill, 5", "goes on after kill"),
        ("stop, 10, kill", "stop freezes a program"),
        ("te\nrm, 10, kill", '"te\\nrm" is no signal; did you mean "term"?'),
        ("x" * 500, f'"{"x" * 39}…" is no signal'),
    ],
)
def test_odd_sequence_is_told_in_one_line_with_its_cure(text: str | list[object], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_sequence(text, WHERE)
    assert str(caught.value).startswith(f"{WHERE}: {fault}")
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)


def test_missing_kill_names_both_cures() -> None:
    with pytest.raises(ConfigError, match=r"as in term, 10, kill, or set no_kill = true in procrun\.toml"):
        parse_sequence("tstp, 120, term", WHERE)


def test_sequence_is_written_as_cloud_66_writes_it() -> None:
    assert format_sequence(parse_sequence(":SIGTSTP,120.0,:TERM,0.50,KILL", WHERE)) == "tstp, 120, term, 0.5, kill"
    assert format_sequence(parse_sequence("int", WHERE, no_kill=True)) == "int"
    assert format_sequence(parse_sequence("int,300", WHERE, no_kill=True)) == "int, 300"


@settings(deadline=None)
@given(
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=6),
    waits=st.lists(st.integers(0, 10**9), min_size=7, max_size=7),
    last=st.sampled_from(["kill", "wait", "signal"]),
)
def test_written_sequence_is_read_as_the_same(names: list[str], waits: list[int], last: str) -> None:
    items = [part for name, wait in zip(names, waits, strict=False) for part in (name, wait / 1000)]
    items = {"kill": [*items, "KILL"], "wait": items, "signal": items[:-1]}[last]
    steps = parse_sequence(items, WHERE, no_kill=True)

    assert parse_sequence(format_sequence(steps), WHERE, no_kill=True) == steps


@settings(deadline=None)
@given(
    st.text() | st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(NAMES)),
    st.booleans(),
)
def test_no_sequence_raises_anything_but_a_config_error(text: str | list[object], no_kill: bool) -> None:
    try:
        steps = parse_sequence(text, WHERE, no_kill)
    except ConfigError as error:
        assert str(error).startswith(f"{WHERE}: ")
        assert "\n" not in str(error)
    else:
        assert steps
        assert no_kill or steps[-1].signal == signal.SIGKILL


@pytest.mark.parametrize("name", ["TERM", "term", "SIGTERM", "sigTerm", ":term", " term ", "15", 15])
def test_signal_is_named_in_any_way(name: str | int) -> None:
    assert signal_number(name, "signal") == signal.SIGTERM


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("ttim", 'signal: "ttim" is no signal; did you mean "ttin"?'),
        ("", 'signal: "" is no signal; give its name, as in term or usr1'),
        ("0", 'signal: "0" is no signal; give its name, as in term or usr1'),
        ("65", 'signal: "65" is no signal; give its name, as in term or usr1'),
        ("-15", 'signal: "-15" is no signal; give its name, as in term or usr1'),
    ],
)
def test_unknown_signal_is_told_with_the_one_that_was_meant(name: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        signal_number(name, "signal")
    assert str(caught.value) == fault


def test_configured_sequence_is_told_by_where_it_was_written() -> None:
    places = {"stop_sequence": ".cloud66/manifest.yml: procfile_metadata.web.stop_sequence", "no_kill": "toml"}

    assert configured_sequence(ProcessConfig()) is None
    assert configured_sequence(ProcessConfig(stop_sequence=("int", 9), no_kill=True, places=places)) == (
        Step(signal.SIGINT, 9),
    )
    with pytest.raises(ConfigError, match=r"^\.cloud66/manifest\.yml: procfile_metadata\.web\.stop_sequence: "):
        configured_sequence(ProcessConfig(stop_sequence="term", places=places))
    with pytest.raises(ConfigError, match=r"^toml: contradicts the stop sequence, which ends in kill; remove one"):
        configured_sequence(ProcessConfig(stop_sequence="term, 9, kill", no_kill=True, places=places))


def test_configured_restart_signal_is_one_that_a_program_can_act_on() -> None:
    places = {"restart_signal": "toml"}

    assert configured_restart_signal(ProcessConfig()) is None
    assert configured_restart_signal(ProcessConfig(restart_signal="usr2", places=places)) == signal.SIGUSR2
    with pytest.raises(ConfigError, match=r"^toml: no program can act on KILL or STOP; name a signal"):
        configured_restart_signal(ProcessConfig(restart_signal="sigkill", places=places))


@pytest.mark.parametrize(
    ("steps", "first"),
    [("tstp, 120, term, 30, kill", "term"), ("int, 60, quit, 10, kill", "int"), ("usr1, 5, kill", "term")],
)
def test_a_stop_inside_a_given_budget_begins_with_what_ends_the_program(steps: str, first: str) -> None:
    assert format_sequence(within(parse_sequence(steps, "here"), 4)) == f"{first}, 4, kill"
