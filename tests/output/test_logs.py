"""What was written, for who asks later: procrun logs, from memory and from log files."""

import json
import re
import signal
import subprocess
from itertools import pairwise
from pathlib import Path
from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrun.control.protocol import Answer, Done, Logs, More, Output
from procrun.output import backlog, log_reader
from procrun.output.backlog import Backlog
from procrun.output.log_files import LogFiles, Rotation, before
from procrun.supervise.handlers import logs
from procrun.supervise.handlers.logs import Reading
from tests.harness import INT, PROCRUN, PROGRAMS, PYTHON, TERM, Folder, Run, until

WITH_FILES = 'log_dir = "log"\n'
COUNTING = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.002; done"


def texts(output: str, name: str = "web.1") -> list[str]:
    """The lines of an instance, without what stands before them."""
    return re.findall(rf"(?m)^(?:\d\d:\d\d:\d\d )?{re.escape(name)} +\| (.*)$", output)


def started(folder: Folder, *lines: str, ready: str = "ready") -> Run:
    """A run that has a socket, and whose processes have said that they are ready."""
    folder.procfile(*lines)
    run = folder.start()
    run.wait_for(rf"\| {ready}$", count=len(lines))
    until(lambda: list((folder.path / ".procrun").glob("*.sock")), "there is a socket")
    return run


# From memory


def test_logs_are_exactly_what_the_stream_showed(folder: Folder) -> None:
    run = started(folder, r"web: seq 1 3000; printf 'caf\351\tx\r\n\n'; echo ready; sleep 60", "b: echo ready; cat")
    shown = run.raw
    logged = subprocess.run([*PROCRUN, "logs"], cwd=folder.path, capture_output=True, check=True).stdout

    assert logged.startswith(shown)
    assert len(texts(run.output)) == 3003


def test_an_instance_that_has_ended_is_still_there(folder: Folder) -> None:
    folder.write("procrun.toml", "[process.job]\nessential = false\n")
    run = started(folder, "job: echo ready; echo last words; exit 3", "web: echo ready; sleep 60")
    run.wait_for("job.1 ended by itself")

    assert texts(folder.procrun("logs", "job").stdout, "job.1") == ["ready", "last words"]


CHOSEN = [
    (("web",), ["1", "2", "3", "11", "ready"]),
    (("web.1", "-n", "2"), ["11", "ready"]),
    (("web", "-n", "0"), []),
    (("web", "--grep", "1"), ["1", "11"]),
    (("web", "--grep", "1", "-n", "1"), ["11"]),
    (("web", "--since", "1h"), ["1", "2", "3", "11", "ready"]),
    (("web", "--since", "2999-01-01"), []),
    (("other",), []),
]


def test_lines_are_chosen(folder: Folder) -> None:
    started(folder, "web: seq 1 3; echo 11; echo ready; sleep 60", "other: echo ready; sleep 60")

    for arguments, shown in CHOSEN:
        result = folder.procrun("logs", *arguments)

        assert (result.returncode, result.stderr) == (0, "")
        assert texts(result.stdout) == shown
        assert "procrun" not in result.stdout


def test_what_procrun_said_can_be_asked_for(folder: Folder) -> None:
    started(folder, "web: echo ready; sleep 60")

    assert re.fullmatch(r"\S+ procrun \| web.1 started, pid \d+, port \d+\n", folder.procrun("logs", "procrun").stdout)


def test_what_is_hidden_in_the_stream_is_kept(folder: Folder) -> None:
    folder.procfile("web: echo secret; exec sleep 60", "b: sleep 0.3; echo ready; sleep 60")
    folder.start("--hide", "web").wait_for("ready$")

    assert texts(folder.procrun("logs", "web").stdout) == ["secret"]


def test_several_runs_are_put_in_the_order_of_time(folder: Folder) -> None:
    folder.procfile(
        "a: echo one; while ! [ -e go ]; do sleep 0.02; done; echo three; sleep 60", "b: echo two; sleep 60"
    )
    first = folder.start("a")
    first.wait_for(r"\| one$")
    folder.start("b", "-p", "7000").wait_for(r"\| two$")
    (folder.path / "go").touch()
    first.wait_for(r"\| three$")

    logged = folder.procrun("logs", "a", "b", "-n", "2").stdout

    assert re.findall(r"\| (.*)", logged) == ["two", "three"]


