"""`procrun doctor`: what it finds of killed runs, what it stops, and above all what it leaves alone."""

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from procrun.system.linux import procfs
from tests.harness import PROCRUN, TERM, Folder, Run, alive, child, free_base, kill_both, until
from tests.programs import AS_NOBODY, NOBODY, need, need_namespace, need_right

SLEEP = "echo ready; exec sleep 600"
NOT_ALIVE = "1-1"
"""Names no process that lives: pid 1 did not start in the first tick."""


def killed(folder: Folder, *lines: str, ready: int = 1, arguments: tuple[str, ...] = ()) -> Run:
    """A run of these, `ready` so many times and then killed with its front."""
    folder.procfile(*lines)
    run = folder.start(*arguments)
    run.wait_for("ready", count=ready)
    until_written_down(folder, run)
    kill_both(run)
    return run


def until_written_down(folder: Folder, run: Run) -> None:
    """Wait for its record: a thread writes it behind the start, so a process may be ready before."""
    started = re.findall(r"(?m)^\S+ procrun +\| (\S+) started, pid (\d+)", run.output)
    dynos = [f"dyno {name} {pid}-" for name, pid in started]
    assert dynos
    until(lambda: all(dyno in recorded(folder) for dyno in dynos), "all that was started is written down")


def told(run: Run, pattern: str) -> int:
    return int(run.wait_for(pattern)[1])


def found(folder: Folder, *arguments: str) -> Any:
    return json.loads(folder.procrun("doctor", "--json", *arguments).stdout)


def isolated(folder: Folder, script: str) -> "subprocess.CompletedProcess[str]":
    """What `script` says in a pid namespace, as in a container that was entered: its session began outside."""
    enter = need_namespace("--pid", "--fork", "--kill-child", "--mount-proc")
    command = [*enter, "timeout", "60", "sh", "-c", script]
    return subprocess.run(command, cwd=folder.path, capture_output=True, text=True, check=True)


def recorded(folder: Folder) -> str:
    return "".join(path.read_text() for path in (folder.path / ".procrun").glob("*.run"))


def plant(folder: Folder, *lines: str, owner: int | None = None) -> Path:
    """A record of a dead run as somebody might have left it, with these further lines."""
    place = folder.path / ".procrun"
    place.mkdir(mode=0o700, exist_ok=True)
    path = place / "1.run"
    head = f"machine {procfs.machine()}\nsince 1795366290.34\nfront {NOT_ALIVE}\nsupervisor {NOT_ALIVE}\n"
    path.write_text(head + "".join(f"{line}\n" for line in lines))
    path.chmod(0o600)
    if owner is not None:
        os.chown(path, owner, owner)
    return path


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that nobody may touch: a session of its own, started by nobody's run."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True, cwd="/")
    yield process
    process.kill()
    process.wait()


def test_where_nothing_is_left_it_says_so_and_makes_no_folder(folder: Folder) -> None:
    folder.procfile("web: true")

    result = folder.procrun("doctor")

    assert (result.returncode, result.stdout) == (0, "")
    assert f"nothing is left of earlier runs in {folder.path}" in result.stderr
    assert not (folder.path / ".procrun").exists()


