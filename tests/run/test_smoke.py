"""`procrun smoke`: what it does, what each kind of failure ends with, and that it is a run of its own."""

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.harness import INT, Folder, Run, alive, child, free_base, kill_both, until
from tests.output.test_json import objects
from tests.programs import AS_NOBODY, need_right

DEAF = "trap '' TERM INT; echo deaf; while :; do sleep 0.1; done"


def deaf_app(folder: Folder, before: str = "", platform: str = "", more: str = "") -> None:
    """An app that needs KILL, and is ready once it does not hear TERM any more."""
    folder.write("procrun.toml", f'{platform}[process.app]\nready = {{ log = "deaf" }}\n{more}')
    folder.procfile(f"app: {before}{DEAF}")


def base() -> str:
    return str(free_base())


def smoke(folder: Folder, *arguments: str, env: dict[str, str] | None = None) -> Run:
    """`procrun smoke` in the background, on free ports."""
    return folder.start("-p", base(), *arguments, env=env, verb="smoke")


def verdict(folder: Folder, *arguments: str, env: dict[str, str] | None = None) -> dict[str, object]:
    """The object at the end of its --json, whose status is that of the run."""
    result = folder.procrun("smoke", "-p", base(), "--json", *arguments, env=env)
    found: dict[str, object] = objects(result.stdout.encode())[-1]
    assert found["status"] == result.returncode, result.stdout + result.stderr
    return found


def kinds(found: dict[str, object]) -> list[tuple[str, str | None]]:
    faults = found["faults"]
    assert isinstance(faults, list)
    return [(fault["kind"], fault["instance"]) for fault in faults]


# That all goes well


def test_a_good_app_passes_and_the_table_tells_of_each_process(folder: Folder) -> None:
    folder.procfile("app: echo here; exec sleep 60", "worker: exec sleep 60")
    run = smoke(folder, "--for", "0.1")

    assert run.finish() == 0
    assert re.search(r"PROCESS +READY AFTER +RESTARTS +SLOWEST STOP +MEMORY +ENDED", run.output)
    assert re.search(r"app\.1 +0\.25 s +0 +\d\.\d\d s +[\d.]+ MB +killed by TERM", run.output)
    assert re.search(
        r"smoke passed after [\d.]+ s: 2 processes ready after \d\.\d\d s, slowest stop \d\.\d\d s", run.output
    )


def test_the_command_runs_once_everything_is_ready_and_its_output_has_its_name(folder: Folder) -> None:
    folder.procfile("app: echo up; exec sleep 60", "worker: exec sleep 60")
    run = smoke(folder, "--", "sh", "-c", "echo trying; echo $PS")

    assert run.finish() == 0
    assert re.search(r"smoke +\| trying\n.*smoke +\| smoke\n", run.output)
    assert run.output.index("app.1    | up") < run.output.index("everything is ready") < run.output.index("| trying")
    assert re.search(r"command: sh -c 'echo trying; echo \$PS': exit 0", run.output)


def test_the_command_has_the_apps_folder_environment_and_ports(folder: Folder) -> None:
    folder.write(".env", "COLOUR=blue\nPORT=1234\n")
    folder.write("procrun.toml", "[process.web]\nready = false\n")
    folder.procfile("clock: exec sleep 60", "web: exec sleep 60", "big-worker: exec sleep 60")
    first = free_base()
    words = ("echo $COLOUR $PORT $PROCRUN_PORT_CLOCK $PROCRUN_PORT_WEB $PROCRUN_PORT_BIG_WORKER; pwd",)
    run = folder.start("-p", str(first), "--", *words, verb="smoke")

    assert run.finish() == 0
    assert f"smoke        | blue {first + 100} {first} {first + 100} {first + 200}" in run.output
    assert f"smoke        | {folder.path}\n" in run.output


def test_port_is_that_of_the_only_process_and_of_nobody_where_there_are_several_and_no_web(folder: Folder) -> None:
    folder.procfile("api: exec sleep 60", "worker: exec sleep 60")
    first = str(free_base())

    one = folder.start("-p", first, "api", "--", "echo port=$PORT", verb="smoke")
    assert one.finish() == 0
    two = folder.start("-p", first, "--", "echo port=$PORT", verb="smoke")
    assert two.finish() == 0

    assert f"| port={first}\n" in one.output
    assert "| port=\n" in two.output


