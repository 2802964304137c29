"""The workers procrun knows: programs that take jobs from a queue, and lose or repeat them when they are killed.

"Cloud 66" is that platform's default sequence; the other words for a source are those of `profile`.
"""

from math import inf
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2

from procrun.profile import QUIT_FIRST, WORKER, Config, Patience, Profile, Variant, Versions, steps

SIDEKIQ = Profile(
    name="sidekiq",
    programs=("sidekiq", "sidekiqswarm"),
    stop=WORKER,  # Cloud 66; a longer -t makes it longer
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
    stop=steps(SIGTERM, 90, SIGQUIT, 3, SIGKILL),
    # run: TERM to the group kills the pool's processes and loses 5 of 5
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
        Variant({"stop": WORKER, "patience": None}, variable="REMAP_SIGTERM", value="(SIG)?QUIT"),
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
    stop=QUIT_FIRST,
    # source: QUIT has its default action in the child, which runs the job
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
    term_to_all=(  # source (handle_job_failure): a job with retries left is enqueued again
        "rq's job runs in a child that dies of a TERM of its own: it is marked failed and not run again; enqueue it "
        "with retry=Retry(max=1), and it is"
    ),
)

DRAMATIQ = Profile(
    name="dramatiq",
    programs=("dramatiq", "rundramatiq"),  # `manage.py rundramatiq` is django_dramatiq's
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
)

WORKERS: tuple[Profile, ...] = (
    SIDEKIQ,
    CELERY,
    RESQUE,
    RESQUE._replace(programs=("resque",), verbs=("work",)),
    RQ,
    DRAMATIQ,
)
