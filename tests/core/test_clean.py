"""What procrun says to people holds nothing that a terminal obeys, whoever said it first: a file, a title, a server."""

import ast
import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

import procrun
from procrun.control import protocol
from procrun.control.protocol import Attached, Done, Output, Progress, Raw, Refused, Row, Status, Welcome, Written
from procrun.core.events import received
from procrun.core.tables import table
from procrun.core.text import clean, clean_lines
from procrun.output.ansi import bare
from procrun.output.github_actions import Workflow
from procrun.output.json_stream import event_as_json, lines_as_json
from tests.harness import PROCRUN, TERM, Folder, alive, kill_both
from tests.programs import need_right
from tests.recovery.test_doctor import until_written_down

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.\nprocrun: all is well\r"
"""Sets the window's title, clears the screen, colours by a C1 control, turns letters round, and fakes a line."""

SPELT = r"\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.\nprocrun: all is well\r"
TITLE = r"\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
"""The same as far as it stands on one line of a Procfile."""

_OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless(output: str) -> bool:
    """Whether nothing in it is obeyed by a terminal, and no line of it is foreign."""
    return not _OBEYED.search(output) and not re.search("(?m)^(procrun: )?all is well", output)


# --- The function


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain → text, 漢字 🎉", "plain → text, 漢字 🎉"),
        (EVIL, SPELT),
        ("a\tb", r"a\tb"),
        ("no-break\xa0space", r"no-break\xa0space"),
        ("isolate\u2066d", r"isolate\u2066d"),
        ("two\u2028lines", r"two\u2028lines"),
        ("not UTF-8: \udcff\udc9b", r"not UTF-8: \xff\x9b"),
        ("half a pair: \ud800", r"half a pair: \ud800"),
    ],
)
def test_what_cannot_be_printed_is_spelt_out(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text(st.characters(), max_size=40))
def test_any_text_becomes_one_printable_line(text: str) -> None:
    cleaned = clean(text)

    assert cleaned.isprintable()
    assert clean(cleaned) == cleaned
    assert clean_lines(text).split("\n") == [clean(line) for line in text.split("\n")]


def test_no_cell_breaks_out_of_its_row() -> None:
    header, row = table([[EVIL, 1, None]], ("NAME", "PID", "PORT")).split("\n")

    assert header.startswith("NAME")
    assert row == f"{SPELT}  1      -"


def test_a_quoted_line_of_a_process_has_no_colours_and_no_movements() -> None:
    assert bare(b"\x1b[31mred\x1b[0m\tend\x1b[2J\n") == b"red     end\n"


@pytest.mark.parametrize("text", [EVIL, "\x7f", "\x85", "\u200f", "\u2069"])
def test_json_spells_it_out_too(text: str) -> None:
    line = text.encode()

    for shown in (
        event_as_json(received(text, text, 0.0, text, 1), 0.0),
        lines_as_json(text, "output", line + b"\n", 0.0),
    ):
        assert harmless(shown.decode())


def test_an_annotation_keeps_its_lines_and_nothing_else() -> None:
    written: list[bytes] = []

    Workflow(written.append).error("web.1", EVIL)

    (line,) = (line for line in written if line.startswith(b"::error"))
    assert line == b"::error title=web.1::" + SPELT.replace(r"\n", "%0A").encode() + b"\n"


# --- Nothing goes round it

WRITERS = {
    "eventloop/stderr.py": "cleans each line",
    "cli/printing.py": "cleans each line",
    "cli/attach.py": "cleans its own lines; what an instance writes is raw on purpose",
    "cli/doctor.py": "asks a question that has a number in it",
    "output/stdout_writer.py": "has what Stream made: prefixes and says pass Outlet.say and Prefix, which clean",
    "output/blocking_writer.py": "writes for the sink",
    "eventloop/worker.py": "wakes the loop",
    "eventloop/file_watcher.py": "wakes the loop",
    "output/stdio.py": "types to a process",
    "chaos/faults.py": "floods a process's output on purpose",
    "run/key_reader.py": "passes keys on to the supervisor",
    "run/guardian_link.py": "talks between front and supervisor",
    "recovery/run_record.py": "writes into the record",
    "output/log_files.py": "writes log files; procrun's own lines come cleaned from Outlet.say",
    "core/run_dir.py": "writes the .gitignore of its folder",
}
"""Every module that writes to a descriptor, prints, or asks, and why no foreign text goes to a terminal by it."""


