"""Nobody reads, the terminal is paused, the reader is gone, the disk is full: stops, restarts and counts stay right."""

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pexpect
import pytest

from procrun.core.spec import Step
from procrun.eventloop.loop import Loop
from procrun.run.guardian_link import Link
from tests.apps.bed import APP, Bed
from tests.harness import PROCRUN, PYTHON, TERM, Folder, alive, child, running, until
from tests.programs import need_right

LINE = re.compile(rb"\d\d:\d\d:\d\d \S+ +\| .*\n")
MISSING = re.compile(rb"procrun +\| ([\d,]+) bytes? \(([\d,]+) lines?\) of output could not be shown here\n")
COUNT = re.compile(r"procrun: ([\d,]+) bytes? \(([\d,]+) lines?\) of output could not be shown\n")
FAREWELL = re.compile(rb"(?m)farewell (\d{7}) x{83}$")
STUBBORN = "trap '' TERM INT; touch deaf; echo ready; while :; do sleep 0.1; done"
IN_VAIN = "standard output takes nothing more"

Launch = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def launch(folder: Folder) -> Iterator[Launch]:
    """`procrun start` with a stdout, and where given a stderr, of the test's own; else that is the file `stderr`."""
    launched: list[subprocess.Popen[bytes]] = []

    def start(stdout: Any, *arguments: str, stderr: Any = None) -> "subprocess.Popen[bytes]":
        with open(folder.path / "stderr", "wb") as file:
            popen = subprocess.Popen(
                [*PROCRUN, "start", *arguments],
                cwd=folder.path,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=file if stderr is None else stderr,
            )
        launched.append(popen)
        return popen

    yield start
    for popen in launched:
        popen.kill()
        popen.wait()


class Pipe:
    """Nobody reads it but the test."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.size = fcntl.fcntl(self.writer, fcntl.F_GETPIPE_SZ)

    def until_full(self) -> None:
        """Wait until it takes no more, as far as a writer of whole pages sees."""
        until(lambda: waiting(self.reader) > self.size - 4096, "the pipe is full")

    def read(self) -> bytes:
        """Everything up to the end of whoever writes."""
        os.close(self.writer)
        self.writer = -1
        pieces = []
        while data := os.read(self.reader, 1 << 20):
            pieces.append(data)
        return b"".join(pieces)

    def close(self) -> None:
        for fd in {self.reader, self.writer} - {-1}:
            os.close(fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe of which the writer can be given away."""
    made = Pipe()
    yield made
    made.close()


def waiting(reader: int) -> int:
    return int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), "little")


def supervisor_of(popen: "subprocess.Popen[bytes]") -> int:
    return int(Path(f"/proc/{popen.pid}/task/{popen.pid}/children").read_text())


def until_noted(folder: Folder, word: str, count: int) -> None:
    """Wait until farewell.py has noted this so often."""
    until(lambda: (folder.path / "note").exists() and notes(folder).count(word) >= count, f"{word} {count}")


def until_deaf(folder: Folder) -> None:
    """Wait until STUBBORN needs KILL."""
    until((folder.path / "deaf").exists, "it does not hear TERM")


def notes(folder: Folder) -> list[str]:
    return (folder.path / "note").read_text().split()


def missing(output: bytes | bytearray) -> tuple[int, int]:
    """Bytes and lines that the output itself says are missing."""
    found = [[int(number.replace(b",", b"")) for number in match.groups()] for match in MISSING.finditer(output)]
    return sum(size for size, _ in found), sum(lines for _, lines in found)


def counted(folder: Folder) -> tuple[int, int]:
    """Bytes and lines that stderr says at the end could not be shown."""
    match = COUNT.search((folder.path / "stderr").read_text())
    return (0, 0) if match is None else (int(match[1].replace(",", "")), int(match[2].replace(",", "")))


def check_whole(output: bytes) -> None:
    """The output is whole lines, each with its prefix."""
    assert LINE.sub(b"", output) == b""


def seconds_of(result: "subprocess.CompletedProcess[str]", step: str) -> float:
    """When `step` came, as a command that follows a restart tells."""
    match = re.search(rf"^ *([\d.]+) s  \S+ +{step}", result.stdout, re.MULTILINE)
    assert match is not None, result.stdout
    return float(match[1])


# A full pipe


