"""Every line once, whole, in the order of its process, whatever the chunks, the number of writers, the flood."""

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procrun.eventloop.loop import Loop
from procrun.output import line_buffer as lines
from procrun.output import log_reader
from procrun.output.filter import Choice
from procrun.output.line_buffer import LineBuffer
from procrun.output.prefix import Look
from procrun.output.router import Outlet
from procrun.output.stdout_writer import Sink
from procrun.output.stream import Stream
from tests.disks import small_disk
from tests.harness import PROCRUN, TERM, Folder, child, until
from tests.programs import need_right

__all__ = ["small_disk"]

LINE = re.compile(rb"(?m)^(\S+?) +\| (.*)\n")

CHUNKS = st.lists(
    st.tuples(st.sampled_from("abc"), st.lists(st.sampled_from([b"x", b"yy", b"\n", b"\r", b"\xff"]), max_size=6)),
    max_size=60,
)


@given(CHUNKS, st.booleans())
def test_however_lines_are_cut_each_comes_once_whole_and_in_order(
    chunks: list[tuple[str, list[bytes]]], previewed: bool
) -> None:
    written = dict.fromkeys("abc", b"")
    buffers = {name: LineBuffer() for name in "abc"}
    with tempfile.TemporaryFile() as file:
        sink = Sink(Loop(), file.fileno(), lambda: None, pytest.fail, lambda lost: pytest.fail("lost"))
        outlet = Outlet(Stream(sink, Look(width=1, timestamps=""), terminal=False), Choice())
        for name, parts in chunks:
            data = b"".join(parts)
            written[name] += data
            whole = buffers[name].feed(data)
            if whole:
                outlet.emit(f"{name}", whole, "output")
            elif previewed and buffers[name].partial():
                outlet.preview(name, buffers[name].partial(), "output")
        for name, buffer in buffers.items():
            if rest := buffer.flush():
                outlet.emit(name, rest, "output")
        sink.close(1)
        file.seek(0)
        shown = file.read()

    for name, data in written.items():
        whole = data if data.endswith(b"\n") or not data else data + b"\n"
        mine = [text for who, text in re.findall(rb"([abc]) \| ([^\n]*)\n", shown) if who == name.encode()]
        if not previewed:
            assert mine == whole.split(b"\n")[:-1]
        else:  # a prompt that others have interrupted comes again, whole
            assert [text for text in mine if text in whole.split(b"\n")][-1:] == whole.split(b"\n")[:-1][-1:]
    assert not shown or shown.endswith(b"\n")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 200), st.lists(st.integers(1, 90), max_size=12))
def test_a_line_that_is_too_long_is_cut_and_nothing_of_it_is_lost(length: int, sizes: list[int]) -> None:
    data, buffer, out = b"x" * length + b"\n", LineBuffer(), b""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "LONGEST", 50)
        for size in [*sizes, *[64] * 10]:
            out += buffer.feed(data[:size])
            data = data[size:]

    assert out.replace(b"\n", b"") == b"x" * length
    assert all(len(line) <= 50 + 90 for line in out.split(b"\n"))


def of_each(output: bytes) -> dict[bytes, list[bytes]]:
    """The lines of each instance."""
    found: dict[bytes, list[bytes]] = {}
    for name, text in LINE.findall(output):
        found.setdefault(name, []).append(text)
    return found


def test_real_processes_that_write_in_pieces_are_put_together(folder: Folder) -> None:
    """A line that stands unfinished for a second would be shown as a prompt; these do not pause for so long."""
    folder.procfile(*(f"p{seed}: {child('pieces.py', str(seed), '800')}; sleep 60" for seed in range(6)))
    expected = {seed: subprocess.check_output(child("pieces.py", str(seed), "800").split()) for seed in range(6)}

    run = folder.start("--no-timestamp")
    run.wait_for(r"\| 799 x*\.$", count=6)
    run.finish(TERM)

    shown = of_each(run.raw)
    for seed, text in expected.items():
        assert shown[b"p%d.1" % seed] == text.split(b"\n")[:-1]


def test_a_thousand_writers_at_once_lose_tear_and_swap_no_line(folder: Folder) -> None:
    folder.procfile("writer: for n in 1 2 3 4 5 6 7 8 9 10; do echo $PS $n end; done; exec sleep 1000")
    with open(folder.path / "out", "wb") as out:
        options = ["--no-timestamp", "-m", "writer=1000", "-p", "30000"]
        run = subprocess.Popen([*PROCRUN, "start", *options], cwd=folder.path, stdout=out)
    until(lambda: (folder.path / "out").read_bytes().count(b" 10 end\n") == 1000, "all have written")
    run.terminate()
    run.wait(60)

    shown = of_each((folder.path / "out").read_bytes())
    del shown[b"procrun"]
    assert len(shown) == 1000
    for name, text in shown.items():
        assert text == [b"%s %d end" % (name, n) for n in range(1, 11)]


