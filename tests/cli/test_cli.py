"""The command line itself: commands, options, help, completion, and the reader that is quicker than click."""

import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from procrun import __version__
from procrun.cli.fast_start import parse
from procrun.cli.main import COMMANDS, command_first, start_command
from procrun.cli.options import START
from tests.harness import PATIENCE, PROCRUN, Folder

SCRIPT = Path(sys.executable).parent / "procrun"


# --- commands and help


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_of_every_command_teaches_its_use(folder: Folder, command: str, option: str) -> None:
    made = folder.procrun(command, option)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith(f"Usage: procrun {command} ")
    assert len(made.stdout.splitlines()) > 4


def test_help_names_every_command_with_what_it_does(folder: Folder) -> None:
    made = folder.procrun("--help")
    rows = [line.split(maxsplit=1) for line in made.stdout.partition("Commands:\n")[2].splitlines()]
    assert [row[0] for row in rows if row[0] in COMMANDS] == list(COMMANDS)
    assert all(len(row) == 2 for row in rows)


@pytest.mark.parametrize("arguments", [[], ["-h"], ["help"]])
def test_help_comes_on_stdout(folder: Folder, arguments: list[str]) -> None:
    made = folder.procrun(*arguments)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == folder.procrun("--help").stdout


@pytest.mark.parametrize("arguments", [["help", "restart"], ["--help", "restart"], ["-h", "restart", "web"]])
def test_help_of_a_command_may_be_asked_for_in_several_ways(folder: Folder, arguments: list[str]) -> None:
    assert folder.procrun(*arguments).stdout == folder.procrun("restart", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "output"), [(["version"], __version__), (["--version"], f"procrun {__version__}")]
)
def test_version_is_printed(folder: Folder, arguments: list[str], output: str) -> None:
    assert folder.procrun(*arguments).stdout == f"{output}\n"


@pytest.mark.parametrize("program", [[sys.executable, "-m", "procrun"], [str(SCRIPT)]])
def test_module_and_script_are_the_same(program: list[str]) -> None:
    made = subprocess.run([*program, "start", "--bogus"], capture_output=True, text=True, check=False)
    expected = "procrun: No such option '--bogus'; `procrun start --help` tells more\n"
    assert (made.returncode, made.stderr) == (2, expected)


# --- faults of usage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["strat"], 'no command "strat"; there are: start, restart, '),
        (["-f", "x", "strat", "web"], 'no command "strat"; there are: start, restart, '),
        (["--procfile=x", "strat"], 'no command "strat"; there are: start, restart, '),
        (["strat", "restart"], 'no command "strat"; there are: start, restart, '),
        (["start", "-p"], "Option '-p' requires an argument; `procrun start --help` tells more"),
        (["help", "strat"], 'no command "strat"; there are: start, restart, '),
        (["--bogus"], "No such option '--bogus'"),
        (["--bogus", "start"], "No such option '--bogus'"),
        (["start", "--bogus"], "No such option '--bogus'"),
        (["restart", "-m", "web=1"], "No such option '-m'"),
        (["start", "--no-prefix=1"], "Option '--no-prefix' does not take a value"),
        (["scale"], "Missing argument 'TYPE=N…'"),
        (["scale", "web"], 'scale: "web" is not TYPE=NUMBER, as in web=2'),
        (["export", "systemd"], "Missing argument 'DIR'"),
        (["version", "x"], "Got unexpected extra argument"),
    ],
)
def test_fault_of_usage_is_one_line_and_exit_status_2(folder: Folder, arguments: list[str], message: str) -> None:
    made = folder.procrun(*arguments)
    assert (made.returncode, made.stdout) == (2, "")
    assert made.stderr.startswith(f"procrun: {message}")
    assert made.stderr.count("\n") == 1


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "-inf", "1e7", "", "ten", "5s"])
@pytest.mark.parametrize("command", ["start", "restart", "stop", "check"])
def test_budget_must_be_a_time_that_ends(folder: Folder, command: str, value: str) -> None:
    folder.procfile("web: true")
    made = folder.procrun(command, "-t", value)
    expected = f'"{value}" is no time; give seconds, from above 0 to 1000000, as in 8 or 0.5'
    assert made.returncode == 2
    assert made.stderr == (
        f"procrun: Invalid value for '-t' / '--timeout': {expected}; `procrun {command} --help` tells more\n"
    )


