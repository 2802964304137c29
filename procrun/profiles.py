"""What procrun knows of programs: one table, each fact with its source.

Sources: "run" was measured with the version named beside it, "source" read in its code, "docs" in its manual;
"Cloud 66" is that platform's default sequence. To add a program, write a Profile and put it into PROFILES.
"""

from collections.abc import Mapping
from math import inf
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2
from typing import Any, NamedTuple

from procrun.model import Step

LAST_WAIT = 5.0
"""Seconds after the last signal of a sequence; what is still there then is reported."""


class Config(NamedTuple):
    """The program's own file where it keeps a setting: its name, the options that name another file, the default ones.

    `sections`: a section with the name of the environment (`production:`) beats the top level. `suffix`: an argument
    that ends so is the file.
    """

    setting: str
    options: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    sections: bool = False
    suffix: str = ""


class Patience(NamedTuple):
    """How long a program waits for its work after `signal` before it gives up, and what KILL costs before that.

    `default` is in seconds, `options`, `variables` and `config` in seconds / `unit`; inf is for ever. `before` says
    which default older versions had. `margin` is what it may need beyond its wait, in seconds. `loses` is a clause;
    `harmless` where no work is gone for good. `also` are signals at which it does the same. `cure` is the setting
    that has it fit into {seconds}, where that is not simply the first of the options.
    """

    default: float
    margin: float
    loses: str
    work: str = "jobs"
    harmless: bool = False
    signal: int = SIGTERM
    also: tuple[int, ...] = ()
    cure: str = ""
    options: tuple[str, ...] = ()
    unit: float = 1
    variables: tuple[str, ...] = ()
    options_in: str = ""
    config: Config | None = None
    before: tuple[tuple[int, ...], float] | None = None


class Versions(NamedTuple):
    """A signal, in versions from `since` to, not with, `before`; () is no limit."""

    signal: int
    since: tuple[int, ...] = ()
    before: tuple[int, ...] = ()


class Variant(NamedTuple):
    """What is otherwise where any of these holds: a word has `word` in it, an option has another value than 0, a
    variable has a value that matches `value`, or a line of the config file matches `line`."""

    changes: Mapping[str, Any]
    word: str = ""
    options: tuple[str, ...] = ()
    variable: str = ""
    value: str = ""
    line: str = ""


class Profile(NamedTuple):
    """A known program.

    `programs` are its names without a folder; where `verbs` are given, one must be among its arguments (`celery
    worker`), `verb_options` being those whose value is none. `stop` is its sequence on a server: the last step is
    KILL unless `never_kill`. `main_only`: TERM, INT, QUIT and HUP are for the main process. `clean`: a death by one
    of these after our own signal, or an exit with 128 + n, is a good end. `quiet` is empty where no signal does it
    (`quiet_hint` says what does). `ready` is how it shows that it can serve: a protocol to ask on its port (redis,
    postgres, memcached, connect) or its title; `ready_line` a line it logs then. `busy_title` matches the title
    with the groups version, busy, slots and quiet. `deadly` are signals that end it with all its work in flight.
    `at_term` is what TERM alone costs, and the cure; `term_to_all` what TERM to every process does.
    """

    name: str
    programs: tuple[str, ...]
    stop: tuple[Step, ...]
    verbs: tuple[str, ...] = ()
    verb_options: tuple[str, ...] = ()
    main_only: bool = False
    never_kill: bool = False
    clean: tuple[int, ...] = ()
    quiet: tuple[Versions, ...] = ()
    quiet_hint: str = ""
    patience: Patience | None = None
    variants: tuple[Variant, ...] = ()
    store: bool = False
    ready: str = ""
    ready_line: str = ""
    busy_title: str = ""
    deadly: tuple[Versions, ...] = ()
    at_term: str = ""
    term_to_all: str = ""
    gem: str = ""


