"""`watch`: a change of a file restarts the type that watches it, once for a burst, inside the budget."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.harness import PYTHON, TERM, Folder, Run, alive, opened, until
from tests.programs import need_module, need_namespace

READY = "sh -c 'echo {0} is ready $$; trap \"exit 0\" TERM; while :; do sleep 0.1; done'"
FULL = "/proc/sys/user/max_inotify_watches"


@pytest.fixture(autouse=True)
def _watchfiles() -> None:
    need_module("watchfiles")


def watching(folder: Folder, *patterns: str, more: str = "", web: str = READY.format("web")) -> None:
    folder.procfile(f"web: {web}", f"worker: {READY.format('worker')}")
    folder.write("procrun.toml", f"{more}[process.web]\nwatch = {json.dumps(patterns)}\n")


def up(folder: Folder, *arguments: str) -> Run:
    """A run that is watching: the first change was made until it was seen."""
    probe = folder.path / "watched.probe"
    toml = folder.path / "procrun.toml"
    toml.write_text(toml.read_text().replace("watch = [", 'watch = ["watched.probe", '))
    probe.touch()
    run = folder.start(*arguments)
    run.wait_for("web is ready")
    seen = "restarts?: watched.probe changed"

    def noticed() -> bool:
        probe.touch()
        return "watched.probe changed" in run.output

    until(noticed, "it watches")
    run.wait_for(seen)
    settle(run)
    return run


def settle(run: Run) -> None:
    """Wait until no restart is under way or to come: everybody has run for a while, by what the run itself says."""
    folder = Path(os.readlink(f"/proc/{run.pid}/cwd"))
    before = ""

    def quiet() -> bool:
        nonlocal before
        told = subprocess.run(
            [PYTHON, "-m", "procrun", "ps", "--json"], cwd=folder, capture_output=True, text=True, check=False
        ).stdout
        rows = json.loads(told or "[]")
        now = str([(row["name"], row["pid"], row["state"]) for row in rows])
        up = all(row["uptime"] is None or row["uptime"] > 0.6 for row in rows)
        same, before = now == before, now
        return bool(rows) and up and same

    until(quiet, "nothing restarts any more")


def restarts(run: Run) -> list[str]:
    """What the run has said of restarts by a change, without those of the probe."""
    said = [line.partition("| ")[2] for line in run.output.splitlines()]
    return [text for text in said if " changed" in text and "restart" in text and "watched.probe" not in text]


def test_change_of_a_file_restarts_the_type_that_watches_it_and_no_other(folder: Folder) -> None:
    folder.write("app/views.py", "")
    watching(folder, "app/**/*.py")
    run = up(folder)
    worker = int(run.wait_for(r"worker is ready (\d+)")[1])

    folder.write("app/views.py", "new")

    run.wait_for(r"procrun +\| web\.1 restarts: app/views\.py changed$")
    settle(run)
    assert restarts(run) == ["web.1 restarts: app/views.py changed"]
    assert alive(worker)
    run.finish(TERM)


def test_burst_of_changes_is_one_restart(folder: Folder) -> None:
    for number in range(300):
        folder.write(f"app/deep/{number}.py", "")
    watching(folder, "app/**/*.py")
    run = up(folder)

    supervisor = run.supervisor()
    os.kill(supervisor, signal.SIGSTOP)  # so that it is a burst also where writing takes its time
    try:
        for number in range(300):
            folder.write(f"app/deep/{number}.py", "new")
    finally:
        os.kill(supervisor, signal.SIGCONT)

    run.wait_for(r"web\.1 restarts: app/deep/0\.py changed \(and 299 more\)$")
    settle(run)
    assert len(restarts(run)) == 1
    run.finish(TERM)


def test_all_instances_are_restarted_in_one_line(folder: Folder) -> None:
    folder.write("app/views.py", "")
    watching(folder, "app")
    run = up(folder, "-c", "web=2")

    folder.write("app/views.py", "new")

    run.wait_for(r"web\.1, web\.2 restart: app/views\.py changed$")
    settle(run)
    run.finish(TERM)


def test_restart_is_the_usual_stop_inside_the_budget(folder: Folder) -> None:
    folder.write("app/views.py", "")
    stubborn = "sh -c 'trap \"\" TERM; echo web is ready; while :; do sleep 0.1; done'"
    watching(folder, "app", web=stubborn, more="restart_budget = 1\n")
    run = up(folder)
    killed = run.output.count("web.1 KILL after")

    folder.write("app/views.py", "new")

    run.wait_for(r"web\.1 KILL after [1-9]\.", killed + 1)
    settle(run)
    run.finish(TERM)


def test_change_while_it_comes_up_restarts_it_once_more_when_it_is_up(folder: Folder) -> None:
    """The process that comes up changes a file by itself, three times, and is not stopped before it is running."""
    folder.write("app/views.py", "")
    folder.write("once", "")
    web = (
        'sh -c \'trap "exit 0" TERM; if test -e app/go && rm once 2>/dev/null; then'
        " for n in 1 2 3; do echo $n > app/views.py; sleep 0.01; done; fi;"
        " echo web is ready; while :; do sleep 0.1; done'"
    )
    watching(folder, "app/views.py", "app/go", web=web)
    run = up(folder, "--json")

    folder.write("app/go", "")

    run.wait_for(r"web\.1 restarts: app/views\.py changed")
    settle(run)
    pattern = r'web\.1","event":"(restarted|running)"|"web\.1 (restarts: app/.*) changed'
    steps = [
        "".join(step) for step in re.findall(pattern, run.output[: run.output.rindex("restarts: app/views.py") + 50])
    ]
    assert steps[-4:] == ["restarts: app/go", "restarted", "running", "restarts: app/views.py"]
    assert run.output.count(" restarts: app/") == 2
    run.finish(TERM)


def test_instance_that_knows_the_change_is_left_alone_when_another_is_still_coming_up(folder: Folder) -> None:
    """web.2 changes the file while it comes up: web.1 is restarted at once, web.2 once it is up, and that is all."""
    folder.write("once", "")
    web = (
        "if test $PS = web.2 && test -e once; then echo > go; rm once; fi;"  # first of all: it comes up in 0.25 s
        ' sh -c \'trap "exit 0" TERM; echo web is ready;'
        " while :; do sleep 0.1; done'"
    )
    watching(folder, "go", web=web)
    run = up(folder)

    folder.procrun("scale", "web=2")

    run.wait_for(r"web\.2 restarts: go changed$")
    settle(run)
    assert restarts(run) == ["web.1 restarts: go changed", "web.2 restarts: go changed"]
    run.finish(TERM)


def test_change_while_the_old_one_is_being_stopped_is_known_to_the_new_one(folder: Folder) -> None:
    """It reads the file after the change: a further restart would help nobody."""
    folder.write("app/views.py", "first")
    web = (
        "sh -c 'echo web is ready; echo has $(cat app/views.py);"
        ' trap "echo stops; until test -e go-on; do sleep 0.05; done; exit 0" TERM; while :; do sleep 0.1; done\''
    )
    folder.write("go-on", "")
    watching(folder, "app", web=web)
    run = up(folder)
    (folder.path / "go-on").unlink()
    before = run.output.count("stops")

    folder.write("app/views.py", "second")
    run.wait_for(r"\| stops", before + 1)
    folder.write("app/views.py", "third")
    folder.write("app/other.py", "")
    run.wait_for("still waiting for web.1")
    folder.write("go-on", "")

    run.wait_for("has third")
    settle(run)
    assert restarts(run) == ["web.1 restarts: app/views.py changed"]
    run.finish(TERM)


def test_atomic_save_is_a_change_and_the_editors_own_files_are_none(folder: Folder) -> None:
    folder.write("app/views.py", "")
    watching(folder, "app")
    run = up(folder)

    for name in ("4913", ".views.py.swp", "views.py~", ".#views.py", "#views.py#", "views.cpython-311.pyc", "x.tmp"):
        folder.write(f"app/{name}", "x")
    folder.write("app/__pycache__/views.py", "x")
    folder.write("app/.git/index", "x")
    folder.write("app/node_modules/x/index.js", "x")
    folder.write("app/env/pyvenv.cfg", "")
    folder.write("app/env/lib/x.py", "x")
    folder.write("app/new~", "new")
    (folder.path / "app/new~").rename(folder.path / "app/views.py")

    run.wait_for(r"web\.1 restarts: app/views\.py changed$")
    settle(run)
    assert len(restarts(run)) == 1
    run.finish(TERM)


def test_attributes_alone_are_no_change(folder: Folder) -> None:
    folder.write("app/views.py", "")
    watching(folder, "app")
    run = up(folder)

    (folder.path / "app/views.py").chmod(0o600)
    (folder.path / "app/views.py").read_bytes()
    folder.write("app/last.py", "")

    run.wait_for(r"web\.1 restarts: app/last\.py changed$")
    assert len(restarts(run)) == 1
    run.finish(TERM)


def test_folder_that_is_deleted_and_made_again_is_watched_again(folder: Folder) -> None:
    folder.write("app/deep/views.py", "")
    watching(folder, "app/deep/**/*.py")
    run = up(folder)

    shutil.rmtree(folder.path / "app")
    run.wait_for(r"web\.1 restarts: app/deep/views\.py changed$")
    settle(run)
    folder.write("app/deep/sub/again.py", "")
    run.wait_for(r"web\.1 restarts: app/deep/sub/again\.py changed$")
    settle(run)
    (folder.path / "app").rename(folder.path / "old")
    run.wait_for(r"web\.1 restarts: app/deep/sub/again\.py changed$", 2)
    settle(run)
    folder.write("old/deep/sub/again.py", "not watched here")
    (folder.path / "old").rename(folder.path / "app")
    run.wait_for(r"web\.1 restarts: app/deep/sub/again\.py changed$", 3)
    run.finish(TERM)


def test_what_a_link_leads_to_is_watched(folder: Folder) -> None:
    folder.write("shared/lib/lib.py", "")
    folder.write("elsewhere/settings.py", "")
    folder.write("app/views.py", "")
    (folder.path / "app/lib").symlink_to("../shared/lib")
    (folder.path / "app/circle").symlink_to("..")
    (folder.path / "app/settings.py").symlink_to("../elsewhere/settings.py")
    watching(folder, "app/**/*.py")
    run = up(folder)

    folder.write("shared/lib/lib.py", "new")
    run.wait_for(r"web\.1 restarts: app/lib/lib\.py changed")
    settle(run)
    folder.write("elsewhere/settings.py", "new")
    run.wait_for(r"web\.1 restarts: app/settings\.py changed")
    settle(run)
    (folder.path / "app/lib").unlink()
    run.wait_for(r"web\.1 restarts: app/lib/lib\.py changed", 2)
    run.finish(TERM)


def test_pattern_that_matches_nothing_is_noted_and_watched(folder: Folder) -> None:
    folder.procfile(f"web: {READY.format('web')}")
    folder.write("procrun.toml", '[process.web]\nwatch = ["ap/**/*.py"]\n')
    run = folder.start()

    run.wait_for(r"procrun +\| web watches nothing yet: no file matches its patterns$")
    folder.write("ap/new.py", "")
    run.wait_for(r"web\.1 restarts: ap/new\.py changed$")
    run.finish(TERM)


def test_what_crashed_and_waits_is_started_by_a_change(folder: Folder) -> None:
    folder.write("app/views.py", "exit 7")
    folder.procfile("web: sh app/views.py", f"worker: {READY.format('worker')}")
    folder.write("procrun.toml", '[process.web]\nwatch = ["app"]\nrestart = "always"\n')
    run = folder.start()
    run.wait_for(r"web\.1 starts again in (?:[1-9]\.|[0-9]{2} )")  # long enough to be before it
    until(lambda: '"crashed"' in folder.procrun("ps", "--json").stdout, "it waits")

    folder.write("app/views.py", "echo fixed; exec sleep 60")

    run.wait_for(r"web\.1 restarts: app/views\.py changed$")
    run.wait_for("fixed")
    run.finish(TERM)


def test_what_ended_by_itself_does_not_end_the_run_and_is_started_by_a_change(folder: Folder) -> None:
    folder.write("app/views.py", "exit 7")
    folder.procfile("web: sh app/views.py")
    folder.write("procrun.toml", '[process.web]\nwatch = ["app"]\n')
    run = folder.start()
    run.wait_for(r"web\.1 is started again when a file changes that it watches$")

    folder.write("app/views.py", "echo fixed; exec sleep 60")

    run.wait_for(r"web\.1 restarts: app/views\.py changed$")
    run.wait_for("fixed")
    run.finish(TERM)


def test_essential_process_that_watches_ends_the_run_all_the_same(folder: Folder) -> None:
    folder.procfile("web: exit 7")
    folder.write("procrun.toml", '[process.web]\nwatch = ["app"]\nessential = true\n')

    assert folder.start().finish() == 7


@pytest.mark.parametrize("ended", [False, True])
def test_what_was_stopped_by_hand_stays_down(folder: Folder, ended: bool) -> None:
    folder.write("app/views.py", "")
    watching(
        folder, "app", web="sh -c 'echo web is ready; sleep 0.5; test ! -e app/end'" if ended else READY.format("web")
    )
    folder.write("Procfile", (folder.path / "Procfile").read_text() + f"probe: {READY.format('probe')}\n")
    with (folder.path / "procrun.toml").open("a") as toml:
        toml.write('[process.probe]\nwatch = ["app"]\n')
    run = folder.start()
    run.wait_for("probe is ready")
    run.wait_for("web is ready")
    if ended:
        run.wait_for(r"web\.1 is started again when")
    folder.procrun("stop", "web")

    until(lambda: folder.write("app/views.py", "x") and "probe.1 restarts" in run.output, "the change is seen")

    settle(run)
    assert "web.1 restarts" not in run.output
    run.finish(TERM)


def test_changed_plan_is_told_where_anything_is_watched(folder: Folder) -> None:
    watching(folder, "app")
    run = up(folder)

    folder.write(".env", "KEY=x\n")

    run.wait_for(r"procrun +\| \.env changed; `procrun reload` restarts only what changed$")
    folder.procrun("reload")
    settle(run)
    folder.write("Procfile", (folder.path / "Procfile").read_text() + "\n")
    run.wait_for(r"procrun +\| Procfile changed; `procrun reload` restarts only what changed$")
    assert run.output.count("`procrun reload` restarts") == 2
    run.finish(TERM)


def test_reload_takes_over_other_patterns_and_none(folder: Folder) -> None:
    folder.write("app/views.py", "")
    folder.write("lib/views.py", "")
    watching(folder, "app")
    run = up(folder)
    pid = int(run.wait_for(r"worker is ready (\d+)")[1])

    def change(old: str, new: str) -> str:
        toml = folder.path / "procrun.toml"
        toml.write_text(toml.read_text().replace(old, new))
        return folder.procrun("reload").stdout

    assert change('"app"', '"lib"').startswith("web.1 goes on with another watch\n")
    until(lambda: folder.write("lib/views.py", "new") and "restarts: lib/views.py" in run.output, "it watches lib")
    settle(run)
    folder.write("app/views.py", "new")
    folder.write("lib/last.py", "new")
    run.wait_for(r"web\.1 restarts: lib/last\.py changed$")
    assert "app/views.py changed" not in run.output
    change("watch = ", "after = [] # ")
    until(lambda: len(os.listdir(f"/proc/{run.supervisor()}/task")) == 1, "nothing watches")
    change("after = [] # ", "watch = ")
    until(lambda: folder.write("lib/again.py", "more") and "lib/again.py changed" in run.output, "it watches again")
    assert alive(pid)
    run.finish(TERM)


def test_change_just_before_a_reload_is_not_lost(folder: Folder) -> None:
    folder.write("app/views.py", "")
    watching(folder, "app")
    run = up(folder)

    for count in range(1, 4):
        folder.write("app/views.py", "x" * count)
        folder.procrun("reload")
        run.wait_for(r"web\.1 restarts: app/views\.py changed$", count)
        settle(run)
    run.finish(TERM)


def test_who_writes_what_it_watches_is_told(folder: Folder) -> None:
    folder.procfile("web: sh -c 'while sleep 0.3; do date +%N >> app/own.log; done'")
    folder.write("app/views.py", "")
    folder.write("procrun.toml", '[process.web]\nwatch = ["app"]\n')
    run = folder.start()

    text = run.wait_for(r"app/own\.log has changed 3 times just after a start: (.*)$")[1]

    assert text == 'does web write it by itself? "!app/own.log" in its `watch` leaves it out'
    run.finish(TERM)


def test_log_files_of_the_run_are_no_change(folder: Folder) -> None:
    folder.write("app/views.py", "")
    watching(folder, "**", "!Procfile", "!procrun.toml", more='log_dir = "app/log"\n')
    run = up(folder)
    before = (folder.path / "app/log/web.log").stat().st_size

    folder.write("app/views.py", "new")

    run.wait_for(r"web\.1 restarts: app/views\.py changed$")
    settle(run)
    assert len(restarts(run)) == 1
    assert (folder.path / "app/log/web.log").stat().st_size > before
    run.finish(TERM)


@pytest.mark.parametrize("kind", ["max_inotify_watches", "max_inotify_instances"])
def test_limit_of_the_kernel_is_told_and_files_are_looked_at_instead(folder: Folder, kind: str) -> None:
    limit = f"/proc/sys/user/{kind}"
    amount = 3 if kind == "max_inotify_watches" else 0
    within = [*need_namespace("--user", "--map-root-user"), "sh", "-c", f'echo {amount} > {limit} && exec "$@"', "sh"]
    for number in range(20):
        folder.write(f"app/{number}/views.py", "")
    folder.procfile(f"web: {READY.format('web')}")
    folder.write("procrun.toml", '[process.web]\nwatch = ["app"]\n')
    run = folder.start(before=within)

    told = run.wait_for(r"procrun +\| the kernel .* are reached; files are looked at every 1 s instead$")[0]
    folder.write("app/7/views.py", "new")

    run.wait_for(r"web\.1 restarts: app/7/views\.py changed$")
    assert ("max_user_watches" if "watches" in kind else "max_user_instances") in told
    run.finish(TERM)


def test_no_descriptor_to_look_with_is_no_change(folder: Folder) -> None:
    for name in ("a.py", "deep/b.py", "deep/c.py"):
        folder.write(f"app/{name}", "")
    watching(folder, "app")
    run = up(folder)
    supervisor = run.supervisor()
    before = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)

    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (3, before[1]))
    folder.write("app/a.py", "new")
    looked = wakeups(supervisor)
    until(lambda: wakeups(supervisor) > looked + 5, "it has looked, and waits")
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, before)

    run.wait_for(r"web\.1 restarts: app/a\.py changed$")
    settle(run)
    assert len(restarts(run)) == 1
    run.finish(TERM)


def wakeups(pid: int) -> int:
    """How often threads of `pid` have waited for something."""
    states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(re.findall(r"^voluntary_ctxt_switches:\t(\d+)", state, re.MULTILINE)[0]) for state in states)


def test_type_that_is_scaled_up_later_is_watched(folder: Folder) -> None:
    folder.write("app/views.py", "")
    watching(folder, "app")
    run = folder.start("-c", "web=0")
    run.wait_for("worker is ready")

    folder.procrun("scale", "web=1")

    until(lambda: folder.write("app/views.py", "x") and "web.1 restarts: app/views.py" in run.output, "it watches")
    settle(run)
    run.finish(TERM)


def test_files_are_looked_at_where_watchfiles_is_told_to(folder: Folder) -> None:
    folder.write("app/views.py", "")
    watching(folder, "app")
    os.environ["WATCHFILES_FORCE_POLLING"] = "true"
    try:
        run = up(folder)
    finally:
        del os.environ["WATCHFILES_FORCE_POLLING"]

    folder.write("app/views.py", "new")

    run.wait_for(r"web\.1 restarts: app/views\.py changed")
    assert "inotify" not in " ".join(opened(run.supervisor()))
    run.finish(TERM)


def without_watchfiles(folder: Folder) -> dict[str, str]:
    """An environment in which watchfiles cannot be imported."""
    where = folder.path / "blocker"
    where.mkdir()
    (where / "sitecustomize.py").write_text("import sys\nsys.modules['watchfiles'] = None\n")
    return {"PYTHONPATH": f"{where}:{os.environ.get('PYTHONPATH', '')}"}


def test_without_watchfiles_nothing_is_started_and_the_cure_is_told(folder: Folder) -> None:
    folder.procfile("web: touch ran; sleep 60")
    folder.write("procrun.toml", '[process.web]\nwatch = ["app"]\n')
    env = without_watchfiles(folder)

    result = folder.procrun("start", env=env)

    line = "procrun.toml: process.web.watch: needs watchfiles, which is not installed: pip install 'procrun[watch]'"
    assert (result.returncode, result.stderr) == (2, f"procrun: {line}\n")
    assert not (folder.path / "ran").exists()
    checked = folder.procrun("check", "--strict", env=env)
    assert checked.returncode == 1
    assert line in checked.stderr
    assert folder.procrun("check", "--strict").returncode == 0


def test_reload_without_watchfiles_refuses_and_touches_nothing(folder: Folder) -> None:
    folder.procfile(f"web: {READY.format('web')}")
    run = folder.start(env=without_watchfiles(folder))
    pid = int(run.wait_for(r"web is ready (\d+)")[1])
    folder.procfile(f"web: {READY.format('other')}")
    folder.write("procrun.toml", '[process.web]\nwatch = ["app"]\n')

    result = folder.procrun("reload")

    assert result.returncode == 2
    assert result.stderr.startswith("procrun: procrun.toml: process.web.watch: needs watchfiles")
    assert alive(pid)
    run.finish(TERM)


def test_type_that_is_not_started_needs_no_watchfiles(folder: Folder) -> None:
    folder.procfile("web: sleep 60", "worker: true")
    folder.write("procrun.toml", '[process.web]\nwatch = ["app"]\n')

    assert folder.procrun("start", "worker", env=without_watchfiles(folder)).returncode == 0


def test_watching_costs_nothing_where_it_is_not_configured(folder: Folder) -> None:
    folder.procfile(f"web: {READY.format('web')}")
    folder.write("procrun.toml", "[process.web]\npty = false\n")
    run = folder.start()
    run.wait_for("web is ready")
    folder.procrun("ps")

    # What it writes down of a start it leaves to a thread, which ends.
    until(lambda: len(os.listdir(f"/proc/{run.supervisor()}/task")) == 1, "no thread watches")
    assert "_rust_notify" not in Path(f"/proc/{run.supervisor()}/maps").read_text()
    run.finish(TERM)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"app"', 'takes a list of patterns of files, as in ["app/**/*.py"]; this is "app"'),
        ("[1]", 'takes a list of patterns of files, as in ["app/**/*.py"]; this is a list'),
        ('["!app"]', "says nothing that is to be watched; this is a list"),
        ('[""]', 'takes patterns of files, as in ["app/**/*.py"]; this is a list'),
        ('["a", "app/[z-a]"]', 'takes patterns of files; "app/[z-a]" is none; this is a list'),
    ],
)
def test_what_is_no_pattern_is_one_line_with_its_place(folder: Folder, value: str, text: str) -> None:
    folder.procfile("web: sleep 60")
    folder.write("procrun.toml", f"[process.web]\nwatch = {value}\n")

    result = folder.procrun("start")

    assert (result.returncode, result.stderr) == (2, f"procrun: procrun.toml: process.web.watch: {text}\n")


def test_nothing_is_watched_by_an_empty_list(folder: Folder) -> None:
    folder.procfile("web: exit 3")
    folder.write("procrun.toml", "[process.web]\nwatch = []\n")

    assert folder.procrun("start").returncode == 3
