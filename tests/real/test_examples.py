"""examples/: each is started by its one command in a real terminal, serves, works, and loses no job at Ctrl-C."""

import http.cookiejar
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pexpect
import pytest

from tests.harness import INT, PROCRUN, Folder, free_base, free_port, until
from tests.programs import need, need_module, need_right

ROOT = Path(__file__).parents[2]
DATA = shutil.ignore_patterns("data", "__pycache__", "Gemfile.lock", "*.sqlite3*", "appendonlydir", "dump.rdb")


class Case(NamedTuple):
    """What an example needs, where it says that it serves, and where it takes a report to write."""

    programs: tuple[str, ...]
    modules: tuple[str, ...]
    up: str
    add: str


CASES = {
    "rails": Case(("ruby", "bundle", "puma", "sidekiq", "redis-server"), (), "/up", "/reports"),
    "django": Case(("redis-server",), ("django", "gunicorn", "celery"), "/up/", "/reports/"),
    "node": Case(("node",), (), "/up", "/reports"),
}


class Example:
    """The example in a checkout of its own, with ports of its own."""

    def __init__(self, name: str, checkout: Path) -> None:
        self.case = CASES[name]
        self.name = name
        self.checkout = checkout
        self.folder = checkout / "examples" / name
        self.base = free_base()
        for program in (*self.case.programs, "make"):
            need(program)
        for module in self.case.modules:
            need_module(module)
        shutil.copytree(ROOT / "examples" / name, self.folder, ignore=DATA)
        shutil.copy(ROOT / "examples" / "need", self.folder.parent)
        shutil.copy(ROOT / "Makefile", checkout)
        env = self.folder / ".env"
        env.write_text(re.sub(r"(?m)^REDIS_PORT=.*$", f"REDIS_PORT={free_port()}", env.read_text()))
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._browser = urllib.request.build_opener(cookies)
        self._terminals: list[pexpect.spawn[str]] = []

    def environment(self, **more: str) -> dict[str, str]:
        """What the shell of a developer has, with this test's Python first."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        quick = {"STEP_SECONDS": "0.02", "NO_COLOR": "1"}
        return {**os.environ, "PATH": path, "PORT": str(self.base), **quick, **more}

    def make(self, step: float) -> "pexpect.spawn[str]":
        """The one command, where a step of a report takes so many seconds. What it would install is there already."""
        installed = [word for stamp in ("demo", "django") for word in ("-o", f".venv/{stamp}")]
        need_right("open a terminal")
        terminal: pexpect.spawn[str] = pexpect.spawn(
            need("make"),
            [*installed, f"example-{self.name}"],
            cwd=str(self.checkout),
            env=self.environment(STEP_SECONDS=str(step)),
            encoding="utf-8",
            timeout=60,
            dimensions=(40, 250),
        )
        self._terminals.append(terminal)
        return terminal

    def procrun(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Any command, to its end."""
        return subprocess.run(
            [*PROCRUN, *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def types(self) -> list[str]:
        """Its process types."""
        return re.findall(r"(?m)^(\w+):", (self.folder / "Procfile").read_text())

    def open(self, path: str, data: dict[str, str] | None = None) -> str:
        """The page at `path`; empty while nobody serves it."""
        body = urllib.parse.urlencode(data).encode() if data is not None else None
        try:
            with self._browser.open(f"http://127.0.0.1:{self.base}{path}", body, timeout=10) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return ""

    def add(self) -> None:
        """Press the button, with what the form carries."""
        self._terminals[-1].expect(r"web\.1 ready")  # a framework takes its time where others need the processor
        until(lambda: self.open(self.case.up) == "OK", f"{self.name} serves")
        fields = re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', self.open("/"))
        assert "Write a report" in self.open(self.case.add, dict(fields))

    def close(self) -> None:
        for terminal in self._terminals:
            if terminal.isalive():
                terminal.sendintr()
                terminal.expect(pexpect.EOF)
            terminal.close(force=True)


@pytest.fixture(params=CASES)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Example]:
    made = Example(request.param, tmp_path)
    yield made
    made.close()


def caught(terminal: "pexpect.spawn[str]", pattern: str) -> str:
    """What `pattern` catches on the screen."""
    terminal.expect(pattern)
    assert isinstance(terminal.match, re.Match)
    return str(terminal.match[1])


def ctrl_c(terminal: "pexpect.spawn[str]") -> str:
    """Press it, and return what is shown to the end."""
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    return str(terminal.before)


def test_one_command_starts_it_and_its_worker_writes_a_report(example: Example) -> None:
    terminal = example.make(step=0.02)
    example.add()
    number = caught(terminal, r"report (\S+): step 1 of 10")
    terminal.expect(f"report {number}: done")
    until(lambda: f"report {number}: done" in example.open("/"), "the page shows it")

    shown = ctrl_c(terminal)

    assert "SIGINT received; stopping" in shown
    assert "forced kills 1" not in shown
    ended = re.findall(r"procrun +\| (\w+)\.1: .*forced kills 0", shown)
    assert ended == example.types()
    assert example.open("/") == ""


def test_a_report_that_ctrl_c_interrupts_is_finished_after_the_next_start(example: Example) -> None:
    terminal = example.make(step=1.5)
    example.add()
    number = caught(terminal, r"report (\S+): step 1 of 10")
    shown = ctrl_c(terminal)
    assert "forced kills 1" not in shown
    assert f"report {number}: done" not in shown

    terminal = example.make(step=0.02)

    assert int(caught(terminal, rf"report {re.escape(number)}: step (\d+) of 10")) > 1
    terminal.expect(f"report {number}: done")
    ctrl_c(terminal)


def test_check_has_nothing_to_say_of_it(example: Example) -> None:
    result = example.procrun("check", "--strict")

    assert result.returncode == 0
    assert re.fullmatch(r"Valid procfile detected \(.*\)\n", result.stderr)


def test_the_node_server_starts_again_when_a_file_of_it_changes(folder: Folder) -> None:
    need("node")
    shutil.copytree(ROOT / "examples" / "node", folder.path, ignore=DATA, dirs_exist_ok=True)
    run = folder.start("-f", "Procfile.dev", "-p", str(free_base()))
    run.wait_for("open http")

    with (folder.path / "reports.js").open("a") as file:
        file.write("// changed\n")

    run.wait_for("open http", count=2)
    run.finish(INT)
    assert "web.1: exit 0" in run.output


def test_the_django_project_passes_smoke_with_a_report_written(tmp_path: Path) -> None:
    example = Example("django", tmp_path)
    tried = "python manage.py try_report"

    result = example.procrun("smoke", "-p", str(example.base), "--restarts", "1", "--", tried)

    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"smoke .*report 1 is written", result.stdout)


def test_what_is_missing_is_named_with_the_line_that_installs_it() -> None:
    asked = subprocess.run(
        [ROOT / "examples" / "need", "node", "bundle"], env={"PATH": ""}, capture_output=True, text=True, check=False
    )

    assert asked.returncode == 1
    line = "This example needs nodejs bundler. On Debian or Ubuntu: sudo apt-get install nodejs bundler\n"
    assert asked.stderr == line
