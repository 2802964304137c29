"""The forms in which workers are started, each with work in flight, and what a stop must leave of it: data only.

tests/real/test_jobs_*.py play each under procrun, and `make bench` under the other runners too; docs/workers.md and the
README have the table of that.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Case(NamedTuple):
    """One form.

    `entry` is the Procfile's command, `load` the key of LOADS. There are `jobs` jobs of `seconds`, all of them begun
    before the stop, and `queued` behind them, none of which may begin after it; `more` says what kind of job, for the
    load.

    `wanted` is what must become of the jobs under procrun: `done`, `again` (the queue itself runs them again), `kept`
    (any of the two), or `lost`. `on_server` is the same on a server, where that differs; `on_heroku` is what a dyno
    leaves, where it is tried. Wherever the jobs are lost, `procrun check` or `procrun start` must have said so
    before, in words that match `said`.
    `budget` is in seconds; None is plenty, where the work is to end by itself.

    `files` are further ones for the folder; those below bin/ and *.sh are programs. `needs` are programs without which
    the case cannot be played, or ROOT.
    """

    name: str
    entry: str
    load: str
    jobs: int = 3
    seconds: float = 3
    queued: int = 0
    more: tuple[str, ...] = ()
    wanted: str = "done"
    on_server: str = ""
    on_heroku: str = ""
    said: str = ""
    budget: float | None = None
    files: Mapping[str, str] = {}
    needs: tuple[str, ...] = ()

    @property
    def flight(self) -> str:
        """The work in flight, in words."""
        what = "request" if self.load.startswith("requests") else "job"
        seconds = 2 if what == "request" else self.seconds
        return f"{self.jobs} {what}{'s' * (self.jobs > 1)} of {seconds:g} s"


ROOT = "(only root)"
"""Among the needs of a case: it can be played by root alone."""

CELERY = "celery -A capp worker -c 3"
SUPERVISORD = f"""\
[supervisord]
nodaemon = true
logfile = /dev/null
logfile_maxbytes = 0
[program:worker]
command = {CELERY}
stdout_logfile = /dev/null
stderr_logfile = /dev/null
"""
CIRCUS = f"""\
[circus]
endpoint = ipc://circus.endpoint
pubsub_endpoint = ipc://circus.pubsub
[watcher:worker]
cmd = {CELERY}
copy_env = true
"""
YACRON = """\
jobs:
  - name: nightly
    command: python -m jobs 0 4
    schedule: "@reboot"
"""
START_PGBOUNCER = """\
#!/usr/bin/env bash
# As Heroku's buildpack for PgBouncer has it: a pooler and the app, each below a shell that ignores TERM, since a dyno
# sends it to every process. The one that ends first ends the other. The pooler is told by INT.
rm -f pooler.fifo
mkfifo pooler.fifo
(
  trap '' TERM
  python pooler.py &
  trap "kill -INT $!" HUP
  wait
  echo pooler >pooler.fifo
) &
pooler=$!
(
  "$@" &
  trap "kill -TERM $!" HUP
  trap '' TERM
  wait
  echo app >pooler.fifo
) &
app=$!
group=$(ps -o pgid= $app | xargs)
trap '' TERM
read -r first <pooler.fifo
rm -f pooler.fifo
kill -TERM -"$group"
wait $app
kill -HUP $pooler
"""
POOLER = """\
import signal, sys

signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
while True:
    signal.pause()