def test_a_reader_that_leaves_is_no_traceback(folder: Folder) -> None:
    started(folder, "web: seq 1 100000; echo ready; sleep 60")

    script = f"{' '.join(PROCRUN)} logs | head -1"
    result = subprocess.run(["sh", "-c", script], cwd=folder.path, capture_output=True, text=True, check=True)

    assert result.stdout.count("\n") == 1
    assert result.stderr == ""


WRONG = [
    (("wbe",), 'no process "wbe" here; there are: procrun, web, web.1; did you mean "web"?'),
    (("-n", "few"), '"few" is no number of lines; give one as in 100'),
    (("--since", "soon"), '"soon" is no time; give one as in 90s, 5m, 2h, 1d, or 2026-11-22T14:00'),
    (("--grep", "["), '"[" is no regular expression: unterminated character set at position 0'),
    (("--timestamps", "soon"), '"soon" is no format for a time'),
]


def test_a_wrong_value_is_one_line(folder: Folder) -> None:
    started(folder, "web: echo ready; sleep 60")

    for arguments, said in WRONG:
        result = folder.procrun("logs", *arguments)

        assert (result.returncode, result.stdout) == (2, "")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


def test_what_is_kept_leaves_no_holes_in_memory() -> None:
    """It is read into blocks of 64 KiB: a short piece that stays in its own leaves a hole behind it."""
    made = subprocess.run([PYTHON, str(PROGRAMS / "holes.py")], capture_output=True, text=True, check=True)

    heap, used = map(int, made.stdout.split())
    assert used > 8 * 1024
    assert heap < 1.25 * used


def test_a_faulty_configuration_does_not_hide_what_is_in_memory(folder: Folder) -> None:
    started(folder, "web: echo ready; sleep 60")
    folder.write("procrun.toml", "log_dri = 1\n")

    result = folder.procrun("logs", "web")

    assert texts(result.stdout) == ["ready"]
    assert result.stderr.startswith('procrun: procrun.toml: log_dri: unknown key; did you mean "log_dir"?')
    assert result.stderr.endswith("; so log files are left out\n")


# Followed


def numbers(output: str) -> list[int]:
    return [int(text.split()[1]) for text in texts(output) if text.startswith("line ")]


def further(run: Run) -> None:
    """Wait until the counter is a good way on."""
    run.wait_for(f"line {numbers(run.output)[-1] + 200}$")


def test_follow_goes_on_without_a_gap_until_the_run_is_over(folder: Folder) -> None:
    run = started(folder, f"web: echo ready; {COUNTING}")
    run.wait_for("line 10$")
    with folder.background("logs", "-f", "web", "-n", "5") as follower:
        assert follower.stdout is not None and follower.stderr is not None
        first = follower.stdout.readline()
        further(run)

        run.finish(TERM)
        stdout, stderr = first + follower.stdout.read(), follower.stderr.read()

    assert (follower.returncode, stderr) == (0, "")
    seen = numbers(stdout)
    assert all(second == first + 1 for first, second in pairwise(seen))
    assert seen[-1] == numbers(run.output)[-1]


def test_a_follower_gets_the_summary_too(folder: Folder) -> None:
    run = started(folder, "web: echo ready; sleep 60")
    follower = folder.background("logs", "-f", "-n", "1")
    assert follower.stdout is not None
    follower.stdout.readline()

    run.finish(TERM)
    stdout, _ = follower.communicate(timeout=30)

    assert stdout == run.output[run.output.index("| ready\n") + len("| ready\n") :]


def test_a_follower_that_stands_still_does_not_keep_the_run(folder: Folder) -> None:
    run = started(folder, "web: echo ready; sleep 60")
    follower = folder.background("logs", "-f", "-n", "1")
    assert follower.stdout is not None
    follower.stdout.readline()
    follower.send_signal(signal.SIGSTOP)

    assert run.finish(TERM) == -TERM
    follower.kill()
    follower.communicate(timeout=30)


