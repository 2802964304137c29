"""The names of all programs that have a profile: a command without any of them needs no profile, nor its import."""

import re
from collections.abc import Mapping

_LISTED = """
beanstalkd celery clickhouse clickhouse-server cockroach couchdb dramatiq elasticsearch etcd faktory gearmand gnatsd
gunicorn influxd kafka-server-start kafka-server-start.sh keydb-server mariadbd mariadbd-safe meilisearch memcached
minio mongod mosquitto mysqld mysqld_safe nats-server neo4j nginx nsqd nsqlookupd nutcracker openresty opensearch
pgbouncer pgpool postgres postmaster proxysql puma qdrant rabbitmq-server rails rake redis-server redis-stack-server
resque rq rqworker rundramatiq sidekiq sidekiqswarm solr typesense-server unicorn unicorn_rails uvicorn uwsgi
valkey-server zkServer.sh zookeeper-server-start zookeeper-server-start.sh
"""
NAMES = frozenset(_LISTED.split())
"""Those of `profiles.PROFILES`; a test holds them equal."""

_USED = re.compile(r"\$\{?(\w+)")
_WORD = re.compile(r"[\w+-]+(?:\.\w+)*")


def may_be_known(command: str, variables: Mapping[str, str]) -> bool:
    """Whether one of the names stands anywhere in the command, or in a variable that it uses.

    `celery.bin` counts as `celery`: `python -m` takes modules so.
    """
    used = [variables.get(name, "") for name in _USED.findall(command)] if "$" in command else ()
    words = _WORD.findall("\n".join((command, *used)))
    return any(word in NAMES or word.partition(".")[0] in NAMES for word in words)
