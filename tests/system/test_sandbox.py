"""Where the system gives less than usual: no pidfds, no /proc, or the /proc of another pid namespace."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from procrun.system.linux import procfs
from tests.harness import A_SECOND, PATIENCE, PROCRUN, PROGRAMS, PYTHON, TERM, Folder, alive, child, kill_both, until
from tests.programs import need, need_namespace, need_right

POLITE = child("polite.py", "0", "0")
STUBBORN = child("stubborn.py", "notes")
TOLD = "this system gives no pidfds"

refused = pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])


def without_pidfds(error: str) -> list[str]:
    """What runs a command there."""
    return [PYTHON, str(PROGRAMS / "no_pidfds.py"), error]


def inside(folder: Folder, before: list[str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [*before, *PROCRUN, *arguments]
    return subprocess.run(
        command,
        cwd=folder.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@refused
def test_without_pidfds_everything_is_stopped_and_it_is_said_once(folder: Folder, error: str) -> None:
    folder.procfile(f"web: {POLITE}", f"worker: {STUBBORN}")
    run = folder.start("-t", "1", before=without_pidfds(error))
    run.wait_for("ready", count=2)

    assert run.finish(TERM) == -TERM
    assert re.search(r"web\.1 TERM 0\.00 → gone \d\.\d\d s \(exit 0\)", run.output)
    assert re.search(rf"worker\.1 TERM 0\.00 → KILL {A_SECOND} → gone", run.output)
    assert run.output.count(TOLD) == 1
    assert "another user" not in run.output


@refused
def test_without_pidfds_the_front_stops_everything_and_says_it_once(folder: Folder, error: str) -> None:
    folder.procfile(f"web: {POLITE}", f"worker: {STUBBORN}")
    run = folder.start("-t", "1", before=without_pidfds(error))
    run.wait_for("ready", count=2)

    os.kill(run.supervisor(), signal.SIGKILL)

    assert run.finish() == 128 + signal.SIGKILL
    assert re.search(r"web\.1 TERM 0\.00 → gone", run.output)
    assert re.search(rf"worker\.1 TERM 0\.00 → KILL {A_SECOND} → gone", run.output)
    assert run.output.count(TOLD) == 1


@refused
def test_without_pidfds_the_doctor_stops_what_is_left_and_sees_its_end(folder: Folder, error: str) -> None:
    folder.procfile(f"web: {POLITE}", f"worker: {STUBBORN}")
    run = folder.start("-t", "1")
    run.wait_for("ready", count=2)
    left = [row.pid for row in procfs.descendants(run.supervisor(), procfs.snapshot())]
    kill_both(run)

    result = inside(folder, without_pidfds(error), "doctor", "--clean")

    assert result.returncode == 0
    assert re.search(r"web\.1 +TERM 0\.\d\d → gone", result.stdout)
    assert re.search(rf"worker\.1 +TERM 0\.\d\d → KILL {A_SECOND} → gone", result.stdout)
    assert result.stderr.count(TOLD) == 1
    assert not [pid for pid in left if alive(pid)]


@refused
def test_without_pidfds_stop_waits_until_procrun_is_gone(folder: Folder, error: str) -> None:
    folder.procfile(f"web: {POLITE}")
    run = folder.start()
    run.wait_for("ready")

    result = inside(folder, without_pidfds(error), "stop")

    assert (result.returncode, alive(run.pid)) == (0, False)
    run.finish()


@refused
def test_without_pidfds_chaos_kills_and_stops(folder: Folder, error: str) -> None:
    folder.write("procrun.toml", '[process.web]\nrestart = "always"\n')
    folder.procfile(f"web: {POLITE}")
    run = folder.start()
    run.wait_for("ready")

    result = inside(folder, without_pidfds(error), "chaos", "--for", "2", "--every", "1")

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr.count(TOLD) == 1
    assert run.finish(TERM) == -TERM


SIGNAL_A_STRANGER = """
import signal, sys
from procrun.system.linux import procfs, signals
row = procfs.stat(int(sys.argv[1]))
print(signals.send(signal.SIGKILL, row._replace(started=row.started - 1)), signals.send(signal.SIGTERM, row))
"""


@refused
def test_without_pidfds_a_pid_that_was_given_to_another_process_is_not_signalled(error: str) -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        command = [*without_pidfds(error), PYTHON, "-c", SIGNAL_A_STRANGER, str(stranger.pid)]
        assert subprocess.check_output(command, text=True) == "False True\n"
        assert stranger.wait() == -TERM


@refused
def test_without_pidfds_another_users_process_is_named_and_not_waited_for(folder: Folder, error: str) -> None:
    need_right("become another user")
    folder.procfile("web: setpriv --reuid 65534 sh -c 'echo other $$; exec sleep 600'; true")
    before = [need("setpriv"), "--bounding-set", "-kill", "--inh-caps", "-kill"]
    run = folder.start("-t", "60", before=[*before, *without_pidfds(error)])
    other = int(run.wait_for(r"other (\d+)")[1])
    until(lambda: Path(f"/proc/{other}/comm").read_text() == "sleep\n", "sleep takes the place of sh")

    run.signal(TERM)

    try:
        assert run.popen.wait(PATIENCE) == -TERM
        assert alive(other)
    finally:
        os.kill(other, signal.SIGKILL)
    run.finish()
    assert len(re.findall(rf"pid {other} \(sleep 600\) is another user's", run.output)) == 1


NO_PROC = ["sh", "-c", 'umount -l /proc && exec "$@"', "sh"]


@pytest.mark.parametrize("verb", ["start", "smoke", "doctor", "chaos"])
def test_without_proc_it_is_one_line_and_nothing_is_started(folder: Folder, verb: str) -> None:
    folder.procfile("web: touch started")

    result = inside(folder, [*need_namespace("--mount"), *NO_PROC], verb)

    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"procrun: /proc: no proc file system is mounted.*`mount -t proc proc /proc`\n", result.stderr)
    assert not (folder.path / "started").exists()
    assert not (folder.path / ".procrun").exists()


@pytest.mark.parametrize("verb", ["start", "smoke", "doctor", "chaos"])
def test_the_proc_of_another_pid_namespace_is_one_line_and_nothing_is_started(folder: Folder, verb: str) -> None:
    folder.procfile("web: touch started")

    result = inside(folder, need_namespace("--pid", "--fork"), verb)

    assert (result.returncode, result.stdout) == (2, "")
    there = r"this process has pid 1 here and is \d+ there"
    assert re.fullmatch(
        rf"procrun: /proc: belongs to another pid namespace: {there}.*`unshare --mount-proc`\n", result.stderr
    )
    assert not (folder.path / "started").exists()
    assert not (folder.path / ".procrun").exists()


MOUNT_ITS_PROC = 'nsenter --target "$0" --pid mount -t proc proc /proc && exec "$@"'


def test_the_proc_of_a_namespace_that_this_one_is_not_in_is_refused_too(folder: Folder) -> None:
    folder.procfile("web: touch started")
    beside = need_namespace("--pid", "--fork", "--kill-child", "--mount-proc")
    with subprocess.Popen([*beside, "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        (init,) = Path(f"/proc/{other.pid}/task/{other.pid}/children").read_text().split()

        result = inside(folder, [*need_namespace("--mount"), "sh", "-c", MOUNT_ITS_PROC, init], "start")
        other.kill()

    assert (result.returncode, result.stdout) == (2, "")
    assert re.search(
        r"/proc: belongs to another pid namespace: this process has pid \d+ here and is unknown", result.stderr
    )
