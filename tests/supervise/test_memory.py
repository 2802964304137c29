"""What an instance holds in memory and swap, and what happens to one that holds more than its quota."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping

import pytest

from procrun.core.spec import Manners
from procrun.plan.layout import build
from procrun.plan.options import Wishes
from procrun.run.heroku.dyno_limits import share
from procrun.system.linux import procfs
from tests.harness import PYTHON, TERM, Folder, until
from tests.programs import AS_NOBODY, need_right

MIB = 2**20

HOG = """\
import os, signal, sys
for size in sys.argv[2:]:
    if os.fork() == 0:
        break
else:
    size = sys.argv[1]
held = bytearray(int(size) * 2**20)  # written to, so that it is really there
for page in range(0, len(held), 4096):
    held[page] = 1
print("holds", size, flush=True)
signal.pause()
"""
"""Holds so many MiB, and for each further number has a child that does."""

ROLLUP = b"""\
55d5c8400000-7ffd4a5fe000 ---p 00000000 00:00 0                          [rollup]
Rss:              102400 kB
Pss:               70000 kB
Pss_Dirty:         60000 kB
Pss_Anon:          50001 kB
Pss_File:          17000 kB
Pss_Shmem:          3000 kB
Shared_Clean:       9000 kB
Anonymous:         60000 kB
Swap:              20000 kB
SwapPss:           10002 kB
Locked:                0 kB
"""

STATUS = b"""\
Name:\tpuma: cluster
VmPeak:\t  200000 kB
VmRSS:\t   70000 kB
RssAnon:\t   50000 kB
RssFile:\t   17000 kB
RssShmem:\t    3000 kB
VmSwap:\t     128 kB
Threads:\t6
"""


def hog(folder: Folder, *sizes: int) -> str:
    """A command that holds so many MiB in as many processes."""
    folder.write("hog.py", HOG)
    return f"exec {PYTHON} hog.py {' '.join(map(str, sizes))}"


def manners(folder: Folder, toml: str) -> Mapping[str, Manners]:
    """How each type is treated."""
    folder.write("procrun.toml", toml)
    folder.procfile("redis: redis-server", "web: puma", "worker: sidekiq")
    return {spec.type: spec.manners for spec in build(Wishes(), {"PATH": os.environ["PATH"]}).specs}


# --- what it holds


@pytest.mark.parametrize(
    ("text", "kib"), [(ROLLUP, 50001 + 3000 + 10002), (STATUS, 50000 + 3000 + 128), (b"", 0), (b"Pss_Anon:\n", 0)]
)
def test_memory_and_swap_are_read_and_files_are_not(text: bytes, kib: int) -> None:
    assert procfs.held_in(text) == 1024 * kib


def test_who_is_gone_holds_nothing() -> None:
    with subprocess.Popen([PYTHON, "-c", ""]) as gone:
        pass
    assert procfs.held(gone.pid) == 0


@pytest.fixture
def held_by(folder: Folder) -> Iterator[Mapping[str, int]]:
    """What two kinds of processes hold in MiB: one with 64 of its own, and a parent of 64 with three forks."""
    code = (
        "held = bytearray(b'x') * (64 * 2**20); import os, sys, signal\n{}\nprint('ready', flush=True); signal.pause()"
    )
    fork = "children = [os.fork() for _ in range(3) if os.getppid() == int(sys.argv[1])]"
    found = {}
    for name, more in (("one", ""), ("four", fork)):
        child = subprocess.Popen(
            [PYTHON, "-c", code.format(more), str(os.getpid())], stdout=subprocess.PIPE, start_new_session=True
        )
        assert child.stdout is not None
        for _ in range(4 if more else 1):
            child.stdout.readline()
        rows = [row for row in procfs.snapshot().values() if row.sid == child.pid]
        found[name] = sum(procfs.held(row.pid) for row in rows) // MIB
        os.killpg(child.pid, 9)
        child.wait()
        child.stdout.close()
        until(lambda sid=child.pid: not _session(sid), "its forks are gone")  # type: ignore[misc]
    yield found


def _session(sid: int) -> bool:
    return any(row.sid == sid and row.alive for row in procfs.snapshot().values())


def test_what_forks_share_is_counted_once(held_by: Mapping[str, int]) -> None:
    assert 64 <= held_by["one"] < 100
    assert 64 <= held_by["four"] < 128


def test_another_users_process_is_asked_for_what_anybody_may_see() -> None:
    reading = f"from procrun.system.linux import procfs; print(procfs.held({os.getpid()}))"
    need_right("run Python as another user")
    run = [*AS_NOBODY, PYTHON, "-c", reading]
    seen = subprocess.run(run, capture_output=True, text=True, check=True).stdout

    assert int(seen) > MIB


def test_the_share_is_told_as_heroku_tells_it() -> None:
    assert share(556_138_000, 512 * MIB) == "530M(103.6%)"


# --- what happens then


def test_more_than_the_quota_is_told_again_and_again_and_the_dyno_goes_on(folder: Folder) -> None:
    folder.procfile(f"worker: {hog(folder, 60)}")
    folder.write("procrun.toml", 'platform = "heroku"\n[process.worker]\nmemory = "50M"\n')
    run = folder.start()
    run.wait_for(r"mem=6\dM\(1[23]\d\.\d%\)$")  # not all of it may be there at a first look
    run.wait_for(r"Error R14", count=2)
    run.finish(TERM)

    lines = re.findall(r"heroku\[worker\.1\]: (Process running|Error)(.*)", run.output)
    assert [kind for kind, _ in lines[:4]] == ["Process running", "Error", "Process running", "Error"]
    assert lines[1][1] == " R14 (Memory quota exceeded)"
    assert run.output.count("worker.1 started") == 1


def test_twice_the_quota_is_kill_and_a_crash(folder: Folder) -> None:
    folder.procfile(f"worker: {hog(folder, 110)}")
    folder.write("procrun.toml", 'platform = "heroku"\n[heroku]\nmemory = "50M"\n')
    run = folder.start()
    run.wait_for(r"worker\.1 started", count=2)
    run.finish(TERM)

    told = re.findall(r"heroku\[worker\.1\]: (.*)", run.output)
    end = told.index("Error R15 (Memory quota vastly exceeded)")  # a first look may have found a part of it: R14
    assert re.fullmatch(r"Process running mem=1[012]\dM\(2[0-4]\d\.\d%\)", told[end - 1])
    assert told[end : end + 4] == [
        "Error R15 (Memory quota vastly exceeded)",
        "Stopping process with SIGKILL",
        "Process exited with status 137",
        "State changed from up to crashed",
    ]


def test_all_processes_of_an_instance_count(folder: Folder) -> None:
    folder.procfile(f"worker: {hog(folder, 30, 30, 30, 30)}", "other: exec sleep 1000")
    folder.write("procrun.toml", '[process.worker]\nmemory = "50M"\n')
    run = folder.start()

    assert run.finish() == 137
    assert re.search(
        r"worker\.1 Process running mem=1\d\dM\(2\d\d\.\d%\); Error R15 \(Memory quota vastly exceeded\); KILL",
        run.output,
    )
    assert "worker.1 ended the run" in run.output


@pytest.mark.parametrize("platform", ["local", "server"])
def test_elsewhere_it_is_an_end_under_its_restart_policy(folder: Folder, platform: str) -> None:
    folder.procfile(f"worker: {hog(folder, 110)}")
    folder.write("procrun.toml", f'platform = "{platform}"\n[process.worker]\nmemory = "50M"\nrestart = "on-failure"\n')
    run = folder.start()
    run.wait_for(r"worker\.1 started", count=2)
    run.finish(TERM)

    assert "heroku[" not in run.output
    assert re.search(r"R15 .*; KILL\n(?:.*\n)*.*worker\.1 ended by itself .*killed by KILL", run.output)


def test_a_store_is_warned_of_and_never_killed(folder: Folder) -> None:
    folder.procfile(f"db: {hog(folder, 110)}", "web: exec sleep 1000")
    folder.write("procrun.toml", '[process.db]\nprofile = "redis"\nmemory = "50M"\n[process.web]\nafter = []\n')
    run = folder.start()
    run.wait_for(r"db\.1 Process running mem=1\d\dM\(2\d\d\.\d%\); Error R14", count=2)
    run.finish(TERM)

    assert "R15" not in run.output
    assert run.output.count("db.1 started") == 1


def test_it_is_an_event(folder: Folder) -> None:
    folder.procfile(f"worker: {hog(folder, 60)}", f"big: {hog(folder, 110)}")
    folder.write("procrun.toml", '[process.worker]\nmemory = "50M"\n[process.big]\nmemory = "50M"\nessential = false\n')
    run = folder.start("--json")
    run.wait_for('"event":"memory","instance":"worker.1"|"instance":"worker.1".*"event":"memory"')
    run.wait_for('"event":"memory-kill"')
    run.finish(TERM)

    events = [json.loads(line) for line in run.output.splitlines() if '"event":"memory' in line]
    told = {(event["event"], event["instance"]) for event in events} - {("memory", "big.1")}  # a part of it, at first
    assert told == {("memory", "worker.1"), ("memory-kill", "big.1")}
    assert all(re.fullmatch(r"\d+M\(\d+\.\d%\)", event["detail"]) for event in events)


def test_a_deploy_may_bring_the_first_quota(folder: Folder) -> None:
    folder.procfile(f"worker: {hog(folder, 60)}")
    folder.write("procrun.toml", 'platform = "server"\n')
    run = folder.start()
    run.wait_for("holds")
    folder.write("procrun.toml", 'platform = "server"\n[process.worker]\nmemory = "50M"\n')
    assert folder.procrun("deploy").returncode == 0

    run.wait_for(r"worker\.1 Process running mem=6\dM\(1[23]\d\.\d%\); Error R14 \(Memory quota exceeded\)$")
    run.finish(TERM)


# --- who has a quota


def test_the_quota_of_all_dynos_is_for_those_without_their_own_and_not_for_stores(folder: Folder) -> None:
    toml = '[heroku]\nmemory = "512M"\n[process.web]\nmemory = "1G"\n'
    on_heroku, on_local = (manners(folder, f"{platform}{toml}") for platform in ('platform = "heroku"\n', ""))

    assert {name: each.memory // MIB for name, each in on_heroku.items()} == {"redis": 0, "web": 1024, "worker": 512}
    assert {name: each.memory // MIB for name, each in on_local.items()} == {"redis": 0, "web": 1024, "worker": 0}


def test_a_type_may_have_no_quota(folder: Folder) -> None:
    made = manners(folder, 'platform = "heroku"\n[heroku]\nmemory = "512M"\n[process.web]\nmemory = false\n')

    assert {name: each.memory // MIB for name, each in made.items()} == {"redis": 0, "web": 0, "worker": 512}


@pytest.mark.parametrize("value", ['"lots"', '"512"', "512", '"0M"', "true", '"1T"', '"-1M"', '""', '"1.5G"'])
def test_what_is_no_quota_is_told(folder: Folder, value: str) -> None:
    folder.procfile("web: true")
    folder.write("procrun.toml", f"[process.web]\nmemory = {value}\n")
    result = folder.procrun("check")

    assert result.returncode == 2
    assert 'procrun.toml: process.web.memory: takes memory, as in "512M" or "1G", or false; this is' in result.stderr
