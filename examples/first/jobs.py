"""The jobs of the example: a queue in Redis that both the web page and the worker use.

A waiting job is in the list `queue`. A worker moves it to a list of its own, so that a job is in some list
at every moment, and moves it back when it has to stop.
"""

import os
import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

QUEUE = "queue"
RECENT = "recent"
STEPS = 10

Job = dict[str, str]


def redis_url() -> str:
    """The URL of Redis, found as Sidekiq does: REDIS_PROVIDER names the variable that holds it."""
    return os.environ[os.environ.get("REDIS_PROVIDER", "REDIS_URL")]


def connect() -> Any:
    """A connection to Redis; waits until Redis answers, and says so once."""
    url = redis_url()
    at_once = Retry(NoBackoff(), 0)  # by default redis-py tries for seconds, and a stop would take as long
    store = redis.Redis.from_url(url, decode_responses=True, retry=at_once)
    patience = 0.05
    while True:
        try:
            store.ping()
            return store
        except (redis.ConnectionError, redis.TimeoutError):
            if patience == 0.05:
                print(f"waiting for Redis at {url}", flush=True)
            time.sleep(patience)
            patience = min(patience * 2, 1)


def enqueue(store: Any, name: str) -> str:
    """Puts a job at the end of the queue and returns its number."""
    number = str(store.incr("number"))
    with store.pipeline() as together:
        together.hset(f"job:{number}", mapping={"number": number, "name": name, "state": "queued", "step": 0})
        together.lpush(RECENT, number).ltrim(RECENT, 0, 19)
        together.lpush(QUEUE, number)
        together.execute()
    return number


def recent(store: Any) -> list[Job]:
    """The last twenty jobs, newest first."""
    return [store.hgetall(f"job:{number}") for number in store.lrange(RECENT, 0, -1)]