def test_each_restart_is_of_everything_and_the_slowest_stop_is_told(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.worker]\nready = { log = "ready" }\n')
    folder.procfile("app: exec sleep 60", f"worker: {child('polite.py', '1', '0')}")

    found = verdict(folder, "--for", "0.1", "--restarts", "2")

    processes = found["processes"]
    assert isinstance(processes, list)
    assert (found["status"], [row["restarts"] for row in processes]) == (0, [2, 2])
    assert processes[0]["slowest_stop"] < processes[1]["slowest_stop"]
    assert 0.9 < processes[1]["slowest_stop"] < 9


def test_json_has_lines_and_events_and_the_verdict_at_its_end(folder: Folder) -> None:
    folder.procfile("app: echo here; exec sleep 60")

    result = folder.procrun("smoke", "-p", base(), "--json", "--", "echo done")

    *stream, found = objects(result.stdout.encode())
    assert {"here", "done"} <= {line.get("text") for line in stream}
    assert ("smoke", "started") in [(line["instance"], line.get("event")) for line in stream]
    assert (found["verdict"], found["status"], found["faults"]) == ("passed", 0, [])
    assert found["command"] == {
        "line": "echo done",
        "ended": "exit 0",
        "status": 0,
        "seconds": found["command"]["seconds"],
    }


def test_what_runs_once_is_done_before_the_command_and_is_not_run_again_by_restarts(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.migrate]\nrun_once = true\n[process.app]\nafter = ["migrate"]\n')
    folder.procfile("app: exec sleep 60", "migrate: sleep 0.5; echo x >> migrated")

    found = verdict(folder, "--restarts", "1", "--", "cat migrated")

    assert (found["status"], found["faults"]) == (0, [])
    assert [row["restarts"] for row in found["processes"]] == [1, 0]  # type: ignore[attr-defined]
    assert (folder.path / "migrated").read_text() == "x\n"


def test_the_command_runs_also_where_everything_runs_once(folder: Folder) -> None:
    folder.write("procrun.toml", "[process.migrate]\nrun_once = true\n")
    folder.procfile("migrate: echo x > migrated")

    found = verdict(folder, "--", "cat migrated")

    assert (found["status"], found["command"]["status"]) == (0, 0)  # type: ignore[index]


def test_what_the_command_reads_is_at_its_end_at_once(folder: Folder) -> None:
    folder.procfile("app: exec sleep 60")

    for words in (("cat",), ("cat; echo end",), ("sh", "-c", "cat")):
        assert smoke(folder, "--", *words).finish() == 0


def test_no_stop_is_told_where_everything_had_ended_by_itself(folder: Folder) -> None:
    folder.write("procrun.toml", "[process.migrate]\nrun_once = true\n")
    folder.procfile("migrate: true")
    run = smoke(folder, "--for", "0.1")

    assert run.finish() == 0
    assert re.search(r"smoke passed after [\d.]+ s: 1 process ready after [\d.]+ s$", run.output, re.MULTILINE)


def test_the_command_waits_for_the_question_that_a_process_is_asked(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.app]\nready = { log = "^open$" }\n')
    folder.procfile("app: sleep 0.7; echo open; exec sleep 60")

    found = verdict(folder, "--", "true")

    assert found["status"] == 0
    assert float(found["ready_after"]) >= 0.7  # type: ignore[arg-type]


@pytest.mark.parametrize("platform", ["local", "heroku", "server"])
def test_it_serves_on_every_platform(folder: Folder, platform: str) -> None:
    folder.procfile("app: exec sleep 60")

    assert verdict(folder, "--platform", platform, "--restarts", "1", "--", "true")["status"] == 0


# That something does not


def test_a_process_that_ends_before_it_is_ready_fails_with_20_and_its_last_lines(folder: Folder) -> None:
    folder.procfile("app: echo no database; exit 3", "worker: exec sleep 60")
    run = smoke(folder, "--", "echo never")

    assert run.finish() == 20
    told = run.output[run.output.index("PROCESS") :]
    assert re.search(r"crash: app\.1 ended by itself after \d\.\d\d s: exit 3\n.*\|     no database\n", told)
    assert "smoke failed after" in told
    assert "; exit 20\n" in told
    assert "| never" not in run.output
    assert "command: echo never: not run" in told


