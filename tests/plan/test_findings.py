"""The codes of findings: all are registered and documented, and `accept` silences exactly what it names."""

import ast
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from procrun.core.errors import ConfigError, Finding
from procrun.plan import findings
from procrun.plan.check import lint
from procrun.plan.findings import APP_CODES, PROCESS_CODES, PROGRAM_CODES
from procrun.plan.layout import build
from procrun.plan.options import Wishes
from tests.cli.test_docs import ROOT, rows
from tests.harness import Folder

PAGE = (ROOT / "docs/check.md").read_text()

NAME = re.compile(r"[a-z]+(-[a-z]+)*")


def checked() -> list[str]:
    return findings.lines(lint(build(Wishes(), {"PATH": os.environ["PATH"]})))


def literals_in_code() -> Iterator[str]:
    """Every text in the product's code that is all of a literal, but for the registry itself."""
    for path in sorted(Path(findings.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text())
        registry = [node for node in ast.walk(tree) if isinstance(node, ast.Dict) and path.name == "findings.py"]
        ours = {id(key) for node in registry for key in node.keys}
        yield from (
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in ours
        )


def codes_of_calls() -> Iterator[tuple[str, str]]:
    """Where a Finding is made with a literal code, and that code."""
    for path in sorted(Path(findings.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                given = [*node.args[2:3], *(each.value for each in node.keywords if each.arg == "code")]
                assert given, f"{path.name}:{node.lineno}: a Finding without a code"
                if isinstance(given[0], ast.Constant):
                    yield f"{path.name}:{node.lineno}", str(given[0].value)


# --- the registry


def test_a_code_is_lower_case_words_with_hyphens() -> None:
    assert [code for code in [*APP_CODES, *PROCESS_CODES, *PROGRAM_CODES] if not NAME.fullmatch(code)] == []


def test_a_code_is_of_the_app_or_of_a_process_type_and_not_both() -> None:
    assert APP_CODES.keys() & PROCESS_CODES.keys() == set()


def test_every_finding_that_the_code_makes_has_a_registered_code() -> None:
    assert [place for place, code in codes_of_calls() if code not in {**APP_CODES, **PROCESS_CODES}] == []


def test_every_registered_code_is_used() -> None:
    used = set(literals_in_code())
    assert [code for code in [*APP_CODES, *PROCESS_CODES, *PROGRAM_CODES] if code not in used] == []


@pytest.mark.parametrize(
    ("heading", "registered"),
    [
        ("Of the app", APP_CODES),
        ("Of a process type", PROCESS_CODES),
        ("Of a known program's stop", {f"PROGRAM-{cause}": meaning for cause, meaning in PROGRAM_CODES.items()}),
    ],
)
def test_every_code_has_its_row_with_its_meaning_and_no_other(heading: str, registered: Mapping[str, str]) -> None:
    told = rows(PAGE, heading)
    assert {code: row[1] for code, row in told.items()} == registered
    assert all(len(row) == 3 and row[2].rstrip(" |") for row in told.values())


# --- how they are shown


def test_a_finding_ends_with_its_code() -> None:
    finding = Finding("Procfile:7", "the sequence does not end", "no-kill", True, ("web",))
    assert findings.lines([finding]) == ["Procfile:7: note: web: the sequence does not end [no-kill]"]


def test_one_cause_in_several_process_types_is_one_line(folder: Folder) -> None:
    folder.procfile("a: nosuch-program 1", "b: true", "c: nosuch-program 2", "d: echo $X", "e: echo ${X}")
    assert checked() == [
        "Procfile:1: a, c: nosuch-program is not found on PATH; install it, or correct the name [not-on-path]",
        "Procfile:4: d, e: $X is not set; set it in .env, or give a default: ${X:-…} [unset-variable]",
    ]


def test_equal_faults_of_two_lines_are_two_causes(folder: Folder) -> None:
    folder.procfile("web: true")
    folder.write(".env", "= 1\n= 1\n")
    assert [line.partition(": ")[0] for line in checked()] == [".env:1", ".env:2"]


def test_equal_settings_of_two_process_types_keep_their_places(folder: Folder) -> None:
    folder.procfile("web: true", "worker: true")
    folder.write("procrun.toml", "".join(f'[process.{name}]\nrestart_limit = "1/1"\n' for name in ("web", "worker")))
    assert [line.partition(": left")[0] for line in checked()] == [
        "procrun.toml: process.web.restart_limit",
        "procrun.toml: process.worker.restart_limit",
    ]


# --- accept


@pytest.fixture
def losing(folder: Folder) -> Folder:
    """Two Sidekiqs that a stop would lose jobs of, and an odd line."""
    folder.write("bin/sidekiq", "#!/bin/sh\nexit 0\n").chmod(0o755)
    folder.procfile("worker: bin/sidekiq -t 25", "mailer: bin/sidekiq -t 26", "FOO=bar")
    return folder


def test_accept_silences_that_finding_of_that_process_type_alone(losing: Folder) -> None:
    losing.write("procrun.toml", '[process.worker]\naccept = ["sidekiq-timeout"]\n')
    ignored, timeout = checked()
    assert ignored.endswith("[ignored-line]")
    assert timeout.startswith("Procfile:2: mailer: sidekiq waits 26 s")


def test_accept_leaves_the_profile_as_it_is(losing: Folder) -> None:
    before = build(Wishes(), {}).manners
    losing.write("procrun.toml", '[process.worker]\naccept = ["sidekiq-timeout"]\n')
    assert build(Wishes(), {}).manners == before


def test_accept_at_the_top_silences_what_is_of_no_process_type(losing: Folder) -> None:
    losing.write("procrun.toml", 'accept = ["ignored-line"]\n')
    assert [line.rpartition("[")[2] for line in checked()] == ["sidekiq-timeout]", "sidekiq-timeout]"]


def test_accepted_findings_are_no_failure_of_strict(losing: Folder) -> None:
    losing.write(
        "procrun.toml",
        'accept = ["ignored-line"]\n'
        + "".join(f'[process.{name}]\naccept = ["sidekiq-timeout"]\n' for name in ("worker", "mailer")),
    )
    made = losing.procrun("check", "--strict")
    assert (made.returncode, made.stderr) == (0, "Valid procfile detected (worker, mailer)\n")


def test_start_does_not_tell_what_is_accepted(losing: Folder) -> None:
    losing.write("procrun.toml", 'accept = ["ignored-line"]\n[process.worker]\naccept = ["sidekiq-timeout"]\n')
    told = losing.procrun("start").stderr
    assert "Procfile:3" not in told and "Procfile:1" not in told
    assert "procrun: Procfile:2: mailer: sidekiq waits 26 s" in told and "[sidekiq-timeout]" in told


def test_code_that_is_not_found_any_more_is_a_note(folder: Folder) -> None:
    folder.procfile("worker: true")
    folder.write("procrun.toml", 'accept = ["ignored-line"]\n[process.worker]\naccept = ["not-on-path"]\n')
    made = folder.procrun("check", "--strict")
    assert made.returncode == 0
    assert made.stderr.splitlines()[1:] == [
        "procrun.toml: accept: note: ignored-line is accepted and not found here; remove it if it is not needed "
        "any more [unused-accept]",
        "procrun.toml: process.worker.accept: note: not-on-path is accepted and not found here; remove it if it "
        "is not needed any more [unused-accept]",
    ]


def test_code_of_a_program_that_shows_only_when_it_runs_is_left_alone(folder: Folder) -> None:
    folder.procfile("worker: true")
    folder.write("procrun.toml", '[process.worker]\naccept = ["rq-timeout"]\n')
    assert checked() == []


def test_code_of_a_program_of_ones_own_is_known(folder: Folder) -> None:
    folder.procfile("worker: true")
    folder.write(
        "procrun.toml", '[program.mailer]\nprograms = ["mailer"]\n[process.worker]\naccept = ["mailer-timeout"]\n'
    )
    assert checked() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[process.worker]\naccept = ["sidekiq-timeuot"]',
            'process.worker.accept: no finding is called "sidekiq-timeuot"; did you mean "sidekiq-timeout"?',
        ),
        (
            'accept = ["nonsense"]',
            'accept: no finding is called "nonsense"; `procrun check` shows the code of each finding in brackets',
        ),
        ('accept = ["sidekiq-timeout"]', "accept: sidekiq-timeout is for [process.NAME]"),
        (
            '[process.worker]\naccept = ["ignored-line"]',
            "process.worker.accept: ignored-line stands at the top of the file, above the first [process.…]",
        ),
        (
            '[process.worker]\naccept = "not-on-path"',
            "process.worker.accept: takes a list of the codes that `procrun check` shows in brackets, "
            'as in ["unset-variable"]; this is "not-on-path"',
        ),
    ],
)
def test_code_that_cannot_be_accepted_there_is_a_fault(folder: Folder, text: str, message: str) -> None:
    folder.procfile("worker: true")
    folder.write("procrun.toml", text)
    with pytest.raises(ConfigError, match=f"^{re.escape('procrun.toml: ' + message)}$"):
        build(Wishes(), {})


def test_fault_cannot_be_accepted_away(folder: Folder) -> None:
    folder.procfile("web: true", "web: true")
    folder.write("procrun.toml", 'accept = ["ignored-line"]\n')
    assert folder.procrun("check").returncode == 2
