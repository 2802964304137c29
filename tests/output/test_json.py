"""The stream for programs: real output, by the schema of the documentation."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from procrun.core.events import _STEPS
from procrun.output.json_stream import lines_as_json
from tests.cli.test_events import watched
from tests.disks import small_disk
from tests.harness import PROCRUN, PYTHON, TERM, Folder, until

__all__ = ["small_disk"]

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/stream.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def objects(output: bytes) -> list[dict[str, Any]]:
    """The object of each line, whatever a reader takes for the end of a line; all by the schema."""
    lines = output.decode().splitlines()
    assert output.count(b"\n") == len(lines)
    found = [json.loads(line) for line in lines]
    for line in found:
        VALIDATOR.validate(line)
    return found


def ran(folder: Folder, *options: str, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """What a run that ends by itself puts out."""
    run = folder.start("--json", *options, env=env)
    run.finish()
    return objects(run.raw)


def texts(found: list[dict[str, Any]], name: str = "web.1", stream: str = "stdout") -> list[str]:
    return [line["text"] for line in found if line.get("instance") == name and line.get("stream") == stream]


def test_stderr_is_told_from_stdout_each_in_its_order(folder: Folder) -> None:
    folder.procfile("web: for n in 1 2 3; do echo out $n; echo err $n >&2; done; printf half; printf other >&2")

    found = ran(folder)

    assert texts(found) == ["out 1", "out 2", "out 3", "half"]
    assert texts(found, stream="stderr") == ["err 1", "err 2", "err 3", "other"]


def test_everything_that_happens_is_an_event_and_procrun_speaks_in_a_stream_of_its_own(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.job]\nrestart = "on-failure"\nrestart_limit = "1/60"\nessential = false\n')
    folder.procfile("web: trap '' TERM; echo ready; while :; do sleep 0.05; done", "job: exit 3")
    run = folder.start("--json", "-t", "0.5")
    run.wait_for('"given-up"')
    run.finish(TERM)

    found = objects(run.raw)

    happened = [(line["instance"], line["event"]) for line in found if "event" in line]
    assert [what for name, what in happened if name == "job.1"] == [
        *("started", "exited", "gone", "crashed"),
        *("restarted", "exited", "given-up", "gone"),
    ]
    assert [what for name, what in happened if name == "web.1" and what not in ("running", "killing")] == [
        *("started", "signal", "timeout", "exited", "gone"),
    ]
    assert any(text.startswith("SIGTERM received; stopping web.1") for text in texts(found, "procrun", "procrun"))


def test_no_byte_of_a_line_breaks_the_stream(folder: Folder) -> None:
    lines = [
        b"\xff\xfe caf\xe9",
        b'quotes " and \\ backslashes \\" "," \\',
        b"".join(bytes([n]) for n in range(32) if n != 10) + b"\x7f",
        "\u2028 \u2029 \x85 \U0001f600".encode(),
        b"\xe2\x80",
        b"",
        b"x" * 1_000_000,
        b'{"time":"fake"}',
    ]
    folder.write("lines", b"".join(line + b"\n" for line in lines))
    folder.procfile("web: cat lines")

    found = ran(folder)

    assert texts(found) == [line.decode(errors="replace") for line in lines]


@given(
    st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line) | st.text('",\\#[é\u2028').map(str.encode))
)
def test_any_lines_are_objects(lines: list[bytes]) -> None:
    whole = b"".join(line + b"\n" for line in lines) or b"\n"

    found = objects(lines_as_json("web.1", "output", whole, 1.25))

    assert [line["text"] for line in found] == whole[:-1].decode(errors="replace").split("\n")


def test_the_choice_of_lines_holds_and_nothing_else_is_there(folder: Folder) -> None:
    folder.procfile("web: seq 1 12; sleep 0.3", "noise: echo 1 noise; sleep 60", "b: echo 1 b; sleep 60")

    found = ran(folder, "--only", "web", "--grep", "1")

    assert texts(found) == ["1", "10", "11", "12"]
    assert texts(found, "noise.1") == texts(found, "b.1") == []
    assert ("noise.1", "started") in [(line["instance"], line.get("event")) for line in found]


def test_a_prompt_is_a_line_once_it_is_finished(folder: Folder) -> None:
    folder.procfile("web: printf 'sure? '; sleep 1.5; echo yes")

    assert texts(ran(folder)) == ["sure? yes"]


def test_what_could_not_be_shown_is_an_object_in_its_place(folder: Folder, small_disk: Path) -> None:
    (small_disk / "other").write_bytes(b"x" * 40_000)
    folder.procfile("web: seq 1 2000; touch full; while ! [ -e room ]; do sleep 0.02; done; echo again; sleep 0.2")
    with open(small_disk / "out", "wb") as out:
        run = subprocess.Popen([*PROCRUN, "start", "--json"], cwd=folder.path, stdout=out, stderr=subprocess.PIPE)
    assert run.stderr is not None
    said = run.stderr.readline()
    until((folder.path / "full").exists, "all is written")
    until(lambda: '"2000"' in folder.procrun("logs", "web", "-n", "1", "--json").stdout, "all of it is read")
    (small_disk / "other").unlink()
    (folder.path / "room").touch()
    said += run.communicate(timeout=30)[1]

    found = objects((small_disk / "out").read_bytes())
    (lost,) = [line for line in found if "lost_lines" in line]
    shown = texts(found)
    assert shown[-1] == "again"
    assert shown[:-1] == [str(n) for n in range(1, len(shown))]
    assert lost["lost_lines"] >= 2000 - (len(shown) - 1)
    assert said.count(b"takes nothing more") == 1


def test_logs_and_events_have_the_same_schema(folder: Folder) -> None:
    folder.procfile(r"web: printf 'caf\351\n'; echo err >&2; exec sleep 60")
    run = folder.start("--json")
    run.wait_for('"running"')
    run.wait_for('"caf')
    run.wait_for('"err"')
    with watched(folder, "--json") as events:
        follower = folder.background("logs", "-f", "--json")
        assert follower.stdout is not None
        first = follower.stdout.readline()  # it is connected
        logs = subprocess.run([*PROCRUN, "logs", "--json"], cwd=folder.path, capture_output=True, check=True)
        assert folder.procrun("restart", "web").returncode == 0
        run.wait_for('"err"', count=logs.stdout.count(b'"err"') + 1)
        run.finish(TERM)
        heard = objects(events.communicate(timeout=30)[0].encode())

    logged = objects(logs.stdout)
    assert [line for line in objects(run.raw) if "text" in line][: len(logged)] == logged
    told = [{**line, "time": ""} for line in objects(run.raw) if "event" in line]
    assert [{**line, "time": ""} for line in heard] == told[-len(heard) :]
    assert "restarted" in [line["event"] for line in heard]
    with follower:
        followed = first + follower.stdout.read()
    errs = texts(objects(run.raw), stream="stderr")
    assert len(errs) >= 2
    assert texts(objects(followed.encode()), stream="stderr") == errs


def test_every_event_is_in_the_schema() -> None:
    assert set(SCHEMA["$defs"]["event"]["properties"]["event"]["enum"]) == {*_STEPS, "running"}


def test_every_key_and_event_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/json.md").read_text()
    kinds = [SCHEMA["$defs"][kind] for kind in ("line", "event", "lost")]
    words = {key for kind in kinds for key in kind["properties"]}
    words |= {*SCHEMA["$defs"]["event"]["properties"]["event"]["enum"]}
    words |= {*SCHEMA["$defs"]["line"]["properties"]["stream"]["enum"]}

    assert {word for word in words if f"`{word}`" not in page} == set()


def test_starting_what_was_stopped_is_json_too(folder: Folder) -> None:
    folder.procfile("web: sleep 60", "other: sleep 60")
    folder.start().wait_for("started", count=2)
    assert folder.procrun("stop", "web").returncode == 0

    result = folder.procrun("start", "web", "--json")

    assert json.loads(result.stdout)["failed"] == []


@pytest.mark.parametrize("line", ['{"time":"x"}', '{"time":"2026-11-22T17:00:00.000000+00:00","instance":"a"}', "[]"])
def test_the_schema_takes_nothing_else(line: str) -> None:
    assert not VALIDATOR.is_valid(json.loads(line))


def test_python_that_runs_apart_still_writes_in_order(folder: Folder) -> None:
    folder.procfile(f"web: {PYTHON} -u -c 'for n in range(200): print(n)'")

    assert texts(ran(folder)) == [str(n) for n in range(200)]
