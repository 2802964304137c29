"""A process that looks for a terminal is told of once, with the cure; what only speaks of terminals is not."""

import re

import pytest

from procrun.output.terminal_hint import LARGEST, TerminalHint
from tests.harness import TERM, Folder
from tests.programs import need

HINT = (
    r"^\S+ procrun +\| web\.1 looks for a terminal, and has none: `procrun start --pty web`, or `pty = true` below "
    r"\[process\.web\] in procrun\.toml gives it one, `procrun attach web\.1` reaches it$"
)


def told(*chunks: bytes, name: str = "web.1", terminal: bool = False) -> list[str]:
    said: list[str] = []
    hint = TerminalHint(lambda name: terminal, said.append)
    for chunk in chunks:
        hint.hear(name, chunk, 0.0, "output")
    return said


@pytest.mark.parametrize(
    "line",
    [
        b"sudo: a terminal is required to read the password; either use the -S option to read from standard input or "
        b"configure an askpass helper",
        b"sudo: no tty present and no askpass program specified",
        b"entr: unable to get terminal attributes, use '-n' to run non-interactively",
        b"sh: 1: cannot open /dev/tty: No such device or address",
        b"bash: line 1: /dev/tty: No such device or address",
        b"OSError: [Errno 6] No such device or address: '/dev/tty'",
        b"Error: ENXIO: no such device or address, open '/dev/tty'",
        b"the input device is not a TTY",
        b"open terminal failed: not a terminal",
        b"top: failed tty get",
        b"stty: 'standard input': Inappropriate ioctl for device",
        b"read_passphrase: can't open /dev/tty: No such device or address",
    ],
)
def test_it_is_seen_in_what_programs_say(line: bytes) -> None:
    assert len(told(b"booting\n" + line + b"\nmore\n")) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"stdout is not a tty, colours are off",
        b"using terminal colours",
        b"cat: /dev/ttyS0: No such device or address",
        b"opened /dev/tty",
        b"GET /terminal/attributes 200",
        b"ioctl: Inappropriate ioctl for device",
    ],
)
def test_others_may_speak_of_terminals(line: bytes) -> None:
    assert told(line + b"\n") == []


def test_it_is_said_once_for_each_instance_and_not_of_who_has_a_terminal_or_floods() -> None:
    line = b"top: failed tty get\n"

    assert len(told(line, line)) == 1
    assert told(line, terminal=True) == []
    assert told(line, name="procrun") == []
    assert told(line + b"x" * LARGEST) == []


def test_entr_is_told_and_runs_with_a_terminal(folder: Folder) -> None:
    entr = need("entr")
    folder.procfile(f"web: echo Procfile | {entr} echo ran")
    told = folder.start()

    assert told.finish() != 0
    assert len(re.findall(HINT, told.output, re.MULTILINE)) == 1
    with_terminal = folder.start("--pty", "web")
    with_terminal.wait_for(r"web\.1 +\| ran$")
    with_terminal.finish(TERM)
    assert "looks for a terminal" not in with_terminal.output


def test_it_is_said_once_however_often_it_starts(folder: Folder) -> None:
    folder.procfile("web: read answer </dev/tty; sleep 600")
    run = folder.start()
    run.wait_for(HINT)
    assert folder.procrun("restart", "web").returncode == 0

    run.wait_for("/dev/tty: No such device", count=2)
    run.finish(TERM)

    assert len(re.findall(HINT, run.output, re.MULTILINE)) == 1