def test_with_a_full_pipe_deadlines_restart_ps_and_signals_go_on(folder: Folder, launch: Launch, pipe: Pipe) -> None:
    folder.procfile("noise: exec yes", "stubborn: " + STUBBORN)
    procrun = launch(pipe.writer, "-t", "0.5")
    pipe.until_full()
    until_deaf(folder)

    result = folder.procrun("restart", "stubborn")

    assert 0.5 <= seconds_of(result, "KILL") < 8
    assert result.returncode == 0
    assert running(folder) == 2
    procrun.send_signal(TERM)
    assert procrun.wait(30) == -TERM
    assert counted(folder) > (0, 0)


def test_procrun_stop_does_not_wait_for_a_reader_that_never_reads(folder: Folder, launch: Launch, pipe: Pipe) -> None:
    """Whoever told procrun to stop waits: two seconds for the reader, as after TERM, and not ten."""
    folder.procfile("noise: exec yes")
    popen = launch(pipe.writer)
    pipe.until_full()

    began = monotonic()
    result = folder.procrun("stop")

    assert (result.returncode, popen.wait(timeout=30)) == (0, 0)
    assert monotonic() - began < 8
    assert counted(folder)[0] > 0


def test_however_many_flood_they_are_held_back_and_nothing_is_missing(
    folder: Folder, launch: Launch, pipe: Pipe
) -> None:
    """What the pipes of 150 hold would be 100 MB with the prefixes."""
    folder.procfile("yes: exec yes")
    procrun = launch(pipe.writer, "-c", "yes=150")
    pipe.until_full()
    supervisor = supervisor_of(procrun)
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children")
    until(lambda: [wait_channel(pid) for pid in children.read_text().split()] == ["pipe_write"] * 150, "all wait")

    output = bytearray()
    while len(output) < 200_000_000:
        output += os.read(pipe.reader, 1 << 20)
    assert peak_memory(supervisor) < 48 * 1024
    assert missing(output) == (0, 0)
    looks = range(50_000_000, len(output) - 100, 50_000)  # what a full pipe held is 700,000 bytes with the prefixes
    assert len({found[0] for at in looks if (found := re.search(rb"yes\.\d+", output[at : at + 100]))}) == 150
    procrun.send_signal(TERM)
    pipe.read()
    assert procrun.wait(30) == -TERM


def test_a_line_of_one_that_says_little_waits_behind_little_of_a_flood(
    folder: Folder, launch: Launch, pipe: Pipe
) -> None:
    said = folder.path / "said"
    quiet = "quiet: until [ -e flooded ]; do sleep 0.1; done; echo at last; touch said; exec sleep 1000"
    folder.procfile(f"yes: exec yes {'y' * 90}", quiet)
    procrun = launch(pipe.writer)
    pipe.until_full()
    supervisor = supervisor_of(procrun)
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children")
    until(lambda: "pipe_write" in [wait_channel(pid) for pid in children.read_text().split()], "the flood waits")
    (folder.path / "flooded").touch()
    until(said.exists, "the line is written")

    output = bytearray()
    while b"| at last\n" not in output:
        output += os.read(pipe.reader, 1 << 20)

    assert len(output) < 512 * 1024
    procrun.send_signal(TERM)
    pipe.read()
    assert procrun.wait(30) == -TERM


def wait_channel(pid: str) -> str:
    """The kernel's function in which a process sleeps, without the word that newer kernels put before it."""
    return Path(f"/proc/{pid}/wchan").read_text().removeprefix("anon_")


def test_what_is_written_in_a_stop_is_taken_though_nobody_reads_and_shown_later(
    folder: Folder, launch: Launch, pipe: Pipe
) -> None:
    """Ten megabytes in a TERM handler, behind a pipe that was full before: it ends by itself, and nothing is lost."""
    folder.procfile("talker: " + child("farewell.py", "100000", "note"))
    noise = b"x" * (pipe.size - 1) + b"\n"
    os.write(pipe.writer, noise)
    procrun = launch(pipe.writer)
    until_noted(folder, "ready", 1)

    result = folder.procrun("restart", "talker")

    assert "KILL" not in result.stdout
    assert notes(folder).count("taken") == 1
    until_noted(folder, "ready", 2)
    procrun.send_signal(TERM)
    until_noted(folder, "taken", 2)
    output = pipe.read().removeprefix(noise)
    check_whole(output)
    assert [int(n) for n in FAREWELL.findall(output)] == [*range(100000), *range(100000)]
    assert (counted(folder), procrun.wait(30)) == ((0, 0), -TERM)


