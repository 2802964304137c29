"""Programs that some tests need and not every machine has: found, or the test is left out."""

import importlib.util
import os
import shutil
from typing import NoReturn

import pytest

LEFT_OUT = "left out: "


def need(program: str) -> str:
    """The path of `program`, an administrator's too. Where it is missing the test is skipped, or fails if CI=true."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    return path or leave_out(f"{program} is not installed (make test names the line)")


def need_module(module: str) -> None:
    """Asks for an importable Python module, in the same way."""
    if importlib.util.find_spec(module) is None:
        leave_out(f"Python's {module} is not installed (make test installs it)")


def leave_out(reason: str) -> NoReturn:
    """Ends the test: in CI nothing may be left out."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(LEFT_OUT + reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says at the end of a run which tests were left out, and why."""
    tests: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            if reason.startswith(LEFT_OUT):
                tests.setdefault(reason.removeprefix(LEFT_OUT), []).append(report.nodeid)
    if not tests:
        return
    terminalreporter.section("left out", yellow=True)
    for reason, names in sorted(tests.items()):
        terminalreporter.line(f"{reason}: {len(names)} test{'s' * (len(names) != 1)}")
        for name in names:
            terminalreporter.line(f"  {name}")
