"""The taskiq app."""

import jobs
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(jobs.URL)


@broker.task(task_name="job")
async def job(n, seconds):
    await jobs.sleeping(n, seconds)