def test_many_who_flood_in_a_stop_cost_no_more_memory_than_the_bound_and_the_gap_is_in_its_place(
    folder: Folder, launch: Launch, pipe: Pipe
) -> None:
    """120 MB: 64 MiB of it wait, the rest is counted where it is missing; procrun's own lines are all there."""
    folder.procfile("talker: " + child("farewell.py", "250000", "note"))
    procrun = launch(pipe.writer, "-c", "talker=4", "-t", "60")
    until_noted(folder, "ready", 4)
    before = peak_memory(supervisor_of(procrun))

    folder.procrun("restart", "talker")

    assert peak_memory(supervisor_of(procrun)) - before < (64 + 1 + 16) * 1024
    until_noted(folder, "ready", 8)
    procrun.send_signal(TERM)
    output = pipe.read()
    assert notes(folder).count("taken") == 8
    check_whole(output)
    bytes_missing, lines_missing = missing(output)
    assert len(FAREWELL.findall(output)) + lines_missing == 8 * 250000
    assert bytes_missing > 40_000_000
    assert counted(folder) == (bytes_missing, lines_missing)
    assert len(re.findall(rb"procrun +\| talker\.\d started", output)) == 8


def peak_memory(pid: int) -> int:
    """KiB that were ever in memory at once."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1])


# A full disk


@pytest.fixture
def disk(folder: Folder) -> Iterator[Path]:
    """A disk of 64 KiB."""
    need_right("mount a file system")
    path = folder.path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def ask(folder: Folder, first: int, last: int) -> None:
    """Have the process of ON_DEMAND write these lines."""
    with open(folder.path / "ask", "w") as fifo:
        fifo.write(f"{first} {last}\n")


ON_DEMAND = "mkfifo ask; while :; do read first last < ask && seq -f 'line %07.0f' $first $last; done"


def test_a_full_disk_is_said_once_and_lines_go_on_when_there_is_room(
    folder: Folder, launch: Launch, disk: Path
) -> None:
    folder.procfile("web: " + ON_DEMAND, "stubborn: " + STUBBORN)
    folder.write("disk/other", bytes(16384))
    os.mkfifo(folder.path / "ask")
    log, stderr = disk / "log", folder.path / "stderr"
    with open(log, "wb") as file:
        procrun = launch(file, "-t", "0.5")
    ask(folder, 1, 3000)
    until(lambda: f"{IN_VAIN} (No space left on device)" in stderr.read_text(), "it is said")
    until_deaf(folder)

    result = folder.procrun("restart", "stubborn")
    assert (result.returncode, 0.5 <= seconds_of(result, "KILL") < 8) == (0, True)
    (disk / "other").unlink()
    ask(folder, 3001, 3050)
    until(lambda: b"line 0003050" in log.read_bytes(), "lines go on")
    procrun.send_signal(TERM)

    assert procrun.wait(30) == -TERM
    output = log.read_bytes()
    check_whole(output)
    shown = [int(n) for n in re.findall(rb"line (\d{7})\n", output)]
    assert shown == sorted({*range(1, shown[-51] + 1), *range(3001, 3051)})
    assert missing(output) == counted(folder)
    assert missing(output)[1] >= 3000 - shown[-51]
    assert stderr.read_text().count(IN_VAIN) == 1


def test_a_device_that_takes_nothing_holds_nothing_up(folder: Folder, launch: Launch) -> None:
    folder.procfile("web: seq 100000 && touch written; exec sleep 60")
    with open("/dev/full", "wb") as full:
        procrun = launch(full)
    until((folder.path / "written").exists, "nothing is held back")

    procrun.send_signal(TERM)

    assert procrun.wait(30) == -TERM
    assert counted(folder)[1] > 100000
    assert (folder.path / "stderr").read_text().count(IN_VAIN) == 1


# A paused terminal


def test_in_a_paused_terminal_deadlines_restart_and_ps_go_on_and_its_lines_come_after_ctrl_q(folder: Folder) -> None:
    folder.procfile("web: " + ON_DEMAND, "stubborn: " + STUBBORN)
    os.mkfifo(folder.path / "ask")
    need_right("open a terminal")
    terminal = pexpect.spawn(PROCRUN[0], [*PROCRUN[1:], "start", "-t", "0.5"], cwd=str(folder.path), timeout=30)
    terminal.expect("ready")
    slave = os.open(f"/proc/{terminal.pid}/fd/1", os.O_RDWR | os.O_NOCTTY)
    room = select.poll()
    room.register(slave, select.POLLOUT)

    terminal.send("\x13")
    until(lambda: not room.poll(0), "the terminal is paused")
    ask(folder, 1, 5000)
    result = folder.procrun("restart", "stubborn")

    assert (result.returncode, 0.5 <= seconds_of(result, "KILL") < 8) == (0, True)
    assert running(folder) == 2
    terminal.send("\x11")
    terminal.expect("line 0000001\r\n")
    terminal.expect("line 0005000\r\n")
    os.close(slave)
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.signalstatus == signal.SIGINT


def test_a_terminal_that_stays_paused_delays_no_end(folder: Folder) -> None:
    folder.procfile("stubborn: " + STUBBORN)
    need_right("open a terminal")
    terminal = pexpect.spawn(PROCRUN[0], [*PROCRUN[1:], "start", "-t", "0.5"], cwd=str(folder.path), timeout=30)
    terminal.expect("ready")
    pid = terminal.pid or 0
    slave = os.open(f"/proc/{pid}/fd/1", os.O_RDWR | os.O_NOCTTY)

    termios.tcflow(slave, termios.TCOOFF)
    os.kill(pid, TERM)

    until(lambda: not alive(pid), "it has ended")
    os.close(slave)
    terminal.close()
    assert terminal.signalstatus == TERM


def test_a_prompt_for_a_terminal_that_is_gone_is_no_fault(folder: Folder, launch: Launch) -> None:
    """Its size cannot be asked for any more."""
    folder.procfile("web: touch ready; read x < gone; printf 'sure? '; sleep 0.6; touch asked; exec sleep 60")
    os.mkfifo(folder.path / "gone")
    need_right("open a terminal")
    master, slave = os.openpty()
    procrun = launch(slave)
    os.close(slave)
    until((folder.path / "ready").exists, "it runs")

    os.close(master)
    folder.write("gone", "\n")
    until((folder.path / "asked").exists, "it has prompted")

    assert "web.1" in folder.procrun("ps").stdout
    procrun.send_signal(TERM)
    assert procrun.wait(30) == -TERM
    assert (folder.path / "stderr").read_text().count(f"{IN_VAIN} (Input/output error)") == 1


# A reader that is gone, and stderr


def test_a_reader_that_leaves_is_said_once_and_the_run_goes_on(folder: Folder, launch: Launch) -> None:
    folder.procfile("web: exec yes", "stubborn: " + STUBBORN)
    head = subprocess.Popen(["head", "-1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    procrun = launch(head.stdin, "-t", "0.5")
    first, _ = head.communicate()
    until(lambda: IN_VAIN in (folder.path / "stderr").read_text(), "it is said")
    until_deaf(folder)

    result = folder.procrun("restart", "stubborn")

    assert (result.returncode, 0.5 <= seconds_of(result, "KILL") < 8) == (0, True)
    procrun.send_signal(TERM)
    assert procrun.wait(30) == -TERM
    assert first.count(b"\n") == 1
    assert (folder.path / "stderr").read_text().count(f"{IN_VAIN} (Broken pipe)") == 1


def stuck_pipe() -> tuple[int, int]:
    """A reader and a writer that takes not a byte."""
    reader, writer = os.pipe()
    os.write(writer, bytes(fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)))
    return reader, writer


def stuck_socket() -> tuple[int, int]:
    reader, writer = socket.socketpair()
    for block in (b"x" * 4096, b"x"):
        with contextlib.suppress(BlockingIOError):
            while True:
                writer.send(block, socket.MSG_DONTWAIT)
    return reader.detach(), writer.detach()


@pytest.mark.parametrize("make", [stuck_pipe, stuck_socket])
def test_stdout_and_stderr_into_the_same_stuck_place_hold_nothing_up(
    folder: Folder, launch: Launch, make: Callable[[], tuple[int, int]]
) -> None:
    """As `2>&1` does. The supervisor is killed in the end: what the front has to say has no room either."""
    reader, writer = make()
    folder.procfile("stubborn: " + STUBBORN)
    folder.write(".env", "no variable\n")  # something to say on stderr before the start
    procrun = launch(writer, "-t", "0.5", stderr=writer)
    until_deaf(folder)

    result = folder.procrun("restart", "stubborn")
    assert (result.returncode, 0.5 <= seconds_of(result, "KILL") < 8) == (0, True)
    os.kill(supervisor_of(procrun), signal.SIGKILL)

    assert procrun.wait(30) == 128 + signal.SIGKILL
    os.close(reader)
    os.close(writer)


# Sockets and files


@pytest.mark.parametrize("blocking", [True, False])
def test_a_socket_is_written_to_in_full(folder: Folder, launch: Launch, blocking: bool) -> None:
    """By a thread, as it cannot be opened anew; non-blocking is what some programs leave behind."""
    folder.procfile("web: seq -f 'line %07.0f' 1 100000")
    reader, writer = socket.socketpair()
    writer.setblocking(blocking)
    procrun = launch(writer)
    writer.close()

    output = b"".join(iter(lambda: reader.recv(1 << 20), b""))

    reader.close()
    assert procrun.wait(30) == 0
    check_whole(output)
    assert [int(n) for n in re.findall(rb"line (\d{7})\n", output)] == [*range(1, 100001)]


def test_a_stuck_socket_holds_nothing_up_and_what_it_took_and_what_is_counted_is_all(
    folder: Folder, launch: Launch
) -> None:
    folder.procfile("talker: " + child("farewell.py", "30000", "note"))
    reader, writer = socket.socketpair()
    procrun = launch(writer, "--no-timestamp")
    writer.close()
    until_noted(folder, "ready", 1)

    result = folder.procrun("restart", "talker")

    assert "KILL" not in result.stdout
    until_noted(folder, "ready", 2)
    procrun.send_signal(TERM)
    assert procrun.wait(30) == -TERM
    output = b"".join(iter(lambda: reader.recv(1 << 20), b""))
    reader.close()
    lines = counted(folder)[1] + output.count(b"\n")
    assert 60000 < lines < 60020  # the rest is procrun's own
    assert counted(folder)[1] > 50000
    assert output.endswith(b"\n")


@pytest.mark.parametrize("mode", [">", ">>"])
def test_a_file_has_every_line_behind_what_was_there(folder: Folder, mode: str) -> None:
    folder.procfile("web: seq -f 'line %07.0f' 1 20000")
    folder.write("log", "before\n")
    script = f"{{ echo mine; {' '.join(PROCRUN)} start; echo after; }} {mode} log"

    subprocess.run(["sh", "-c", script], cwd=folder.path, check=True, timeout=30)

    lines = (folder.path / "log").read_text().splitlines()
    assert lines[: 2 if mode == ">>" else 1] == (["before", "mine"] if mode == ">>" else ["mine"])
    assert [int(line[-7:]) for line in lines if "line" in line] == [*range(1, 20001)]
    assert lines[-1] == "after"


# A front that stands still


def test_a_front_that_stands_still_holds_nothing_up_and_hears_everything_later(folder: Folder, launch: Launch) -> None:
    folder.procfile("web: exec sleep 60", "other: exec sleep 60")
    with open(folder.path / "log", "wb") as log:
        procrun = launch(log, "-c", "other=1")
    until(lambda: running(folder), "it runs")
    supervisor = supervisor_of(procrun)
    procrun.send_signal(signal.SIGSTOP)
    shrink_pipes(procrun.pid)

    assert folder.procrun("scale", "web=150").returncode == 0
    assert running(folder) == 151
    assert folder.procrun("restart", "other").returncode == 0

    assert folder.procrun("scale", "web=1").returncode == 0
    os.kill(supervisor, TERM)
    until(lambda: "other.1: killed" in (folder.path / "log").read_text(), "everything is stopped")
    procrun.send_signal(signal.SIGCONT)
    assert procrun.wait(30) == -TERM  # the last word of many


def shrink_pipes(pid: int) -> None:
    """Have the pipes of a process hold no more than a page."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{name}"
        if os.readlink(path).startswith("pipe:"):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 4096)
            os.close(fd)