def test_follow_begins_with_the_last_ten_lines(folder: Folder) -> None:
    run = started(folder, "web: seq -f 'line %g' 1 50; echo ready; sleep 60")
    follower = folder.background("logs", "-f", "web")
    assert follower.stdout is not None

    first = [follower.stdout.readline() for _ in range(10)]
    run.finish(TERM)
    follower.communicate(timeout=30)

    assert texts("".join(first)) == [*(f"line {n}" for n in range(42, 51)), "ready"]


def test_ctrl_c_ends_following_with_130(folder: Folder) -> None:
    started(folder, "web: echo ready; sleep 60")
    follower = folder.background("logs", "-f")
    assert follower.stdout is not None
    follower.stdout.readline()

    follower.send_signal(INT)

    _, stderr = follower.communicate(timeout=30)
    assert (follower.returncode, stderr.strip()) == (130, "")


def test_who_reads_slowly_is_told_what_he_missed(folder: Folder) -> None:
    block = "x" * 500
    wait = "while ! [ -e go ]; do sleep 0.02; done"
    run = started(folder, f"web: echo ready; {wait}; yes {block} | head -20000; echo end; sleep 60")
    follower = folder.background("logs", "-f", "--no-prefix", "-n", "1", "web", "procrun")
    assert follower.stdout is not None
    assert follower.stdout.readline() == "ready\n"
    follower.send_signal(signal.SIGSTOP)
    (folder.path / "go").touch()
    run.wait_for(r"\| end$")
    follower.send_signal(signal.SIGCONT)
    lines = [line.rstrip("\n") for line in iter(follower.stdout.readline, "end\n")]
    run.finish(TERM)
    follower.communicate(timeout=30)

    stdout = "\n".join(lines)
    missed = sum(int(found.replace(",", "")) for found in re.findall(r"procrun: ([\d,]+) bytes of web.1 were", stdout))
    got = sum(len(line) + 1 for line in lines if line == block)
    assert missed > 0
    assert got + missed == 20000 * (len(block) + 1)


class Reader:
    """A client of a Reading, who asks for more when he likes."""

    def __init__(self, kept: Backlog, request: Logs) -> None:
        self.answers: list[Answer] = []
        self.talk = Reading(kept, request, self.answers.append).begin()

    def more(self) -> None:
        if isinstance(self.answers[-1], Output) and self.asked < len(self.answers):
            self.asked = len(self.answers)
            self.talk.more(More())

    asked = 0

    def got(self) -> bytes:
        return b"".join(piece.lines for a in self.answers if isinstance(a, Output) for piece in a.pieces)


STEPS = st.lists(st.one_of(st.tuples(st.sampled_from("ab"), st.integers(1, 60)), st.just(("read", 0))), max_size=60)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "KEPT", 1200)
    monkeypatch.setattr(backlog, "KEPT_OF_ONE", 800)
    monkeypatch.setattr(backlog, "COST", 10)
    monkeypatch.setattr(logs, "AT_ONCE", 200)


@pytest.mark.usefixtures("small")
@given(STEPS)
def test_what_a_follower_gets_and_what_he_missed_is_all_there_was(steps: list[tuple[str, int]]) -> None:
    kept, written = Backlog(), {"a.1": b"", "b.1": b""}
    reader = Reader(kept, Logs([], 0, follow=True))
    for number, (who, size) in enumerate([*steps, *[("read", 0)] * 60]):
        if who == "read":
            reader.more()
        else:
            lines = b"%s%d %s\n" % (who.encode(), number, b"." * size * (1 + number % 20))
            written[f"{who}.1"] += lines
            kept.add(f"{who}.1", lines, float(number), "output")
            assert sum(kept._sizes.values()) <= 1200 + len(lines) + 10

    for name, all_of_it in written.items():
        got = [p for a in reader.answers if isinstance(a, Output) for p in a.pieces if p.name in (name, "procrun")]
        at = 0
        for piece in got:
            if piece.name == name:
                assert all_of_it[at : at + len(piece.lines)] == piece.lines
                at += len(piece.lines)
            elif name.encode() in piece.lines:
                at += int(piece.lines.split()[0].replace(b",", b""))
        last_shown = all_of_it[at:]
        assert last_shown == b"" or len(last_shown) > 600  # a line that is larger than all that is kept


