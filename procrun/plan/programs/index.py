"""The names of all programs that have a profile: a command without any of them needs no profile, nor its import."""

import os
import re
from collections.abc import Mapping

_LISTED = """
airflow apache2 apache2-foreground apache2ctl apachectl arq artisan beanstalkd bench bin/jobs caddy celery circusd
clickhouse clickhouse-server cockroach conc concurrently console couchdb daphne db_worker delayed_job
delayed_job_worker_pool dramatiq dramatiq-gevent elasticsearch etcd faktory faktory-worker falcon fastapi forego
foreman gearmand gnatsd good_job goreman granian graphile-worker gunicorn haproxy hivemind honcho httpd
httpd-foreground huey huey_consumer huey_consumer.py hypercorn influxd kafka-server-start kafka-server-start.sh
karafka keydb-server mariadbd mariadbd-safe meilisearch memcached minio mongod mosquitto mysqld mysqld_safe
nats-server neo4j nginx nsqd nsqlookupd nutcracker openresty opensearch overmind passenger pgbouncer pgpool php-fpm
php-fpm8.2 php-fpm8.3 php-fpm8.4 pm2-docker pm2-runtime postgres postmaster procrastinate procrun proxysql puma
qcluster qdrant que rabbitmq-server racecar rails rake redis-server redis-stack-server resque resque-pool rq
rqworker rqworker-pool run_huey rundramatiq saq shoryuken sidekiq sidekiqswarm sneakers solr supervisord taskiq thin
typesense-server unicorn unicorn_rails uvicorn uwsgi valkey-server waitress-serve yacron zkServer.sh
zookeeper-server-start zookeeper-server-start.sh
"""
NAMES = frozenset(_LISTED.split())
"""Those of `profiles.PROFILES`; a test holds them equal."""

_USED = re.compile(r"\$\{?(\w+)")
_WORD = re.compile(r"[\w+./-]*[\w+-]")
_FILE = re.compile(r"[\w./-]*/[\w.-]+|[\w-]+\.sh\b")
_CHANGED = re.compile(r"\bcd\s+([\w./-]+)")
_SCRIPTS_OF = {
    "npm": "package.json",
    "yarn": "package.json",
    "pnpm": "package.json",
    "bun": "package.json",
    "make": "Makefile",
}
_ALIASES = frozenset(("prodserver", "rackup"))
"""Names that stand for a known program, by files of the app."""


def may_be_known(command: str, variables: Mapping[str, str]) -> bool:
    """Whether one of the names stands anywhere in the command, or in a variable that it uses.

    `celery.bin` counts as `celery`: `python -m` takes modules so.
    """
    used = [variables.get(name, "") for name in _USED.findall(command)] if "$" in command else ()
    words = _WORD.findall("\n".join((command, *used)))
    return any(_is_known(word) for word in words)


def _is_known(word: str) -> bool:
    folder, _, name = word.rpartition("/")
    last_two = f"{folder.rpartition('/')[2]}/{name}"
    return name in NAMES or name in _ALIASES or last_two in NAMES or not NAMES.isdisjoint(name.split("."))


def files(command: str) -> list[str]:
    """The files that may say what the command runs, as paths from the app's folder: scripts, a package.json."""
    folders = ["", *_CHANGED.findall(command)]
    named = [*_FILE.findall(command), *(_SCRIPTS_OF[word] for word in _WORD.findall(command) if word in _SCRIPTS_OF)]
    return [os.path.join(folder, name) for name in named for folder in folders]
