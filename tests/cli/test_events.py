"""What happens to the processes, for scripts: events, wait."""

import json
import select
import socket
from datetime import datetime
from subprocess import Popen
from typing import Any

import pytest

from tests.harness import INT, PATIENCE, TERM, Folder, until


def watched(folder: Folder, *arguments: str) -> "Popen[str]":
    """`procrun events` that has heard of a restart of web, and of any that there were before it heard."""
    popen = folder.background("events", *arguments)
    stdout = popen.stdout
    assert stdout is not None

    def heard() -> bool:
        folder.procrun("restart", "web")
        return bool(select.select([stdout], [], [], 0.1)[0])

    until(heard, "the client hears of a restart")
    return popen


def clients(folder: Folder) -> list[str]:
    """Connections on the run's socket."""
    with open("/proc/net/unix") as table:
        return [line for line in table if str(folder.path) in line and line.split()[5] == "03"]


def test_events_are_told_as_they_happen_until_the_run_is_over(folder: Folder) -> None:
    folder.procfile("web: trap 'exit 0' TERM; while :; do sleep 0.05; done", "other: sleep 60")
    run = folder.start()
    run.wait_for("started", count=2)

    events = watched(folder, "--json", "web")
    assert folder.procrun("restart", "web").returncode == 0
    run.finish(TERM)
    stdout, stderr = events.communicate(timeout=PATIENCE)

    assert (events.returncode, stderr) == (0, "")
    heard = [json.loads(line) for line in stdout.splitlines()]
    told = [event["event"] for event in heard if event["event"] != "running"]
    assert told[-7:] == [*("signal", "exited", "gone", "restarted"), *("signal", "exited", "gone")]
    assert {event["instance"] for event in heard} == {"web.1"}
    times = [datetime.fromisoformat(event["time"]) for event in heard]
    assert times == sorted(times)


def test_events_for_people_are_one_line_each(folder: Folder) -> None:
    folder.procfile("web: trap 'exit 0' TERM; while :; do sleep 0.05; done")
    run = folder.start()
    run.wait_for("started")

    events = watched(folder)
    run.finish(TERM)
    stdout, _ = events.communicate(timeout=PATIENCE)

    signalled, exited, gone = [line.split(maxsplit=2)[1:] for line in stdout.splitlines()][-3:]
    assert (signalled, exited) == (["web.1", "TERM"], ["web.1", "exit 0"])
    assert gone[1].startswith("gone")


def test_ctrl_c_ends_events(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    run = folder.start()
    run.wait_for("started")

    events = watched(folder)
    events.send_signal(INT)
    _, stderr = events.communicate(timeout=PATIENCE)

    assert (events.returncode, stderr.strip()) == (130, "")


def test_wait_returns_when_it_is_ready(folder: Folder) -> None:
    folder.procfile("job: sleep 60")
    folder.start().wait_for("started")

    result = folder.procrun("wait", "job")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_wait_fails_for_what_ends_instead(folder: Folder) -> None:
    folder.write("procrun.toml", "[process.job]\nessential = false\n")
    folder.procfile("job: while ! [ -e go ]; do sleep 0.02; done; exit 3", "web: sleep 60")
    run = folder.start()
    run.wait_for("started", count=2)
    (folder.path / "go").touch()
    run.wait_for("ended by itself")

    result = folder.procrun("wait", "job", "--for", "ready")

    assert result.returncode == 1
    assert result.stderr == "procrun: ended, or not ready in time: job.1; `procrun ps` and its output tell more\n"


def test_wait_for_exit_returns_when_it_has_ended(folder: Folder) -> None:
    folder.write("procrun.toml", "[process.job]\nessential = false\n")
    folder.procfile("job: while ! [ -e go ]; do sleep 0.02; done", "web: sleep 60")
    run = folder.start()
    run.wait_for("started", count=2)
    waiting = folder.background("wait", "--for", "exit", "job", "-t", "60")
    until(lambda: clients(folder), "the client is connected")

    (folder.path / "go").touch()

    waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 0
    run.wait_for("job.1 ended by itself")


def test_a_restart_by_its_policy_is_no_end(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.job]\nrestart = "always"\n')
    folder.procfile("job: [ -e go ] && exec sleep 60; touch go; exit 3", "web: sleep 60")
    folder.start().wait_for("started")

    assert folder.procrun("wait", "job").returncode == 0


def test_wait_gives_up_with_124(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    folder.start().wait_for("started")

    result = folder.procrun("wait", "web", "--for", "exit", "-t", "0.2")

    assert (result.returncode, result.stderr) == (124, "procrun: not over in time: web.1\n")


WRONG = [
    (("wait", "wbe"), 2, 'no process "wbe" here'),
    (("wait", "web", "--for", "luck"), 2, '"luck" is nothing to wait for; there are: ready, exit'),
    (("wait", "web", "-t", "0"), 2, '"0" is no time'),
    (("wait",), 2, "Missing argument"),
    (("events", "wbe"), 2, 'no process "wbe" here'),
]


def test_a_wrong_value_is_one_line(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    folder.start().wait_for("started")

    for arguments, status, said in WRONG:
        result = folder.procrun(*arguments)

        assert (result.returncode, result.stdout) == (status, "")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("events",), ("wait", "web"), ("logs",), ("logs", "-f")])
def test_where_nothing_runs_they_say_so(folder: Folder, command: tuple[str, ...]) -> None:
    folder.procfile("web: sleep 60")

    result = folder.procrun(*command)

    assert (result.returncode, result.stdout) == (1, "")
    assert "nothing runs in" in result.stderr


@pytest.mark.parametrize("timeout", [-1.0, 0.0, 1e300])
def test_no_wait_of_a_client_can_break_the_run(folder: Folder, timeout: float) -> None:
    folder.procfile("web: sleep 60")
    run = folder.start()
    run.wait_for("started")
    until(lambda: list((folder.path / ".procrun").glob("*.sock")), "there is a socket")
    (path,) = (folder.path / ".procrun").glob("*.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(json.dumps({"type": "wait", "names": ["web"], "until": "exit", "timeout": timeout}).encode())
        client.sendall(b"\n")
        answer: dict[str, Any] = json.loads(client.recv(4096))

    assert answer["type"] == "refused"
    assert "is no budget" in answer["text"]
    assert folder.procrun("ps").returncode == 0


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("procrun ev", {"events"}),
        ("procrun lo", {"logs"}),
        ("procrun wa", {"wait"}),
        ("procrun logs w", {"web", "worker"}),
        ("procrun events wo", {"worker"}),
        ("procrun wait we", {"web"}),
        ("procrun start --on", {"--only"}),
        ("procrun start --only we", {"web"}),
        ("procrun logs --si", {"--since"}),
    ],
)
def test_the_shell_completes_them(folder: Folder, line: str, completed: set[str]) -> None:
    folder.procfile("web: sleep 60", "worker: sleep 60")
    words = line.split()

    result = folder.procrun(
        env={"_PROCRUN_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    )

    assert {found.partition(",")[2] for found in result.stdout.splitlines()} == completed
