"""An app that is reached by a symbolic link, which a deploy moves to another release while the run goes on."""

import os
import subprocess
from pathlib import Path

import pytest

from procrun.plan.options import Wishes
from procrun.plan.sources import places
from procrun.run import linked
from tests.harness import PATIENCE, PROCRUN, TERM, Folder, Run, kill_both


@pytest.fixture
def base(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder, where runs leave their links."""
    path = tmp_path_factory.mktemp("base")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    return path


def in_current(folder: Folder, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command as a shell that has gone to `current` executes it."""
    current = folder.path / "current"
    return subprocess.run(
        [*PROCRUN, *arguments],
        cwd=current,
        env={**os.environ, "PWD": str(current)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )


def lead_to(folder: Folder, release: str) -> None:
    """Move `current` as a deploy does."""
    os.symlink(f"releases/{release}", folder.path / "new")
    os.replace(folder.path / "new", folder.path / "current")


def started(folder: Folder, *arguments: str) -> Run:
    """A run of release 1, started by `current`, which leads to release 2 from then on."""
    for release in "12":
        folder.write(f"releases/{release}/Procfile", f"web: echo release {release}; exec sleep 1000\n")
    lead_to(folder, "1")
    if arguments:
        run = folder.start(*arguments)
    else:
        current = folder.path / "current"
        run = folder.start(before=["env", "-C", str(current), f"PWD={current}"])
    run.wait_for("release 1")
    assert in_current(folder, "ps").returncode == 0  # its socket is there
    lead_to(folder, "2")
    return run


def note(folder: Folder, run: Run) -> str:
    return (
        f"procrun: the procrun with pid {run.pid} was started in {folder.path}/releases/1, where {folder.path}/current "
        f"led then; it leads to {folder.path}/releases/2 now\n"
    )


@pytest.mark.parametrize("by", [(), ("-d", "current"), ("-f", "current/Procfile")])
def test_commands_find_the_run_of_the_old_release_and_a_second_start_is_refused(
    folder: Folder, base: Path, by: tuple[str, ...]
) -> None:
    run = started(folder, *by)

    shown = in_current(folder, "ps")
    assert (shown.returncode, shown.stderr) == (0, note(folder, run))
    assert "web.1" in shown.stdout
    assert folder.procrun("ps", "-d", "current").stderr == note(folder, run)
    assert folder.procrun("ps", "-f", "current/Procfile").stderr == note(folder, run)

    again = in_current(folder, "start")
    assert again.returncode == 2
    assert f"web.1 belongs to the procrun with pid {run.pid}, which runs in {folder.path}/releases/1 since" in (
        again.stderr
    )
    assert "release 2" not in again.stdout

    restarted = in_current(folder, "restart", "web")
    assert restarted.returncode == 0
    assert note(folder, run) in restarted.stderr
    run.wait_for("release 1", 2)

    assert in_current(folder, "stop").returncode == 0
    assert run.finish() == 0
    assert list(base.glob("*.at-*")) == []
    assert f"nothing runs in {folder.path}/releases/2" in in_current(folder, "ps").stderr


@pytest.mark.usefixtures("base")
def test_what_was_stopped_is_started_in_the_run_of_the_old_release(folder: Folder) -> None:
    run = started(folder)
    assert in_current(folder, "stop", "web").returncode == 0
    assert in_current(folder, "start", "web").returncode == 0
    run.wait_for("release 1", 2)
    run.finish(TERM)


@pytest.mark.usefixtures("base")
def test_the_new_release_by_its_own_path_is_another_app(folder: Folder) -> None:
    run = started(folder)
    result = in_current(folder, "ps", "-d", str(folder.path / "releases/2"))
    assert result.stderr.startswith(f"procrun: nothing runs in {folder.path}/releases/2")
    run.finish(TERM)


def test_what_a_killed_run_left_is_cleared_away(folder: Folder, base: Path) -> None:
    folder.write("releases/1/Procfile", "web: echo release 1; exec sleep 1000\n")
    run = started(folder)
    assert len(list(base.glob("*.at-*"))) == 1
    kill_both(run)
    folder.procrun("doctor", "--clean", "-d", "releases/1")

    assert f"nothing runs in {folder.path}/releases/2" in in_current(folder, "ps").stderr
    assert list(base.glob("*.at-*")) == []


def test_a_path_without_links_leaves_nothing(tmp_path: Path, base: Path) -> None:
    assert linked.leave(str(tmp_path), str(tmp_path)) == []
    assert list(base.iterdir()) == []


def test_a_link_where_others_can_write_is_not_believed(tmp_path: Path, base: Path) -> None:
    (tmp_path / "1").mkdir()
    os.symlink("1", tmp_path / "current")
    named = str(tmp_path / "current")
    made = linked.leave(named, named)
    os.remove(named)
    os.symlink("2", named)
    assert str(base) in {os.path.dirname(path) for path in made}
    assert [pointer.root for pointer in linked.pointers(named)] == [str(tmp_path / "1")]
    for path in made:
        if os.path.dirname(path) != str(base):
            os.remove(path)
    base.chmod(0o777)
    assert linked.pointers(named) == []


def test_a_pwd_that_leads_elsewhere_is_not_believed(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.path / "other").mkdir()
    os.symlink(".", folder.path / "here")
    here = str(folder.path / "here")
    monkeypatch.chdir(here)
    assert places(Wishes(), {"PWD": here}) == (str(folder.path), here)
    assert places(Wishes(app_root="other"), {"PWD": here})[1] == f"{here}/other"
    for wrong in (str(folder.path / "other"), "/nowhere", "here", "", "/a\0b"):
        assert places(Wishes(), {"PWD": wrong})[1] == str(folder.path)