def test_words_for_a_front_that_stands_still_wait_in_their_order() -> None:
    life, life_writer = os.pipe()
    news, news_writer = os.pipe()
    link, loop = Link(life, news_writer, "1-1"), Loop()
    link.watch(loop, lambda _: None, lambda _: None)
    for pid in range(1, 10001):
        link.born("web.1", pid, (1,), 0, False, Step(signal.SIGTERM, 10.0))
    assert waiting(news) <= fcntl.fcntl(news, fcntl.F_GETPIPE_SZ)
    heard = b""

    def read() -> None:
        nonlocal heard
        heard += os.read(news, 100000)
        if b"born web.1 10000 " in heard:
            loop.stop()

    loop.read(news, read)
    loop.run()

    assert [int(line.split()[2]) for line in heard.splitlines()] == [*range(1, 10001)]
    for fd in (life, life_writer, news, news_writer):
        os.close(fd)


# Other places to get stuck in


def test_a_client_that_stands_still_holds_no_deadline_up(folder: Folder) -> None:
    folder.procfile("stubborn: " + STUBBORN)
    run = folder.start("-t", "0.5")
    run.wait_for("ready")
    client = folder.background("restart", "stubborn")
    assert client.stdout is not None
    assert "TERM" in client.stdout.readline()

    client.send_signal(signal.SIGSTOP)

    run.wait_for(r"stubborn\.1 TERM 0\.00 → KILL \d\.\d\d → gone")
    run.wait_for("ready", count=2)
    assert running(folder)
    client.send_signal(signal.SIGCONT)
    assert "KILL" in client.communicate(timeout=30)[0]
    assert client.returncode == 0
    run.finish(TERM)


