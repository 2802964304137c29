"""The procrastinate app, whose queue is in Postgres; its jobs are recorded in Redis as all others."""

import os

import jobs
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))


@app.task(name="job")
async def job(n, seconds):
    await jobs.sleeping(n, seconds)