@pytest.mark.parametrize(("ending", "how"), [("exit 0", "exit 0"), ("kill -SEGV $$", "killed by SEGV")])
def test_any_end_by_itself_is_a_crash_and_the_command_is_stopped(folder: Folder, ending: str, how: str) -> None:
    folder.procfile(f"app: while ! test -e go; do sleep 0.05; done; {ending}", "worker: exec sleep 60")

    found = verdict(folder, "--", "touch go; sleep 60")

    assert (found["status"], kinds(found)) == (20, [("crash", "app.1")])
    assert how in str(found["faults"])
    assert found["command"]["ended"] == "killed by TERM (stopped)"  # type: ignore[index]


@pytest.mark.parametrize("setting", ["essential = false", 'restart = "always"'])
def test_a_crash_is_one_whatever_its_policy_says(folder: Folder, setting: str) -> None:
    folder.write("procrun.toml", f"[process.app]\n{setting}\n")
    folder.procfile("app: while ! test -e go; do sleep 0.05; done; rm go; exit 1", "worker: exec sleep 60")

    found = verdict(folder, "--", "touch go; sleep 60")

    assert (found["status"], kinds(found)[0]) == (20, ("crash", "app.1"))


def test_a_command_that_ignores_term_is_killed_at_its_budget_when_the_app_has_crashed(folder: Folder) -> None:
    folder.procfile("app: while ! test -e go; do sleep 0.05; done; exit 1")

    found = verdict(folder, "-t", "0.3", "--", DEAF.replace("echo deaf", "touch go"))

    assert (found["status"], kinds(found)) == (20, [("crash", "app.1")])
    assert found["command"]["ended"] == "killed by KILL (stopped)"  # type: ignore[index]


def test_a_process_that_is_not_ready_in_time_fails_with_124(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.app]\nafter = ["redis"]\n[process.redis]\nprofile = "redis"\n')
    folder.write("redis-server", "#!/bin/sh\necho loading\nexec sleep 60\n").chmod(0o755)
    folder.procfile("app: exec sleep 60", "redis: ./redis-server")

    found = verdict(folder, "--ready-within", "2", "--", "echo never")

    assert (found["status"], found["ready_after"]) == (124, None)
    assert sorted(kinds(found)) == [("not ready", "app.1"), ("not ready", "redis.1")]
    assert "loading" in str(found["faults"])


def test_a_process_that_does_not_answer_in_its_own_time_fails_with_124(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.app]\nready = { command = "exit 1", within = 2 }\n')
    folder.procfile("app: echo booting; exec sleep 60", "worker: exec sleep 60")

    found = verdict(folder, "--", "echo never")

    assert (found["status"], kinds(found)) == (124, [("not ready", "app.1")])
    assert "booting" in str(found["faults"])


def test_a_process_that_hangs_fails_as_one_that_crashes(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.app]\nalive = { command = "! test -e go", every = 0.2, failures = 1 }\n')
    folder.procfile("app: exec sleep 60", "worker: exec sleep 60")

    found = verdict(folder, "--", "touch go; sleep 60")

    assert (found["status"], kinds(found)) == (20, [("crash", "app.1")])


def test_what_runs_once_and_fails_is_a_crash(folder: Folder) -> None:
    folder.write("procrun.toml", "[process.migrate]\nrun_once = true\n")
    folder.procfile("app: exec sleep 60", "migrate: echo no table; exit 1")

    found = verdict(folder, "--", "echo never")

    assert (found["status"], kinds(found)) == (20, [("crash", "migrate.1")])


@pytest.mark.parametrize(
    ("words", "ended", "status"),
    [
        (("exit 7",), "exit 7", 7),
        (("kill -KILL $$",), "killed by KILL", 137),
        (("./nothing-here",), "exit 127 (command not found)", 127),
        (("./Procfile",), "exit 126 (command not executable)", 126),
    ],
)
def test_a_command_that_fails_fails_with_21_and_its_own_status_is_told(
    folder: Folder, words: tuple[str, ...], ended: str, status: int
) -> None:
    folder.procfile("app: exec sleep 60")

    found = verdict(folder, "--", *words)

    assert (found["status"], kinds(found)) == (21, [("command", "smoke")])
    command = found["command"]
    assert isinstance(command, dict)
    assert (command["ended"], command["status"]) == (ended, status)


