"""The names of all programs that have a profile: a command without any of them needs no profile, nor its import."""

import os
import re
from collections.abc import Mapping

_LISTED = """
beanstalkd celery circusd clickhouse clickhouse-server cockroach conc concurrently couchdb dramatiq elasticsearch
etcd faktory forego foreman gearmand gnatsd goreman gunicorn hivemind honcho influxd kafka-server-start
kafka-server-start.sh keydb-server mariadbd mariadbd-safe meilisearch memcached minio mongod mosquitto mysqld
mysqld_safe nats-server neo4j nginx nsqd nsqlookupd nutcracker openresty opensearch overmind pgbouncer pgpool
pm2-docker pm2-runtime postgres postmaster procrun proxysql puma qdrant rabbitmq-server rails rake redis-server
redis-stack-server resque rq rqworker rundramatiq sidekiq sidekiqswarm solr supervisord typesense-server unicorn
unicorn_rails uvicorn uwsgi valkey-server yacron zkServer.sh zookeeper-server-start zookeeper-server-start.sh
"""
NAMES = frozenset(_LISTED.split())
"""Those of `profiles.PROFILES`; a test holds them equal."""

_USED = re.compile(r"\$\{?(\w+)")
_WORD = re.compile(r"[\w+-]+(?:\.\w+)*")
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
    return any(word in NAMES or word in _ALIASES or NAMES.intersection(word.split(".")) for word in words)


def files(command: str) -> list[str]:
    """The files that may say what the command runs, as paths from the app's folder: scripts, a package.json."""
    folders = ["", *_CHANGED.findall(command)]
    named = [*_FILE.findall(command), *(_SCRIPTS_OF[word] for word in _WORD.findall(command) if word in _SCRIPTS_OF)]
    return [os.path.join(folder, name) for name in named for folder in folders]