def test_it_finds_daemons_and_what_has_no_mark_and_stops_them(folder: Folder) -> None:
    """Each in another way: the leader, a double fork, a cleared environment, a rewritten title."""
    redis, port = need("redis-server"), free_base()
    folder.procfile(
        f"web: {SLEEP}",
        "daemon: (setsid sleep 601 >/dev/null 2>&1 & echo daemon=$!); " + SLEEP,
        "clear: env -i setsid sh -c 'echo clear=$$; exec /bin/sleep 602' & " + SLEEP,
        f"store: {redis} --port {port} --daemonize yes --save '' --pidfile redis.pid; "
        "until test -s redis.pid; do sleep 0.05; done; " + SLEEP,
    )
    run = folder.start("--no-order")
    run.wait_for("ready", count=4)
    assert folder.procrun("scale", "web=2").returncode == 0  # whatever starts, the daemons are written down again
    store = int((folder.path / "redis.pid").read_text())
    until(lambda: f" {store}-" in recorded(folder), "the supervisor writes down that it has adopted the store")
    kill_both(run)
    ways = {row["pid"]: row["found_by"] for row in found(folder)["found"]}
    assert ways[told(run, r"web\.1 started, pid (\d+)")] == "record"
    assert ways[told(run, r"daemon=(\d+)")] == "mark"
    assert ways[told(run, r"clear=(\d+)")] == "output pipe"
    assert ways[store] == "record"  # the supervisor was its parent

    result = folder.procrun("doctor", "--clean")

    assert result.returncode == 0, result.stdout + result.stderr
    assert not any(alive(pid) for pid in ways)
    assert re.search(
        rf"^daemon\.1 TERM \d\.\d\d → gone \d\.\d\d s \(pid \d+, {told(run, r'daemon=([0-9]+)')}\)", result.stdout, re.M
    )
    assert "everything is gone" in result.stderr
    assert folder.procrun("doctor").returncode == 0
    assert {path.name for path in (folder.path / ".procrun").iterdir()} == {".gitignore", "lock"}


def test_it_lists_as_a_table_and_touches_nothing_unasked(folder: Folder) -> None:
    run = killed(folder, f"web: {SLEEP}")
    pid = told(run, r"started, pid (\d+)")

    result = folder.procrun("doctor")

    assert result.returncode == 1
    assert re.search(r"^INSTANCE +PID +STARTED +COMMAND +FOUND BY\n", result.stdout)
    assert re.search(rf"^web\.1 +{pid} +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d +sleep 600 +record$", result.stdout, re.M)
    assert f"(pid {run.pid}) was cut short: it was killed\n" in result.stderr
    assert alive(pid)
    assert folder.procrun("doctor", "--clean").returncode == 0


def test_for_programs_it_answers_in_json(folder: Folder) -> None:
    run = killed(folder, f"web: {SLEEP}")
    pid = told(run, r"started, pid (\d+)")

    answer = found(folder, "--clean")

    (row,) = answer["found"]
    assert (row["name"], row["pid"], row["command"], row["sure"]) == ("web.1", pid, "sleep 600", True)
    assert row["run"] == answer["runs"][0]["run"]
    assert answer["runs"][0]["fate"] == "over"
    assert [step["what"] for step in answer["steps"]] == ["signal", "gone"]
    assert answer["left"] == 0


@pytest.mark.parametrize(("answer", "lives", "status"), [("n", True, 1), ("y", False, 0)])
def test_on_a_terminal_it_asks(folder: Folder, answer: str, lives: bool, status: int) -> None:
    need_right("open a terminal")
    run = killed(folder, f"web: {SLEEP}")
    pid = told(run, r"started, pid (\d+)")

    terminal = pexpect.spawn(PROCRUN[0], [*PROCRUN[1:], "doctor"], cwd=str(folder.path), encoding="utf-8", timeout=30)
    terminal.expect(r"Stop this process\? \[y/N\]")
    terminal.sendline(answer)
    terminal.expect(pexpect.EOF)
    terminal.close()

    assert terminal.exitstatus == status
    assert alive(pid) is lives
    assert folder.procrun("doctor", "--clean").returncode == 0


