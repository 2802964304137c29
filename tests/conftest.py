"""What every test gets: a folder of its own, procrun to run in it, and the proof that nothing is left behind."""

import contextlib
import gc
import os
import signal
import sys
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import pytest
from hypothesis import settings

from procrun.system.linux import subreaper
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
    """Orphans of the programs under test come to pytest, where they are counted; none ignores Ctrl-C or a hangup.

    A shell without job control has what it runs in the background ignore INT and QUIT, and nohup has HUP ignored;
    children inherit that.
    """
    # An example may take as long as a busy machine has it wait; by itself hypothesis allows 0.2 seconds.
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")
    subreaper.become_subreaper()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for name in _FOREIGN:
        os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Fail a test that leaves a process behind, and end what it left, so that the next one finds nothing of it."""
    yield
    if left := _leftovers():
        told = f"left behind: {left}"
        _end(left)
        pytest.fail(told, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Whatever a failed test has not closed goes with it.

    Its frames live in its traceback, and the ResourceWarning of a Popen or a socket in them would fail a later test.
    """
    failed = item.session.testsfailed
    result = yield
    if item.session.testsfailed > failed:
        for name in ("last_exc", "last_type", "last_value", "last_traceback"):
            sys.__dict__.pop(name, None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing that a test started may outlive the run; where workers share the tests each looks for itself."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left"] = [str(process) for process in _leftovers()]
        return
    left = _left_by_workers or ([] if session.config.getoption("numprocesses", None) else _leftovers())
    if left:
        print(f"\nleft behind by the test run: {left}", file=sys.stderr)
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR  # no failed test: tests/run-all asks for no second try


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
    made.end()


_MOMENT = 3.0
"""Seconds for what has been killed to go: on a busy machine the kernel is not there at once."""


def _leftovers() -> list[psutil.Process]:
    """Living descendants of pytest. What has just been killed gets a moment to go; orphans that have ended are buried.

    Nobody waits for an orphan but who adopted it, and each walk through /proc, also procrun's, reads all who are there.
    """
    deadline = monotonic() + _MOMENT
    while (left := _alive()) and monotonic() < deadline:
        sleep(0.01)
    for child in psutil.Process().children():
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child.pid, os.WNOHANG)
    return left


def _end(processes: list[psutil.Process]) -> None:
    """Kill these, and what they start meanwhile."""
    deadline = monotonic() + _MOMENT
    while processes and monotonic() < deadline:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        sleep(0.01)
        processes = _alive()


def _alive() -> list[psutil.Process]:
    """The descendants of pytest that have not ended."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1:  # only the main one has ended
                found.append(process)
    return found