def test_a_line_that_should_not_be_there_fails_with_22_when_all_is_done(folder: Folder) -> None:
    folder.procfile("app: echo 'Traceback (most recent call last):'; exec sleep 60", "worker: echo fine; exec sleep 60")

    found = verdict(folder, "--fail-on-log", "^Traceback", "--fail-on-log", "panic", "--", "echo panic")

    assert (found["status"], kinds(found)) == (22, [("log", "app.1")])
    assert found["command"]["status"] == 0  # type: ignore[index]


def test_a_pattern_that_takes_for_ever_has_not_passed(folder: Folder) -> None:
    folder.procfile(f"app: echo {'a' * 40}b; exec sleep 60")

    found = verdict(folder, "--fail-on-log", "(a+)+$", "--for", "0.1")

    assert (found["status"], kinds(found)) == (22, [("log", "app.1")])
    assert "is not searched any more" in str(found["faults"])


def test_a_process_that_has_to_be_killed_fails_with_23(folder: Folder) -> None:
    deaf_app(folder)

    found = verdict(folder, "-t", "0.3", "--for", "0.1")

    assert (found["status"], kinds(found)) == (23, [("forced kill", "app.1")])


def test_a_process_that_has_to_be_killed_for_a_restart_fails_with_25(folder: Folder) -> None:
    deaf_app(folder)

    found = verdict(folder, "-t", "0.3", "--for", "0.1", "--restarts", "1")

    assert (found["status"], kinds(found)) == (25, [("slow restart", "app.1"), ("forced kill", "app.1")])


def test_a_quiet_worker_on_a_server_that_has_to_be_killed_fails_too(folder: Folder) -> None:
    deaf_app(folder, "trap '' TSTP; ", 'platform = "server"\n', 'stop_sequence = "tstp, 0.1, term, 0.2, kill"\n')

    found = verdict(folder, "--for", "0.1")

    assert (found["status"], kinds(found)) == (23, [("forced kill", "app.1")])


def test_what_no_instance_owns_at_the_end_fails_with_24_and_is_gone(folder: Folder) -> None:
    away = "env -i sh -c 'setsid sleep 600 & echo $! > away' </dev/null >/dev/null 2>&1"
    folder.procfile(f"app: {away}; exec sleep 60", "worker: exec sleep 60")

    found = verdict(folder, "--for", "0.1")

    assert (found["status"], kinds(found)) == (24, [("left over", None)])
    assert "sleep 600" in str(found["faults"])
    assert not alive(int((folder.path / "away").read_text()))


def test_a_port_that_is_open_at_the_end_fails_with_24(folder: Folder) -> None:
    """Somebody else serves it for the app: a container, for one."""
    folder.procfile("app: echo $PORT > port; exec sleep 60")
    run = smoke(folder, "--", "while ! test -e open; do sleep 0.05; done")
    until((folder.path / "port").exists, "the port is known")
    until(lambda: (folder.path / "port").read_text(), "the port is written")
    with socket.create_server(("127.0.0.1", int((folder.path / "port").read_text()))):
        folder.write("open", "")
        assert run.finish() == 24

    assert re.search(rf"left over: port \d+ of app\.1 is still open at the end, by pid {os.getpid()} ", run.output)


def test_what_happened_first_decides_and_all_is_told(folder: Folder) -> None:
    deaf_app(folder, "echo panic; ")

    found = verdict(folder, "-t", "0.3", "--fail-on-log", "panic", "--", "exit 1")

    assert found["status"] == 22
    assert [kind for kind, _ in kinds(found)] == ["log", "command", "forced kill"]


# That it is a run of its own