def test_what_ignores_term_is_killed_at_the_budget_and_so_is_what_its_parent_hid(folder: Folder) -> None:
    """The hidden one is known as its parent's child alone, and the parent ends at TERM."""
    hidden = "env -i setsid /bin/sh -c 'trap \"\" TERM; echo $$ > hidden; exec /bin/sleep 600' >/dev/null 2>&1"
    run = killed(
        folder,
        f"web: {hidden} & until test -s hidden; do sleep 0.02; done; echo ready; wait",
        "worker: trap '' TERM; echo ready; while :; do sleep 0.1; done",
        ready=2,
    )
    pids = [int(pid) for pid in re.findall(r"started, pid (\d+)", run.output)]
    pids.append(int((folder.path / "hidden").read_text()))

    result = folder.procrun("doctor", "--clean", "-t", "1")

    assert result.returncode == 0
    for name in ("web", "worker"):
        assert re.search(rf"^{name}\.1 TERM \d\.\d\d → KILL [1-9]\.\d\d → gone \d+\.\d\d s", result.stdout, re.M), (
            result.stdout
        )
    assert not any(alive(pid) for pid in pids)


def test_stores_are_stopped_behind_what_uses_them(folder: Folder) -> None:
    redis, port = need("redis-server"), free_base()
    killed(
        folder,
        f"redis: {redis} --port {port} --save ''",
        "worker: trap 'sleep 0.5; exit 0' TERM; echo ready; while :; do sleep 0.1; done",
        ready=2,
    )

    steps = [(step["name"], step["what"]) for step in found(folder, "--clean")["steps"]]

    assert steps == [("worker.1", "signal"), ("worker.1", "gone"), ("redis.1", "signal"), ("redis.1", "gone")]