@pytest.mark.usefixtures("small")
def test_a_line_larger_than_all_that_is_kept_is_told_when_more_comes() -> None:
    kept = Backlog()
    reader = Reader(kept, Logs(["a"], 0, follow=True))
    kept.add("a.1", b"x" * 5000 + b"\n", 1.0, "output")
    kept.add("a.1", b"next\n", 2.0, "output")
    reader.more()
    reader.more()

    assert reader.got() == b"5,001 bytes of a.1 were written here, and are no longer kept\nnext\n"


@pytest.mark.usefixtures("small")
def test_what_was_let_go_since_then_is_told() -> None:
    kept = Backlog()
    for number in range(100):
        kept.add("a.1", b"line %d\n" % number, float(number), "output")

    old, recent = Reader(kept, Logs([], since=5.0)), Reader(kept, Logs([], since=98.0))

    assert old.got().startswith(b"not all that a.1 has written since then is kept\nline ")
    assert recent.got() == b"line 98\nline 99\n"
    recent.more()
    assert isinstance(recent.answers[-1], Done)


def test_a_thousand_tiny_pieces_are_bounded_too() -> None:
    kept = Backlog()
    for number in range(200_000):
        kept.add(f"w.{number % 100}", b"\n", float(number), "output")

    assert sum(len(pieces) for pieces in kept._kept.values()) * backlog.COST <= backlog.KEPT


# From files


def ran(folder: Folder, *lines: str) -> Run:
    """A run with log files that is over."""
    folder.write("procrun.toml", WITH_FILES)
    folder.procfile(*lines)
    run = folder.start()
    run.finish()
    return run


def test_log_files_are_read_when_nothing_runs(folder: Folder) -> None:
    run = ran(folder, "web: seq 1 5; sleep 0.3; exit 3", "b: echo hello; sleep 60")

    result = folder.procrun("logs")

    assert result.returncode == 0
    assert result.stdout == run.output


CHOSEN_OF_FILES = [
    (("web", "-n", "2"), ["11", "12"]),
    (("web", "-n", "2", "--grep", "^[1-3]$"), ["2", "3"]),
    (("web.1", "--grep", "1"), ["1", "10", "11", "12"]),
    (("web.2",), []),
    (("web", "--since", "1h", "-n", "1"), ["12"]),
    (("web", "--since", "2999-01-01"), []),
    (("web", "--since", "2999-01-01", "-n", "3"), []),
]


def test_lines_of_files_are_chosen(folder: Folder) -> None:
    ran(folder, "web: seq 1 12; sleep 0.2")

    for arguments, shown in CHOSEN_OF_FILES:
        result = folder.procrun("logs", *arguments)

        assert (result.returncode, result.stderr) == (0, "")
        assert texts(result.stdout) == shown


def test_a_type_that_only_files_have_is_found_while_others_run(folder: Folder) -> None:
    ran(folder, "old: echo before; sleep 0.2")
    run = started(folder, "web: echo ready; sleep 60")

    assert texts(folder.procrun("logs", "old").stdout, "old.1") == ["before"]
    assert folder.procrun("logs", "odl").returncode == 2
    run.finish(TERM)


def test_following_goes_from_files_to_the_run_without_a_gap(folder: Folder) -> None:
    folder.write("procrun.toml", WITH_FILES)
    run = started(folder, f"web: echo ready; {COUNTING}")
    run.wait_for("line 100$")
    with folder.background("logs", "-f", "web", "-n", "50") as follower:
        assert follower.stdout is not None
        first = follower.stdout.readline()
        further(run)

        run.finish(TERM)
        stdout = first + follower.stdout.read()

    seen = numbers(stdout)
    assert all(second == first + 1 for first, second in pairwise(seen))
    assert seen[-1] == numbers(run.output)[-1]


