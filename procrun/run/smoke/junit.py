"""The result of a smoke run as a JUnit report, such as Jenkins (its xunit-plugin's junit-10.xsd) and GitLab read."""

import importlib.util
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from procrun.core.errors import ConfigError
from procrun.run.smoke.result import Check, Result, checks

if TYPE_CHECKING:
    from junitparser import TestCase

LIBRARY = "junitparser"

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may have in any form (XML 1.0, production 2)."""


def prepare(path: str) -> str:
    """See that a report can be written to `path`, and take away an older one, which would lie if this run were killed.

    The path without links. Raises ConfigError where it cannot.
    """
    if importlib.util.find_spec(LIBRARY) is None:
        raise ConfigError(f"needs the library {LIBRARY}; install it: pip install 'procrun[junit]'", "--junit")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise ConfigError(f"there is no folder {folder}; make it first", "--junit")
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/stdout must stay
        raise ConfigError(f"{path} is no plain file; name one", "--junit")
    path = os.path.realpath(path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder} is not writable; name a file in another folder", "--junit")
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "--junit") from None
    return path


def write(path: str, result: Result, log: Callable[[str], str]) -> None:
    """Write the report to `path`, all of it or nothing; `log` has the last output of an instance.

    Raises OSError where that cannot be.
    """
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            file.write(report(result, log))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        try:
            os.unlink(part)
        except OSError:
            pass
        raise


def report(result: Result, log: Callable[[str], str]) -> bytes:
    """The report as XML in UTF-8: one test case for each check."""
    from junitparser import Error, JUnitXml, TestCase, TestSuite

    suite = TestSuite("procrun smoke")
    suite.timestamp = datetime.fromtimestamp(result.began, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite.hostname = _text(os.uname().nodename)
    done = list(checks(result))
    suite.add_testcases([_case(check, result, log) for check in done])
    if result.interrupted:
        case = TestCase("runs to its end", "run", 0.0)
        case.result = [Error(_text(result.interrupted), "interrupted")]
        suite.add_testcase(case)
    suite.time = round(result.seconds, 3)
    # The root's own counts are not asked of junitparser: it adds `skipped`, which the schema has for suites alone.
    whole = JUnitXml("procrun smoke")
    whole.append(suite)
    whole.tests, whole.failures, whole.errors = suite.tests, suite.failures, suite.errors
    whole.time = suite.time
    xml: bytes = whole.tostring()
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + xml + b"\n"


def _case(check: Check, result: Result, log: Callable[[str], str]) -> "TestCase":
    from junitparser import Failure, Skipped, TestCase
    from junitparser.junitparser import FinalResult

    case = TestCase(_text(check.name), _text(check.subject), round(check.seconds, 3))
    outcomes: list[FinalResult] = []
    for fault in check.faults:
        failure = Failure(_text(fault.text), fault.kind)
        failure.text = _text("\n".join([fault.text, *fault.lines]))
        outcomes.append(failure)
    if check.skipped:
        outcomes.append(Skipped(_text(check.skipped)))
    if outcomes:
        case.result = outcomes
    if check.faults:
        case.system_out = _text(log(check.subject))
    return case


def _text(text: str) -> str:
    """Text that XML can hold: anything else, escapes of terminals for one, is replaced by U+FFFD."""
    return _NO_XML.sub("\ufffd", text)