@pytest.mark.parametrize("value", ["0", "-1", "65536", "1e3", "http", "5_000", "", "٥"])
@pytest.mark.parametrize("command", ["start", "check", "env", "run"])
def test_port_must_be_one(folder: Folder, command: str, value: str) -> None:
    folder.procfile("web: true")
    made = folder.procrun(command, "-p", value)
    assert made.returncode == 2
    assert f'"{value}" is no port; give a number from 1 to 65535' in made.stderr
    assert made.stderr.count("\n") == 1


@pytest.mark.parametrize("value", ["0.5", "8", "1e2", "1000000"])
def test_budget_may_have_a_fraction(folder: Folder, value: str) -> None:
    folder.procfile("web: true")
    assert folder.procrun("check", "-t", value).returncode == 0


# --- options before or after the command


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "-f", "app/Procfile", "--strict"],
        ["-f", "app/Procfile", "check", "--strict"],
        ["-f", "app/Procfile", "--strict", "check"],
        ["--strict", "--procfile=app/Procfile", "check"],
        ["-fapp/Procfile", "--strict", "check"],
        ["-d", "app", "check", "--strict"],
        ["--app-root", "app", "-p", "7000", "check", "--strict"],
        ["--root=app", "check", "--strict"],
    ],
)
def test_options_stand_before_or_after_the_command(folder: Folder, arguments: list[str]) -> None:
    folder.write("app/Procfile", "web: nosuch-program")
    made = folder.procrun(*arguments)
    assert made.returncode == 1, made.stderr
    assert "nosuch-program is not found" in made.stderr


def test_value_that_is_called_like_a_command_is_a_value(folder: Folder) -> None:
    folder.write("start", "web: true")
    assert folder.procrun("-f", "start", "check").returncode == 0


@pytest.mark.parametrize("arguments", [["start", "--no-prefix", "web"], ["--no-prefix", "start", "web"]])
def test_start_takes_options_on_both_sides(folder: Folder, arguments: list[str]) -> None:
    folder.procfile("web: echo here", "worker: echo there")
    made = folder.procrun(*arguments)
    assert "here" in made.stdout.splitlines()
    assert "there" not in made.stdout


# --- control commands without a run


@pytest.mark.parametrize("arguments", [["restart"], ["restart", "web"], ["stop"], ["scale", "web=2"], ["ps"]])
def test_control_command_says_that_nothing_runs(folder: Folder, arguments: list[str]) -> None:
    folder.procfile("web: true")
    made = folder.procrun(*arguments)
    expected = f"procrun: nothing runs in {folder.path}; start it with `procrun start`\n"
    assert (made.returncode, made.stdout, made.stderr) == (1, "", expected)


# --- completion


def completed(folder: Folder, *words: str, script: Path = SCRIPT) -> list[str]:
    env = {"_PROCRUN_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    made = subprocess.run(
        [script], cwd=folder.path, env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    assert made.stderr == ""
    return [line.removeprefix("plain,") for line in made.stdout.splitlines() if line]


def test_bash_accepts_the_completion(folder: Folder) -> None:
    line = 'eval "$(_PROCRUN_COMPLETE=bash_source procrun)" && complete -p procrun'
    path = f"{SCRIPT.parent}:{os.environ['PATH']}"
    made = subprocess.run(
        ["bash", "-c", line], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert made.stdout == "complete -o nosort -F _procrun_completion procrun\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["re"], ["restart", "reload", "release"]),
        (["restart", "w"], ["web", "worker"]),
        (["stop", "wo"], ["worker"]),
        (["start", "web", "wo"], ["worker"]),
        (["run", "cl"], ["clock"]),
        (["env", "cl"], ["clock"]),
        (["start", "-f", "Procfile.dev", ""], ["js"]),
        (["start", "-f", "nope", ""], []),
        (["start", "--exc"], ["--except"]),
        (["start", "-x", "cl"], ["clock"]),
        (["start", "-x", "web,cl"], ["web,clock"]),
        (["start", "-m", "web=2,w"], ["web=2,web=", "web=2,worker="]),
        (["start", "--platform", "h"], ["heroku"]),
        (["scale", "cl"], ["clock="]),
        (["signal", "tt"], ["ttin", "ttou"]),
        (["wait", "--for", "r"], ["ready"]),
        (["chaos", "--faults", "fl"], ["flood"]),
        (["export", "sys"], ["systemd"]),
        (["help", "rel"], ["reload", "release"]),
        (["start", "-f", "Proc"], ["file,Proc"]),
        (["check", "-d", "a"], ["dir,a"]),
    ],
)
def test_commands_options_and_process_names_are_completed(
    folder: Folder, words: list[str], expected: list[str]
) -> None:
    folder.procfile("web: puma", "worker: sidekiq", "clock: clockwork")
    folder.write("Procfile.dev", "js: node")
    assert completed(folder, "procrun", *words) == expected


