"""What `ready` may say in procrun.toml; every fault is one line with its place and its cure."""

import pytest

from procrun.core.spec import OWN_PORT, Readiness
from procrun.plan.config import load
from tests.harness import Folder

ALL = "port, http, log, command, notify"


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("false", Readiness("")),
        ("{ port = true }", Readiness("port", OWN_PORT, awaited=True)),
        ("{ port = 3000 }", Readiness("port", "3000", awaited=True)),
        ('{ http = "/up" }', Readiness("http", "/up", awaited=True)),
        ('{ http = "http://[::1]:3000/" }', Readiness("http", "http://[::1]:3000/", awaited=True)),
        ('{ log = "^café \\\\d+$", within = 5 }', Readiness("log", r"^café \d+$", 5.0, awaited=True)),
        ('{ command = "pg_isready -q", every = 0.5 }', Readiness("command", "pg_isready -q", every=0.5, awaited=True)),
        ("{ notify = true, within = 1.5 }", Readiness("notify", "", 1.5, awaited=True)),
    ],
)
def test_readiness_is_read(folder: Folder, value: str, meant: Readiness) -> None:
    folder.write("procrun.toml", f"[process.web]\nready = {value}\n")
    assert load(str(folder.path)).processes["web"].ready == meant


def test_a_table_of_its_own_says_the_same(folder: Folder) -> None:
    folder.write("procrun.toml", "[process.web.ready]\nport = 3000\nwithin = 5\n")
    assert load(str(folder.path)).processes["web"].ready == Readiness("port", "3000", 5.0, awaited=True)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("true", 'ready: takes a table, as in { port = true } or { http = "/health" }, or false; this is true'),
        ("3000", 'ready: takes a table, as in { port = true } or { http = "/health" }, or false; this is 3000'),
        ("{}", f"ready: says nothing to ask for; give one: {ALL}"),
        ("{ within = 5 }", f"ready: says nothing to ask for; give one: {ALL}"),
        ('{ port = true, http = "/" }', f"ready: takes one of them, and has port and http: {ALL}"),
        ('{ htpp = "/" }', 'ready.htpp: unknown key; did you mean "http"?'),
        ("{ port = true, timeout = 5 }", f"ready.timeout: unknown key; there are: {ALL}, within, every"),
        ("{ port = 0 }", "ready.port: takes a port from 1 to 65535, or true for its $PORT; this is 0"),
        ("{ port = 65536 }", "ready.port: takes a port from 1 to 65535, or true for its $PORT; this is 65536"),
        ("{ port = false }", "ready.port: takes a port from 1 to 65535, or true for its $PORT; this is false"),
        ('{ port = "3000" }', 'ready.port: takes a port from 1 to 65535, or true for its $PORT; this is "3000"'),
        (
            '{ http = "health" }',
            'ready.http: takes a path, as in "/health", or a URL, as in "http://127.0.0.1:3000/health"; this is '
            '"health"',
        ),
        (
            "{ http = 80 }",
            'ready.http: takes a path, as in "/health", or a URL, as in "http://127.0.0.1:3000/health"; this is 80',
        ),
        (
            '{ http = "https://x/" }',
            'ready.http: speaks no TLS; ask by command = "curl -fsS …"; this is "https://x/"',
        ),
        (
            '{ log = "(" }',
            "ready.log: takes a regular expression of Python: missing ), unterminated subpattern at position 0; "
            'this is "("',
        ),
        ('{ log = "" }', 'ready.log: takes a regular expression, as in "Listening on"; this is ""'),
        ("{ log = 3 }", 'ready.log: takes a regular expression, as in "Listening on"; this is 3'),
        ('{ command = " " }', 'ready.command: takes a command, as in "pg_isready -q"; this is " "'),
        ('{ command = ["a"] }', 'ready.command: takes a command, as in "pg_isready -q"; this is a list'),
        (
            "{ notify = false }",
            "ready.notify: takes true alone; remove it, or write ready = false to ask for nothing; this is false",
        ),
        ("{ port = true, within = 0 }", "ready.within: takes seconds, a number above 0 up to 1000000; this is 0"),
        ("{ port = true, within = -1 }", "ready.within: takes seconds, a number above 0 up to 1000000; this is -1"),
        ("{ port = true, within = nan }", "ready.within: takes seconds, a number above 0 up to 1000000; this is nan"),
        ("{ port = true, within = inf }", "ready.within: takes seconds, a number above 0 up to 1000000; this is inf"),
        ("{ port = true, within = true }", "ready.within: takes seconds, a number above 0 up to 1000000; this is true"),
        (
            "{ port = true, every = 0.001 }",
            "ready.every: takes seconds, a number from 0.01 up to 1000000; this is 0.001",
        ),
        ('{ log = "x", every = 1 }', "ready.every: log is heard and not asked for; remove it"),
        ("{ notify = true, every = 1 }", "ready.every: notify is heard and not asked for; remove it"),
    ],
)
def test_a_fault_has_its_place_and_its_cure(folder: Folder, value: str, said: str) -> None:
    folder.procfile("web: touch started; sleep 60")
    folder.write("procrun.toml", f"[process.web]\nready = {value}\n")

    result = folder.procrun("start")

    assert (result.returncode, result.stderr) == (2, f"procrun: procrun.toml: process.web.{said}\n")
    assert not (folder.path / "started").exists()


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("run_once = 1", "run_once: takes true or false, without quotes; this is 1"),
        (
            'run_once = true\nrestart = "always"',
            'restart: with run_once it would never be done; "on-failure" starts it again until it ends with 0',
        ),
        (
            "run_once = true\nready = { port = true }",
            "ready: with run_once it is ready when it has ended with 0; remove one of them",
        ),
        (
            "run_once = true\nalive = { port = true }",
            "alive: with run_once it is never asked, as it is ready when it has ended with 0; remove one of them",
        ),
        ('after = ["web"]', "after: web → web is a cycle, so none of them can start first; remove one `after`"),
        ('after = ["wbe"]', 'after: no process type "wbe"; there are: web; did you mean "web"?'),
    ],
)
def test_contradictions_are_refused(folder: Folder, toml: str, said: str) -> None:
    folder.procfile("web: sleep 60")
    folder.write("procrun.toml", f"[process.web]\n{toml}\n")

    result = folder.procrun("start")

    assert (result.returncode, result.stderr) == (2, f"procrun: procrun.toml: process.web.{said}\n")


def test_run_once_may_say_that_nothing_is_asked_and_may_be_tried_again(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.web]\nrun_once = true\nready = false\nrestart = "on-failure"\n')
    assert load(str(folder.path)).processes["web"].run_once