def peak_memory(front: int) -> int:
    """MiB that the supervisor of this front has had at most."""
    supervisor = int(Path(f"/proc/{front}/task/{front}/children").read_text().split()[0])
    status = Path(f"/proc/{supervisor}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_100_mb_without_a_newline_need_little_memory(folder: Folder, options: tuple[str, ...]) -> None:
    folder.procfile("web: head -c 100000000 /dev/zero | tr '\\0' x; echo; echo after; exec sleep 60")
    with open(folder.path / "out", "wb") as out:
        run = subprocess.Popen(
            [*PROCRUN, "start", "--no-timestamp", *options], cwd=folder.path, stdout=out, stderr=subprocess.PIPE
        )
    path = folder.path / "out"
    until(lambda: b"after" in tail(path), "the next line is there")
    peak = peak_memory(run.pid)
    run.terminate()
    run.communicate(timeout=30)

    text = path.read_bytes()
    path.unlink()
    assert Counter(re.findall(rb"x{3,}", text))  # some long pieces
    assert sum(map(len, re.findall(rb"x{3,}", text))) == 100_000_000
    assert max(map(len, text.split(b"\n"))) <= lines.LONGEST + 200_000
    assert peak < 150


def tail(path: Path) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 2000))
        return file.read()


def test_a_flood_does_not_delay_the_lines_of_others(folder: Folder) -> None:
    """Of what the flood wrote after a line of the other, little stands before it: no more than is read at once."""
    folder.procfile(f"flood: {child('stamps.py', 'flood')}", f"quiet: {child('stamps.py', '40')}")
    with open(folder.path / "out", "wb") as out:
        subprocess.run([*PROCRUN, "start", "--no-timestamp"], cwd=folder.path, stdout=out, check=False, timeout=60)

    overtaken, latest = [], []
    for name, text in LINE.findall((folder.path / "out").read_bytes()):
        if name == b"flood.1":
            latest.append(int(text.split()[0]))
        elif name == b"quiet.1":
            overtaken.append(sum(stamp > int(text) for stamp in latest[-5000:]))
    assert len(overtaken) == 40
    assert len(latest) > 2000
    assert sorted(overtaken)[20] < 300  # lines of 1 kB; the flood's pipe alone holds a thousand


def test_log_files_have_every_line_once_however_often_they_are_begun_anew(folder: Folder) -> None:
    folder.write("procrun.toml", 'log_dir = "log"\nlog_size = "20k"\nlog_keep = 1000\n')
    folder.procfile("web: seq -f 'line %.0f' 1 40000; sleep 60", "b: seq -f 'b %.0f' 1 40000; sleep 60")

    run = folder.start("-c", "web=2", "--no-timestamp")
    run.wait_for("40000$", count=3)
    run.finish(TERM)

    assert len(list((folder.path / "log").glob("web.log*"))) > 5
    shown = of_each(run.raw)
    for type_, names in {"web": ("web.1", "web.2"), "b": ("b.1",), "procrun": ("procrun",)}.items():
        logged = list(log_reader.read(str(folder.path / "log"), type_))
        for name in names:
            assert [line.line[:-1] for line in logged if line.name == name] == shown[name.encode()]


def test_a_full_disk_for_log_files_is_reported_once_and_survived(folder: Folder, small_disk: Path) -> None:
    folder.write("procrun.toml", f'log_dir = "{small_disk}"\nlog_size = "10M"\n')
    written = "until [ -e written ]; do sleep 0.05; done"
    folder.procfile(f"web: seq 1 20000; {written}; exit 3", "b: seq 1 20000; touch written; sleep 60")

    run = folder.start("--no-timestamp")

    assert run.finish() == 3
    # It is on stderr, which may be in the middle of a line that waits: here both go to one pipe.
    shown = of_each(re.sub(rb"procrun: .*takes nothing more.*\n", b"", run.raw))
    assert shown[b"web.1"] == shown[b"b.1"] == [b"%d" % n for n in range(1, 20001)]
    said = re.findall(r"procrun: .*takes nothing more.*", run.output)
    assert len(said) == 1
    assert said[0].endswith("(No space left on device): lines are missing there, the run goes on")
    logged = [
        [line.line for line in log_reader.read(str(small_disk), type_) if line.name == f"{type_}.1"]
        for type_ in ("web", "b")
    ]
    # The disk has room for what one of them writes, whoever comes first.
    assert [b"%d\n" % n for n in range(1, 101)] in [lines[:100] for lines in logged]


