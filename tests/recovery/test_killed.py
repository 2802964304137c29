"""procrun itself is killed, or hangs: its other process performs the stop, and nothing survives."""

import ctypes
import os
import re
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from tests.apps.bed import Store
from tests.harness import INT, PATIENCE, PYTHON, TERM, Folder, Run, alive, child, until
from tests.programs import leave_out, need
from tests.supervise.test_stop import moments

KILL = signal.SIGKILL
DAEMON = child("escapes.py", "daemon")
POLITE = child("polite.py", "0", "0")


def children(pid: int) -> list[int]:
    try:
        return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def supervisor(run: Run) -> int:
    until(lambda: children(run.pid), "the supervisor is forked")
    return children(run.pid)[0]


def forked(run: Run) -> None:
    supervisor(run)


def first_child(run: Run) -> None:
    pid = supervisor(run)
    until(lambda: children(pid) or not alive(pid), "the first child is there")


def told(run: Run) -> None:
    run.wait_for("started")


def ready(run: Run) -> None:
    run.wait_for("ready", count=2)


MOMENTS = [forked, first_child, told, ready]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_supervisor_killed_while_it_starts_leaves_nothing(folder: Folder, moment: Callable[[Run], None]) -> None:
    folder.procfile(f"web: {DAEMON}", f"worker: {DAEMON}")
    run = folder.start("-t", "5")
    moment(run)

    os.kill(supervisor(run), KILL)

    assert run.finish() == 128 + KILL
    if moment is ready:
        assert re.search(r"the supervisor ended \(killed by KILL\); stopping web\.1: pid \d+ \(.*\), pid", run.output)
        assert run.output.count("TERM 0.00 → gone 0.") == 2
        assert "everything is gone" in run.output


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_front_killed_while_it_starts_leaves_nothing(folder: Folder, moment: Callable[[Run], None]) -> None:
    folder.procfile(f"web: {DAEMON}", f"worker: {DAEMON}")
    run = folder.start("-t", "5")
    moment(run)
    pid = supervisor(run)

    run.signal(KILL)

    until(lambda: not alive(pid), "the supervisor has ended, and with it everything")
    if moment is ready:
        assert "the front process is gone; stopping web.1, worker.1" in run.output


def test_a_supervisor_killed_before_the_front_is_awake_leaves_nothing(folder: Folder) -> None:
    """The front adopts from before its fork on, however late it gets the processor."""
    folder.procfile(f"web: {DAEMON}", f"worker: {DAEMON}")
    run = folder.start("-t", "5")
    pid = supervisor(run)
    run.signal(signal.SIGSTOP)
    run.wait_for("ready", count=2)

    os.kill(pid, KILL)
    until(lambda: not alive(pid), "it is dead")
    run.signal(signal.SIGCONT)

    assert run.finish() == 128 + KILL


def test_a_supervisor_killed_in_a_stop_sends_no_second_term_and_gives_no_second_budget(folder: Folder) -> None:
    """A second TERM kills the jobs of rq and dramatiq."""
    folder.procfile(
        "worker: " + child("stubborn.py", "notes"),
        "web: trap 'echo t >> terms' TERM; echo ready; while :; do sleep 0.1; done",
    )
    run = folder.start("-t", "3")
    run.wait_for("ready", count=2)
    run.signal(TERM)
    run.wait_for("still waiting for")  # 2 s later

    os.kill(supervisor(run), KILL)
    run.finish()

    noted = moments(folder.path / "notes")
    assert len(noted["TERM"]) == 1
    assert (folder.path / "terms").read_text() == "t\n"
    assert 2.9 < noted["alive"][-1] - noted["TERM"][0] < 4.5
    assert re.search(r"worker\.1 TERM 0\.00 → KILL 3\.\d\d → gone 3\.\d\d s", run.output)


