"""What every test gets: a folder of its own, procrun to run in it, and the proof that nothing is left behind."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from procrun import proc
from tests.harness import Folder
from tests.programs import pytest_terminal_summary
from tests.rows import row

__all__ = ["pytest_terminal_summary", "row"]

_left_by_workers: list[str] = []

# What a developer's own shell may have set, and a test must not see.
_FOREIGN = (
    "PORT",
    "PROCFILE",
    "REDIS_URL",
    "REDIS_PROVIDER",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR_FORCE",
    "PS",
    "PYTHONUNBUFFERED",
)


def pytest_configure() -> None:
    """Orphans of the programs under test come to pytest, where they are counted; none ignores Ctrl-C.

    A shell without job control has what it runs in the background ignore INT, and children inherit that.
    """
    proc.become_subreaper()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in _FOREIGN:
        os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Fail a test that leaves a process behind, and end what it left."""
    yield
    left = _leftovers()
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert not left, f"left behind: {left}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing that a test started may outlive the run; where workers share the tests each looks for itself."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left"] = [str(process) for process in _leftovers()]
        return
    left = _left_by_workers or ([] if session.config.getoption("numprocesses", None) else _leftovers())
    if left:
        print(f"\nleft behind by the test run: {left}", file=sys.stderr)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """One of pytest-xdist's workers has ended."""
    _left_by_workers.extend(getattr(node, "workeroutput", {}).get("left", ["a worker crashed"]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """An app's folder to write a Procfile into, and procrun to run there; what still runs at the end is stopped."""
    monkeypatch.chdir(tmp_path)
    made = Folder(tmp_path)
    yield made
    for run in made.runs:
        run.finish(signal.SIGKILL)


def _leftovers() -> list[psutil.Process]:
    """Living descendants of pytest. What has just been killed gets a moment to go."""
    children = [child for child in psutil.Process().children(recursive=True) if _alive(child)]
    _, alive = psutil.wait_procs(children, timeout=0.5)
    return [child for child in alive if _alive(child)]


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
