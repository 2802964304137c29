"""What an instance says of itself by sd_notify(3) is heard, whatever comes does no harm, and nobody else's is ours."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from procrun.core import run_dir
from tests.harness import TERM, Folder, Run, child, kill_both, until
from tests.programs import need

WATCHED = "[process.worker]\nwatchdog = 60\n"


def status(folder: Folder, name: str = "worker.1") -> str | None:
    """What ps tells of what it says."""
    rows = json.loads(folder.procrun("ps", "--json").stdout)
    return dict[str, str | None]((row["name"], row["status"]) for row in rows)[name]


def send(path: str, data: bytes) -> None:
    """As a program with no library does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(data, path)


def started(folder: Folder, *lines: str, config: str = WATCHED) -> tuple[Run, str]:
    """A run of a process that tells where it was told to speak, and that place."""
    folder.procfile(*(lines or ("worker: echo socket=$NOTIFY_SOCKET; exec sleep 1000",)))
    folder.write("procrun.toml", config)
    run = folder.start()
    return run, run.wait_for(r"socket=(\S+)")[1]


def test_systemd_notify_is_heard_and_its_barrier_lets_it_end(folder: Folder) -> None:
    """Since systemd 246 it sends BARRIER=1 with a descriptor, and waits until that is closed."""
    notify = need("systemd-notify")
    folder.procfile(f"worker: {notify} --ready --status='half way' && echo told; exec sleep 1000")
    folder.write("procrun.toml", WATCHED)
    run = folder.start()

    run.wait_for(r"worker\.1 +\| told")

    assert status(folder) == "half way"
    assert "half way" in folder.procrun("ps").stdout
    run.finish(TERM)


def test_a_program_with_nothing_but_a_socket_is_heard(folder: Folder) -> None:
    folder.procfile("worker: " + child("notifier.py", "READY=1", "STATUS=fine"))
    folder.write("procrun.toml", WATCHED)
    run = folder.start()
    run.wait_for(r"worker\.1 +\| sent")

    until(lambda: status(folder) == "fine", "its status is told")
    run.finish(TERM)


def test_several_assignments_in_one_message_are_heard(folder: Folder) -> None:
    run, path = started(folder)

    send(
        path, b"MAINPID=4711\nERRNO=2\nRELOADING=1\nMONOTONIC_USEC=1\nEXTEND_TIMEOUT_USEC=5000000\nSTATUS=one of many\n"
    )

    until(lambda: status(folder) == "one of many", "its status is told")
    run.finish(TERM)


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\0",
        b"\n\n=\n==",
        b"READY",
        b"STATUS=" + b"x" * 100_000,
        b"STATUS=" + b"x" * 4096,
        bytes(range(256)),
        b"STATUS",
        b"FDNAME=a\nFDSTORE=1\nFDSTOREREMOVE=1\nSTOPPING=2",
    ],
    ids=["empty", "nul", "signs", "no value", "huge", "a byte too long", "all bytes", "bare", "stores"],
)
def test_junk_does_no_harm(folder: Folder, junk: bytes) -> None:
    run, path = started(folder)
    send(path, b"STATUS=before")
    until(lambda: status(folder) == "before", "its status is told")

    send(path, junk)
    send(path, b"READY=1\0")

    assert status(folder) == "before"
    send(path, b"STATUS=after")
    until(lambda: status(folder) == "after", "it is heard behind junk")
    run.finish(TERM)
    assert "Traceback" not in run.output


def test_what_a_status_says_cannot_move_the_cursor(folder: Folder) -> None:
    run, path = started(folder)

    send(path, b"STATUS=\x1b[2Jgone \xff" + b"y" * 1000)

    until(lambda: status(folder), "its status is told")
    told = status(folder)
    assert told is not None
    assert told.startswith("\\x1b[2Jgone \N{REPLACEMENT CHARACTER}yyy")
    assert len(told) < 300
    assert "\x1b" not in folder.procrun("ps").stdout
    run.finish(TERM)


def test_descriptors_that_come_along_are_closed(folder: Folder) -> None:
    """For a barrier at once, and not one of them stays with procrun."""
    run, path = started(folder)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(path)
        for message in (b"BARRIER=1", b"FDSTORE=1", b"nonsense"):
            for count in (1, 253):  # SCM_MAX_FD
                reader, writer = os.pipe()
                socket.send_fds(sender, [message], [writer] * count)
                os.close(writer)
                assert os.read(reader, 1) == b""  # end of file: nobody has the other end any more
                os.close(reader)
    run.finish(TERM)


