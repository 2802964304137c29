"""`procrun smoke --junit`: a report that Jenkins and GitLab read, whatever happened."""

import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from procrun.core.errors import ConfigError
from procrun.run.smoke import junit
from tests.harness import INT, Folder, free_base
from tests.programs import need_module

SCHEMA = Path(__file__).parents[1] / "junit-10.xsd"
"""That of Jenkins' xunit-plugin, with its licence (MIT) in it; GitLab reads a part of the same."""


def smoke(folder: Folder, *arguments: str) -> int:
    need_module("junitparser")
    return folder.procrun("smoke", "-p", str(free_base()), "--junit", "smoke.xml", *arguments).returncode


def report(folder: Folder) -> ElementTree.Element:
    """The report, if it is valid."""
    need_module("xmlschema")
    import xmlschema

    path = folder.path / "smoke.xml"
    xmlschema.XMLSchema(SCHEMA).validate(path)
    return ElementTree.parse(path).getroot()


def cases(root: ElementTree.Element) -> dict[tuple[str, str], str]:
    """What became of each case, by its class and name: failure, error, skipped, or empty where it has passed."""
    found = {}
    for case in root.iter("testcase"):
        results = [child.tag for child in case if child.tag != "system-out"]
        found[case.attrib["classname"], case.attrib["name"]] = results[0] if results else ""
    return found


def test_every_process_has_a_case_for_each_check_and_the_command_and_the_log_have_theirs(folder: Folder) -> None:
    folder.procfile("app: exec sleep 60", "worker: exec sleep 60")

    assert smoke(folder, "--restarts", "1", "--fail-on-log", "^panic: ", "--", "echo done") == 0

    root = report(folder)
    of_each = ["becomes ready", "does not crash", "restarts inside its budget", "stops inside its budget"]
    expected = [(name, check) for name in ("app.1", "worker.1") for check in of_each]
    expected += [("smoke", "echo done"), ("log", "no line has ^panic: "), ("afterwards", "nothing is left")]
    assert cases(root) == dict.fromkeys(expected, "")
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("11", "0", "0")


def test_a_failure_is_of_the_case_that_failed_and_has_the_last_lines(folder: Folder) -> None:
    folder.procfile("app: echo no database; exit 3", "worker: exec sleep 60")

    assert smoke(folder, "--", "true") == 20

    root = report(folder)
    failed = [key for key, result in cases(root).items() if result == "failure"]
    assert failed == [("app.1", "does not crash")]
    assert cases(root)["app.1", "becomes ready"] == "skipped"
    assert cases(root)["smoke", "true"] == "skipped"
    assert root.attrib["failures"] == "1"
    failure = next(root.iter("failure"))
    assert failure.attrib["type"] == "crash"
    assert re.fullmatch(r"app\.1 ended by itself after [\d.]+ s: exit 3\nno database", failure.text or "")
    assert next(root.iter("system-out")).text == "no database"


@pytest.mark.parametrize(
    ("line", "options", "status", "failed"),
    [
        ("sleep 60", ("--", "exit 4"), 21, ("smoke", "exit 4")),
        ("echo panic; exec sleep 60", ("--for", "0.1", "--fail-on-log", "panic"), 22, ("log", "no line has panic")),
        (
            "trap '' TERM; while :; do sleep 0.1; done",
            ("-t", "0.3", "--for", "0.1"),
            23,
            ("app.1", "stops inside its budget"),
        ),
    ],
)
def test_the_report_is_written_for_each_kind_of_failure(
    folder: Folder, line: str, options: tuple[str, ...], status: int, failed: tuple[str, str]
) -> None:
    folder.procfile(f"app: {line}")

    assert smoke(folder, *options) == status

    assert [key for key, result in cases(report(folder)).items() if result == "failure"] == [failed]


def test_what_xml_cannot_hold_is_replaced(folder: Folder) -> None:
    folder.write("odd", b"\x1b[31mred\x1b[0m \x00\x08 \xff\xfe \xed\xa0\x80 \xef\xbf\xbf ]]> <b> & \xf0\x9f\x99\x82\n")
    folder.procfile("app: cat odd; exit 3")

    assert smoke(folder, "--fail-on-log", "(?s)\\xff.*", "--", "echo '\x01'") == 22

    text = next(report(folder).iter("system-out")).text or ""
    assert "]]> <b> & 🙂" in text
    assert "\x1b" not in text


def test_ctrl_c_is_an_error_in_the_report(folder: Folder) -> None:
    need_module("junitparser")
    folder.procfile("app: exec sleep 60")
    run = folder.start("-p", str(free_base()), "--junit", "smoke.xml", "--", "exec sleep 60", verb="smoke")
    run.wait_for("smoke started")

    assert run.finish(INT) == -INT

    found = cases(report(folder))
    assert found["run", "runs to its end"] == "error"
    assert found["smoke", "exec sleep 60"] == "skipped"


def test_an_old_report_is_gone_once_the_run_has_begun(folder: Folder) -> None:
    """One that was killed must not leave the success of yesterday behind."""
    need_module("junitparser")
    folder.write("smoke.xml", "<testsuites/>")
    folder.procfile("app: test -e smoke.xml && echo old; exec sleep 60")

    assert smoke(folder, "--fail-on-log", "old", "--for", "0.1") == 0


def test_what_cannot_be_written_is_said_before_anything_starts(folder: Folder) -> None:
    need_module("junitparser")
    folder.procfile("app: touch started; exec sleep 60")
    folder.write("file", "")

    for path, told in (
        ("/dev/stdout", "is no plain file"),
        ("no/smoke.xml", "there is no folder"),
        (".", "is no plain file"),
        ("file/x.xml", "there is no folder"),
    ):
        result = folder.procrun("smoke", "--junit", path)
        assert (result.returncode, told in result.stderr) == (2, True), result.stderr
    assert not (folder.path / "started").exists()
    assert os.path.lexists("/dev/stdout")


def test_without_its_library_one_line_says_what_to_install(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "LIBRARY", "a_library_that_nobody_has")

    with pytest.raises(ConfigError, match=r"^--junit: needs the library .*: pip install 'procrun\[junit\]'$"):
        junit.prepare(str(folder.path / "smoke.xml"))


def test_a_report_that_cannot_be_written_at_the_end_is_no_success(folder: Folder) -> None:
    need_module("junitparser")
    folder.procfile("app: exec sleep 60")
    (folder.path / "out").mkdir()
    run = folder.start("-p", str(free_base()), "--junit", "out/smoke.xml", "--", "rm -r out", verb="smoke")

    assert run.finish() == 1

    assert re.search(r"procrun: --junit: .*/out/smoke\.xml: No such file or directory", run.output)


def test_json_has_the_status_that_a_report_which_cannot_be_written_makes(folder: Folder) -> None:
    need_module("junitparser")
    folder.procfile("app: exec sleep 60")
    (folder.path / "out").mkdir()
    options = ("-p", str(free_base()), "--json", "--junit", "out/smoke.xml")

    result = folder.procrun("smoke", *options, "--", "rm -r out")

    found = json.loads(result.stdout.splitlines()[-1])
    assert (found["verdict"], found["status"], result.returncode) == ("passed", 1, 1)