def test_a_supervisor_killed_in_a_restart_leaves_nothing(folder: Folder) -> None:
    folder.procfile("worker: " + child("stubborn.py", "notes"), f"web: {POLITE}")
    run = folder.start("-t", "1")
    run.wait_for("ready", count=2)
    client = folder.background("restart", "worker")
    assert client.stdout is not None
    assert "TERM" in client.stdout.readline()  # the front was told before

    os.kill(supervisor(run), KILL)

    assert run.finish() == 128 + KILL
    client.communicate()
    assert client.returncode == 1
    assert len(moments(folder.path / "notes")["TERM"]) == 1


def test_what_was_restarted_gets_a_term_of_its_own_from_the_front(folder: Folder) -> None:
    folder.procfile("web: trap 'echo t >> terms; exit' TERM; echo ready; while :; do sleep 0.1; done")
    run = folder.start("-t", "20")
    run.wait_for("ready")
    assert folder.procrun("restart").returncode == 0
    run.wait_for("ready", count=2)

    os.kill(supervisor(run), KILL)

    assert run.finish() == 128 + KILL
    assert (folder.path / "terms").read_text() == "t\nt\n"


def test_a_front_killed_in_a_stop_changes_nothing_about_it(folder: Folder) -> None:
    folder.procfile("worker: " + child("stubborn.py", "notes"))
    run = folder.start("-t", "2")
    run.wait_for("ready")
    pid = supervisor(run)
    run.signal(TERM)
    until(
        lambda: (folder.path / "notes").exists() and "TERM" in (folder.path / "notes").read_text(), "the stop has begun"
    )

    run.signal(KILL)

    until(lambda: not alive(pid), "the supervisor has ended")
    noted = moments(folder.path / "notes")
    assert len(noted["TERM"]) == 1
    assert 1.9 < noted["alive"][-1] - noted["TERM"][0] < 3.5


def test_a_daemonised_redis_is_stopped_after_the_workers_by_the_front_too(folder: Folder) -> None:
    """It is known by its command line: it has written its title over its mark."""
    store = Store(folder.path)
    ask = f"{need('redis-cli')} -p {store.port} ping"
    waiting = "echo ready; while :; do sleep 0.1; done"
    folder.procfile(
        f"web: {store.command} --daemonize yes >&2; {waiting}",
        f"worker: trap 'sleep 0.5; {ask} > answer; exit' TERM; {waiting}",
    )
    run = folder.start("-t", "20")
    run.wait_for(r"\| ready$", count=2)  # not what procrun tells: a worker may wait for a store
    store.wait()

    os.kill(supervisor(run), KILL)

    assert run.finish() == 128 + KILL
    assert (folder.path / "answer").read_text() == "PONG\n"
    worker, redis = (run.output.index(text) for text in ("worker.1 TERM 0.00 → gone", "stopping redis (a daemon): pid"))
    assert worker < redis
    assert re.search(r"redis \(a daemon\) TERM 0\.00 → gone \d\.\d\d s", run.output)


def test_what_a_script_had_started_before_it_became_procrun_is_left_alone_by_the_front(folder: Folder) -> None:
    """Also what comes to the front as an orphan, in a session of its own that no child of the script was in."""
    folder.procfile("web: echo ready; sleep 600")
    folder.write("deep", "echo deep $$; touch there; exec sleep 600")
    folder.write("between", "setsid sh deep & exec sleep 600")
    folder.write("script", 'sh between & echo between $!; until [ -e there ]; do sleep 0.05; done; exec "$@"')
    run = folder.start(before=["sh", "script"])
    stranger, between = (int(run.wait_for(rf"{word} (\d+)")[1]) for word in ("deep", "between"))
    run.wait_for("ready")
    try:
        os.kill(between, KILL)
        until(lambda: stranger in children(run.pid), "its orphan has come to the front")
        os.kill(next(pid for pid in children(run.pid) if pid not in (stranger, between)), KILL)  # neither, unburied

        assert run.popen.wait(30) == 128 + KILL
        assert alive(stranger)
    finally:
        os.kill(stranger, KILL)
    run.finish()
    assert str(stranger) not in run.output.partition("stopping web.1")[2]