def test_it_runs_beside_a_start_of_the_same_folder_and_neither_disturbs_the_other(folder: Folder) -> None:
    folder.procfile(f"app: {child('listener.py', 'environment')}")
    first = free_base(600)
    folder.write(".env", f"PORT={first}\n")
    other = folder.start()
    other.wait_for(f"listening on {first} ")

    run = folder.start("--", "while ! test -e go; do sleep 0.05; done", verb="smoke")
    run.wait_for(f"listening on {first + 100} ")
    rows = json.loads(folder.procrun("ps", "--json").stdout)
    assert folder.procrun("restart").returncode == 0
    assert folder.procrun("doctor").returncode == 0
    folder.write("go", "")

    assert run.finish() == 0
    assert [row["port"] for row in rows] == [first]
    assert re.search(
        rf"port {first} is taken by pid \d+ .*: the ports of this run begin at {first + 100}; -p", run.output
    )
    other.wait_for(f"listening on {first} ", 2)
    assert other.finish(INT) == -INT
    assert "restarts 1" in other.output


def test_no_control_verb_finds_it_and_nothing_is_written_beside_the_procfile(folder: Folder) -> None:
    folder.write("procrun.toml", 'log_dir = "log"\n')
    folder.procfile("app: exec sleep 60")
    run = smoke(folder, "--", "while ! test -e go; do sleep 0.05; done")
    run.wait_for("smoke started")

    stop = folder.procrun("stop")
    found = sorted(path.name for path in folder.path.iterdir())
    folder.write("go", "")

    assert run.finish() == 0
    assert stop.returncode == 1
    assert found == ["Procfile", "procrun.toml"]


def test_two_at_the_same_instant_get_ports_of_their_own(folder: Folder) -> None:
    folder.procfile(f"app: {child('listener.py', 'environment')}", "worker: exec sleep 60")
    folder.write(".env", f"PORT={free_base(600)}\n")
    runs = [folder.start("--", "until [ -e go ]; do sleep 0.05; done", verb="smoke") for _ in range(3)]

    assert len({run.wait_for(r"listening on (\d+)")[1] for run in runs}) == 3
    folder.write("go", "")
    assert [run.finish() for run in runs] == [0, 0, 0]


def test_another_user_who_has_the_names_of_all_blocks_keeps_nobody_from_starting(folder: Folder) -> None:
    need_right("become another user")
    folder.procfile("app: exec sleep 60")
    folder.write(".env", f"PORT={(first := free_base(100))}\n")
    hold = f"""import signal, socket
held = [socket.socket(socket.AF_UNIX) for _ in range(101)]
for number, each in enumerate(held, {first // 100}):
    each.bind(f"\\0procrun-ports-{{number}}"); each.listen()
print("held", flush=True)
signal.pause()"""
    other = [*AS_NOBODY, "/usr/bin/python3", "-c", hold]
    with subprocess.Popen(other, stdout=subprocess.PIPE, text=True) as stranger:
        try:
            assert stranger.stdout is not None and stranger.stdout.readline() == "held\n"
            # Two at the same instant still agree.
            runs = [
                folder.start("--", "echo port=$PORT; until [ -e go ]; do sleep 0.05; done", verb="smoke") for _ in "ab"
            ]
            ports = {run.wait_for(r"port=(\d+)")[1] for run in runs}
            folder.write("go", "")
            assert [run.finish() for run in runs] == [0, 0]
        finally:
            stranger.kill()
    assert len(ports) == 2 and str(first) in ports
    assert any("another user (uid 65534)" in run.output or "smoke run" in run.output for run in runs)


def test_a_port_of_p_that_is_taken_is_refused(folder: Folder) -> None:
    folder.procfile("app: exec sleep $PORT")
    with socket.create_server(("127.0.0.1", free_base())) as server:
        port = server.getsockname()[1]
        result = folder.procrun("smoke", "-p", str(port))

    assert result.returncode == 2
    assert f"app.1: port {port} is taken by pid {os.getpid()}" in result.stderr


# That it is ended before its end


def test_ctrl_c_stops_everything_and_ends_by_that_signal(folder: Folder) -> None:
    folder.procfile("app: exec sleep 60")
    run = smoke(folder, "--", "exec sleep 60")
    pids = [int(run.wait_for(rf"{name} started, pid (\d+)")[1]) for name in ("app.1", "smoke")]

    assert run.finish(INT) == -INT
    assert not any(map(alive, pids))
    assert "smoke interrupted after" in run.output
    assert "SIGINT received" in run.output


