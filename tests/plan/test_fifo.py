"""A FIFO in the place of a file, as keepers of secrets have it: who needs it waits and says so, nobody else does."""

import os
import subprocess

import pytest

from tests.harness import PROCRUN, TERM, Folder, Run, until

WAITS = "procrun: waiting for {} (a FIFO that nobody writes to) …"


@pytest.fixture
def run(folder: Folder) -> Run:
    """A run whose .env is a FIFO that nobody writes to by now."""
    folder.procfile("web: echo A=$A; exec sleep 600")
    os.mkfifo(folder.path / ".env")
    run = folder.start()
    with (folder.path / ".env").open("w") as writer:
        writer.write("A=secret\n")
    run.wait_for("A=secret")
    until(lambda: list((folder.path / ".procrun").glob("*.sock")), "it can be asked")
    return run


@pytest.mark.parametrize("command", ["start", "check", "env", "release", "run true", "smoke --for 0.1s"])
def test_a_command_that_needs_it_says_after_a_second_what_it_waits_for(folder: Folder, command: str) -> None:
    folder.procfile("job: exec sleep 600", "release: true")
    os.mkfifo(folder.path / ".env")
    run = folder.start(*command.split()[1:], verb=command.split()[0])

    run.wait_for(WAITS.format(r"\.env").replace("(", r"\(").replace(")", r"\)"))

    with (folder.path / ".env").open("w") as writer:
        writer.write("A=1\n")
    if command == "start":
        run.wait_for("started")
        run.finish(TERM)
    else:
        assert run.finish() in (0, 20, 124)
    assert run.output.count("waiting for") == 1


def test_ctrl_c_ends_the_waiting(folder: Folder) -> None:
    folder.procfile("web: exec sleep 600")
    os.mkfifo(folder.path / ".env")
    run = folder.start()
    run.wait_for("waiting for")

    assert run.finish(TERM) == -TERM


def test_a_procfile_from_a_pipe_is_waited_for_in_the_same_way(folder: Folder) -> None:
    with subprocess.Popen(
        [*PROCRUN, "check", "-f", "-"], cwd=folder.path, stdin=-1, stderr=-1, stdout=-1, text=True
    ) as check:
        assert check.stdin is not None
        assert check.stderr is not None
        assert check.stderr.readline() == WAITS.format("stdin") + "\n"
        check.stdin.write("web: true\n")
        check.stdin.flush()
        _, said = check.communicate()

    assert "Valid procfile detected (web)" in said


@pytest.mark.parametrize(
    "command",
    ["ps", "restart web", "scale web=1", "wait web --for ready --timeout 0.5", "logs", "doctor", "stop web", "stop"],
)
def test_a_command_for_a_living_run_never_reads_it(folder: Folder, run: Run, command: str) -> None:
    told = folder.procrun(*command.split())

    assert told.returncode == (124 if command.startswith("wait") else 0), told.stderr
    if command != "stop":
        run.signal(TERM)
    run.finish()


def test_where_nothing_runs_they_do_not_wait_either(folder: Folder) -> None:
    folder.procfile("web: exec sleep 600")
    os.mkfifo(folder.path / ".env")

    for command in ("ps", "stop", "wait web --timeout 1"):
        assert "nothing runs in" in folder.procrun(*command.split()).stderr


@pytest.mark.parametrize("place", ["shell", ".env"])
def test_a_procfile_that_is_named_by_a_variable_leads_to_its_folder(folder: Folder, place: str) -> None:
    """PROCFILE, in the shell or in a plain .env, says where the run is; a fault elsewhere in .env changes nothing."""
    folder.write("sub/Procfile", "web: exec sleep 600\n")
    env = {"PROCFILE": "sub/Procfile"} if place == "shell" else {}
    folder.write(".env", "PROCFILE=sub/Procfile\n" if place == ".env" else "A=1\n")
    run = folder.start(env=env)
    run.wait_for("started")
    until(lambda: list((folder.path / "sub/.procrun").glob("*.sock")), "it can be asked")

    assert "web.1" in folder.procrun("ps", env=env).stdout
    with (folder.path / ".env").open("a") as file:
        file.write("B=\0\n" if place == "shell" else "torn='\n")
    assert "web.1" in folder.procrun("ps", env=env).stdout
    run.finish(TERM)