def _steps(*signals_and_waits: float) -> tuple[Step, ...]:
    """`SIGQUIT, 75, SIGTERM, 15, SIGKILL`: the last signal has LAST_WAIT."""
    numbers = [*signals_and_waits, LAST_WAIT]
    return tuple(Step(int(number), wait) for number, wait in zip(numbers[::2], numbers[1::2], strict=True))


_WORKER = _steps(SIGTERM, 90, SIGKILL)  # Cloud 66: sidekiq, puma and workers of any kind
_QUIT_FIRST = _steps(SIGQUIT, 75, SIGTERM, 15, SIGKILL)  # Cloud 66: unicorn and resque


# --- workers

SIDEKIQ = Profile(
    name="sidekiq",
    programs=("sidekiq", "sidekiqswarm"),
    stop=_WORKER,  # Cloud 66; a longer -t makes it longer
    # docs (wiki, Signals): TSTP since 5, USR1 before and in 5; run, 6.4.1: these kill it, 5 of 5 jobs lost
    quiet=(Versions(SIGTSTP, since=(5,)), Versions(SIGUSR1, before=(6,))),
    deadly=(Versions(SIGUSR1, since=(6,)), Versions(SIGUSR2, since=(6,)), Versions(SIGHUP), Versions(SIGQUIT)),
    patience=Patience(
        default=25,  # source: sidekiq.rb:26 of 6.4.1
        before=((6,), 8),  # docs: sidekiq#3968, "8 seconds since forever"; released with 6.0
        margin=3,  # run: jobs that swallow Shutdown take up to 3 s more
        loses="every job in flight is lost",  # run: KILL at 10 s, -t 25
        also=(SIGINT,),  # run: the same code path
        options=("-t", "--timeout"),
        config=Config(
            "timeout", ("-C", "--config"), ("config/sidekiq.yml", "config/sidekiq.yml.erb"), sections=True
        ),  # source: cli.rb:229-250, 393
    ),
    ready="title",  # run: the title comes with the first heartbeat, 0.6 s after the start
    ready_line=r"Booting Sidekiq \d|Sidekiq \d\S* connecting to Redis",  # source: redis_connection.rb:113, and 7
    busy_title=r"sidekiq (?P<version>\d\S*) .*\[(?P<busy>\d+) of (?P<slots>\d+) busy\](?P<quiet> s)?",  # run
    gem="sidekiq",
)

CELERY = Profile(
    name="celery",
    programs=("celery",),
    verbs=("worker",),
    verb_options=("-A", "--app", "-b", "--broker", "--result-backend", "--loader", "--config", "--workdir"),
    # run, 5.7.0: QUIT after TERM gives every task back, with late acknowledgement, in 2.3 s
    stop=_steps(SIGTERM, 90, SIGQUIT, 3, SIGKILL),
    main_only=True,  # run: TERM to the group kills the pool's processes and loses 5 of 5
    quiet_hint="no signal quiets celery; `celery control cancel_consumer QUEUE` does",  # run
    patience=Patience(
        default=inf,  # run: a warm shutdown waits for its tasks
        margin=2,  # run: gone 1.7 s after the last task
        loses="every task in flight is lost",  # run
        work="tasks",
        also=(SIGINT,),  # run
        options=("--time-limit",),  # source: a task is ended then, so the wait is too
        cure=(  # run: 5 s for its tasks, then all are given back, 0 lost
            "set task_acks_late, task_reject_on_worker_lost and worker_soft_shutdown_timeout = {seconds}, and start it "
            "with REMAP_SIGTERM=SIGQUIT"
        ),
    ),
    variants=(  # run: TERM is then a cold or a soft shutdown, which its settings bound
        Variant({"stop": _WORKER, "patience": None}, variable="REMAP_SIGTERM", value="(SIG)?QUIT"),
        # source (apps/worker.py, on_consumer_ready): at info, and it logs from WARNING on by itself
        *(Variant({"ready_line": r"\S@\S+ ready\."}, word=level) for level in ("info", "INFO", "debug", "DEBUG")),
    ),
    term_to_all=(
        "celery's pool dies of a TERM of its own and loses every task in flight; set task_acks_late and "
        "task_reject_on_worker_lost, and they run again"
    ),
)

