"""Counts how often the execution moves from one file of procrun into another: for a log line, a restart, a plan.

`python benchmarks/trips.py` traces a real run (sys.setprofile) and prints, for each, the files and the moves. A move is
a call from a function of one file to one of another file; what a file does by itself is free.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

GOALS = {"a log line": 8, "restart worker": 150, "text to Specs": 20}
"""Moves at most."""

TRACER = """
import atexit, json, os, sys, time
if sys.argv[-1:] == ["start"]:
    import procrun
    ours = os.path.dirname(procrun.__file__) + "/"
    moves = []
    def look(frame, event, argument):
        if event == "call" and frame.f_back is not None:
            here, there = frame.f_code.co_filename, frame.f_back.f_code.co_filename
            if here != there and here.startswith(ours) and there.startswith(ours):
                names = frame.f_back.f_code.co_name, frame.f_code.co_name
                moves.append((time.monotonic(), there[len(ours):], here[len(ours):], *names))
    real = os._exit
    def ended(status):
        with open(os.environ["TRIPS"] + str(os.getpid()), "w") as file:
            json.dump(moves, file)
        real(status)
    os._exit = ended
    sys.setprofile(look)
"""


class Move(NamedTuple):
    """A call from one file into another, at a time of the monotonic clock."""

    at: float
    caller: str
    callee: str
    function: str
    called: str


def traced(folder: Path) -> tuple[list[Move], float, float, float]:
    """All moves of a supervisor; when a line was written, when a restart began, and when it was over."""
    (folder / "sitecustomize.py").write_text(TRACER)
    (folder / "Procfile").write_text("worker: echo up; while read -r line; do echo $line; done < pipe\n")
    os.mkfifo(folder / "pipe")
    env = {**os.environ, "PYTHONPATH": str(folder), "TRIPS": str(folder / "moves.")}
    procrun = [sys.executable, "-m", "procrun"]
    with subprocess.Popen([*procrun, "start"], cwd=folder, env=env, stdout=subprocess.PIPE) as run:
        with open(folder / "pipe", "w") as pipe:
            sleep(3)  # it is at rest
            line = monotonic()
            print("hello", file=pipe, flush=True)
            sleep(2)
            begun = monotonic()
            subprocess.run([*procrun, "restart", "worker"], cwd=folder, check=True, capture_output=True)
            over = monotonic()
        run.send_signal(signal.SIGTERM)
        run.communicate()
    found = [Move(*each) for path in folder.glob("moves.*") for each in json.loads(path.read_text())]
    return sorted(found), line, begun, over


def report(name: str, moves: Sequence[Move]) -> bool:
    """Print what was counted; whether it is within the goal."""
    files = {each.callee for each in moves} | {each.caller for each in moves}
    met = len(moves) <= GOALS[name]
    print(
        f"{name}: {len(moves)} moves between {len(files)} files (at most {GOALS[name]}): {'met' if met else 'missed'}"
    )
    if "-v" in sys.argv:
        for each in moves:
            print(f"    {each.caller}:{each.function} → {each.callee}:{each.called}")
    return met


def main() -> int:
    """Trace, count and print; 1 where a goal is missed."""
    with tempfile.TemporaryDirectory() as folder:
        moves, line, begun, over = traced(Path(folder))
    plan = [each for each in moves if each.at < line and _is_of_plan(each)]
    results = [
        report("a log line", [each for each in moves if line <= each.at < line + 1 and _is_of_output(each)]),
        report("restart worker", [each for each in moves if begun <= each.at <= over]),
        report("text to Specs", plan),
    ]
    return int(not all(results))


def _is_of_plan(move: Move) -> bool:
    return move.callee.startswith("plan/")


def _is_of_output(move: Move) -> bool:
    return move.callee.startswith(("output/", "run/"))


if __name__ == "__main__":
    sys.exit(main())
