"""The names of all programs that have a profile: a command without any of them needs no profile, nor its import."""

import re
from collections.abc import Mapping

_LISTED = """
celery dramatiq elasticsearch etcd gunicorn kafka-server-start kafka-server-start.sh keydb-server
mariadbd mariadbd-safe memcached minio mongod mysqld mysqld_safe nginx openresty opensearch postgres
postmaster puma rabbitmq-server rails rake redis-server redis-stack-server resque rq rqworker
rundramatiq sidekiq sidekiqswarm unicorn unicorn_rails uvicorn uwsgi valkey-server zkServer.sh
zookeeper-server-start zookeeper-server-start.sh
"""
NAMES = frozenset(_LISTED.split())
"""Those of `profiles.PROFILES`; a test holds them equal."""

_USED = re.compile(r"\$\{?(\w+)")


def may_be_known(command: str, variables: Mapping[str, str]) -> bool:
    """Whether one of the names is anywhere in the command, or in a variable that it uses."""
    used = [variables.get(name, "") for name in _USED.findall(command)] if "$" in command else ()
    text = "\n".join((command, *used))
    return any(name in text for name in NAMES)