def test_a_deploy_does_not_wait_for_a_pipe_in_place_of_env(folder: Folder, launch: Launch) -> None:
    """Some keepers of secrets have a FIFO there: it is read at the start, and never by who keeps the deadlines."""
    folder.procfile("web: exec sleep 60")
    os.mkfifo(folder.path / ".env")
    script = "while echo A=1 > .env; do sleep 0.2; done"
    feeder = subprocess.Popen(["sh", "-c", script], cwd=folder.path, start_new_session=True)
    with open(os.devnull, "wb") as nowhere:
        procrun = launch(nowhere, "--platform", "server")
    until(lambda: running(folder), "it runs")

    result = folder.procrun("deploy")

    os.killpg(feeder.pid, signal.SIGKILL)
    feeder.wait()
    assert result.returncode == 2
    assert ".env: is no plain file and is read only once; stop procrun and start it again" in result.stderr
    procrun.send_signal(TERM)
    assert procrun.wait(30) == -TERM


@pytest.mark.parametrize("make", [stuck_pipe, stuck_socket])
def test_a_fault_of_procruns_own_is_not_waited_with_until_somebody_reads_it(
    make: Callable[[], tuple[int, int]],
) -> None:
    reader, writer = make()
    script = "import sys; from procrun.eventloop import stderr; sys.excepthook = stderr.crashed; 1 / 0"

    assert subprocess.run([PYTHON, "-c", script], stderr=writer, timeout=30, check=False).returncode == 1

    os.close(reader)
    os.close(writer)


