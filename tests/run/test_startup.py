"""start --wait: all ready in time, with a table of who waited for whom; or all stopped, with a status that says why."""

import json
import re

import pytest

from tests.apps.stores import Redis
from tests.harness import PATIENCE, TERM, Folder, child, free_base, free_port, until

LISTENER = child("listener.py", "environment")
WORKER = "worker: " + child("polite.py", "0", "0")


def table(output: str) -> list[list[str]]:
    """The cells of the table in the stream, its head first."""
    lines = [line.partition(" | ")[2] for line in output.splitlines() if re.match(r"\S+ procrun +\| ", line)]
    first = next(index for index, line in enumerate(lines) if line.startswith("INSTANCE"))
    return [re.split(r"  +", line.strip()) for line in lines[first:]]


def test_all_ready_is_told_with_a_table_of_who_waited_for_whom(folder: Folder) -> None:
    redis = Redis(folder.path)
    folder.procfile(f"web: {LISTENER} $PORT", WORKER, "migrate: sleep 0.3", f"redis: {redis.command}")
    folder.write("procrun.toml", '[process.migrate]\nrun_once = true\n[process.web]\nafter = ["migrate"]\n')
    run = folder.start("--wait", "-p", str(free_base()))
    port = run.wait_for(r"listening on (\d+)")[1]
    run.wait_for(r"INSTANCE(.*\n){4}.*redis\.1 .*\n")

    head, *rows = table(run.output)
    assert head == ["INSTANCE", "STARTED", "READY", "BY", "WAITED FOR"]
    told = {row[0]: row[1:] for row in rows}
    assert {name: row[2] for name, row in told.items()} == {
        "web.1": f"port {port}",
        "worker.1": "lives 0.25 s",
        "migrate.1": "exit 0",
        "redis.1": "redis PING",
    }
    seconds = {name: [float(cell.removesuffix(" s")) for cell in row[:2]] for name, row in told.items()}
    assert seconds["migrate.1"][1] <= seconds["web.1"][0] <= seconds["web.1"][1]
    assert seconds["redis.1"][1] <= seconds["migrate.1"][0]
    assert re.fullmatch(r"migrate\.1 \d+\.\d\d s", told["web.1"][3])
    assert re.fullmatch(r"redis\.1 \d+\.\d\d s", told["worker.1"][3])
    assert told["redis.1"][3] == "-"
    assert re.search(r"everything is ready after \d+\.\d\d s\n", run.output)
    assert run.finish(TERM) == -TERM


def test_one_that_is_not_ready_in_time_stops_everything_with_124(folder: Folder) -> None:
    folder.procfile("web: exec sleep 600", "worker: exec sleep 600")
    folder.write("procrun.toml", "[process.web]\nready = { port = true, within = 0.6 }\n")
    port = free_base()
    run = folder.start("--wait", "-p", str(port))

    assert run.finish() == 124
    assert re.search(rf"web\.1 is not ready after 0\.6 s: nothing listens on port {port}\n", run.output)
    assert "web.1 was not ready in time; stopping" in run.output
    assert re.search(r"worker\.1 TERM 0\.00 → gone", run.output)
    assert "INSTANCE" not in run.output


@pytest.mark.parametrize(
    ("command", "toml", "status"),
    [
        ("sleep 0.3; exit 3", "", 3),
        ("sleep 0.3; kill -9 $$", "", 137),
        ("sleep 0.3; exit 3", "essential = false", 3),
        ("sleep 0.3; exit 0", "", 124),  # it was essential, and will never be ready
        ("exit 3", "run_once = true\nessential = false", 3),
        ("sleep 0.3; exit 3", 'restart = "on-failure"\nrestart_limit = "1/60"', 3),
    ],
)
def test_a_crash_before_all_are_ready_stops_everything_with_its_status(
    folder: Folder, command: str, toml: str, status: int
) -> None:
    folder.procfile(f"job: {command}", "web: exec sleep 600")
    folder.write("procrun.toml", f"[process.job]\n{toml}\n")
    run = folder.start("--wait")

    assert run.finish() == status
    assert "everything is ready" not in run.output


def test_one_that_crashes_again_and_again_has_its_time_and_no_more(folder: Folder) -> None:
    folder.procfile("job: sleep 0.1; exit 3")
    folder.write("procrun.toml", '[process.job]\nrestart = "always"\nready = { log = "x", within = 3 }\n')
    run = folder.start("--wait")

    assert run.finish() == 124
    assert run.output.count("job.1 started") > 1
    assert "job.1 was not ready in time" in run.output


def test_one_that_may_end_and_does_so_well_is_left_out_of_account(folder: Folder) -> None:
    folder.procfile("job: true", "web: exec sleep 600")
    folder.write("procrun.toml", "[process.job]\nessential = false\n[process.web]\nready = false\n")
    run = folder.start("--wait")

    run.wait_for(r"INSTANCE(.*\n)+.*web\.1")

    assert [row[0] for row in table(run.output)] == ["INSTANCE", "web.1"]
    run.finish(TERM)


