"""The web servers procrun knows: what cuts a request in flight, and what finishes it."""

from math import inf
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2

from procrun.profile import QUIT_FIRST, WORKER, Config, Patience, Profile, Variant, Versions, steps

_CUT = "requests in flight are cut"
_QUITS = 'TERM cuts requests in flight; QUIT finishes them, and platform = "server" sends it first'

GUNICORN = Profile(
    name="gunicorn",
    programs=("gunicorn",),
    stop=steps(SIGTERM, 32, SIGQUIT, 3, SIGKILL),  # run, 27.0.1: TERM is graceful, QUIT quick
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
    stop=WORKER,
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
    stop=WORKER,  # Cloud 66
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
    stop=QUIT_FIRST,  # Cloud 66; run, 6.0.0: QUIT is graceful, TERM cuts the request
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
    stop=QUIT_FIRST,  # run, 1.22.1: QUIT is graceful, TERM and INT cut the request
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
    stop=steps(SIGINT, 60, SIGKILL),  # run, 2.0.21: TERM restarts it; INT kills its workers, 1.0 s
    # run: the workers die of TERM
    variants=(
        Variant(  # run: the request is finished, exit 0
            {
                "stop": steps(SIGTERM, 62, SIGKILL),
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

WEBSERVERS: tuple[Profile, ...] = (GUNICORN, UVICORN, PUMA, UNICORN, NGINX, UWSGI)
