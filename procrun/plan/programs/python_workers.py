"""The workers written in Python: what each does at TERM, how long it waits for its jobs, what KILL costs."""

from math import inf
from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM

from procrun.plan.programs.profile import WORKER, Code, Patience, Profile, Variant, steps

_CELERYS = Patience(
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
    cure_since=(5, 5),  # docs: the soft shutdown is new in 5.5
    cure_before=(  # run: QUIT gives every task back
        "set task_acks_late and task_reject_on_worker_lost, and start it with REMAP_SIGTERM=SIGQUIT, so that its tasks "
        "run again"
    ),
)

# Lower case in `app.conf` and celeryconfig.py, upper case with a prefix in Django's settings.
_GIVES_BACK = Code(
    patterns=(
        r"(?:\btask_acks_late|\b\w*_ACKS_LATE)[\"']?\]?\s*[=:]\s*True\b",
        r"(?:\btask_reject_on_worker_lost|\b\w*_REJECT_ON_WORKER_LOST)[\"']?\]?\s*[=:]\s*True\b",
    ),
    options=("-A", "--app"),
    files=("celeryconfig.py",),
    module=True,
)

CELERY = Profile(
    name="celery",
    dist="celery",
    programs=("celery",),
    verbs=("worker",),
    verb_options=("-A", "--app", "-b", "--broker", "--result-backend", "--loader", "--config", "--workdir"),
    # run, 5.7.0: QUIT after TERM gives every task back, with late acknowledgement, in 2.3 s
    stop=steps(SIGTERM, 90, SIGQUIT, 3, SIGKILL),
    # run: TERM to the group kills the pool's processes and loses 5 of 5
    quiet_hint="no signal quiets celery; `celery control cancel_consumer QUEUE` does",  # run
    patience=_CELERYS,
    variants=(
        Variant(  # run: a task whose process is killed is delivered again
            {
                "patience": _CELERYS._replace(loses="its tasks stop half-way and run again", harmless=True),
                "term_to_all": "",
            },
            code=_GIVES_BACK,
        ),
        # run, threads and gevent: no process of the pool's own; TERM to all of them is TERM to one
        Variant(
            {"term_to_all": ""},
            options=("-P", "--pool"),
            value="threads|gevent|eventlet|solo",
        ),
        # run: TERM is then a cold or a soft shutdown, which its settings bound
        Variant({"stop": WORKER, "patience": None}, variable="REMAP_SIGTERM", value="(SIG)?QUIT"),
        # source (apps/worker.py, on_consumer_ready): at info, and it logs from WARNING on by itself
        *(Variant({"ready_line": r"\S@\S+ ready\."}, word=level) for level in ("info", "INFO", "debug", "DEBUG")),
    ),
    term_to_all=(
        "celery's pool dies of a TERM of its own and loses every task in flight; set task_acks_late and "
        "task_reject_on_worker_lost, and they run again"
    ),
    source="run, 5.7.0",
)

CELERY_BEAT = Profile(
    name="celery-beat",
    dist="celery",
    programs=("celery",),
    verbs=("beat",),
    verb_options=CELERY.verb_options,
    stop=WORKER,  # run: at TERM and INT it writes its schedule down and ends in 0.4 s; it does no work itself
    quiet_hint="no signal quiets celery beat",
    variants=tuple(
        Variant({"ready_line": r"beat: Starting\.\.\."}, word=level) for level in ("info", "INFO", "debug", "DEBUG")
    ),
    source="run, 5.7.0",
)

RQ = Profile(
    name="rq",
    dist="rq",
    programs=("rq", "rqworker", "rqworker-pool"),  # `manage.py rqworker` is django-rq's
    verbs=("worker", "worker-pool", "rqworker", "rqworker-pool"),
    stop=WORKER,  # run, 3.0.0: TERM once; a second one kills the job
    # run: the job's child (in a process group of its own) dies of a TERM, and the job with it
    quiet_hint="no signal quiets rq; `rq suspend` does, for all its workers, until `rq resume`",  # run
    patience=Patience(
        default=180,  # docs: a job's own time-out unless it says otherwise
        margin=3,
        loses="the job in flight is lost: it is not run again",  # run: it stays in StartedJobRegistry
        also=(SIGINT,),  # run
        cure="give its jobs a job_timeout of {seconds} s at most",
    ),
    ready_line=r"Listening on ",
    apart=True,  # run: its job's child has a process group of its own
    term_to_all=(  # source (handle_job_failure): a job with retries left is enqueued again
        "rq's job runs in a child that dies of a TERM of its own: it is marked failed and not run again; enqueue it "
        "with retry=Retry(max=1), and it is"
    ),
    source="run, 3.0.0",
)

DRAMATIQ = Profile(
    name="dramatiq",
    dist="dramatiq",
    programs=("dramatiq", "dramatiq-gevent", "rundramatiq"),  # `manage.py rundramatiq` is django_dramatiq's
    stop=WORKER,  # run, 2.2.1: TERM once; a second one kills its processes
    # run: TERM to the group counts twice, exit 1, 0 of 9 done
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
    source="run, 2.2.1",
)