# On a terminal


@pytest.fixture
def terminal(folder: Folder) -> Iterator["pexpect.spawn[bytes]"]:
    """A real terminal to start a run in, 80 columns wide."""
    need_right("open a terminal")
    spawned: Any = pexpect.spawn("/bin/sh", cwd=str(folder.path), dimensions=(24, 80), timeout=30, echo=False)
    spawned.send(b"PS1=; echo go\n")
    spawned.expect(b"go\r\n")
    yield spawned
    spawned.close(force=True)


WILD = re.compile(rb"\x1b(?!\[[0-9;]*m|\[K)|\x1b\[[0-9;]*[A-JL-Za-ln-z]|[\b\v\f]")
"""What would move the cursor, but for the erasing of a row (\\r, ESC [K) that procrun does itself."""


def test_progress_bars_and_cursor_movements_garble_nothing(folder: Folder, terminal: "pexpect.spawn[bytes]") -> None:
    bar = "for n in 1 2 3 4 5 6; do printf '%d0%%\\r' $n; sleep 0.25; done; echo finished"
    folder.procfile(
        f"bar: {bar}; sleep 60",
        "wild: for n in 1 2 3 4; do printf 'up\\033[5A\\033[2J\\033]0;title\\007 %d\\n' $n; sleep 0.3; done; sleep 60",
        "other: for n in 1 2 3 4 5 6 7; do echo other $n; sleep 0.2; done; sleep 60",
    )
    terminal.send(b"%s start --no-timestamp --no-colour\n" % " ".join(PROCRUN).encode())
    seen = b""
    for last in (rb"finished\r\n", rb"other 7\r\n", rb"up 4\r\n"):
        if not re.search(last, seen):
            terminal.expect(last)
            seen += _passed(terminal)
    terminal.sendintr()
    terminal.expect(rb"other.1: .*forced kills 0\r\n")
    seen += _passed(terminal)

    assert not WILD.search(seen)
    assert b"title" not in seen
    rows = screen(seen)
    assert [row for row in rows if row.startswith("other.1")] == [f"other.1 | other {n}" for n in range(1, 8)]
    assert [row for row in rows if row.startswith("wild.1")] == [f"wild.1  | up {n}" for n in range(1, 5)]
    assert [row for row in rows if row.startswith("bar.1")] == ["bar.1   | finished"]
    assert re.search(rb"bar\.1   \| [1-6]0%", seen)


def _passed(terminal: "pexpect.spawn[bytes]") -> bytes:
    """What the last `expect` has read."""
    assert isinstance(terminal.before, bytes)
    assert isinstance(terminal.after, bytes)
    return terminal.before + terminal.after


def screen(output: bytes) -> list[str]:
    """The rows as they stood at their end; what was erased on the way is gone."""
    rows = []
    for row in output.replace(b"\r\n", b"\n").split(b"\n"):
        rows.append(row.split(b"\r\x1b[K")[-1].decode())
    return rows


def test_a_prompt_stays_the_last_row_while_others_write(folder: Folder, terminal: "pexpect.spawn[bytes]") -> None:
    folder.procfile(
        "ask: printf 'Sure? '; exec sleep 60",
        "tick: for n in 1 2 3; do until [ -e go$n ]; do sleep 0.02; done; echo tick $n; done; sleep 60",
    )
    terminal.send(b"%s start --no-timestamp --no-colour\n" % " ".join(PROCRUN).encode())
    terminal.expect(rb"ask\.1   \| Sure\? ")

    for number in (1, 2, 3):
        (folder.path / f"go{number}").touch()
        terminal.expect(rb"\r\x1b\[Ktick\.1  \| tick %d\r\nask\.1   \| Sure\? " % number)
    terminal.sendintr()
    terminal.expect(rb"tick.1: .*forced kills 0\r\n")


def test_the_common_path_makes_one_write_for_each_chunk(folder: Folder) -> None:
    """65,536 bytes of lines are one read and one write, so 10 MB are some hundred, not a million."""
    writes: list[int] = []

    class Counting(Sink):
        def write(self, data: bytes, ours: bool = False) -> None:
            writes.append(len(data))

    with tempfile.TemporaryFile() as file:
        sink = Counting(Loop(), file.fileno(), lambda: None, pytest.fail, lambda lost: b"")
        outlet = Outlet(Stream(sink, Look(), terminal=False), Choice())
        outlet.emit("web.1", b"x\n" * 30_000, "output")

    assert len(writes) == 1
