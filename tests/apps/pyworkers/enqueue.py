"""Puts jobs into one of the queues, by its own client: python enqueue.py QUEUE COUNT SECONDS [child].

With `child` each job has a child process of its own sleep for it.
"""

import asyncio
import os
import sys


def celery(jobs):
    import capp

    for job in jobs:
        capp.job.delay(*job)


def rq(jobs):
    from jobs import R
    from rq import Queue

    queue = Queue(connection=R)
    for job in jobs:
        queue.enqueue("jobs.body", *job)


def dramatiq(jobs):
    import dapp

    for job in jobs:
        dapp.job.send(*job)


def huey(jobs):
    import happ

    for job in jobs:
        happ.job(*job)


async def arq(jobs):
    import aapp
    from arq import create_pool

    pool = await create_pool(aapp.WorkerSettings.redis_settings)
    for n, seconds in jobs:
        await pool.enqueue_job("job", n, seconds)


async def taskiq(jobs):
    import tapp

    for n, seconds in jobs:
        await tapp.job.kiq(n, seconds)
    await tapp.broker.shutdown()


async def procrastinate(jobs):
    import papp

    async with papp.app.open_async():
        await papp.app.schema_manager.apply_schema_async()
        for n, seconds in jobs:
            await papp.job.defer_async(n=n, seconds=seconds)


def django_q(jobs):
    os.environ["DJANGO_SETTINGS_MODULE"] = "djangosettings"
    import django

    django.setup()
    from django_q.tasks import async_task

    for job in jobs:
        async_task("jobs.body", *job)


if __name__ == "__main__":
    name, count, seconds, *child = sys.argv[1:]
    made = globals()[name]([(n, float(seconds), *(True for _ in child)) for n in range(int(count))])
    if made is not None:
        asyncio.run(made)