_TO_INT = steps(SIGINT, 90, SIGTERM, 5, SIGKILL)
_LOST = "every task in flight is lost"

HUEY = Profile(
    name="huey",
    programs=("huey_consumer", "huey_consumer.py", "huey", "run_huey"),  # `manage.py run_huey` is djhuey's
    stop=_TO_INT,  # run: INT finishes its tasks, TERM ends it in 0.9 s with all of them lost
    patience=Patience(default=inf, margin=2, loses=_LOST, work="tasks", signal=SIGINT),  # run
    at_term="TERM cuts huey's tasks in flight, which are lost; start it with -g TERM, and it finishes them",
    variants=(
        Variant(  # run: then it is TERM that finishes them, and INT that cuts them
            {
                "stop": WORKER,
                "at_term": "",
                "patience": Patience(default=inf, margin=2, loses=_LOST, work="tasks"),
            },
            options=("-g", "--graceful-signal"),
            value="TERM",
        ),
    ),
    dist="huey",
    source="run, 3.5.4",
)

ARQ = Profile(
    name="arq",
    programs=("arq",),
    stop=WORKER,
    patience=Patience(  # run: TERM and INT cancel its jobs, 0.7 s
        default=0,
        margin=2,
        loses="its jobs run again from their beginning",
        harmless=True,
        also=(SIGINT,),
    ),
    at_term=(  # run: with job_completion_wait they finish
        "TERM cuts arq's jobs, which run again from their beginning; set job_completion_wait in its settings class, "
        "and it waits for them so long"
    ),
    ready_line=r"Starting worker for \d+ functions",  # source (worker.py)
    dist="arq",
    source="run, 0.28.0",
)

TASKIQ = Profile(
    name="taskiq",
    programs=("taskiq",),
    verbs=("worker",),
    stop=WORKER,
    patience=Patience(
        default=inf,  # run; its help: --wait-tasks-timeout None
        margin=5,  # its help: --shutdown-timeout 5
        loses="every task in flight is lost, unless its broker acknowledges late",
        work="tasks",
        also=(SIGINT,),  # run
        options=("--wait-tasks-timeout",),
    ),
    dist="taskiq",
    source="run, 0.13.0",
)

PROCRASTINATE = Profile(
    name="procrastinate",
    programs=("procrastinate",),
    verbs=("worker",),
    verb_options=("-a", "--app"),
    stop=WORKER,
    patience=Patience(
        default=inf,  # its help
        margin=2,
        loses="the jobs in flight stay `doing`, and are not run again by themselves",  # docs: stalled jobs
        also=(SIGINT,),
        options=("--shutdown-graceful-timeout",),
        variables=("PROCRASTINATE_WORKER_SHUTDOWN_GRACEFUL_TIMEOUT",),
    ),
    dist="procrastinate",
    source="docs, 3.10.0",
)

DJANGO_Q = Profile(
    name="django-q",
    programs=("qcluster",),
    stop=WORKER,
    # run: of a TERM to all its processes it hangs, its tasks lost
    patience=Patience(
        default=inf,  # run: 7 s for tasks of 4 s
        margin=4,
        loses="every task in flight is lost, unless its broker has receipts",
        work="tasks",
        also=(SIGINT,),  # run
    ),
    term_to_all="django-q's workers die of a TERM of their own, their tasks are lost, and it hangs until KILL",
    dist="django-q2",
    source="run, 1.11.1",
)

SAQ = Profile(
    name="saq",
    programs=("saq",),
    stop=WORKER,
    patience=Patience(  # source (worker.py:226): shutdown_grace_period_s or 0, then they are cancelled and retried
        default=0,
        margin=2,
        loses="its jobs run again from their beginning",
        harmless=True,
        also=(SIGINT,),
    ),
    dist="saq",
    source="source (0.26.4, worker.py:210-230)",
)

DB_WORKER = Profile(
    name="django-tasks",
    programs=("db_worker",),
    stop=WORKER,
    # docs: at INT and TERM it ends behind the task; a second one ends it at once
    patience=Patience(default=inf, margin=2, loses="the task in flight is lost", work="tasks", also=(SIGINT,)),
    dist="django-tasks",
    source="docs",
)

PYTHON_WORKERS: tuple[Profile, ...] = (
    CELERY,
    CELERY_BEAT,
    CELERY._replace(
        programs=("airflow",),
        verb_options=(),
        patience=_CELERYS._replace(options=()),  # source: it takes none of Celery's own options
        source="source (celery_command.py): it is a Celery worker, in its own process",
    ),
    RQ,
    RQ._replace(programs=("bench",), source="docs: Frappe's workers are those of rq"),
    DRAMATIQ,
    HUEY,
    ARQ,
    TASKIQ,
    PROCRASTINATE,
    DJANGO_Q,
    SAQ,
    DB_WORKER,
)
