"""The dramatiq app."""

import os

import dramatiq
import jobs
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ[os.environ["REDIS_PROVIDER"]]))


@dramatiq.actor(max_retries=3)
def job(n, seconds, child=False):
    jobs.body(n, seconds, child)
