"""The celery app."""

import os

import jobs
from celery import Celery

app = Celery("capp", broker=os.environ[os.environ["REDIS_PROVIDER"]])
app.conf.update(worker_hijack_root_logger=True, broker_connection_retry_on_startup=True, task_ignore_result=True)


@app.task(name="job")
def job(n, seconds, child=False):
    jobs.body(n, seconds, child)
