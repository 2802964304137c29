"""What there is no more of: descriptors, processes, memory, disk; a clock that jumps, a freeze, a thousand at once."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from procrun.eventloop.loop import Loop
from tests.cli.test_events import clients
from tests.harness import PROCRUN, PYTHON, TERM, Folder, Run, alive, until
from tests.programs import need, need_namespace, need_right

LEFT_WITH = "procrun: no file descriptor is left"


def start(folder: Folder, before: list[str], *arguments: str, env: dict[str, str] | None = None) -> Run:
    """`procrun start` behind other words, such as those that limit it."""
    popen = subprocess.Popen(
        [*before, *PROCRUN, "start", *arguments],
        cwd=folder.path,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    run = Run(popen)
    folder.runs.append(run)
    return run


def descriptors(soft: int, hard: int) -> list[str]:
    """Words that let what follows have so many descriptors."""
    return ["/bin/sh", "-c", f'ulimit -Sn {soft}; ulimit -Hn {hard}; exec "$@"', "sh"]


def supervisor(run: Run) -> int:
    return children(run.pid)[0]


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def leaders(run: Run) -> list[int]:
    return [int(pid) for pid in re.findall(r"started, pid (\d+)", run.output)]


def limit(pid: int, count: int) -> None:
    """Lower, or raise again, the soft limit of a running process."""
    subprocess.run([need("prlimit"), "--pid", str(pid), f"--nofile={count}:"], check=True)


def all_in_use(pid: int) -> None:
    """Leave a process that is done with its start no descriptor below its soft limit, until it closes one."""
    lowest = next(number for number in range(1000) if not os.path.lexists(f"/proc/{pid}/fd/{number}"))
    limit(pid, lowest)


# Descriptors


@pytest.mark.parametrize("count", [6, 7, 8, 10, 12, 14, 16, 18, 20])
def test_with_too_few_descriptors_for_anything_one_line_says_so(folder: Folder, count: int) -> None:
    folder.procfile("web: touch started; sleep 1000")

    run = start(folder, descriptors(count, count))

    assert run.finish() == 2
    assert re.fullmatch(
        rf"procrun: ulimit -n: \d+ file descriptors are needed to start procrun alone, and {count} are "
        r"allowed at most; raise the hard limit \(ulimit -Hn\)\n",
        run.output,
    )
    assert not (folder.path / "started").exists()


def test_too_many_instances_for_the_descriptors_are_refused_before_the_first_is_started(folder: Folder) -> None:
    folder.procfile("web: touch started; sleep 1000")

    run = start(folder, descriptors(64, 64), "-m", "web=100")

    assert run.finish() == 2
    needed = re.match(r"procrun: ulimit -n: (\d+) file descriptors are needed to start 100 instances,", run.output)
    assert needed is not None and run.output.count("\n") == 1
    assert not (folder.path / "started").exists()

    run = start(folder, descriptors(64, int(needed[1])), "-m", "web=100")
    run.wait_for("started, pid", 100)
    assert folder.procrun("ps").stdout.count(" starting ") == 100
    assert run.finish(TERM) == -TERM


def test_three_run_with_64_descriptors(folder: Folder) -> None:
    folder.procfile("a: sleep 1000", "b: sleep 1000", "c: sleep 1000; true")

    run = start(folder, descriptors(64, 64))
    run.wait_for("started, pid", 3)

    assert folder.procrun("restart", "b").returncode == 0
    assert run.finish(TERM) == -TERM
    assert "forced kills 1" not in run.output


def test_raised_soft_limit_is_not_passed_on(folder: Folder) -> None:
    folder.procfile("simple: sleep 1000", "list: ulimit -Sn; ulimit -Hn; sleep 1000; true")

    run = start(folder, descriptors(10, 400))

    run.wait_for(r"list\.1 .* 10$")
    run.wait_for(r"list\.1 .* 400$")
    titles = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1] for pid in leaders(run)]
    assert titles == [[b"sleep", b"1000"], [b"/bin/sh", b"-c", b"ulimit -Sn; ulimit -Hn; sleep 1000; true"]]
    assert b"Max open files            10 " in Path(f"/proc/{leaders(run)[0]}/limits").read_bytes()
    assert run.finish(TERM) == -TERM


def test_soft_limit_that_is_enough_is_left_alone(folder: Folder) -> None:
    folder.procfile("web: sleep 1000")

    run = start(folder, descriptors(200, 400))
    run.wait_for("started, pid")

    assert b"Max open files            200 " in Path(f"/proc/{supervisor(run)}/limits").read_bytes()
    assert run.finish(TERM) == -TERM


def test_scale_beyond_the_descriptors_is_refused_and_starts_nothing(folder: Folder) -> None:
    folder.procfile("web: sleep 1000")
    run = start(folder, descriptors(64, 64), "-m", "web=2")
    run.wait_for("started, pid", 2)
    until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")

    asked = folder.procrun("scale", "web=500")

    assert asked.returncode == 2
    assert re.match(r"procrun: ulimit -n: \d+ file descriptors are needed to start 498 instances", asked.stderr)
    assert folder.procrun("ps").stdout.count(" starting ") == 2
    assert run.finish(TERM) == -TERM


def test_clients_take_no_descriptor_that_the_run_needs(folder: Folder) -> None:
    folder.procfile("web: sleep 1000", "pair: sleep 1000 & wait; true")
    run = start(folder, descriptors(55, 55), "-m", "web=10,pair=2")
    run.wait_for("started, pid", 12)
    assert folder.procrun("ps").returncode == 0
    path = str(next(folder.path.glob(".procrun/*.sock")))
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(path)
        gone = leaders(run)[0]
        os.kill(gone, signal.SIGKILL)

        assert run.finish() == 137
    assert LEFT_WITH not in run.output
    run.wait_for(r"pair\.2: killed by TERM")


@pytest.mark.parametrize("both", [False, True], ids=["supervisor", "both"])
@pytest.mark.parametrize("event", ["leader killed", "TERM"])
def test_without_descriptors_nobody_is_taken_for_gone(folder: Folder, event: str, both: bool) -> None:
    folder.procfile("job: sleep 1000", "pair: sleep 1000 & wait; true")  # no web: to ask one takes descriptors
    run = start(folder, [])
    run.wait_for("started, pid", 2)
    assert folder.procrun("ps").returncode == 0
    until(lambda: not clients(folder), "that client's descriptor is closed")
    pair = leaders(run)[1]
    until(lambda: children(pair), "the child of the pair")
    everybody = [*leaders(run), *children(pair)]
    for pid in (supervisor(run), *([run.pid] if both else [])):
        all_in_use(pid)

    os.kill(pair, signal.SIGKILL) if event == "leader killed" else run.signal(TERM)

    assert run.finish() == 1
    assert not any(map(alive, everybody))
    assert LEFT_WITH in run.output and "Traceback" not in run.output
    assert re.search(
        r"procrun: the supervisor ended \(exit 1\); stopping .*\n(procrun: .* gone .*\n)+procrun: everything",
        run.output,
    )


def test_front_without_descriptors_stays_until_it_could_look(folder: Folder) -> None:
    folder.procfile("web: sleep 1000", "pair: sleep 1000 & wait; true")
    run = start(folder, [])
    run.wait_for("started, pid", 2)
    everybody = leaders(run)
    gone = supervisor(run)
    limit(run.pid, 3)

    os.kill(gone, signal.SIGKILL)
    until(lambda: not alive(gone), "the supervisor's end")
    until(lambda: set(children(run.pid)) >= set(everybody), "its orphans at the front")
    assert all(map(alive, everybody)) and alive(run.pid)
    limit(run.pid, 64)

    assert run.finish() == 137
    assert not any(map(alive, everybody))
    assert "Traceback" not in run.output


LOOKS = {
    "stat": "procfs.stat(1)",
    "snapshot": "procfs.snapshot()",
    "children": "procfs.children()",
    "send": "signals.send(0, row)",
    "title": "procfs.title(1)",
    "mark": "procfs.mark(1, 'X')",
    "catches": "signals.catches(1, 15)",
    "listening": "sockets.listening()",
    "listeners": "sockets.all_listeners()",
    "holder": "sockets.holder('1')",
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_look_without_a_descriptor_is_an_error_and_no_answer(look: str) -> None:
    script = (
        "import os, resource; from procrun.system.linux import procfs, signals, sockets; "
        "row = procfs.stat(os.getpid()); "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 64))\n"
        f"try: print({look})\nexcept OSError as error: print(error.strerror)"
    )

    answer = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True)

    assert answer.stdout == "Too many open files\n"


# Processes and memory


def processes(count: int) -> list[str]:
    """Words that let what follows have so many processes, by a user who has no others (the limit binds no root).

    Whoever runs these tests at the same time has another.
    """
    need_right("become another user")
    user = str(100_000 + os.getpid())
    names = ["--reuid", user, "--regid", user, "--clear-groups"]
    # The interpreter and the test's folder may be root's own to read.
    able = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    return [need("prlimit"), f"--nproc={count}:{count}", need("setpriv"), *names, *able]


def test_without_a_process_for_the_supervisor_one_line_says_so(folder: Folder) -> None:
    folder.procfile("web: touch started; sleep 1000")

    run = start(folder, processes(1))

    assert run.finish() == 2
    assert run.output == (
        "procrun: the supervisor: cannot be started: no more processes are allowed; "
        "see `ulimit -u`, and pids.max of its cgroup\n"
    )
    assert not (folder.path / "started").exists()


def test_what_there_is_no_process_for_ends_the_run_and_all_else_is_stopped(folder: Folder) -> None:
    folder.procfile("web: sleep 1000", "late: sleep 1000", "later: sleep 1000")

    run = start(folder, processes(4), "-m", "web=2,late=1,later=1")  # two are procrun's own

    assert run.finish() == 126
    assert run.output.count("could not be started") == 1
    run.wait_for(r"late\.1 could not be started: no more processes are allowed; see `ulimit -u`, and pids.max")
    run.wait_for(r"late\.1 ended the run; stopping web\.1, web\.2: TERM now")
    assert not any(map(alive, leaders(run)))


def test_without_memory_for_a_process_one_line_says_so(folder: Folder) -> None:
    """In a pid namespace whose init has ended fork(2) fails with ENOMEM."""
    container = need_namespace("--pid")
    folder.procfile("web: sleep 1000")

    run = start(folder, [*container, "/bin/sh", "-c", '/bin/true; exec "$@"', "sh"])

    assert run.finish() == 2
    assert run.output == "procrun: the supervisor: cannot be started: no memory is left (ENOMEM)\n"


TOO_LONG = {
    "one variable": ("BIG=" + 140_000 * "x", r"its variable BIG has 140004 bytes, and Linux takes 131071; put it"),
    "all together": (
        "\n".join(f"BIG{number}=" + 100_000 * "x" for number in range(70)),
        r"command and environment have 70\d{5} bytes, and Linux takes a quarter of `ulimit -s`; shorten them",
    ),
}


@pytest.mark.parametrize(("variables", "reason"), TOO_LONG.values(), ids=TOO_LONG)
def test_environment_that_is_too_long_is_named(folder: Folder, variables: str, reason: str) -> None:
    folder.procfile("web: sleep 1000", "worker: sleep 1000")
    folder.write(".env", variables)

    run = start(folder, [])

    assert run.finish() == 126
    run.wait_for(rf"web\.1 could not be started: {reason}")
    assert "worker.1 could not" not in run.output


# Disk


@contextlib.contextmanager
def small_disk(path: Path, options: str) -> Iterator[Path]:
    need_right("mount a file system")
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.mark.parametrize("there", [[], [".procrun/.gitignore"], [".procrun/lock"]], ids=["nothing", "ignored", "lock"])
@pytest.mark.parametrize("options", ["size=4k", "size=8k,nr_inodes=4"], ids=["no space", "no file more"])
def test_full_disk_keeps_nothing_from_starting_and_stopping(
    folder: Folder, options: str, there: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder.path / "run"))
    with small_disk(folder.path / "full", options) as path:
        full = Folder(path)
        full.procfile("web: sleep 1000")
        for name in there:
            full.write(name, "")

        for _ in range(2):  # the second finds what the first has left
            run = full.start()
            run.wait_for("started, pid")
            until(lambda: full.procrun("stop").returncode == 0, "a socket to stop it by")
            assert run.finish() == 0
            assert "Traceback" not in run.output


# Time


def test_clock_set_back_and_forward_changes_no_deadline_and_no_uptime(folder: Folder) -> None:
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
    if library is None:
        need("faketime")
    ahead = folder.write("ahead", "+0\n")

    def set_clock(offset: str) -> None:
        shutil.move(folder.write("ahead~", f"{offset}\n"), ahead)

    folder.procfile(
        "web: exec env -u LD_PRELOAD sh -c 'echo ready; sleep 1000'",
        "worker: exec env -u LD_PRELOAD sh -c 'trap \"\" TERM; echo ready; while :; do sleep 0.1; done'",
    )
    env = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(ahead),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    began = monotonic()
    run = start(folder, [], "-t", "2", env=env)
    run.wait_for("ready$", 2)
    set_clock("-36000")
    uptimes = [float(found) for found in re.findall(r'"uptime": ([-\d.e]+)', folder.procrun("ps", "--json").stdout)]
    assert len(uptimes) == 2 and all(0 <= uptime <= monotonic() - began for uptime in uptimes)

    run.signal(TERM)
    run.wait_for(r"web\.1 TERM 0\.00 → gone")
    set_clock("+36000")

    assert run.finish() == -TERM
    kill = run.wait_for(r"worker\.1 TERM 0\.00 → KILL (\d+\.\d\d) → gone (\d+\.\d\d)")
    assert 2 <= float(kill[1]) <= float(kill[2]) < 2 + monotonic() - began
    told = [float(found) for found in re.findall(r"ran ([\d.]+) s, restarts 0", run.output)]
    assert len(told) == 2 and all(0 < ran < monotonic() - began + 1 for ran in told)
    stamps = [int(found) for found in re.findall(r"^(\d\d):", run.output, re.MULTILINE)]
    assert len(set(stamps)) >= 3  # the lines have the time of the clock as it was (a full hour may strike, too)


def frozen_by_signal(pids: list[int]) -> Callable[[], None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

    def thaw() -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # whoever goes on first may have ended the next one
                os.kill(pid, signal.SIGCONT)

    return thaw


def frozen_by_cgroup(pids: list[int]) -> Callable[[], None]:
    """The freezer, of version 1 or 2, is what a suspend does to processes."""
    need_right("freeze processes by a cgroup")
    first = Path("/sys/fs/cgroup/freezer")
    home = (first if first.is_dir() else first.parent) / f"procrun-test-{os.getpid()}"
    state, cold, warm = ("freezer.state", "FROZEN", "THAWED") if first.is_dir() else ("cgroup.freeze", "1", "0")
    home.mkdir()
    before = Path(f"/proc/{pids[0]}/cgroup").read_text()
    for pid in pids:
        (home / "cgroup.procs").write_text(str(pid))
    (home / state).write_text(cold)

    def thaw() -> None:
        (home / state).write_text(warm)
        came_from = re.search(r"^\d+:freezer:(.*)$" if first.is_dir() else r"^0::(.*)$", before, re.MULTILINE)
        assert came_from is not None
        for pid in filter(alive, pids):
            try:
                (home.parent / came_from[1].lstrip("/") / "cgroup.procs").write_text(str(pid))
            except OSError:
                pass  # it has ended
        until(lambda: not (home / "cgroup.procs").read_text(), "the end of what was frozen")
        home.rmdir()

    return thaw


@pytest.mark.parametrize("freeze", [frozen_by_signal, frozen_by_cgroup], ids=["signal", "freezer"])
def test_deadline_that_passes_in_a_freeze_is_kept_at_its_end(
    folder: Folder, freeze: Callable[[list[int]], Callable[[], None]]
) -> None:
    folder.procfile("worker: trap 'echo asked' TERM; echo ready; while :; do sleep 1000; done")
    run = start(folder, [], "-t", "1.5")
    run.wait_for("ready$")
    run.signal(TERM)
    run.wait_for("asked$")
    worker = leaders(run)[0]
    began = monotonic()
    thaw = freeze([run.pid, supervisor(run), worker, *children(worker)])
    until(lambda: monotonic() - began > 2.5, "the budget is over")
    assert alive(worker)

    thaw()

    assert run.finish() == -TERM
    assert not alive(worker)
    kill = run.wait_for(r"worker\.1 TERM 0\.00 → KILL (\d+\.\d\d) → gone (\d+\.\d\d) s \(killed by KILL\)")
    assert 2.4 < float(kill[1]) <= float(kill[2]) <= monotonic() - began + 1.5


# A thousand


def test_a_thousand_instances_start_are_listed_restarted_and_stopped(folder: Folder) -> None:
    folder.procfile("web: sleep 1000", "stubborn: trap '' TERM; echo ready; while :; do sleep 1000; done")
    run = folder.start("-m", "web=990,stubborn=10", "-t", "3")
    run.wait_for("started, pid", 1000)
    run.wait_for("ready$", 10)
    everybody = leaders(run)

    assert folder.procrun("ps").stdout.count(" starting ") == 990
    assert folder.procrun("restart", "web.500").returncode == 0

    assert run.finish(TERM) == -TERM
    assert not any(map(alive, everybody))
    assert len(re.findall(r"web\.\d+ TERM 0\.\d\d → gone \d\.\d\d s \(killed by TERM\)", run.output)) == 991
    kills = [float(at) for at in re.findall(r"stubborn\.\d+ TERM 0\.00 → KILL (\d+\.\d\d)", run.output)]
    assert len(kills) == 10 and all(3 <= at < 6 for at in kills)


def test_many_signals_of_one_kind_are_obeyed_once() -> None:
    """A thousand ends are a thousand SIGCHLDs, and each would look at a thousand processes."""
    loop, calls = Loop(), []
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    try:
        loop.signals({number: lambda number=number: calls.append(number) for number in before})  # type: ignore[misc]
        for number in (*[signal.SIGUSR1] * 100, *[signal.SIGUSR2] * 100, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        loop.after(0.05, loop.stop)
        loop.run()
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)

    assert calls == [signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1]