def test_a_flood_of_messages_holds_up_nothing(folder: Folder) -> None:
    folder.procfile("worker: " + child("notifier.py", "flood"), "web: echo here; exec sleep 1000")
    folder.write("procrun.toml", WATCHED)
    run = folder.start()
    run.wait_for(r"worker\.1 +\| flooding")

    before = cpu_seconds(run.supervisor())
    result = folder.procrun("restart", "web")

    assert result.returncode == 0
    assert run.output.count("web.1 started") == 2
    assert cpu_seconds(run.supervisor()) - before < 2
    assert run.finish(TERM) == -TERM


def cpu_seconds(pid: int) -> float:
    """What it has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_each_start_has_a_socket_of_its_own_for_its_user_alone(folder: Folder) -> None:
    run, path = started(folder)
    found = os.stat(path)
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600

    folder.procrun("restart", "worker")

    other = run.wait_for(r"socket=(\S+)", count=2)[1]
    assert other != path
    assert not os.path.exists(path)
    run.finish(TERM)
    assert not os.path.exists(other)


def test_what_is_not_watched_gets_no_socket_and_nobody_elses(folder: Folder) -> None:
    """A READY=1 of a child would be taken for ours by the systemd that has started us."""
    names = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
    folder.procfile("web: " + "; ".join(f"echo {name}=[${name}]" for name in names) + "; exec sleep 1000")
    run = folder.start(env=dict.fromkeys(names, "7"))

    for name in names:
        run.wait_for(rf"web\.1 +\| {name}=\[\]$")
    run.finish(TERM)


def test_what_env_sets_a_process_gets(folder: Folder) -> None:
    folder.write(".env", "NOTIFY_SOCKET=/elsewhere\n")
    folder.procfile("web: echo socket=$NOTIFY_SOCKET; exec sleep 1000")
    run = folder.start(env={"NOTIFY_SOCKET": "/ours"})

    assert run.wait_for(r"socket=(\S+)")[1] == "/elsewhere"
    run.finish(TERM)


def test_what_it_must_know_of_its_watchdog_it_is_told(folder: Folder) -> None:
    """No WATCHDOG_PID, as that would be the shell's where one stays in between."""
    folder.procfile("worker: echo usec=$WATCHDOG_USEC pid=[$WATCHDOG_PID]; exec sleep 1000")
    folder.write("procrun.toml", "[process.worker]\nwatchdog = 2.5\n")
    run = folder.start(env={"WATCHDOG_PID": "1"})

    run.wait_for(r"usec=2500000 pid=\[\]$")
    run.finish(TERM)


def below(folder: Folder, name: str) -> Folder:
    """A folder in it."""
    deep = Folder(folder.path / name)
    deep.path.mkdir()
    deep.runs = folder.runs
    return deep


def test_where_the_path_would_be_too_long_it_is_elsewhere(folder: Folder) -> None:
    deep = below(folder, "x" * (run_dir.LONGEST_PATH - len(str(folder.path)) - len("/.procrun")))

    run, path = started(deep)

    assert not path.startswith(str(folder.path))
    send(path, b"STATUS=heard")
    until(lambda: status(deep) == "heard", "it is heard there")
    run.finish(TERM)
    assert not os.path.exists(path)


def test_in_the_longest_folder_it_is_beside_the_procfile(folder: Folder) -> None:
    deep = below(folder, "x" * (run_dir.LONGEST_PATH - len(str(folder.path)) - len("//.procrun")))

    run, path = started(deep)

    assert path.startswith(str(deep.path))
    send(path, b"STATUS=heard")
    until(lambda: status(deep) == "heard", "it is heard there")
    run.finish(TERM)


def test_the_sockets_of_a_run_that_was_killed_are_cleared_away(folder: Folder) -> None:
    run, path = started(folder)
    kill_both(run)
    assert os.path.exists(path)
    folder.procrun("doctor", "--clean")

    other, _ = started(folder)

    assert not os.path.exists(path)
    other.finish(TERM)


def test_ready_by_its_own_word_lets_start_what_comes_after_it(folder: Folder) -> None:
    folder.procfile("worker: " + child("notifier.py", "READY=1"), "web: echo here; exec sleep 1000")
    folder.write("procrun.toml", '[process.worker]\nready = { notify = true }\n[process.web]\nafter = ["worker"]\n')
    run = folder.start()

    run.wait_for(r"web\.1 +\| here")

    ready = run.wait_for(r"worker\.1 ready after \d\.\d\d s")
    assert run.output.index("waits for worker.1") < ready.start() < run.output.index("web.1 started")
    run.finish(TERM)


def test_without_its_word_it_is_not_ready(folder: Folder) -> None:
    folder.procfile("worker: " + child("notifier.py", "STATUS=booting"))
    folder.write("procrun.toml", "[process.worker]\nready = { notify = true, within = 0.5 }\n")
    run = folder.start()

    run.wait_for(r"worker\.1 .*it has not sent READY=1")

    assert status(folder) == "booting"
    run.finish(TERM)