# The reason for all this


def test_sidekiq_whose_output_nobody_reads_gives_back_the_jobs_in_flight(
    folder: Folder, launch: Launch, pipe: Pipe
) -> None:
    """Its own pipe is full, and it hangs in a write, when TERM comes: it must be read to push its jobs back."""
    bed = Bed(folder.path)
    folder.write(".env", "".join(f"{name}={value}\n" for name, value in bed.env.items()))
    folder.procfile(
        f"worker: sh -c 'until [ -e go ]; do sleep 0.1; done; exec yes' & exec sidekiq -r {APP}/app.rb -c 5 -t 4"
    )
    try:
        procrun = launch(pipe.writer)
        bed.enqueue(5, 30)
        bed.wait_for_starts(5)
        folder.write("go", "")
        pipe.until_full()
        own = os.open(f"/proc/{sidekiq_of(folder)}/fd/1", os.O_RDONLY | os.O_NONBLOCK)
        until(lambda: waiting(own) == fcntl.fcntl(own, fcntl.F_GETPIPE_SZ), "its own pipe is full")
        os.close(own)

        procrun.send_signal(TERM)

        assert procrun.wait(30) == -TERM
        report = bed.report()
        assert (report["lost"], report["interrupted"], report["queued"]) == (0, 5, 5)
        assert counted(folder) > (0, 0)
    finally:
        bed.close()


def sidekiq_of(folder: Folder) -> int:
    """The pid of the worker."""
    (row,) = json.loads(folder.procrun("ps", "--json").stdout)
    return int(row["pid"])