RESQUE = Profile(
    name="resque",
    programs=("rake", "rails"),
    verbs=("resque:work",),
    # Cloud 66; source (worker.rb): QUIT ends after the job, TERM kills the child or, with TERM_CHILD, TERMs it
    stop=_QUIT_FIRST,
    main_only=True,  # source: QUIT has its default action in the child, which runs the job
    quiet=(Versions(SIGUSR2),),  # source: pause_processing; CONT takes it back
    patience=Patience(default=0, margin=1, loses="the job in flight is lost"),
    # source: kill_child; with TERM_CHILD the job gets a TermException, and fails where it can be retried
    at_term="TERM kills the job in flight, which is lost; set TERM_CHILD=1, and the job is told and gets 4 s",
    variants=(
        Variant(
            {
                "at_term": "",
                "patience": Patience(
                    default=4,  # source: `ENV['RESQUE_TERM_TIMEOUT'] || 4.0`
                    margin=1,
                    loses="the job in flight is lost",
                    variables=("RESQUE_TERM_TIMEOUT",),
                ),
            },
            variable="TERM_CHILD",
            value=".*",
        ),
        Variant(  # source: TERM is then what QUIT is, and waits for the job
            {"at_term": "", "patience": Patience(default=inf, margin=1, loses="the job in flight is lost")},
            variable="GRACEFUL_TERM",
            value=".*",
        ),
    ),
    gem="resque",
)

RQ = Profile(
    name="rq",
    programs=("rq", "rqworker"),  # `manage.py rqworker` is django-rq's
    verbs=("worker", "worker-pool", "rqworker"),
    stop=_WORKER,  # run, 3.0.0: TERM once; a second one kills the job
    main_only=True,  # run: the job's child (in a process group of its own) dies of a TERM, and the job with it
    quiet_hint="no signal quiets rq; `rq suspend` does, for all its workers, until `rq resume`",  # run
    patience=Patience(
        default=180,  # docs: a job's own time-out unless it says otherwise
        margin=3,
        loses="the job in flight is lost: it is not run again",  # run: it stays in StartedJobRegistry
        also=(SIGINT,),  # run
        cure="give its jobs a job_timeout of {seconds} s at most",
    ),
    ready_line=r"Listening on ",
    term_to_all=(  # source (handle_job_failure): a job with retries left is enqueued again
        "rq's job runs in a child that dies of a TERM of its own: it is marked failed and not run again; enqueue it "
        "with retry=Retry(max=1), and it is"
    ),
)

DRAMATIQ = Profile(
    name="dramatiq",
    programs=("dramatiq", "rundramatiq"),  # `manage.py rundramatiq` is django_dramatiq's
    stop=_WORKER,  # run, 2.2.1: TERM once; a second one kills its processes
    main_only=True,  # run: TERM to the group counts twice, exit 1, 0 of 9 done
    patience=Patience(
        default=600,  # run
        margin=3,
        loses="its jobs wait a minute or more, then run again",  # run: 186 s
        harmless=True,
        also=(SIGINT,),  # run
        options=("--worker-shutdown-timeout",),
        unit=0.001,
    ),
    quiet_hint="no signal quiets dramatiq",
    ready_line=r"Worker process is ready for action",
    term_to_all=(
        "dramatiq takes a second TERM, which its main process passes on, for a kill: its jobs stop half-way and run "
        "again after a minute or more; they must bear that"
    ),
)


# --- servers of requests

_CUT = "requests in flight are cut"
_QUITS = 'TERM cuts requests in flight; QUIT finishes them, and platform = "server" sends it first'

GUNICORN = Profile(
    name="gunicorn",
    programs=("gunicorn",),
    stop=_steps(SIGTERM, 32, SIGQUIT, 3, SIGKILL),  # run, 27.0.1: TERM is graceful, QUIT quick
    patience=Patience(
        default=30,  # run: with 1 the request is cut at 1.1 s
        margin=2,
        loses=_CUT,
        work="requests",
        options=("--graceful-timeout",),
        options_in="GUNICORN_CMD_ARGS",  # docs: between the command line and the file
        config=Config("graceful_timeout", ("-c", "--config"), ("gunicorn.conf.py",)),
    ),
    ready="connect",
)

