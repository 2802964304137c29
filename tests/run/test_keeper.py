"""Somebody removes what a living run has in its folder: it is there again, and the run is reached as before."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procrun.recovery import run_record
from tests.core.test_rundir import _runtime_directory, assert_reached
from tests.harness import PROCRUN, TERM, Folder, Run, child, until
from tests.programs import need

__all__ = ["_runtime_directory"]

AGAIN = r"procrun +\| the .* of this run (?:was|were) removed from {}; (?:it is|they are) made anew$"


@pytest.fixture
def run(folder: Folder) -> Iterator[Run]:
    folder.procfile("web: exec sleep 600")
    yield kept(folder)


def kept(folder: Folder) -> Run:
    """A run that looks after its folder."""
    run = folder.start("-t", "2")
    run.wait_for("started")
    until(lambda: folder.procrun("ps").returncode == 0, "it is reached")
    return run


def home(folder: Folder) -> Path:
    return folder.path / ".procrun"


def removed_by_git(folder: Folder) -> None:
    subprocess.run([need("git"), "init", "-q"], cwd=folder.path, check=True)
    folder.write(".gitignore", "notes\n")
    subprocess.run(["git", "add", "Procfile", ".gitignore"], cwd=folder.path, check=True)
    subprocess.run(["git", "clean", "-q", "-fdx"], cwd=folder.path, check=False)  # busy, it may find something again


def removed(folder: Folder) -> None:
    """At one stroke: a busy machine may let a run have its turn in the middle of it."""
    moved(folder)
    shutil.rmtree(folder.path / "elsewhere")


def moved(folder: Folder) -> None:
    home(folder).rename(folder.path / "elsewhere")


def replaced(folder: Folder) -> None:
    """Emptied, as by a copy of the folder that is put in its place."""
    moved(folder)
    home(folder).mkdir(mode=0o700)


def files_removed(*patterns: str) -> Callable[[Folder], None]:
    def act(folder: Folder) -> None:
        for pattern in patterns:
            for path in home(folder).glob(pattern):
                path.unlink()

    act.__name__ = "removed " + ", ".join(patterns)
    return act


WAYS = [removed_by_git, removed, moved, replaced, files_removed("*.sock"), files_removed("*.run", "lock")]


@pytest.mark.parametrize("how", WAYS, ids=lambda how: how.__name__)
def test_a_run_is_reached_again_and_a_second_start_refused(
    folder: Folder, run: Run, how: Callable[[Folder], None]
) -> None:
    how(folder)

    run.wait_for(AGAIN.format(re.escape(str(home(folder)))))
    assert_reached(folder)
    (record,) = home(folder).glob("*.run")
    until(lambda: (found := run_record.read(str(record))) is not None and found.dynos, "the record is written")
    assert run_record.held(str(record))
    assert run.finish(TERM) == -TERM
    assert {path.name for path in home(folder).iterdir()} == {"lock", ".gitignore"}


def test_a_start_that_comes_just_behind_the_removal_is_refused(folder: Folder, run: Run) -> None:
    need("git")
    subprocess.run(["git", "init", "-q"], cwd=folder.path, check=True)
    subprocess.run(["git", "add", "Procfile"], cwd=folder.path, check=True)
    for _ in range(3):
        line = f"until git clean -q -fdx; do :; done; {' '.join(PROCRUN)} start"  # the run makes it anew meanwhile
        again = subprocess.run(line, shell=True, cwd=folder.path, capture_output=True, text=True, check=False)

        assert again.returncode == 2, again.stderr
        assert "web.1 belongs to the procrun with pid" in again.stderr
    run.finish(TERM)


def test_the_front_finds_the_record_that_was_made_anew(folder: Folder, run: Run) -> None:
    removed(folder)
    run.wait_for("made anew")
    (record,) = home(folder).glob("*.run")
    until(lambda: (found := run_record.read(str(record))) is not None and found.dynos, "the record is written")
    os.kill(run.supervisor(), 9)
    assert run.finish() == 137

    again = folder.start()

    again.wait_for(
        r"\(pid \d+\) was cut short: its supervisor was killed by KILL; everything it had started was stopped"
    )
    again.finish(TERM)


@pytest.mark.parametrize("talk", ["connected", "by-path"])
def test_a_process_that_tells_how_it_is_goes_on_to_be_heard(folder: Folder, talk: str) -> None:
    folder.procfile("worker: " + child("notifier.py", talk, "0.2"))
    folder.write("procrun.toml", "[process.worker]\nwatchdog = 2\n")
    run = kept(folder)
    run.wait_for(r"worker\.1 +\| told")
    (before,) = home(folder).glob("*.n*")

    for count in range(1, 5):
        removed(folder)
        run.wait_for("the control socket, record and socket for sd_notify of this run were removed", count)
    (after,) = home(folder).glob("*.n*")

    assert after == before
    told = run.output.count("| told")
    run.wait_for(r"worker\.1 +\| told", count=told + 15)  # 3 s, and after 2 it would hang
    assert "hangs" not in run.output
    run.finish(TERM)


def test_what_is_in_the_folder_of_the_user_is_made_anew_too(folder: Folder) -> None:
    home(folder).write_text("no folder\n")
    folder.procfile("web: exec sleep 600")
    run = kept(folder)
    (place,) = Path(os.environ["XDG_RUNTIME_DIR"]).iterdir()

    shutil.rmtree(place)

    run.wait_for(AGAIN.format(re.escape(str(place))))
    assert_reached(folder)
    run.finish(TERM)


def test_where_the_app_itself_was_removed_the_run_is_reached_all_the_same(tmp_path: Path, folder: Folder) -> None:
    """Its folder is not made again for the sake of a socket."""
    app = Folder(tmp_path / "app")
    app.path.mkdir()
    app.procfile("web: exec sleep 600")
    run = kept(app)
    try:
        shutil.rmtree(app.path)

        run.wait_for(r"; they are made anew, in /\S+, since not in \S+\.procrun: No such file or directory$")
        assert folder.procrun("ps", "-d", "app").returncode == 0
        assert folder.procrun("stop", "-d", "app").returncode == 0
        assert run.finish() == 0
        assert not app.path.exists()
    finally:
        app.end()


def test_where_its_socket_cannot_be_made_anew_nobody_is_taken_for_hung(folder: Folder) -> None:
    folder.procfile("worker: " + child("notifier.py", "by-path", "0.2"))
    folder.write("procrun.toml", "[process.worker]\nwatchdog = 2\n")
    run = kept(folder)
    run.wait_for(r"worker\.1 +\| told")

    moved(folder)
    home(folder).write_text("no folder\n")

    run.wait_for(r"; they are made anew, in /\S+, since not in \S+\.procrun: is no folder$")
    run.wait_for(r"worker\.1 +\| not told", count=15)  # 3 s
    assert "hangs" not in run.output
    assert folder.procrun("ps").returncode == 0
    run.finish(TERM)
