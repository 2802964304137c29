"""`procrun start`: what it starts, how a run ends, and with which exit status."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.harness import PYTHON, TERM, Folder, child, free_base, until
from tests.programs import need


def test_a_dyno_gets_its_port_its_name_and_no_dyno_variable(folder: Folder) -> None:
    folder.procfile("web: sleep 60", 'worker: echo "<$PORT $PS ${DYNO-none} $PYTHONUNBUFFERED>"; exec sleep 60')

    base = free_base()

    run = folder.start("-p", str(base))

    run.wait_for(rf"worker\.1 +\| <{base + 100} worker\.1 none 1>")
    run.finish(TERM)


def test_each_instance_leads_a_session_of_its_own(folder: Folder) -> None:
    folder.procfile(f"web: {PYTHON} -c 'import os, time; print(\"sid\", os.getsid(0) == os.getpid()); time.sleep(60)'")

    run = folder.start("-c", "web=2")

    run.wait_for(r"sid True", count=2)
    run.finish(TERM)


def test_a_simple_command_is_the_leader_itself_and_not_a_shell(folder: Folder) -> None:
    folder.procfile("web: A=1 sleep 60")

    run = folder.start()

    pid = int(run.wait_for(r"web\.1 started, pid (\d+)")[1])
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "sleep takes the place of sh")
    run.finish(TERM)


def test_processes_run_in_the_folder_of_the_procfile(folder: Folder) -> None:
    folder.write("app/Procfile", "web: pwd\n")

    run = folder.start("-f", "app/Procfile")

    run.finish()
    assert re.search(rf"web\.1 +\| {folder.path}/app\n", run.output)


def test_standard_input_stays_open_and_silent(folder: Folder) -> None:
    folder.procfile(
        f'web: {PYTHON} -c \'import select, sys; print("readable", select.select([0], [], [], 0.5)[0]); print("done")\''
    )

    run = folder.start()

    run.finish()
    assert "readable []" in run.output


def test_two_processes_do_not_inherit_each_others_pipes(folder: Folder) -> None:
    folder.procfile(
        "a: ls -l /proc/self/fd | grep -v total; sleep 60", "b: ls /proc/self/fd | tr '\\n' ' '; echo; sleep 60"
    )

    run = folder.start()

    run.wait_for(r"b\.1 +\| 0 1 2 3 $")  # 3 is ls reading the folder
    run.finish(TERM)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("exit 3", 3),
        ("true", 0),
        ("no-such-program", 127),
        ("./not-executable", 126),
        ("kill -KILL $$", 137),
        ("kill -TERM $$", 143),
        ("kill -SEGV $$", 139),
    ],
)
def test_the_first_end_ends_the_run_with_its_status(folder: Folder, command: str, status: int) -> None:
    folder.write("not-executable", "echo no\n")
    folder.procfile("other: sleep 60", f"web: {command}")

    run = folder.start()

    assert run.finish() == status
    assert re.search(r"web\.1 ended the run; stopping other\.1", run.output)


def test_a_command_that_is_not_found_is_named_and_the_rest_is_stopped(folder: Folder) -> None:
    folder.procfile("web: no-such-program --help", "other: sleep 60")

    run = folder.start()

    assert run.finish() == 127
    assert re.search(r"web\.1 +\| .*no-such-program: not found", run.output)
    assert re.search(r"web\.1 ended by itself after .* exit 127 \(command not found\)", run.output)


def test_the_first_of_two_ends_decides(folder: Folder) -> None:
    folder.procfile("slow: trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done", "fast: read x < go; exit 4")
    os.mkfifo(folder.path / "go")

    run = folder.start()
    run.wait_for("ready")
    with open(folder.path / "go", "w") as go:
        go.write("x\n")

    assert run.finish() == 4
    assert re.search(r"slow\.1 TERM 0\.00 → gone .* \(exit 9\)", run.output)


def test_the_summary_says_who_ended_how_after_how_long(folder: Folder) -> None:
    folder.procfile("web: exit 3", "worker: exec sleep 60")

    run = folder.start()
    run.finish()

    assert re.search(r"procrun +\| web\.1: exit 3, ran [\d.]+ s, restarts 0, forced kills 0\n", run.output)
    assert re.search(r"procrun +\| worker\.1: killed by TERM, ran ", run.output)


def test_release_is_left_out_and_said_so(folder: Folder) -> None:
    folder.procfile("release: echo migrating", "web: echo port $PORT; exec sleep 60")
    base = free_base()

    run = folder.start("-p", str(base))

    run.wait_for("the release entry is left out; `procrun release` runs it")
    run.wait_for(f"port {base}")
    run.finish(TERM)
    assert "migrating" not in run.output


def test_a_fault_in_the_procfile_starts_nothing(folder: Folder) -> None:
    folder.procfile("web: touch started", "web: touch started")

    run = folder.start()

    assert run.finish() == 2
    assert run.output == 'procrun: Procfile:2: "web" is in Procfile:1 already; rename one of the two\n'
    assert not (folder.path / "started").exists()


def test_a_line_that_is_ignored_is_said_to_be(folder: Folder) -> None:
    folder.procfile("web: true", "bundle exec sidekiq")

    run = folder.start()

    assert run.finish() == 0
    assert 'procrun: Procfile:2: ignored: not `name: command`; missing name before "bundle"?' in run.output


def test_a_crash_of_a_process_with_a_fixed_port_names_who_has_it(folder: Folder) -> None:
    folder.procfile("first: " + child("listener.py", "listen"))
    holder = folder.start()
    match = holder.wait_for(r"listening on (\d+) pid (\d+)")
    (folder.path / "other").mkdir()
    folder.write("other/Procfile", f"web: {child('listener.py', match[1])}\n")

    run = folder.start("-d", "other")

    assert run.finish() == 1
    assert f"web.1: port {match[1]} is taken by pid {match[2]}" in run.output
    holder.finish(TERM)


def test_a_folder_without_a_procfile_is_told_in_one_line(folder: Folder) -> None:
    result = folder.procrun("start")

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "procrun: Procfile: does not exist; make one, as in `web: python app.py`, or name one with -f\n"
    )


def test_a_crash_over_the_port_from_the_environment_names_who_has_it(folder: Folder) -> None:
    folder.procfile("first: " + child("listener.py", "listen"))
    holder = folder.start()
    match = holder.wait_for(r"listening on (\d+) pid (\d+)")
    folder.write("other/Procfile", f"web: {child('listener.py', 'environment')}\n")

    run = folder.start("-d", "other", "-p", match[1])

    assert run.finish() == 1
    assert f"web.1: port {match[1]} is taken by pid {match[2]}" in run.output
    holder.finish(TERM)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_usr1_and_usr2_are_refused_with_the_reason(folder: Folder, number: signal.Signals) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")

    run.signal(number)

    run.wait_for(rf"{number.name[3:]} is not passed on: a dyno has no {number.name[3:]}")
    run.finish(TERM)
    assert "asked to stop" in run.output


def test_a_start_from_a_background_job_of_a_shell_still_obeys_ctrl_c(folder: Folder) -> None:
    """A non-interactive shell's `&` has INT and QUIT ignored (POSIX), and dynos must not inherit that."""
    folder.procfile("web: grep SigIgn /proc/self/status; echo ready; exec sleep 60")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = folder.start()
    finally:
        signal.signal(signal.SIGINT, before)
    run.wait_for("ready")

    status = run.finish(signal.SIGINT)

    assert status == -signal.SIGINT
    ignored = int(run.wait_for(r"SigIgn:\s+([0-9a-f]+)")[1], 16)
    assert not ignored & (1 << (signal.SIGINT - 1))
    assert not ignored & (1 << (signal.SIGPIPE - 1))


