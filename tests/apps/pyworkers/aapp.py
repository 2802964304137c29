"""The arq app."""

import jobs
from arq.connections import RedisSettings


async def job(context, n, seconds):
    await jobs.sleeping(n, seconds)


class WorkerSettings:
    functions = (job,)
    redis_settings = RedisSettings.from_dsn(jobs.URL)


class Waiting:
    """Has its jobs finish after TERM, within these seconds; by itself arq cancels them, to run again."""

    functions = (job,)
    redis_settings = WorkerSettings.redis_settings
    job_completion_wait = 6