def test_completion_bears_a_faulty_procfile(folder: Folder) -> None:
    folder.procfile("web:")
    assert completed(folder, "procrun", "start", "w") == []


# --- the quick reader


def by_click(arguments: list[str]) -> dict[str, Any] | None:
    """What click makes of the line; None where it refuses it or it is not for `start`."""
    first = command_first(arguments)
    if first[:1] != ["start"]:
        return None
    try:
        with redirect_stdout(io.StringIO()):
            return start_command.make_context("start", first[1:]).params
    except (click.UsageError, click.exceptions.Exit):
        return None


FLAGS = [flag for option in START for flag in option.flags]
VALUES = [
    "web",
    "web=2",
    "Procfile.dev",
    "-",
    "5000",
    "0",
    "2.5",
    "nan",
    "a,b",
    "",
    "start",
    "check",
    "x=y",
    "é",
    "-p",
    "--",
]
JOINED = [f"{flag}={value}" for flag in FLAGS for value in ("web=2", "5000", "", "1.5")]
WORDS = st.sampled_from(["start", *FLAGS, *VALUES, *JOINED, "-p5000", "-fx", "-h", "--help", "--proc", "--bogus"])


@given(st.lists(WORDS, max_size=6), st.integers(0, 6))
@example(["-p", "5000", "web"], 0)
@example(["-t", "2.5", "-x", "a", "--except", "b"], 3)
@example(["-f", "-", "-m", "web=2", "--no-prefix"], 5)
def test_quick_reader_agrees_with_click_or_leaves_it_to_click(words: list[str], place: int) -> None:
    arguments = [*words[:place], "start", *words[place:]]
    quick = parse(arguments)
    assert quick is None or quick == by_click(arguments)


PLAIN = st.one_of(
    st.sampled_from(["web", "worker.2"]).map(lambda word: [word]),
    st.sampled_from([option for option in START if option.metavar is None]).map(lambda option: [option.flags[0]]),
    st.sampled_from(
        [["-p", "5000"], ["--port=7000"], ["-t", "0.5"], ["-m", "web=2"], ["-f", "-"], ["-e", "a,b"], ["-x", "web"]]
    ),
)


@given(st.lists(PLAIN, max_size=5), st.integers(0, 5))
def test_quick_reader_reads_every_plain_line(parts: list[list[str]], place: int) -> None:
    def flat(some: list[list[str]]) -> list[str]:
        return [word for part in some for word in part]

    before = [part for part in parts[:place] if part[0].startswith("-")]
    arguments = [*flat(before), "start", *flat(parts[place:])]
    quick = parse(arguments)
    assert quick is not None
    assert quick == by_click(arguments)


@pytest.mark.parametrize("arguments", [[], ["web"], ["restart", "start"], ["start", "--help"], ["web", "start"]])
def test_quick_reader_leaves_other_lines_alone(arguments: list[str]) -> None:
    assert parse(arguments) is None


# --- the end of procrun itself


def test_output_into_a_closed_pipe_is_no_traceback(folder: Folder) -> None:
    folder.write(".env", "".join(f"V{number}={'x' * 100}\n" for number in range(3000)))
    popen = folder.background("env")
    assert popen.stdout is not None
    assert popen.stderr is not None
    popen.stdout.readline()
    popen.stdout.close()
    errors = popen.stderr.read()
    popen.wait(PATIENCE)
    assert "Traceback" not in errors


def test_control_c_is_no_traceback(folder: Folder) -> None:
    os.mkfifo(folder.path / "Procfile")
    popen = folder.background("check")
    with open(folder.path / "Procfile", "w"):  # returns when procrun reads
        popen.send_signal(signal.SIGINT)
        _, errors = popen.communicate(timeout=PATIENCE)
    assert (popen.returncode, errors.strip()) == (130, "")


def test_a_message_into_a_file_is_not_written_over_by_what_follows(folder: Folder) -> None:
    script = f"echo before; {' '.join(PROCRUN)} restart; echo after"
    with open(folder.path / "log", "w") as log:
        subprocess.run(["/bin/sh", "-c", script], stdout=log, stderr=log, check=True)
    before, message, after = (folder.path / "log").read_text().splitlines()
    assert (before, after) == ("before", "after")
    assert message.startswith("procrun: nothing runs in ")


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["env"], ["help", "start"]])
def test_an_output_that_takes_nothing_is_one_line(folder: Folder, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run([*PROCRUN, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert result.returncode == 1
    assert result.stderr == "procrun: standard output takes nothing more (No space left on device)\n"
