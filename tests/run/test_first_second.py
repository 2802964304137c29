"""The first second of a start: whoever is killed in it, nothing survives, and the next start works.

FIRST_SECOND_STEP=5     milliseconds between two kills of the sweep (100)
"""

import os
import random
import re
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from procrun.core import run_dir
from procrun.recovery import run_record
from procrun.recovery.run_record import Fate
from procrun.system.linux import procfs
from tests.harness import TERM, Folder, Run, alive, child, until
from tests.recovery.test_killed import children, supervisor

KILL = signal.SIGKILL
STEP = int(os.environ.get("FIRST_SECOND_STEP", "100"))
POLITE = child("polite.py", "0", "0")
WAITS = "echo ready; exec sleep 600"
DEAF = child("stubborn.py", "notes")
CUT_SHORT = r"procrun: (the run of .* was cut short: |\S+\.run cannot be read and is removed: )"


def orphan(folder: Folder, *arguments: str) -> tuple[Run, int]:
    """A run whose front was killed before the supervisor had read a line, and that supervisor, which goes on."""
    run = folder.start(*arguments)
    pid = supervisor(run)
    os.kill(pid, signal.SIGSTOP)
    run.signal(KILL)
    run.popen.wait()
    os.kill(pid, signal.SIGCONT)
    return run, pid


def test_a_front_killed_before_the_record_is_written_is_named_in_it(folder: Folder) -> None:
    """Its supervisor has another parent by then, and the record must not take that one for the front."""
    folder.procfile(f"web: {DEAF}")
    run, pid = orphan(folder, "-t", "20")
    run.wait_for("the front process is gone; stopping web.1")
    (path,) = (folder.path / ".procrun").glob("*.run")
    until(lambda: (found := run_record.read(str(path))) is not None and found.machine, "the record is written")

    found = run_record.read(str(path))

    assert found is not None
    assert found.front.startswith(f"{run.pid}-")
    os.kill(pid, KILL)
    until(lambda: not alive(pid), "it is dead")
    assert run_record.fate(found) is Fate.OVER
    for left in map(int, re.findall(r"started, pid (\d+)", run.output)):
        os.kill(left, KILL)
    again = folder.start("-t", "0.5")
    again.wait_for("ready")
    assert len(re.findall(CUT_SHORT, again.output)) == 1
    again.finish(TERM)


def test_a_run_whose_front_is_dead_is_known_by_its_supervisor(folder: Folder) -> None:
    folder.procfile(f"web: {DEAF}")
    run, pid = orphan(folder, "-t", "20")
    run.wait_for("the front process is gone; stopping web.1")
    until(lambda: list((folder.path / ".procrun").glob("*.sock")), "it can be asked")

    refused = folder.procrun("start")

    assert refused.returncode == 2
    assert f"web.1 belongs to the procrun with pid {pid}, " in refused.stderr
    os.kill(pid, KILL)
    for left in map(int, re.findall(r"started, pid (\d+)", run.output)):
        os.kill(left, KILL)


def test_a_record_that_names_whoever_adopted_the_supervisor_refuses_no_start(folder: Folder) -> None:
    """procrun 0.1.0 left such records: `front 1-…`."""
    folder.procfile(f"web: {POLITE}")
    home = folder.path / ".procrun"
    home.mkdir(mode=0o700)
    init = procfs.identity(1)
    dyno = "dyno web.1 999999-2 0 0 0 15 10.0"
    text = f"machine {procfs.machine()}\nsince 1.00\nfront {init}\nsupervisor 999999-1\n{dyno}\n"
    (home / "999999.run").write_text(text)
    (home / "999999.run").chmod(0o600)
    assert folder.procrun("doctor").returncode == 0

    run = folder.start()

    run.wait_for("ready")
    run.finish(TERM)
    assert run_dir.records(str(folder.path)) == []


def front(run: Run) -> int:
    return run.pid


VICTIMS: dict[str, Callable[[Run], int]] = {"front": front, "supervisor": lambda run: supervisor_or_none(run)}


def supervisor_or_none(run: Run) -> int:
    """The supervisor, or the front where there is none yet."""
    return next(iter(children(run.pid)), run.pid)


@pytest.mark.parametrize("victim", VICTIMS)
def test_whoever_is_killed_in_the_first_second_the_next_start_works(tmp_path: Path, victim: str) -> None:
    """At moments spread over it, with some chance, so that each run of the tests tries others."""
    moments = [(at + random.random() * STEP) / 1000 for at in range(0, 1000, STEP)]

    with ThreadPoolExecutor(4) as several:
        told = list(several.map(lambda at: killed_at(tmp_path / f"{at:.6f}", at, VICTIMS[victim]), moments))

    assert not [text for text in told if text], "\n".join(told)


def killed_at(path: Path, seconds: float, victim: Callable[[Run], int]) -> str:
    """What is wrong after a kill so many seconds behind the start; nothing where all is well."""
    path.mkdir()
    folder = Folder(path)
    folder.procfile(f"web: {WAITS}", f"worker: {WAITS}")
    try:
        run = folder.start("-t", "5")
        threading.Event().wait(seconds)
        whole = {run.pid, *children(run.pid)}
        os.kill(victim(run), KILL)
        run.finish()
        until(lambda: not any(map(alive, whole)), "front and supervisor have ended")
        left = [pid for pid in map(int, re.findall(r"started, pid (\d+)", run.output)) if alive(pid)]
        again = folder.start("-t", "5")
        again.wait_for("ready", count=2)
        again.finish(TERM)
        lines = [line for line in again.output.splitlines() if line.startswith("procrun: ")]
        cut = [line for line in lines if re.match(CUT_SHORT, line)]
        if left or len(cut) > 1 or lines != cut:
            return f"{seconds * 1000:.0f} ms: left {left}: {lines}"
        return ""
    finally:
        folder.end()