def test_a_worker_can_still_write_while_it_saves_its_jobs(folder: Folder) -> None:
    """Its reader is dead: SIGPIPE would end it at its first word."""
    killed(
        folder, "worker: trap 'echo saving; echo saved > saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    )

    assert folder.procrun("doctor", "--clean").returncode == 0

    assert (folder.path / "saved").read_text() == "saved\n"


def test_a_hundred_leftovers_are_stopped_together(folder: Folder) -> None:
    run = killed(folder, f"web: {SLEEP}", ready=100, arguments=("-m", "web=100"))

    result = folder.procrun("doctor", "--clean")

    assert result.returncode == 0
    assert len(re.findall(r"^web\.\d+ TERM \d\.\d\d → gone", result.stdout, re.M)) == 100
    assert not any(alive(int(pid)) for pid in re.findall(r"started, pid (\d+)", run.output))


def test_a_living_run_beside_a_dead_one_is_not_touched(folder: Folder) -> None:
    folder.procfile(f"web: {SLEEP}", "worker: " + child("polite.py", "0", "0"))
    living, dead = folder.start("worker"), folder.start("web")
    for run in (living, dead):
        run.wait_for("ready")
        until_written_down(folder, run)
    kill_both(dead)

    assert [row["name"] for row in found(folder)["found"]] == ["web.1"]
    assert folder.procrun("doctor", "--clean").returncode == 0

    assert re.findall(r"^(\S+) +up", folder.procrun("ps").stdout, re.M) == ["worker.1"]
    assert len(list((folder.path / ".procrun").glob("*.run"))) == 1
    assert living.finish(TERM) == -TERM
    assert "asked to stop" in living.output


def test_a_run_started_from_what_a_dead_one_left_is_not_touched(folder: Folder) -> None:
    """Say from a tmux that a dyno had started: front and supervisor carry the dead run's mark, and so does doctor."""
    dead = killed(folder, f"web: {SLEEP}")
    mark = {"PROCRUN_DYNO": f"{found(folder)['found'][0]['run']}:web.1"}
    folder.procfile("worker: " + child("polite.py", "0", "0"))
    living = folder.start(env=mark)
    living.wait_for("ready")

    result = folder.procrun("doctor", "--clean", env=mark)

    assert result.returncode == 0
    assert not alive(told(dead, r"started, pid (\d+)"))
    assert living.finish(TERM) == -TERM


def test_a_pid_that_was_given_away_is_another_process(folder: Folder, bystander: "subprocess.Popen[bytes]") -> None:
    row = procfs.stat(bystander.pid)
    assert row is not None
    path = plant(
        folder, f"dyno web.1 {row.pid}-{row.started - 1} 0 0 0 15 10.0", f"daemon web.1 {row.pid}-{row.started + 1}"
    )

    result = folder.procrun("doctor", "--clean")

    assert (result.returncode, result.stdout) == (0, "")
    assert alive(bystander.pid)
    assert not path.exists()


def test_a_session_whose_leader_is_gone_and_that_nothing_proves_is_perhaps_one(folder: Folder) -> None:
    shell = subprocess.Popen(
        ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"], start_new_session=True, stdout=subprocess.PIPE, cwd="/"
    )
    row = procfs.stat(shell.pid)
    assert row is not None
    output, _ = shell.communicate()
    pid = int(output)
    plant(folder, f"dyno web.1 {row.pid}-{row.started} 0 0 0 15 10.0")

    listed = folder.procrun("doctor")
    cleaned = folder.procrun("doctor", "--clean")

    assert re.search(rf"^web\.1 +{pid} .* perhaps: session$", listed.stdout, re.M)
    assert listed.returncode == cleaned.returncode == 1
    assert f"left alone, since it may be somebody else's: pid {pid}" in cleaned.stderr
    assert alive(pid)
    assert folder.procrun("doctor").returncode == 0  # it was said
    os.kill(pid, signal.SIGKILL)


def test_what_works_here_and_has_no_environment_to_read_is_perhaps_one(folder: Folder) -> None:
    killed(folder, f"web: {SLEEP}")
    with subprocess.Popen(["sleep", "600"], env={}, cwd=folder.path) as lookalike:
        try:
            rows = {row["pid"]: row for row in found(folder, "--clean")["found"]}

            assert (rows[lookalike.pid]["sure"], rows[lookalike.pid]["found_by"]) == (False, "perhaps: works here")
            assert alive(lookalike.pid)
        finally:
            lookalike.kill()


KILLED = """
until grep -q ready ../log; do sleep 0.05; done
kill -STOP $front; kill -9 $(cat /proc/$front/task/$front/children) $front; wait $front
"""
LOOKALIKE = f"""
mkdir here; cd here; echo 'web: {SLEEP}' > Procfile
{" ".join(PROCRUN)} start > ../log 2>&1 & front=$!
{KILLED}
env -i sleep 603 &
{" ".join(PROCRUN)} doctor; echo "status $?"
"""


def test_what_works_here_is_perhaps_one_in_a_container_too(folder: Folder) -> None:
    """There its session, begun outside, is 0, as that of the kernel's threads is everywhere."""
    result = isolated(folder, LOOKALIKE)

    assert re.search(r"^\? +\d+ .* sleep 603 +perhaps: works here$", result.stdout, re.M)
    assert result.stdout.endswith("status 1\n")


ELSEWHERE = f"""
mkdir elsewhere here; echo 'web: {SLEEP}' > elsewhere/Procfile; echo 'web: true' > here/Procfile
cd elsewhere; {" ".join(PROCRUN)} start > ../log 2>&1 & front=$!
{KILLED}
cd ../here
for options in "" --all "--all --clean" --all; do {" ".join(PROCRUN)} doctor $options; echo "status $?"; done
"""


def test_what_a_run_in_another_folder_left_is_counted_and_left_for_all(folder: Folder) -> None:
    """In a pid namespace: `--all` would stop what is not this test's."""
    result = isolated(folder, ELSEWHERE)

    assert "procrun: 1 left by runs in other folders; --all lists them\n" in result.stderr
    statuses = re.findall(r"^status (\d)", result.stdout, re.M)
    assert statuses == ["0", "1", "0", "0"]
    assert len(re.findall(r"^web\.1 +\d+ .* sleep 600 +mark$", result.stdout, re.M)) == 2
    assert re.search(r"^web\.1 TERM \d\.\d\d → gone", result.stdout, re.M)


def test_only_the_main_process_hears_term_where_its_children_would_die_of_it(folder: Folder) -> None:
    """As celery's children do, with the work they have in hand."""
    folder.write(
        "celery",
        "#!/bin/sh\n(until test -e told; do sleep 0.05; done; sleep 0.3; touch done) &\n"
        "trap 'touch told; wait; exit 0' TERM\necho ready\nwait\n",
    ).chmod(0o755)
    killed(folder, "worker: ./celery worker")

    assert folder.procrun("doctor", "--clean").returncode == 0

    assert (folder.path / "done").exists()


def test_a_procrun_that_a_dead_one_had_started_is_named_and_lives(folder: Folder) -> None:
    inner = Folder(folder.path / "inner")
    inner.procfile(f"worker: {SLEEP}")
    run = killed(folder, f"nested: exec {' '.join(PROCRUN)} start -f inner/Procfile")
    pid = told(run, r"nested\.1 started, pid (\d+)")

    result = folder.procrun("doctor", "--clean")

    assert result.returncode == 1
    assert re.search(rf"^nested\.1 +{pid} .* perhaps: in use$", result.stdout, re.M)
    assert re.findall(r"^(\S+) +up", inner.procrun("ps").stdout, re.M) == ["worker.1"]
    assert inner.procrun("stop").returncode == 0
    until(lambda: not alive(pid), "the front of it has gone, too")
    assert folder.procrun("doctor").returncode == 0


@pytest.mark.parametrize("how", ["the record", "the folder", "a link"])
def test_root_believes_no_record_that_another_could_have_planted(
    folder: Folder, bystander: "subprocess.Popen[bytes]", how: str
) -> None:
    need_right("give files away")
    path = plant(folder, f"dyno web.1 {procfs.identity(bystander.pid)} 0 0 0 15 10.0")
    if how == "the record":
        os.chown(path, NOBODY, NOBODY)
    elif how == "the folder":
        os.chown(path.parent, NOBODY, NOBODY)
    else:
        path.symlink_to(path.rename(folder.path / "elsewhere.run"))

    result = folder.procrun("doctor", "--clean")

    assert (result.returncode, result.stdout) == (0, "")
    assert f"{path} is another user's or open to others, and not believed" in result.stderr
    assert alive(bystander.pid)


def test_a_record_that_others_may_write_is_not_believed(folder: Folder, bystander: "subprocess.Popen[bytes]") -> None:
    plant(folder, f"dyno web.1 {procfs.identity(bystander.pid)} 0 0 0 15 10.0").chmod(0o666)

    assert folder.procrun("doctor", "--clean").returncode == 0

    assert alive(bystander.pid)


@pytest.mark.parametrize("program", ["plain", "set-uid"])
@pytest.mark.parametrize("run", ["recorded", "unknown"])
def test_a_mark_on_another_users_process_proves_nothing_to_root(tmp_path: Path, program: str, run: str) -> None:
    """Anybody can give any mark to a process of their own, and to a set-uid program, which is root's in /proc."""
    need_right("look into another user's process")
    with tempfile.TemporaryDirectory() as name:
        folder = Folder(Path(name))
        folder.path.chmod(0o755)
        folder.procfile("web: true")
        plant(folder)
        sleep = folder.write("sleep", Path(need("sleep")).read_bytes())
        sleep.chmod(0o4755 if program == "set-uid" else 0o755)
        mark = f"{NOT_ALIVE if run == 'recorded' else '2-2'}:web.1"
        enemy = subprocess.Popen(
            [*AS_NOBODY, "./sleep", "600"],
            cwd=folder.path, env={"PROCRUN_DYNO": mark, "PATH": os.environ["PATH"]}, start_new_session=True,
        )  # fmt: skip
        until(lambda: procfs.command_line(enemy.pid) == "./sleep 600", "it runs")

        listed = folder.procrun("doctor")
        cleaned = folder.procrun("doctor", "--clean")

        lives = enemy.poll() is None
        enemy.kill()
        enemy.wait()
    assert lives
    assert "could not be stopped" not in cleaned.stderr
    assert (f"{enemy.pid} " in listed.stdout) is (run == "recorded")
    if run == "recorded":
        assert re.search(r"sleep 600 +perhaps: mark$", listed.stdout, re.M)
        assert f"left alone, since it may be somebody else's: pid {enemy.pid}" in cleaned.stderr


def test_another_users_mark_cannot_hide_what_root_left(folder: Folder) -> None:
    """It names a living process as the run, and what descends from a living run is spared."""
    need_right("become another user")
    run = killed(folder, f"web: {SLEEP}")
    pid = told(run, r"started, pid (\d+)")
    row = procfs.stat(pid)
    assert row is not None
    enemy = subprocess.Popen(
        [*AS_NOBODY, "sleep", "601"],
        cwd="/", env={"PROCRUN_DYNO": f"{procfs.identity(row.ppid)}:web.1", "PATH": os.environ["PATH"]},
    )  # fmt: skip
    until(lambda: procfs.command_line(enemy.pid) == "sleep 601", "it runs")

    result = folder.procrun("doctor", "--clean")

    enemy.kill()
    enemy.wait()
    assert (result.returncode, alive(pid)) == (0, False), result.stderr


def test_another_users_process_is_named_and_left(folder: Folder, bystander: "subprocess.Popen[bytes]") -> None:
    """What `sudo` had started: its session is ours to see, and not ours to signal."""
    need_right("run Python as another user")
    need_right("give files away")
    path = plant(folder, f"dyno web.1 {procfs.identity(bystander.pid)} 0 0 0 15 10.0", owner=NOBODY)
    os.chown(path.parent, NOBODY, NOBODY)
    for parent in list(folder.path.parents)[:-2]:
        if not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    folder.path.chmod(0o755)

    result = subprocess.run(
        [*AS_NOBODY, *PROCRUN, "doctor", "--clean", "-d", str(folder.path)],
        cwd=folder.path, capture_output=True, text=True, check=False, env={**os.environ, "HOME": "/"},
    )  # fmt: skip

    assert result.returncode == 1, result.stderr
    assert f"web.1 is not waited for: pid {bystander.pid} (sleep 600) is another user's" in result.stdout
    assert alive(bystander.pid)


def test_a_run_in_another_container_is_judged_by_its_lock(folder: Folder) -> None:
    """Its pids mean other processes here."""
    container = need_namespace("--pid", "--fork", "--kill-child", "--mount-proc")
    folder.procfile(f"web: {SLEEP}", "other: true")
    inside = subprocess.Popen(
        [*container, *PROCRUN, "start", "web"],
        cwd=folder.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    run = Run(inside)
    folder.runs.append(run)
    run.wait_for("ready")
    until(lambda: "dyno web.1 " in recorded(folder), "its record is there")
    until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")

    assert folder.procrun("doctor", "--clean").returncode == 0
    assert "dyno web.1 " in recorded(folder)
    assert folder.procrun("ps").returncode == 0
    run.finish(signal.SIGKILL)
    until(lambda: folder.procrun("ps").returncode == 1, "nobody answers")

    assert "is over; it was in another container, and" in folder.procrun("start", "other").stderr
    assert recorded(folder) == ""


def test_two_doctors_at_once_do_no_harm(folder: Folder) -> None:
    killed(folder, f"web: {SLEEP}", ready=5, arguments=("-m", "web=5"))
    doctors = [folder.background("doctor", "--clean") for _ in range(2)]

    assert [doctor.wait(90) for doctor in doctors] == [0, 0]

    for doctor in doctors:
        doctor.communicate()
    until(lambda: not list((folder.path / ".procrun").glob("*.run")), "the record is gone")