def test_a_procfile_from_a_pipe_runs_the_app_in_the_current_folder(folder: Folder) -> None:
    folder.write(".env", "FROM=env\n")
    folder.write("Procfile.dev", "web: echo in $PWD with $FROM\n")
    line = f"exec {PYTHON} -m procrun start -f <(cat Procfile.dev)"
    run = subprocess.run(
        [need("bash"), "-c", line], cwd=folder.path, capture_output=True, text=True, timeout=60, check=False
    )
    assert f"| in {folder.path} with env\n" in run.stdout


def test_a_procfile_from_dev_stdin_runs_the_app_in_the_current_folder(folder: Folder) -> None:
    folder.write("Procfile.dev", "web: echo in $PWD\n")
    with open(folder.path / "Procfile.dev") as stdin:
        run = subprocess.run(
            [PYTHON, "-m", "procrun", "start", "-f", "/dev/stdin"],
            cwd=folder.path,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert f"| in {folder.path}\n" in run.stdout


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("bin/web", "bin/web has Windows line ends"),
        ("bin/old", "bin/old begins with #!/nosuch/python, and /nosuch/python does not exist"),
        ("source x/activate", "`source` is bash's"),
    ],
)
def test_an_end_with_127_is_told_with_its_cause(folder: Folder, command: str, why: str) -> None:
    folder.write("bin/web", "#!/bin/sh\r\ntrue\r\n").chmod(0o755)
    folder.write("bin/old", "#!/nosuch/python\n").chmod(0o755)
    folder.procfile(f"web: {command}")
    run = folder.start()
    assert run.finish() == 127
    assert re.search(rf"web\.1 ended by itself after .* exit 127 .*\n.* web\.1: {re.escape(why)}", run.output)
