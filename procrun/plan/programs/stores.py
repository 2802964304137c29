"""The stores procrun knows: programs that keep state for others, and so start before them and stop after them."""

from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM
from typing import Any

from procrun.core.spec import Step
from procrun.plan.programs.profile import Profile, steps

POSTGRES = Profile(
    name="postgres",
    programs=("postgres", "postmaster"),
    # run, 15: INT is the fast shutdown, with a checkpoint; TERM waits for sessions, for ever with pools; QUIT comes
    # without a checkpoint, and docs: its processes are killed 5 s later by itself, so that KILL is never needed
    stop=(Step(SIGINT, 60), Step(SIGQUIT, 10)),
    never_kill=True,
    store=True,
    ready="postgres",
    port=5432,
    port_options=("-p",),
    source="run, 15.20",
)

REDIS = Profile(
    name="redis",
    programs=("redis-server", "redis-stack-server", "valkey-server", "keydb-server"),
    # run, 7.0.15: gone in 0.1 s; docs: it saves first if so configured, and waits 10 s for its replicas; QUIT kills
    stop=steps(SIGTERM, 30, SIGKILL),
    store=True,
    ready="redis",
    port=6379,
    port_options=("--port",),
    source="run, 7.0.15",
)

MEMCACHED = Profile(
    name="memcached",
    programs=("memcached",),
    stop=steps(SIGTERM, 10, SIGKILL),  # run, 1.6.18: gone in 0.3 s, exit 0; QUIT kills it
    store=True,
    ready="memcached",
    port=11211,
    port_options=("-p", "--port"),
    source="run, 1.6.18",
)

_AT_TERM = steps(SIGTERM, 60, SIGKILL)
_AT_INT = steps(SIGINT, 30, SIGKILL)
_JAVA = (SIGTERM,)  # docs: a JVM exits with 143 after TERM, its shutdown hooks done


def _store(name: str, programs: str, port: int, source: str, **more: Any) -> Profile:
    """A store that ends well at TERM, unless `more` says otherwise, and is ready when its port is open."""
    made = Profile(name, tuple(programs.split()), _AT_TERM, store=True, ready="connect", port=port, source=source)
    return made._replace(**more)


_KAFKA = _store("kafka", "kafka-server-start kafka-server-start.sh", 9092, "docs", after=("zookeeper",), clean=_JAVA)
_ZOOKEEPER = _store("zookeeper", "zookeeper-server-start zookeeper-server-start.sh", 2181, "docs", clean=_JAVA)

STORES: tuple[Profile, ...] = (
    POSTGRES,
    REDIS,
    MEMCACHED,
    # databases
    _store("mysqld", "mysqld mariadbd mysqld_safe mariadbd-safe", 3306, "docs", port_options=("-P", "--port")),
    _store("mongod", "mongod", 27017, "docs", port_options=("--port",)),
    _store("clickhouse", "clickhouse-server", 8123, "run, 18.16.1: gone in 1.3 s, exit 0"),
    _store("clickhouse", "clickhouse", 8123, "docs", verbs=("server",)),
    _store("cockroach", "cockroach", 26257, "docs", verbs=("start", "start-single-node")),
    _store("etcd", "etcd", 2379, "run, 3.4.23: it raises the signal again when it is done", clean=(SIGTERM,)),
    _store("minio", "minio", 9000, "docs", verbs=("server",)),
    _store("influxd", "influxd", 8086, "docs"),
    _store("couchdb", "couchdb", 5984, "docs"),
    _store("neo4j", "neo4j", 7687, "docs", verbs=("console",), clean=_JAVA),
    # search
    _store("elasticsearch", "elasticsearch opensearch", 9200, "docs", clean=_JAVA),
    _store("meilisearch", "meilisearch", 7700, "docs"),
    _store("typesense", "typesense-server", 8108, "docs"),
    _store("qdrant", "qdrant", 6333, "docs"),
    _store("solr", "solr", 8983, "docs", verbs=("start",), clean=_JAVA),
    # queues
    _store(
        "beanstalkd",
        "beanstalkd",
        11300,
        "run, 1.12: it dies of TERM at once; with -b its log has every job",
        port_options=("-p",),
        clean=(SIGTERM, SIGINT),
    ),
    _store(
        "nats",
        "nats-server gnatsd",
        4222,
        "run, 2.9.10: INT ends it with 0, TERM with 1",
        stop=_AT_INT,
        port_options=("-p", "--port"),
    ),
    _store("rabbitmq", "rabbitmq-server", 5672, "run, 3.10.8: 1.2 s", clean=(SIGTERM,)),
    _store("mosquitto", "mosquitto", 1883, "run, 2.0.11: exit 0", port_options=("-p", "--port")),
    _store("faktory", "faktory", 7419, "docs"),
    _store("gearmand", "gearmand", 4730, "run, 1.1.20: exit 0", port_options=("-p", "--port")),
    _store("nsqd", "nsqd", 4150, "docs", after=("nsqlookupd",)),
    _store("nsqlookupd", "nsqlookupd", 4160, "docs"),
    _KAFKA,
    _ZOOKEEPER,
    _ZOOKEEPER._replace(programs=("zkServer.sh",), verbs=("start-foreground",)),
    # what stands between a database and its users
    _store(
        "pgbouncer",
        "pgbouncer",
        6432,
        "run, 1.18.0: INT waits for the queries that run, TERM and QUIT cut them",
        stop=steps(SIGINT, 30, SIGTERM, 5, SIGKILL),
        after=("postgres",),
    ),
    _store("pgpool", "pgpool", 9999, "docs: TERM waits for its clients, INT does not", after=("postgres",)),
    _store("proxysql", "proxysql", 6033, "docs", after=("mysqld",)),
    _store("twemproxy", "nutcracker", 22121, "docs", after=("redis", "memcached"), clean=(SIGTERM,)),
)