def test_when_its_front_is_killed_nothing_is_left(folder: Folder) -> None:
    folder.procfile("app: exec sleep 60")
    run = smoke(folder, "--", "exec sleep 60")
    pids = [int(run.wait_for(rf"{name} started, pid (\d+)")[1]) for name in ("app.1", "smoke")]

    run.finish(signal.SIGKILL)

    until(lambda: not any(map(alive, pids)), "everything is gone")


def test_when_its_supervisor_is_killed_nothing_is_left(folder: Folder) -> None:
    folder.procfile("app: exec sleep 60")
    run = smoke(folder, "--", "exec sleep 60")
    pids = [int(run.wait_for(rf"{name} started, pid (\d+)")[1]) for name in ("app.1", "smoke")]

    os.kill(run.supervisor(), signal.SIGKILL)

    assert run.finish() == 137
    assert not any(map(alive, pids))


def test_doctor_finds_what_it_left_when_both_were_killed(folder: Folder) -> None:
    folder.procfile("app: exec sleep 60")
    run = smoke(folder, "--for", "1m")
    pid = int(run.wait_for(r"app\.1 started, pid (\d+)")[1])
    kill_both(run)

    assert alive(pid)
    assert folder.procrun("doctor", "--clean").returncode == 0
    until(lambda: not alive(pid), "it is stopped")


# What it is told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--",), "--: give a command behind it"),
        (("--", ""), "--: give a command behind it"),
        (("--for", "3", "--", "true"), "--for: is for runs without CMD"),
        (("--for", "soon"), '"soon" is no time; give seconds or minutes, as in 10, 10s or 2m'),
        (("--restarts", "-1"), '"-1" is no number of restarts'),
        (("--fail-on-log", "("), '"(" is no regular expression'),
        (("nobody",), 'no process "nobody"'),
        (("npm", "test"), "a command stands behind --: smoke -- npm test"),
    ],
)
def test_bad_usage_is_one_line_and_starts_nothing(folder: Folder, arguments: tuple[str, ...], told: str) -> None:
    folder.procfile("app: exec sleep 60")

    result = folder.procrun("smoke", *arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_time_is_given_in_seconds_or_minutes() -> None:
    from procrun.cli.smoke import _duration

    assert (_duration("10"), _duration("0.5s"), _duration("2m")) == (10, 0.5, 120)


def test_the_step_summary_of_github_gets_the_table_and_annotations_name_each_fault(folder: Folder) -> None:
    page = Path(folder.write("page.md", "before\n"))
    folder.procfile("app: echo '```'; echo 'a|b'; exit 3", "worker: exec sleep 60")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(page)}

    run = smoke(folder, env=env)

    assert run.finish() == 20
    error = r"::error title=smoke%3A crash::app\.1 ended by itself after [\d.]+ s: exit 3%0A```%0Aa\|b$"
    assert re.search(error, run.output, re.MULTILINE)
    assert run.output.count("::error") == 1
    text = page.read_text()
    assert text.startswith("before\n### smoke failed after")
    assert "| `app.1`" in text
    assert "````\n```\na|b\n````\n" in text


def test_the_step_summary_shows_a_command_of_several_lines_as_it_was_written(folder: Folder) -> None:
    page = folder.path / "page.md"
    folder.procfile("app: exec sleep 60")

    run = smoke(folder, "--", "echo 'a|`b`'\n# c | d\nfalse", env={"GITHUB_STEP_SUMMARY": str(page)})

    assert run.finish() == 21
    text = page.read_text()
    assert "\nCommand ``` echo 'a|`b`' # c | d false ```: exit 1\n" in text
    assert "\n**command**: echo 'a\\|\\`b\\`' \\# c \\| d false: exit 1, after" in text


def test_a_step_summary_that_cannot_be_written_is_a_warning(folder: Folder) -> None:
    folder.procfile("app: exec sleep 60")

    result = folder.procrun("smoke", "-p", base(), "--for", "0.1", env={"GITHUB_STEP_SUMMARY": str(folder.path)})

    assert result.returncode == 0
    assert f"procrun: GITHUB_STEP_SUMMARY: {folder.path}: Is a directory\n" in result.stderr