def _writes(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name == "sys.stdout.flush":
        return False
    return name in ("print", "os.write", "os.writev") or name.startswith(
        ("click.echo", "click.secho", "click.confirm", "click.prompt", "sys.stdout.", "sys.stderr.")
    )


def test_no_other_module_writes_to_a_terminal() -> None:
    """Whoever adds a writer has to say here why it is safe, or use stderr.tell, Outlet.say or cli.printing."""
    package = Path(procrun.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        text = path.read_text()
        if re.search(r"\b(print|os\.writev?|click\.\w+|sys\.std(out|err)\.\w+)\(", text):
            calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
            if any(_writes(call) for call in calls):
                found.add(str(path.relative_to(package)))

    assert found <= WRITERS.keys()


def test_no_table_is_made_past_the_one_that_cleans() -> None:
    package = Path(procrun.__file__).parent
    found = [path for path in package.rglob("*.py") if "import tabulate" in path.read_text()]
    makers = {str(path.relative_to(package)) for path in found}

    assert makers == {"core/tables.py", "run/smoke/report.py"}  # the latter for a page of GitHub, which is no terminal


# --- Files


def test_check_spells_out_a_command_and_a_file_name(folder: Folder) -> None:
    folder.write(f"Proc{EVIL}", f"web: {TITLE.encode().decode('unicode_escape')}\nno entry \x1b[2J\n")

    result = folder.procrun("check", "-f", f"Proc{EVIL}")

    assert harmless(result.stdout + result.stderr)
    assert f"Proc{SPELT}:" in result.stderr


@pytest.mark.parametrize("command", ["start", "check", "env", "run"])
def test_a_faulty_env_file_with_such_a_name_is_spelt_out(folder: Folder, command: str) -> None:
    folder.procfile("web: true")
    folder.write(f"{EVIL}.env", "no assignment \x1b[2J\n\x1b[2J=1\nA=1\n")

    result = folder.procrun(command, "-e", f"{EVIL}.env", *(["true"] if command == "run" else []))

    assert result.returncode == 0, result.stderr
    told = re.sub(r"(?m)^.* (procrun +\||web\.1 +\|) .*\n", "", result.stdout) + result.stderr
    assert harmless(told)
    assert f"{SPELT}.env:1" in told


def test_completion_of_the_shell_gets_no_raw_command(folder: Folder) -> None:
    folder.procfile("web: echo \x1b[2J\x9b31m")

    result = folder.procrun(env={"_PROCRUN_COMPLETE": "zsh_complete", "COMP_WORDS": "procrun ps w", "COMP_CWORD": "2"})
    start = folder.procrun(
        env={"_PROCRUN_COMPLETE": "zsh_complete", "COMP_WORDS": "procrun start w", "COMP_CWORD": "2"}
    )

    assert harmless(result.stdout)
    assert harmless(start.stdout)
    assert r"echo \x1b[2J\x9b31m" in start.stdout


# --- Titles of processes

TITLED = """sh -c 'echo ready; sleep 600; true' "$(printf '\\033]0;owned\\007\\033[2J\\302\\23331m\\342\\200\\256')" """
"""A process whose command line ends in TITLE."""


def test_the_stop_after_a_killed_supervisor(folder: Folder) -> None:
    folder.procfile(f"web: {TITLED}")
    run = folder.start()
    run.wait_for("ready")

    os.kill(run.supervisor(), 9)

    run.finish()
    assert TITLE in run.output
    assert harmless(run.output)


def test_what_a_leader_leaves_behind_is_told_in_the_stream_and_to_clients(folder: Folder) -> None:
    folder.procfile(f"web: ({TITLED}) & until test -s go; do sleep 0.05; done", "other: sleep 600")
    folder.write("procrun.toml", "[process.web]\nessential = false\n")
    run = folder.start()
    run.wait_for("ready")
    watching = folder.background("events")
    assert watching.stdout is not None
    folder.procrun("events", "nobody")  # refused, so that the one before it is served by now
    folder.write("go", "1")
    run.wait_for("left behind by its leader")
    folder.procrun("restart", "web")

    run.finish(TERM)
    told = watching.communicate(timeout=30)[0]
    assert TITLE in run.output
    assert harmless(run.output)
    assert harmless(told)


def test_doctor_and_the_look_back_at_a_start(folder: Folder) -> None:
    folder.procfile(f"web: {TITLED}")
    run = folder.start()
    run.wait_for("ready")
    until_written_down(folder, run)
    kill_both(run)

    table_ = folder.procrun("doctor")
    folder.procfile("other: echo done")
    look_back = folder.procrun("start")
    cleaned = folder.procrun("doctor", "--clean")

    for shown in (table_.stdout, look_back.stderr):
        assert TITLE in shown
    assert harmless(table_.stdout + table_.stderr + look_back.stdout + look_back.stderr)
    assert harmless(cleaned.stdout + cleaned.stderr)
    assert cleaned.returncode == 0
    assert not alive(int(run.wait_for(r"started, pid (\d+)")[1]))


# --- What a server says

_ROW = Row(EVIL, EVIL, 1, 5000, 1.0, 0, 0.0, 0.0, 0, EVIL, EVIL, EVIL, 1, 2, False, EVIL)
_STEP = Progress(0.0, EVIL, EVIL, 1.0, EVIL, 1)


def _said(request: protocol.Request) -> list[object]:
    match request:
        case protocol.Hello():
            return [Welcome(os.getpid(), 0.0, {f"web.{EVIL}": EVIL, "web.1": EVIL})]
        case protocol.Ps():
            return [Status([_ROW])]
        case protocol.Watch():
            return [*(Progress(0.0, EVIL, what, 1.0, EVIL, 1) for what in ("exited", "left", "hung", EVIL))]
        case protocol.Logs():
            return [Output([Written(0.0, EVIL, b"text\n", EVIL)], live=True)]
        case protocol.Attach():
            return [Attached(EVIL, False, True), _STEP, Done([], [EVIL])]
        case protocol.Wait() | protocol.Quiet():
            return [Refused(EVIL, 7)]
        case _:
            return [Progress(0.0, EVIL, "plan", 1.0, EVIL, 1), _STEP, Done([EVIL], [EVIL])]


@pytest.fixture
def server(folder: Folder) -> Iterator[None]:
    """Somebody else's procrun: it answers everything with what it should not."""
    folder.procfile("web: true")
    place = folder.path / ".procrun"
    place.mkdir(mode=0o700)
    with serving(place / f"{os.getpid()}.sock", _said):
        yield


@contextlib.contextmanager
def serving(path: Path, said: Callable[[protocol.Request], list[object]]) -> Iterator[None]:
    """A socket at which each request is answered by what `said` has for it; then it hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        line = connection.makefile("rb").readline()
                        if not line:
                            return
                        for answer in said(protocol.decode_request(line)):
                            connection.sendall(protocol.encode(answer))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            thread.join()


@pytest.mark.parametrize(
    "command",
    [
        ("ps",),
        ("ps", "--json"),
        ("events",),
        ("events", "--json"),
        ("logs",),
        ("logs", "--json"),
        ("logs", "nobody"),
        ("restart",),
        ("restart", "--json"),
        ("restart", "nobody"),
        ("reload",),
        ("scale", "web=2"),
        ("signal", "USR1", "web.1"),
        ("quiet", "web.1"),
        ("wait", "web.1"),
        ("attach", "web.1"),
        ("chaos",),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("server")
def test_what_a_server_says_is_spelt_out(folder: Folder, command: tuple[str, ...]) -> None:
    result = folder.procrun(*command)

    assert harmless(result.stdout + result.stderr)
    assert "Traceback" not in result.stderr
    assert "owned" in result.stdout + result.stderr


def test_attached_to_another_users_run_root_sees_no_escape_sequences(folder: Folder) -> None:
    """As chunks that are harmless each, and not together."""
    need_right("give files away")

    def said(request: protocol.Request) -> list[object]:
        if isinstance(request, protocol.Hello):
            return [Welcome(os.getpid(), 0.0, {"web.1": "up"})]
        chunks = [b"red \x1b[31mtext\x1b[2J\n", b"\xc2", b"\x9b2Jsplit \x1b", b"]0;owned\x07 end\n"]
        return [Attached("web.1", False, False), *map(Raw, chunks), Done([], ["over"])]

    folder.procfile("web: true")
    place = folder.path / ".procrun"
    place.mkdir(mode=0o700)
    path = place / f"{os.getpid()}.sock"
    with serving(path, said):
        for owned in (folder.path, place, path):
            os.chown(owned, 65534, 65534)
        need_right("open a terminal")
        terminal = pexpect.spawn(
            PROCRUN[0], [*PROCRUN[1:], "attach", "web"], cwd=str(folder.path), timeout=30, encoding="utf-8"
        )
        terminal.expect(pexpect.EOF)
        terminal.close()

    shown = str(terminal.before)
    assert "red \x1b[31mtext" in shown
    assert "split" in shown
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "\x9b" not in shown
