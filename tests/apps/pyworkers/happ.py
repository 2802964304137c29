"""The huey app."""

import jobs
from huey import RedisHuey

huey = RedisHuey("demo", url=jobs.URL)


@huey.task(retries=1)
def job(n, seconds):
    jobs.body(n, seconds)