def test_a_crash_after_all_were_ready_is_like_any_other(folder: Folder) -> None:
    folder.procfile("job: until [ -e go ]; do sleep 0.02; done; exit 5", "other: exec sleep 600")
    folder.write("procrun.toml", "[process.job]\nessential = false\n")
    run = folder.start("--wait")
    run.wait_for("everything is ready")
    folder.write("go", "")
    run.wait_for(r"job\.1 ended by itself")

    assert run.popen.poll() is None
    assert run.finish(TERM) == -TERM


def test_without_wait_one_line_says_it_and_only_for_the_first_start(folder: Folder) -> None:
    folder.procfile(f"web: {LISTENER} $PORT", "job: exec sleep 60")
    run = folder.start("-p", str(free_base()))
    run.wait_for(r"procrun +\| everything is ready after \d+\.\d\d s$")

    assert folder.procrun("restart").returncode == 0

    run.wait_for(r"web\.1 ready after", count=2)
    assert run.output.count("everything is ready") == 1
    assert "INSTANCE" not in run.output
    run.finish(TERM)


def test_where_nothing_is_asked_nothing_is_said(folder: Folder) -> None:
    folder.procfile("job: exec sleep 60")
    run = folder.start()
    run.wait_for("started")
    until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")
    assert folder.procrun("wait", "job").returncode == 0
    assert run.finish(TERM) == -TERM
    assert "everything is ready" not in run.output


def test_what_is_stopped_by_hand_is_waited_for_no_more(folder: Folder) -> None:
    folder.procfile("web: exec sleep 600", "job: exec sleep 600")
    run = folder.start("--wait")
    run.wait_for(r"job\.1 started")
    until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")

    assert folder.procrun("stop", "web").returncode == 0

    run.wait_for(r"INSTANCE(.*\n)+.*job\.1")
    run.finish(TERM)


def test_ctrl_c_before_all_are_ready_is_an_ordinary_end(folder: Folder) -> None:
    folder.procfile("web: exec sleep 600")
    run = folder.start("--wait")
    run.wait_for(r"web\.1 started")
    assert run.finish(TERM) == -TERM
    assert "everything is ready" not in run.output


def test_as_json_each_line_of_the_table_is_one_of_procrun(folder: Folder) -> None:
    folder.procfile("job: exec sleep 600")
    run = folder.start("--wait", "--json")
    run.wait_for(r"job\.1 .*lives")
    lines = [json.loads(line) for line in run.output.splitlines()]
    assert any(line.get("text", "").startswith("INSTANCE") for line in lines)
    run.finish(TERM)


# start NAME --wait


def started(folder: Folder, within: float, first: str = "ready after") -> None:
    """A run in which `job` was started (and then did `first`) and stopped."""
    folder.procfile("job: [ ! -e bad ] || exit 6; [ -e mute ] || echo booted; exec sleep 600", "web: exec sleep 600")
    folder.write(
        "procrun.toml",
        f'[process.job]\nready = {{ log = "booted", within = {within} }}\nessential = false\n',
    )
    folder.start().wait_for(rf"job\.1 {first}")
    until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")
    assert folder.procrun("stop", "job").returncode == 0


def test_start_name_with_wait_returns_when_it_is_ready(folder: Folder) -> None:
    started(folder, PATIENCE)

    result = folder.procrun("start", "job", "--wait")

    assert result.returncode == 0
    assert re.search(r"s  job\.1 +ready after \d\.\d\d s\n", result.stdout)


def test_start_name_with_wait_ends_with_124_where_it_is_not_ready_in_time(folder: Folder) -> None:
    started(folder, 0.5, first="started")
    folder.write("mute", "")

    result = folder.procrun("start", "job", "--wait")

    assert result.returncode == 124
    assert "procrun: runs, but was not ready in time: job.1" in result.stderr
    assert folder.procrun("start", "job").returncode == 2, "it runs"


def test_start_name_with_wait_waits_for_defaults_too(folder: Folder) -> None:
    port = free_port()
    listener = child("listener.py", str(port))
    folder.procfile(f"web: until [ -e go ]; do sleep 0.02; done; exec {listener}", "job: exec sleep 60")
    folder.write("go", "")
    folder.start().wait_for(r"web\.1 ready after")
    until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")
    assert folder.procrun("stop", "web").returncode == 0
    (folder.path / "go").unlink()

    with folder.background("start", "web", "--wait") as client:
        folder.runs[0].wait_for(r"web\.1 started", count=2)
        until(lambda: "starting" in folder.procrun("ps").stdout, "it is not ready")
        folder.write("go", "")
        assert client.wait(PATIENCE) == 0


def test_start_name_with_wait_fails_where_it_ends(folder: Folder) -> None:
    started(folder, PATIENCE)
    folder.write("bad", "")

    result = folder.procrun("start", "job", "--wait")

    assert result.returncode == 1
    assert "procrun: did not come up: job.1" in result.stderr