def test_what_such_a_script_starts_later_is_left_alone_by_the_front(folder: Folder) -> None:
    """It comes to the front as an orphan in a session of its own, and no signal tells of that."""
    folder.procfile("web: echo ready; sleep 600", "worker: echo ready; sleep 600")
    folder.write("deep", "echo deep $$; exec sleep 600")
    folder.write("parent", "until [ -e go ]; do sleep 0.05; done; (setsid sh deep &); exec sleep 600")
    folder.write("script", 'sh parent & echo parent $!; exec "$@"')
    run = folder.start(before=["sh", "script"])
    parent = int(run.wait_for(r"parent (\d+)")[1])
    run.wait_for("ready", count=2)
    others = [parent]
    try:
        [pid] = set(children(run.pid)) - {parent}
        folder.write("go", "")
        stranger = int(run.wait_for(r"deep (\d+)")[1])
        others.append(stranger)
        until(lambda: stranger in children(run.pid), "it has come to the front")
        slept = sleeps(run.pid)
        until(lambda: sleeps(run.pid) > slept + 2, "the front has looked")
        os.kill(pid, KILL)

        assert run.popen.wait(30) == 128 + KILL
        assert alive(stranger)
        assert alive(parent)
    finally:
        for other in others:
            os.kill(other, KILL)
    run.finish()
    assert "stopping web.1" in run.output
    assert "of no instance" not in run.output


def sleeps(pid: int) -> int:
    """How often it has gone to sleep."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[0])


def test_without_a_front_the_supervisor_stops_what_is_no_instances(folder: Folder) -> None:
    need("redis-server")
    # No web process: one is looked at until it listens, and what is seen then is known to be its own.
    folder.procfile("job: " + child("escapes.py", "redis"))
    run = folder.start("-c", "job=2")
    run.wait_for("ready", count=2)
    pid = supervisor(run)

    run.signal(KILL)

    until(lambda: not alive(pid), "the supervisor has ended")
    run.finish()
    assert run.output.count("redis (a daemon) TERM 0.00 → gone") == 2


@pytest.mark.parametrize("way", ["chain", "fast-chain"])
def test_a_daemon_that_changes_all_the_time_does_not_outlive_a_killed_supervisor(folder: Folder, way: str) -> None:
    folder.procfile("web: " + child("escapes.py", way))
    run = folder.start("-t", "0.5")
    run.wait_for("ready")

    os.kill(supervisor(run), KILL)

    assert run.finish() == 128 + KILL
    assert re.search(r"web\.1 TERM 0\.00 → KILL \d\.\d\d → gone", run.output)


def test_each_dyno_keeps_its_own_budget_when_the_front_stops_them(folder: Folder) -> None:
    folder.write(
        "procrun.toml",
        'platform = "server"\n[process.fast]\nstop_sequence = "term, 1, kill"\n'
        '[process.slow]\nstop_sequence = "term, 3, kill"\n',
    )
    folder.procfile("fast: " + child("stubborn.py", "fast"), "slow: " + child("stubborn.py", "slow"))
    run = folder.start()
    run.wait_for("ready", count=2)

    os.kill(supervisor(run), KILL)
    run.finish()

    assert re.search(r"fast\.1 TERM 0\.00 → KILL 1\.\d\d → gone 1\.\d\d s", run.output)
    assert re.search(r"slow\.1 TERM 0\.00 → KILL 3\.\d\d → gone 3\.\d\d s", run.output)


def test_a_store_is_stopped_although_a_dyno_before_it_had_to_be_killed(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.worker]\nafter = ["store"]\n')
    folder.procfile("store: " + POLITE, "worker: " + child("stubborn.py", "notes"))
    run = folder.start("-t", "0.5")
    run.wait_for("ready", count=2)

    os.kill(supervisor(run), KILL)
    run.finish()

    worker, store = (run.output.index(text) for text in ("worker.1 TERM 0.00 → KILL", "store.1 TERM 0.00 → gone"))
    assert worker < store


def crashed(folder: Folder, pid: int) -> None:
    os.kill(pid, signal.SIGSEGV)


def out_of_memory(folder: Folder, pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_AS, (1, 1))
    folder.write("go", "")


@pytest.mark.parametrize(("fault", "status"), [(crashed, 128 + signal.SIGSEGV), (out_of_memory, 1)])
def test_a_supervisor_that_fails_is_no_different(
    folder: Folder, fault: Callable[[Folder, int], None], status: int
) -> None:
    flood = "while ! [ -e go ]; do sleep 0.05; done; head -c 100000000 /dev/zero; sleep 60"
    polite = "trap 'touch asked; exit' TERM; echo ready; while :; do sleep 0.1; done"
    folder.procfile(f"web: {polite}", f"flood: echo ready; {flood}")
    run = folder.start(env={"MALLOC_ARENA_MAX": "1"})  # another thread's heap would have 64 MiB reserved (mallopt(3))
    run.wait_for("ready", count=2)

    fault(folder, supervisor(run))

    assert run.finish() == status
    assert re.search(r"the supervisor ended \(.*\); stopping .*web\.1: pid", run.output)
    assert ("procrun: out of memory\n" in run.output) == (fault is out_of_memory)
    assert "Traceback" not in run.output
    assert (folder.path / "asked").exists()


WITHOUT_MEMORY = """
import _thread, resource, time
from procrun.run import guardian