def test_two_runs_share_a_folder_of_log_files(folder: Folder, tmp_path: Path) -> None:
    shared = tmp_path / "elsewhere"
    folder.write("procrun.toml", f'log_dir = "{shared}"\nlog_size = "10k"\nlog_keep = 1000\n')
    folder.procfile("a: seq -f '%g of a' 1 5000; sleep 60", "b: seq -f '%g of b' 1 5000; sleep 60")
    runs = [folder.start("a"), folder.start("b", "-p", "7000")]
    for run in runs:
        run.wait_for("5000 of .$")
        run.finish(TERM)

    for name in "ab":
        assert [line for _, _, line in log_reader.read(str(shared), name)] == [
            b"%d of %s\n" % (number, name.encode()) for number in range(1, 5001)
        ]
    words = [line for _, _, line in log_reader.read(str(shared), "procrun")]
    assert sum(b"started" in word for word in words) == 2


@pytest.mark.parametrize(
    ("folder_of_logs", "said"),
    [
        ("Procfile", "procrun.toml: log_dir: {}/Procfile: File exists"),
        ("Procfile/log", "procrun.toml: log_dir: {}/Procfile/log: Not a directory"),
        ("/proc/nowhere", "procrun.toml: log_dir: /proc/nowhere: No such file or directory"),
    ],
)
def test_a_folder_that_cannot_be_had_is_one_line_and_nothing_is_started(
    folder: Folder, folder_of_logs: str, said: str
) -> None:
    folder.write("procrun.toml", f'log_dir = "{folder_of_logs}"\n')
    folder.procfile("web: touch started")

    result = folder.procrun("start", env={"GITHUB_ACTIONS": "true"})

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"procrun: {said.format(folder.path)}\n"
    assert not (folder.path / "started").exists()


def test_a_pipe_in_the_place_of_a_log_file_blocks_nobody(folder: Folder) -> None:
    folder.write("procrun.toml", WITH_FILES)
    folder.write("log/other", "")
    subprocess.run(["mkfifo", "log/web.log"], cwd=folder.path, check=True)
    folder.procfile("web: echo hello; sleep 0.3")

    run = folder.start()

    assert run.finish() == 0
    run.wait_for("hello$")
    run.wait_for(r"web\.log takes nothing more \(No such device or address\): lines are missing there, the run goes on")


def test_last_lines_are_read_from_the_end(tmp_path: Path) -> None:
    """A gigabyte would take seconds to read; a hole of zeros in front of the last lines costs nothing to make."""
    with open(tmp_path / "web.log", "wb") as file:
        file.seek(20 * 2**30)
        file.write(b"\n" + b"".join(before("web.1", time()) + b"%d\n" % n for n in range(5)))

    back = log_reader.read_back(str(tmp_path), "web")

    assert [next(back).line for _ in range(5)] == [b"4\n", b"3\n", b"2\n", b"1\n", b"0\n"]


LINE_SIZES = st.lists(st.integers(0, 50), max_size=40)


@given(LINE_SIZES, st.integers(1, 30), st.booleans())
def test_back_is_the_same_as_forth_whatever_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], block: int, torn: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    lines = [b"%d %s\n" % (n, b"x" * size) for n, size in enumerate(sizes)]
    files = LogFiles(str(folder), Rotation(300, 1000, "never"), pytest.fail)
    for number, line in enumerate(lines):
        files.add("web.1", line, float(number))
    files.close()
    if torn:
        with open(folder / "web.log", "ab") as file:
            file.write(b"2026-11-22T17:00:00.000000+00:00 web.1 | half")

    forth = [found.line for found in log_reader.read(str(folder), "web")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_reader, "BLOCK", block)
        back = [found.line for found in log_reader.read_back(str(folder), "web")]

    assert forth == lines
    assert back == lines[::-1]
    for since in range(len(lines) + 1):
        assert [f.line for f in log_reader.read(str(folder), "web", since)] == lines[since:]


def test_json_of_files_is_one_object_a_line(folder: Folder) -> None:
    ran(folder, "web: seq 1 3; sleep 0.2")

    logged = [json.loads(line) for line in folder.procrun("logs", "web", "--json").stdout.splitlines()]

    assert [(line["instance"], line["stream"], line["text"]) for line in logged] == [
        ("web.1", "output", "1"),
        ("web.1", "output", "2"),
        ("web.1", "output", "3"),
    ]
