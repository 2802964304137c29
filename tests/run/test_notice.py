"""A changed Procfile, .env or procrun.toml is told in every run, once, and a run in which nothing changes sleeps on."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.harness import PROCRUN, TERM, Folder, Run, opened, until

TOLD = r"procrun +\| {} changed; `procrun reload` restarts only what changed$"
ANY = r"^.* changed; `procrun reload` .*\n"


@pytest.fixture
def run(folder: Folder) -> Run:
    """A run of two, that has a .env, and none that watches."""
    folder.procfile("job: exec sleep 1000", "other: exec sleep 1000")
    folder.write(".env", "KEY=old\n")
    return noticing(folder)


def noticing(folder: Folder, *arguments: str, where: str = "") -> Run:
    """A run that has begun to heed the folder: its socket, which comes after that, is answered."""
    run = folder.start(*arguments)
    run.wait_for("started, pid")
    until(lambda: folder.procrun("ps", "-d", where or ".").returncode == 0, "its socket is there")
    assert str(folder.path / where) in opened(run.supervisor())
    return run


@contextlib.contextmanager
def at_once(run: Run) -> Iterator[None]:
    """What is done here is one change, also where writing takes its time: the run stands still meanwhile."""
    supervisor = run.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)


def told(run: Run, name: str, count: int = 1) -> None:
    run.wait_for(TOLD.format(re.escape(name)), count)


def number_told(run: Run) -> int:
    return len(re.findall(ANY, run.output, re.MULTILINE))


def looks(run: Run) -> int:
    """How often it has waited for something."""
    text = Path(f"/proc/{run.supervisor()}/status").read_text()
    return int(re.findall(r"^voluntary_ctxt_switches:\t(\d+)", text, re.MULTILINE)[0])


def look_is_over(folder: Folder, run: Run) -> None:
    """Wait until it has looked once more: a file that is certainly told comes to be beside the others."""
    before = number_told(run)
    folder.write("new", f"# {before} {monotonic()}\n").rename(folder.path / "procrun.toml")
    told(run, "procrun.toml")
    until(lambda: number_told(run) > before, "it has looked")


def test_procfile_that_is_edited_in_place_is_told_once(folder: Folder, run: Run) -> None:
    with at_once(run):
        folder.procfile("job: exec sleep 2000", "other: exec sleep 1000")

    told(run, "Procfile")
    look_is_over(folder, run)
    assert number_told(run) == 2
    run.finish(TERM)


def test_each_further_change_is_told(folder: Folder, run: Run) -> None:
    for count in range(1, 4):
        with at_once(run):
            folder.procfile(f"job: exec sleep {count}000", "other: exec sleep 1000")
        told(run, "Procfile", count)
    assert number_told(run) == 3
    run.finish(TERM)


def test_file_that_another_takes_the_place_of_is_told_even_if_size_and_time_are_the_same(
    folder: Folder, run: Run
) -> None:
    before = (folder.path / "Procfile").stat()
    new = folder.write("Procfile.new", "job: exec sleep 3000\nother: exec sleep 1000\n")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert new.stat().st_size == before.st_size

    new.rename(folder.path / "Procfile")

    told(run, "Procfile")
    run.finish(TERM)


def test_several_files_are_one_line(folder: Folder, run: Run) -> None:
    with at_once(run):
        folder.procfile("job: exec sleep 2000", "other: exec sleep 1000")
        folder.write(".env", "KEY=new\n")

    told(run, "Procfile, .env")
    assert number_told(run) == 1
    run.finish(TERM)


def test_file_that_comes_and_goes_is_told(folder: Folder, run: Run) -> None:
    folder.write("procrun.toml", "[process.job]\npty = false\n")
    told(run, "procrun.toml")

    (folder.path / ".env").unlink()
    told(run, ".env")
    run.finish(TERM)


def test_other_files_of_the_folder_are_no_news(folder: Folder, run: Run) -> None:
    before = looks(run)
    folder.write("other.log", "x")
    until(lambda: looks(run) > before, "it was woken")

    look_is_over(folder, run)
    assert number_told(run) == 1
    run.finish(TERM)


def test_who_logs_beside_the_procfile_does_not_keep_it_awake(folder: Folder, run: Run) -> None:
    """Two thousand lines in two seconds or more are a few looks: one a second."""
    begin, before = monotonic(), looks(run)
    with (folder.path / "noisy.log").open("w", buffering=1) as log:
        while monotonic() - begin < 2:
            log.write("x\n")

    seconds = monotonic() - begin
    assert 2 <= looks(run) - before <= 20 * seconds
    look_is_over(folder, run)
    run.finish(TERM)


def test_idle_run_wakes_up_for_nothing(folder: Folder, run: Run) -> None:
    folder.write(".env", "KEY=new\n")
    told(run, ".env")

    def still() -> bool:
        before = looks(run)
        begin = monotonic()
        until(lambda: monotonic() - begin > 1.2, "longer than the pause between two looks has passed")
        return looks(run) == before

    until(still, "nothing wakes it up")
    assert len(os.listdir(f"/proc/{run.supervisor()}/task")) == 1
    run.finish(TERM)


def test_after_a_reload_it_is_the_new_plan_that_files_are_held_against(folder: Folder, run: Run) -> None:
    with at_once(run):
        folder.procfile("job: exec sleep 2000", "other: exec sleep 1000")
    told(run, "Procfile")
    assert folder.procrun("reload").stdout.startswith("job.1 restarts: command\n")

    with at_once(run):
        folder.write(".env", "KEY=new\n")

    told(run, ".env")
    assert number_told(run) == 2
    run.finish(TERM)


def test_all_files_are_heeded_wherever_they_are(folder: Folder) -> None:
    """-f elsewhere, several env files, one of them a link to a third place."""
    folder.write("app/Procfile", "job: exec sleep 1000\n")
    folder.write("config/a.env", "A=1\n")
    folder.write("shared/b.env", "B=1\n")
    (folder.path / "app/b.env").symlink_to("../shared/b.env")
    run = noticing(folder, "-f", "app/Procfile", "-e", "config/a.env,app/b.env", where="app")

    for count, (file, name) in enumerate(
        {
            "app/Procfile": "Procfile",
            "config/a.env": "../config/a.env",
            "shared/b.env": "b.env",
            "app/procrun.toml": "procrun.toml",
        }.items(),
        1,
    ):
        with at_once(run):
            folder.write(file, "NEW=1\n" if file.endswith("env") else "# new: it is\n")
        told(run, name)
        assert number_told(run) == count
    run.finish(TERM)


def test_file_that_was_moved_away_and_is_back_is_no_news(folder: Folder, run: Run) -> None:
    (folder.path / ".env").rename(folder.path / "away")
    told(run, ".env")
    (folder.path / "away").rename(folder.path / ".env")

    look_is_over(folder, run)
    assert number_told(run) == 2  # that it is gone, and the other one
    run.finish(TERM)


def test_what_is_no_plain_file_is_never_news(folder: Folder) -> None:
    folder.procfile("job: exec sleep 1000")
    run = noticing(folder, "-e", "/dev/null")

    assert not any(name == "/dev" for name in opened(run.supervisor()))
    look_is_over(folder, run)
    assert number_told(run) == 1
    run.finish(TERM)


def test_procfile_from_a_pipe_is_never_news(folder: Folder) -> None:
    command = "exec " + " ".join(PROCRUN) + " start -f <(echo 'job: exec sleep 1000') -d ."
    with subprocess.Popen(
        ["bash", "-c", command], cwd=folder.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as p:
        run = Run(p)
        folder.runs.append(run)
        run.wait_for("started, pid")
        until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")
        look_is_over(folder, run)
        assert number_told(run) == 1
        run.finish(TERM)


def test_while_everything_is_being_stopped_nothing_is_told_and_the_signal_ends_nobody(folder: Folder) -> None:
    folder.procfile("job: trap 'echo told to stop' TERM; echo up; while :; do sleep 0.1; done")
    run = noticing(folder, "-t", "3")
    run.wait_for("up$")
    run.signal(TERM)
    run.wait_for("told to stop")

    folder.procfile("job: exec sleep 2000")

    assert run.finish() == -TERM
    run.wait_for(r"job\.1 KILL")
    assert number_told(run) == 0


def test_descriptors_of_the_folders_are_counted(folder: Folder) -> None:
    folder.procfile("job: exec sleep 1000")
    folder.write("config/a.env", "A=1\n")
    folder.write("b.env", "B=1\n")

    def needed(file: str) -> int:
        run = folder.start("-m", "job=100", "-e", file, before=["sh", "-c", 'ulimit -n 64; exec "$0" "$@"'])
        assert run.finish() == 2
        return int(run.wait_for(r"(\d+) file descriptors are needed")[1])

    assert needed("config/a.env") == needed("b.env") + 1


def test_where_the_kernel_cannot_tell_nothing_is_said_and_the_run_goes_on(folder: Folder) -> None:
    folder.procfile("job: exec sleep 1000")
    folder.write(
        "sitecustomize.py",
        "import fcntl\n"
        "given = fcntl.fcntl\n"
        "def refused(file, command, *more):\n"
        "    if command == fcntl.F_NOTIFY:\n"
        "        raise OSError(22, 'Invalid argument')\n"
        "    return given(file, command, *more)\n"
        "fcntl.fcntl = refused\n",
    )
    path = os.pathsep.join([str(folder.path), os.environ.get("PYTHONPATH", "")])
    run = folder.start(env={"PYTHONPATH": path})
    run.wait_for("started, pid")
    until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")

    assert str(folder.path) not in opened(run.supervisor())
    folder.procfile("job: exec sleep 2000")
    assert folder.procrun("reload").returncode == 0
    assert number_told(run) == 0
    assert run.finish(TERM) == -TERM


def test_signal_that_tells_it_is_neither_passed_on_nor_ignored_by_children(folder: Folder) -> None:
    """They have its default action, and it is not blocked, whatever procrun does with it."""
    folder.procfile("job: exec sleep 1000")
    run = noticing(folder)
    assert folder.procrun("restart").returncode == 0
    leader = run.wait_for(r"job\.1 started, pid (\d+)", 2)[1]

    states = dict(re.findall(r"^(Sig\w+):\t(\w+)$", Path(f"/proc/{leader}/status").read_text(), re.MULTILINE))

    assert not (int(states["SigIgn"], 16) | int(states["SigBlk"], 16)) & 1 << 28
    folder.procfile("job: exec sleep 2000")
    told(run, "Procfile")
    run.finish(TERM)