UVICORN = Profile(
    name="uvicorn",
    programs=("uvicorn",),
    stop=_WORKER,
    clean=(SIGTERM,),  # run, 0.54.0: it raises TERM again when it is done
    deadly=(Versions(SIGHUP), Versions(SIGQUIT), Versions(SIGUSR1), Versions(SIGUSR2)),  # run: the request is cut
    patience=Patience(
        default=inf,  # run
        margin=2,
        loses=_CUT,
        work="requests",
        also=(SIGINT,),  # run
        options=("--timeout-graceful-shutdown",),
        variables=("UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN",),  # docs: UVICORN_* for each option
    ),
    ready="connect",
)

_PUMA_FILES = ("config/puma.rb",)

PUMA = Profile(
    name="puma",
    programs=("puma",),
    stop=_WORKER,  # Cloud 66
    clean=(SIGTERM,),  # run, 5.6.5: raise_exception_on_sigterm
    patience=Patience(  # one process: source (dsl.rb): force_shutdown_after, :forever
        default=inf,
        margin=2,
        loses=_CUT,
        work="requests",
        also=(SIGINT,),  # run
        config=Config("force_shutdown_after", ("-C", "--config"), _PUMA_FILES),
    ),
    variants=(
        Variant(  # a cluster
            {
                "patience": Patience(
                    default=30,  # source: DefaultWorkerShutdownTimeout
                    margin=2,
                    loses=_CUT,
                    work="requests",
                    also=(SIGINT,),
                    config=Config("worker_shutdown_timeout", ("-C", "--config"), _PUMA_FILES),
                )
            },
            options=("-w", "--workers"),
            variable="WEB_CONCURRENCY",
            value=r"[1-9]\d*",
            line=r"^\s*workers\b",
        ),
    ),
    ready="connect",
    gem="puma",
)

UNICORN = Profile(
    name="unicorn",
    programs=("unicorn", "unicorn_rails"),
    stop=_QUIT_FIRST,  # Cloud 66; run, 6.0.0: QUIT is graceful, TERM cuts the request
    main_only=True,
    at_term=_QUITS,
    patience=Patience(
        default=60,  # docs: `timeout`, after which its master kills a worker
        margin=2,
        loses=_CUT,
        work="requests",
        signal=SIGQUIT,
        config=Config("timeout", ("-c", "--config-file"), ("config/unicorn.rb",)),
    ),
    ready="connect",
    gem="unicorn",
)

NGINX = Profile(
    name="nginx",
    programs=("nginx", "openresty"),
    stop=_QUIT_FIRST,  # run, 1.22.1: QUIT is graceful, TERM and INT cut the request
    main_only=True,
    at_term=_QUITS,
    patience=Patience(
        default=inf,  # docs: worker_shutdown_timeout has no default
        margin=2,
        loses=_CUT,
        work="requests",
        signal=SIGQUIT,
        config=Config("worker_shutdown_timeout", ("-c",), ()),
    ),
    ready="connect",
)

UWSGI = Profile(
    name="uwsgi",
    programs=("uwsgi",),
    stop=_steps(SIGINT, 60, SIGKILL),  # run, 2.0.21: TERM restarts it; INT kills its workers, 1.0 s
    main_only=True,  # run: the workers die of TERM
    variants=(
        Variant(  # run: the request is finished, exit 0
            {
                "stop": _steps(SIGTERM, 62, SIGKILL),
                "at_term": "",
                "patience": Patience(
                    default=60,  # docs: worker-reload-mercy
                    margin=2,
                    loses=_CUT,
                    work="requests",
                    options=("--worker-reload-mercy",),
                    config=Config("worker-reload-mercy", ("--ini",), suffix=".ini"),
                ),
            },
            word="gracefully_kill_them_all",
            line="gracefully_kill_them_all",
        ),
    ),
    ready="connect",
    at_term=(
        "uwsgi restarts at TERM, which cuts requests in flight, and needs KILL; "
        'set hook-master-start = "unix_signal:15 gracefully_kill_them_all"'
    ),
    term_to_all="uwsgi's workers die of a TERM of their own, which cuts requests in flight; a dyno has no cure for it",
)