def busy():
    while True:
        time.sleep(0)

def supervise(link):
    for _ in range(4):
        _thread.start_new_thread(busy, ())
    resource.setrlimit(resource.RLIMIT_AS, (1, 1))
    return 3

guardian.lead(supervise)
"""


def test_a_supervisor_with_threads_ends_with_its_status_where_there_is_no_memory(folder: Folder) -> None:
    """A thread that outlives Python itself is ended by pthread_exit(3), which loads a library and aborts without it."""
    ended = subprocess.run(
        [PYTHON, "-c", WITHOUT_MEMORY], capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (ended.returncode, ended.stderr) == (3, "")


def test_a_stopped_supervisor_is_continued_when_procrun_is_told_to_stop(folder: Folder) -> None:
    folder.procfile(f"web: {POLITE}")
    run = folder.start()
    run.wait_for("ready")
    os.kill(supervisor(run), signal.SIGSTOP)

    assert run.finish(TERM) == -TERM
    assert re.search(r"web\.1 TERM 0\.00 → gone 0\.\d\d s \(exit 0\)", run.output)


def test_a_supervisor_that_hangs_is_killed_and_replaced_when_procrun_is_told_to_stop(folder: Folder) -> None:
    """Held in a tracing stop, it answers nothing, as in an endless loop or on a dead network disk."""
    folder.procfile(f"web: {POLITE} > log", "worker: echo ready; sleep 60")
    run = folder.start()
    run.wait_for("ready")
    until(lambda: "ready" in (folder.path / "log").read_text(), "the other one too")
    pid = supervisor(run)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, pid, None, None) != 0:  # PTRACE_SEIZE
        leave_out("ptrace is not allowed here")
    libc.ptrace(0x4207, pid, None, None)  # PTRACE_INTERRUPT
    os.waitpid(pid, 0x40000000)  # __WALL

    run.signal(TERM)
    os.waitpid(pid, 0x40000000)  # a tracer hears of the end before the parent

    assert run.finish() == 128 + KILL
    assert f"the supervisor (pid {pid}) gave no answer for 5 s; it is killed" in run.output
    assert "asked to stop" in (folder.path / "log").read_text()


def test_ctrl_c_while_the_front_stops_goes_on_to_kill_only_at_the_second(folder: Folder) -> None:
    folder.procfile("worker: " + child("stubborn.py", "notes"))
    run = folder.start("-t", "60")
    run.wait_for("ready")
    os.kill(supervisor(run), KILL)
    run.wait_for("the supervisor ended")
    begun = monotonic()

    run.signal(TERM)  # hastens nothing
    run.signal(INT)
    run.wait_for("everything is being stopped already; Ctrl-C again kills")
    while monotonic() < begun + 0.4:
        until(lambda: monotonic() >= begun + 0.4, "it is no double tap")
    run.signal(INT)

    assert run.finish() == 128 + KILL
    assert re.search(r"worker\.1 TERM 0\.00 → KILL [0-9.]+ → gone", run.output)