"""
PGBOUNCER = {"bin/start-pgbouncer": START_PGBOUNCER, "pooler.py": POOLER}
INNER = {"Procfile.inner": f"queue: {CELERY}\n"}
FORWARD = f"""\
#!/bin/sh
trap 'kill -TERM $worker' TERM
{CELERY} &
worker=$!
wait $worker
wait $worker
"""
ECOSYSTEM = """\
module.exports = { apps: [{ name: "worker", script: "bull.js", args: "SIGINT", kill_timeout: 8000 }] };
"""

ON_A_DYNO = "celery's pool dies of a TERM of its own"
"""What procrun says beforehand on platform heroku, where TERM goes to every process."""

# --- programs that are started by something else

PARENTS = (
    Case("rq inside a script", "python worker.py", "rq", jobs=1),
    Case(
        "supervisord",
        "supervisord -n -c supervisord.conf",
        "celery",
        files={"supervisord.conf": SUPERVISORD},
        on_heroku="lost",
        said=ON_A_DYNO,
    ),
    Case("circusd", "circusd circus.ini", "celery", files={"circus.ini": CIRCUS}),
    Case("pm2-runtime", "pm2-runtime start ecosystem.config.js", "bullmq", files={"ecosystem.config.js": ECOSYSTEM}),
    Case("rqworker-pool", "python manage.py rqworker-pool default --num-workers 2", "rq", jobs=2),
    Case(
        "a runner inside the runner",
        "procrun start -f Procfile.inner",
        "celery",
        files=INNER,
    ),
    Case("a cron daemon", "yacron -c yacron.yaml", "cron", jobs=1, seconds=4, files={"yacron.yaml": YACRON}),
)

# --- wrappers and shells in front

WRAPPERS = (
    Case("dumb-init", f"dumb-init {CELERY}", "celery", needs=("dumb-init",), on_heroku="lost", said=ON_A_DYNO),
    Case("timeout", f"timeout 3600 {CELERY}", "celery"),
    Case(
        "start-pgbouncer", f"bin/start-pgbouncer {CELERY}", "celery", files=PGBOUNCER, on_heroku="lost", said=ON_A_DYNO
    ),
    Case("start-pgbouncer, rq", "bin/start-pgbouncer rq worker", "rq", jobs=1, files=PGBOUNCER),
    Case("a trap in the shell", f"bash -c \"trap 'echo bye' EXIT; {CELERY}\"", "celery", queued=9),
    Case("a pipe", f"{CELERY} 2>&1 | tee worker.log", "celery", on_heroku="lost", said=ON_A_DYNO),
    Case(
        "a script",
        "./run_celery.sh",
        "celery",
        files={"run_celery.sh": f"#!/bin/sh\n{CELERY}\n"},
        on_heroku="lost",
        said=ON_A_DYNO,
    ),
    Case("flock", f"flock run.lock {CELERY}", "celery"),
    Case("uv run", f"uv run --no-project {CELERY}", "celery"),
    Case("make", "make worker", "celery", files={"Makefile": f"worker:\n\t{CELERY}\n"}, needs=("make",)),
    Case("script", f'script -qec "{CELERY}" /dev/null', "celery", needs=("script",)),
    Case("a terminal", f"{CELERY}; true", "celery", files={"procrun.toml": "[process.worker]\npty = true\n"}),
    Case("su", f'su root -c "{CELERY}"', "celery", needs=("su", ROOT)),
    Case("runuser", f'runuser root -c "{CELERY}"', "celery", needs=("runuser", ROOT)),
    Case("watchfiles", f"watchfiles '{CELERY}' capp.py", "celery"),
    Case("honcho inside", "honcho start -f Procfile.inner", "celery", files=INNER),
    Case("concurrently", f"concurrently '{CELERY}' 'sleep 1000'", "celery", needs=("concurrently",)),
    Case("foreman inside", "foreman start -f Procfile.inner", "celery", files=INNER, needs=("foreman",)),
    Case("a forwarding trap", "./forward.sh", "celery", files={"forward.sh": FORWARD}),
    Case("two in the background", f"{CELERY} & celery -A capp beat & wait", "celery"),
)

# --- queues of Python

QUEUES = (
    Case("celery", CELERY, "celery", on_heroku="lost", said=ON_A_DYNO),
    Case("celery, threads", f"{CELERY} -P threads", "celery"),
    Case("celery, gevent", f"{CELERY} -P gevent", "celery"),
    Case("celery, solo", f"{CELERY} -P solo", "celery", jobs=1),
    Case("celery with beat", f"{CELERY} -B", "celery"),
    Case("celery, a task with a child", CELERY, "celery", more=("child",)),
    Case("rq", "rq worker", "rq", jobs=1, on_heroku="lost", said="rq's job runs in a child that dies"),
    Case("rq worker-pool", "rq worker-pool --num-workers 2", "rq", jobs=2),
    Case("dramatiq", "dramatiq dapp -p 2 -t 2", "dramatiq", on_heroku="kept"),
    Case("dramatiq-gevent", "dramatiq-gevent dapp -p 2 -t 120", "dramatiq"),
    Case("dramatiq, a job with a child", "dramatiq dapp -p 2 -t 2", "dramatiq", more=("child",)),
    Case("arq", "arq aapp.WorkerSettings", "arq", wanted="again"),
    Case("arq that waits", "arq aapp.Waiting", "arq"),
    Case(
        "huey", "huey_consumer happ.huey -w 3", "huey", wanted="lost", on_server="done", said="TERM cuts huey's tasks"
    ),
    Case("huey -g TERM", "huey_consumer happ.huey -w 3 -g TERM", "huey"),
    Case("taskiq", "taskiq worker tapp:broker", "taskiq"),
    Case("procrastinate", "procrastinate --app papp.app worker --concurrency 3", "procrastinate"),
    Case("django-q2", "python manage.py qcluster", "django-q2"),
)

# --- queues of Ruby

CHILD = ("ChildJob",)

RUBY = (
    Case("sidekiq", "sidekiq -r ./app.rb -c 3 -t 6", "sidekiq", seconds=30, wanted="again", on_heroku="again"),
    Case("sidekiq, a job with a child", "sidekiq -r ./app.rb -c 3 -t 6", "sidekiq", more=CHILD, on_heroku="again"),
    Case("sidekiq in a pipe", "sidekiq -r ./app.rb -c 3 -t 6 2>&1 | tee worker.log", "sidekiq"),
    Case(
        "sidekiq -t 25 in a pipe",
        "sidekiq -r ./app.rb -c 3 2>&1 | tee worker.log",
        "sidekiq",
        seconds=60,
        wanted="lost",
        on_server="again",
        said="sidekiq waits 25 s",
        budget=3,
    ),
    Case("delayed_job", "rake jobs:work", "delayed_job", jobs=1),
)

# --- queues of JavaScript

NODE = (
    Case("BullMQ", "node bull.js SIGTERM", "bullmq", on_heroku="done"),
    Case("BullMQ behind npm", "npm run worker", "bullmq"),
    # nodemon ends its child by INT
    Case("BullMQ behind nodemon", "nodemon bull.js SIGTERM SIGINT", "bullmq"),
    Case("Bee-Queue", "node bee.js", "bee-queue"),
    Case("Agenda", "node agenda.mjs", "agenda"),
)

# --- servers of requests

SERVERS = (
    Case("gunicorn", "gunicorn -b 127.0.0.1:$PORT slow:wsgi", "requests", jobs=1, on_heroku="done"),
    Case("gunicorn, a request with a child", "gunicorn -b 127.0.0.1:$PORT slow:wsgi", "requests with a child", jobs=1),
    Case("gunicorn -k gthread", "gunicorn -k gthread --threads 4 -b 127.0.0.1:$PORT slow:wsgi", "requests"),
    Case("gunicorn -k gevent", "gunicorn -k gevent -b 127.0.0.1:$PORT slow:wsgi", "requests"),
    Case(
        "gunicorn -k uvicorn",
        "gunicorn -k uvicorn_worker.UvicornWorker -b 127.0.0.1:$PORT slow:asgi",
        "requests",
    ),
    Case("uvicorn", "uvicorn --host 127.0.0.1 --port $PORT slow:asgi", "requests"),
    Case("hypercorn", "hypercorn -b 127.0.0.1:$PORT slow:asgi", "requests"),
    Case(
        "hypercorn -w 2",
        "hypercorn -w 2 -b 127.0.0.1:$PORT slow:asgi",
        "requests",
        jobs=1,
        wanted="lost",
        said="hypercorn's workers",
    ),
    Case("daphne", "daphne -b 127.0.0.1 -p $PORT slow:asgi", "requests", wanted="lost", said="daphne cuts requests"),
    Case("granian", "granian --interface asgi --host 127.0.0.1 --port $PORT slow:asgi", "requests"),
    Case("thin", "thin -a 127.0.0.1 -p $PORT -R config.ru start", "requests", jobs=1, needs=("thin",)),
    Case(
        "waitress",
        "waitress-serve --listen=127.0.0.1:$PORT slow:wsgi",
        "requests",
        wanted="lost",
        on_server="done",
        said="TERM cuts requests in flight; INT finishes them",
    ),
)

CASES = (*PARENTS, *WRAPPERS, *QUEUES, *RUBY, *NODE, *SERVERS)
