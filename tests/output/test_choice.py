"""Which lines are shown, and the time before them: --only, --hide, --grep, --timestamps."""

import re

import pytest

from procrun.output.filter import Choice
from tests.harness import TERM, Folder

LINES = b"one\ntwo\n"


@pytest.mark.parametrize(
    ("only", "hidden", "shown"),
    [
        ((), (), {"web.1", "web.2", "a.b.1"}),
        (("web",), (), {"web.1", "web.2"}),
        (("web.2",), (), {"web.2"}),
        ((), ("web",), {"a.b.1"}),
        (("web",), ("web.1",), {"web.2"}),
        (("a.b",), (), {"a.b.1"}),
        (("a",), (), set()),
    ],
)
def test_types_and_instances_are_chosen_and_hidden(only: tuple[str], hidden: tuple[str], shown: set[str]) -> None:
    choice = Choice(only, hidden)

    assert {name for name in ("web.1", "web.2", "a.b.1") if choice.pick(name, LINES) == LINES} == shown


def test_what_was_hidden_can_be_shown_again() -> None:
    choice = Choice(hidden=["web"])

    assert choice.toggle("web.1")
    assert choice.pick("web.1", LINES) == LINES
    assert not choice.toggle("web.1")
    assert choice.pick("web.1", LINES) == b""


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        (b"tw", b"two\n"),
        (b"^o", b"one\n"),
        (b"e$", b"one\n"),
        (b"\\Bne", b"one\n"),
        (b"three", b""),
        (b"", LINES),
        (b"e.t", b""),  # not over the end of a line
    ],
)
def test_grep_picks_whole_lines(pattern: bytes, shown: bytes) -> None:
    assert Choice(grep=re.compile(pattern)).pick("web.1", LINES) == shown


def test_only_and_grep_hold_for_lines_and_not_for_what_procrun_says(folder: Folder) -> None:
    folder.procfile("web: seq 1 12; sleep 0.3; exit 4", "noise: echo 1 noise; exec sleep 60")

    run = folder.start("--only", "web", "--grep", "1", "--no-timestamp")

    assert run.finish() == 4
    assert re.findall(r"(?m)^web\.1 +\| (.*)", run.output) == ["1", "10", "11", "12"]
    assert "noise\n" not in run.output
    assert "noise.1 started" in run.output


def test_a_pattern_that_takes_for_ever_is_given_up_and_holds_up_no_stop(folder: Folder) -> None:
    """(a+)+$ takes 2^n steps where n letters are followed by another (Python's re has no limit of its own)."""
    folder.procfile(f"web: echo {'a' * 60}b; exec sleep 60")

    run = folder.start("--grep", "(a+)+$", "--no-timestamp")

    run.wait_for(r"^procrun \| --grep took longer than 0\.5 s for some lines; from here on all are shown$")
    run.wait_for("^web.1   . a+b$")
    assert run.finish(TERM) == -TERM


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--grep", "("), '"(" is no regular expression: missing ), unterminated subpattern'),
        (("--grep", "a{99999999999999}"), "is no regular expression"),
        (("--only", "wbe"), "wbe"),
        (("--hide", "wbe"), "wbe"),
        (("--timestamps", "later"), '"later" is no format for a time; give one as in %H:%M:%S, or ms, or off'),
        (("--timestamps", "%n%H"), "is no format for a time"),
        (("--timestamps", "%99999d"), "is no format for a time"),
        (("--timestamps", "%H\n"), "is no format for a time"),
        (("--timestamps", "%H %Q"), "is no format for a time"),
        (("--timestamps", "%E"), "is no format for a time"),
        (("--timestamps", "ms", "--no-timestamp"), "give one of --timestamps and --no-timestamp"),
        (("--only", "web", "--hide", "web"), "--only and --hide: web is given to both"),
    ],
)
def test_a_wrong_value_is_one_line_and_nothing_is_started(folder: Folder, options: tuple[str, ...], said: str) -> None:
    folder.procfile("web: touch started")

    result = folder.procrun("start", *options)

    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (folder.path / "started").exists()


@pytest.mark.parametrize(
    ("wanted", "before"),
    [
        ("ms", r"\d\d:\d\d:\d\d\.\d{3} "),
        ("off", ""),
        ("%Y-%m-%dT%H:%M:%S", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d "),
        ("%s.%L", r"\d{10}\.\d{3} "),
        ("%%L %H", r"%L \d\d "),
        ("at %H", r"at \d\d "),
        ("100%% %H", r"100% \d\d "),
    ],
)
def test_the_time_before_a_line_is_as_wanted(folder: Folder, wanted: str, before: str) -> None:
    folder.procfile("web: echo hello")

    run = folder.start("--timestamps", wanted)

    run.finish()
    assert re.search(rf"(?m)^{before}web\.1   \| hello$", run.output)