# --- stores

POSTGRES = Profile(
    name="postgres",
    programs=("postgres", "postmaster"),
    # run, 15: INT is the fast shutdown, with a checkpoint; TERM waits for sessions, for ever with pools; QUIT comes
    # without a checkpoint, and docs: its processes are killed 5 s later by itself, so that KILL is never needed
    stop=(Step(SIGINT, 60), Step(SIGQUIT, 10)),
    main_only=True,
    never_kill=True,
    store=True,
    ready="postgres",
)

REDIS = Profile(
    name="redis",
    programs=("redis-server", "redis-stack-server", "valkey-server", "keydb-server"),
    # run, 7.0.15: gone in 0.1 s; docs: it saves first if so configured, and waits 10 s for its replicas; QUIT kills
    stop=_steps(SIGTERM, 30, SIGKILL),
    store=True,
    ready="redis",
)

MEMCACHED = Profile(
    name="memcached", programs=("memcached",), stop=_steps(SIGTERM, 10, SIGKILL), store=True, ready="memcached"
)


def _store(name: str, *programs: str, verbs: tuple[str, ...] = (), clean: tuple[int, ...] = ()) -> Profile:
    """A store that ends well at TERM (docs) and is ready when its port is open."""
    stop = _steps(SIGTERM, 60, SIGKILL)
    return Profile(name, programs or (name,), stop, verbs=verbs, clean=clean, store=True, ready="connect")


_JAVA = (SIGTERM,)  # docs: a JVM exits with 143 after TERM, its shutdown hooks done

PROFILES: tuple[Profile, ...] = (
    SIDEKIQ,
    CELERY,
    RESQUE,
    RESQUE._replace(programs=("resque",), verbs=("work",)),
    RQ,
    DRAMATIQ,
    GUNICORN,
    UVICORN,
    PUMA,
    UNICORN,
    NGINX,
    UWSGI,
    POSTGRES,
    REDIS,
    MEMCACHED,
    _store("mysqld", "mysqld", "mariadbd", "mysqld_safe", "mariadbd-safe"),
    _store("mongod"),
    _store("rabbitmq", "rabbitmq-server"),
    _store("elasticsearch", "elasticsearch", "opensearch", clean=_JAVA),
    _store("kafka", "kafka-server-start", "kafka-server-start.sh", clean=_JAVA),
    _store("zookeeper", "zookeeper-server-start", "zookeeper-server-start.sh", clean=_JAVA),
    _store("zookeeper", "zkServer.sh", verbs=("start-foreground",), clean=_JAVA),
    _store("etcd", clean=(SIGTERM,)),  # source: it raises the signal again when it is done
    _store("minio", verbs=("server",)),
)


def named(name: str) -> Profile | None:
    """The profile of this name, as a configuration gives it."""
    return next((profile for profile in PROFILES if profile.name == name), None)


def of_program(program: str) -> list[Profile]:
    """The profiles that a program of this name, without its folder, may have: its arguments decide."""
    return [profile for profile in PROFILES if program in profile.programs]


def quiet_signal(profile: Profile, version: tuple[int, ...] | None) -> int | None:
    """The signal that quiets this version; None where there is none, or where an unknown version would decide."""
    for quiet in profile.quiet:
        holds = covers(quiet, version)
        if holds is not False:
            return quiet.signal if holds else None
    return None


def covers(versions: Versions, version: tuple[int, ...] | None) -> bool | None:
    """Whether `version` is one of `versions`; None where an unknown version would decide."""
    if version is None:
        return None if versions.since or versions.before else True
    return version >= versions.since and (not versions.before or version < versions.before)
