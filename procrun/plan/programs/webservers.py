"""The web servers procrun knows: what cuts a request in flight, and what finishes it."""

from math import inf
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH

from procrun.plan.programs.profile import QUIT_FIRST, WORKER, Config, Patience, Profile, Variant, Versions, steps

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
    source="run, 27.0.1",
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
    source="run, 0.54.0",
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
            value=r"[1-9]\d*|auto",
            setting="workers",
        ),
    ),
    ready="connect",
    gem="puma",
    source="run, 5.6.5",
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
    source="run, 6.0.0",
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
    source="run, 1.22.1",
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
    source="run, 2.0.21",
)

_FINISHES = Patience(default=inf, margin=2, loses=_CUT, work="requests", also=(SIGINT,))

HYPERCORN = Profile(
    name="hypercorn",
    programs=("hypercorn",),
    stop=WORKER,
    # run: a TERM to each of its processes cuts the request, one to the main process finishes it
    patience=_FINISHES._replace(
        default=3,  # source (config.py:78)
        options=("--graceful-timeout",),
    ),
    ready="connect",
    term_to_all="hypercorn's workers take a TERM of their own and its main one for two, which cut requests in flight",
    variants=(
        Variant(  # run, source (run.py): it terminates the others when the first has ended; 1 of 1 request cut
            {
                "at_term": (
                    "TERM cuts requests in flight: the first of hypercorn's workers that has ended ends the others; "
                    "run it with one worker, and several instances of it"
                ),
            },
            options=("-w", "--workers"),
            value=r"[2-9]|[1-9]\d+",
        ),
    ),
    dist="hypercorn",
    source="run, 0.18.0; with several workers TERM cuts requests whoever it is sent to",
)

DAPHNE = Profile(
    name="daphne",
    programs=("daphne",),
    stop=steps(SIGTERM, 10, SIGKILL),
    at_term="daphne cuts requests in flight at any signal; it has no cure for it",  # run: TERM and INT
    ready="connect",
    dist="daphne",
    source="run, 4.2.3",
)

GRANIAN = Profile(
    name="granian",
    programs=("granian",),
    stop=WORKER,
    patience=_FINISHES._replace(  # run: TERM to its main process or to all of them
        options=("--workers-kill-timeout",), variables=("GRANIAN_WORKERS_KILL_TIMEOUT",)
    ),
    ready="connect",
    dist="granian",
    source="run, 2.8.9",
)

WAITRESS = Profile(
    name="waitress",
    programs=("waitress-serve",),
    stop=steps(SIGINT, 30, SIGTERM, 5, SIGKILL),  # run: INT finishes the request, TERM kills it in 0.1 s
    clean=(SIGTERM,),
    at_term='TERM cuts requests in flight; INT finishes them, and platform = "server" sends it first',
    patience=Patience(default=5, margin=2, loses=_CUT, work="requests", signal=SIGINT),
    ready="connect",
    dist="waitress",
    source="run, 3.0.2",
)

THIN = Profile(
    name="thin",
    programs=("thin",),
    verbs=("start",),
    stop=WORKER,  # run: TERM, INT and QUIT finish the request
    patience=_FINISHES._replace(default=30, also=(SIGINT, SIGQUIT)),  # docs: --wait 30
    ready="connect",
    gem="thin",
    source="run, 1.8.1",
)

PASSENGER = Profile(
    name="passenger",
    programs=("passenger",),
    verbs=("start",),
    stop=WORKER,
    patience=_FINISHES._replace(default=60),  # docs: graceful shutdown
    ready="connect",
    gem="passenger",
    source="docs",
)

FALCON = Profile(
    name="falcon",
    programs=("falcon",),
    verbs=("serve", "host"),
    stop=WORKER,
    patience=_FINISHES,
    ready="connect",
    gem="falcon",
    source="docs",
)

APACHE = Profile(
    name="apache",
    programs=("apache2", "httpd", "apache2ctl", "apachectl", "apache2-foreground", "httpd-foreground"),
    stop=steps(SIGWINCH, 60, SIGTERM, 5, SIGKILL),  # docs (Stopping and Restarting): WINCH is the graceful stop
    at_term='TERM cuts requests in flight; WINCH finishes them, and platform = "server" sends it first',
    patience=Patience(
        default=inf,  # docs: GracefulShutdownTimeout 0
        margin=2,
        loses=_CUT,
        work="requests",
        signal=SIGWINCH,
        config=Config("GracefulShutdownTimeout", ("-f",), ()),
    ),
    ready="connect",
    source="docs",
)

PHP_FPM = Profile(
    name="php-fpm",
    programs=("php-fpm", "php-fpm8.2", "php-fpm8.3", "php-fpm8.4"),
    stop=QUIT_FIRST,  # docs: QUIT is the graceful stop
    at_term=_QUITS,
    patience=Patience(
        default=inf,  # docs: process_control_timeout 0
        margin=2,
        loses=_CUT,
        work="requests",
        signal=SIGQUIT,
        config=Config("process_control_timeout", ("-y", "--fpm-config"), ()),
    ),
    ready="connect",
    source="docs",
)

HAPROXY = Profile(
    name="haproxy",
    programs=("haproxy",),
    stop=steps(SIGUSR1, 60, SIGTERM, 5, SIGKILL),  # docs: USR1 is the soft stop; run, 2.6.12: TERM at once
    at_term='TERM cuts connections; USR1 lets them end, and platform = "server" sends it first',
    patience=Patience(default=inf, margin=2, loses=_CUT, work="requests", signal=SIGUSR1),
    ready="connect",
    source="docs; run, 2.6.12",
)

CADDY = Profile(
    name="caddy",
    programs=("caddy",),
    verbs=("run",),
    stop=WORKER,
    patience=_FINISHES,  # docs: grace_period has no default
    ready="connect",
    source="docs",
)

WEBSERVERS: tuple[Profile, ...] = (
    GUNICORN,
    UVICORN,
    UVICORN._replace(programs=("fastapi",), verbs=("run", "dev"), source="docs: it is uvicorn"),
    PUMA,
    UNICORN,
    NGINX,
    UWSGI,
    HYPERCORN,
    DAPHNE,
    GRANIAN,
    WAITRESS,
    THIN,
    PASSENGER,
    FALCON,
    APACHE,
    PHP_FPM,
    HAPROXY,
    CADDY,
)
