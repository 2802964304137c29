"""One job that records in Redis how it starts and ends, for every queue; `python -m jobs N SECONDS` runs it alone."""

import asyncio
import json
import os
import subprocess
import sys
import time

import redis

URL = os.environ[os.environ["REDIS_PROVIDER"]]
R = redis.Redis.from_url(URL)


def record(event, n, **more):
    R.rpush("demo:events", json.dumps({"t": time.time(), "event": event, "n": n, "pid": os.getpid(), **more}))


def body(n, seconds, child=False):
    """Sleep for so long, or have a child process of its own do it, whose death fails the job."""
    record("start", n)
    try:
        if child:
            subprocess.run(["sleep", str(seconds)], check=True)
        else:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.1)
    except BaseException as error:  # SystemExit, Shutdown, Abort …
        record("interrupted", n, by=type(error).__name__)
        raise
    record("done", n)


async def sleeping(n, seconds):
    """The same for what runs its jobs on an event loop."""
    record("start", n)
    try:
        await asyncio.sleep(seconds)
    except BaseException as error:  # CancelledError …
        record("interrupted", n, by=type(error).__name__)
        raise
    record("done", n)


if __name__ == "__main__":
    body(int(sys.argv[1]), float(sys.argv[2]))
