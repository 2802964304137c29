"""One job that records in Redis how it starts and ends, for celery, rq and dramatiq."""

import json
import os
import time

import redis

R = redis.Redis.from_url(os.environ[os.environ["REDIS_PROVIDER"]])


def record(event, n, **more):
    R.rpush("demo:events", json.dumps({"t": time.time(), "event": event, "n": n, "pid": os.getpid(), **more}))


def body(n, seconds):
    record("start", n)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            time.sleep(0.1)
    except BaseException as error:  # SystemExit, Shutdown, Abort …
        record("interrupted", n, by=type(error).__name__)
        raise
    record("done", n)


def rq_job(n, seconds):
    body(n, seconds)
