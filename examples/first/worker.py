"""The worker of the example: takes one job at a time, and gives it back when it is told to stop."""

import os
import signal
import sys
import time
from types import FrameType
from typing import Any

import jobs
import redis

MINE = "taken:" + os.environ.get("PS", "worker.1")
STEP_SECONDS = float(os.environ.get("STEP_SECONDS", "0.5"))


def stop(number: int, _frame: FrameType | None) -> None:
    """Ends the worker at once, wherever it is: what it has taken is in a list in Redis."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(f"{signal.Signals(number).name}: stopping", flush=True)
    sys.exit(0)


def give_back(store: Any) -> None:
    """Puts what this worker has taken to the front of the queue again; the steps done stay done."""
    while number := store.lmove(MINE, jobs.QUEUE, "LEFT", "RIGHT"):
        store.hset(f"job:{number}", "state", "queued")
        print(f"job {number}: back in the queue", flush=True)


def do(store: Any, number: str) -> None:
    """Does the steps of a job that are left."""
    key = f"job:{number}"
    name, done = store.hmget(key, "name", "step")
    store.hset(key, "state", "running")
    for step in range(int(done or 0) + 1, jobs.STEPS + 1):
        time.sleep(STEP_SECONDS)
        store.hset(key, "step", step)
        print(f"job {number} ({name}): step {step} of {jobs.STEPS}", flush=True)
    store.hset(key, "state", "done")
    store.lrem(MINE, 0, number)
    print(f"job {number} ({name}): done", flush=True)


def work(store: Any) -> None:
    """Takes and does jobs for ever."""
    give_back(store)  # left by a worker that was killed
    print("waiting for jobs", flush=True)
    while True:
        number = store.blmove(jobs.QUEUE, MINE, 2, "RIGHT", "LEFT")
        if number:
            do(store, number)


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while True:
        store = jobs.connect()
        try:
            work(store)
        except redis.ConnectionError as error:
            print(f"lost Redis: {error}", flush=True)
        except SystemExit:
            store.connection_pool.disconnect()  # the answer to an interrupted command may still be on its way
            try:
                give_back(store)
            except redis.ConnectionError as error:
                print(f"what was taken stays in {MINE} until the next start: {error}", flush=True)
            raise


if __name__ == "__main__":
    main()
