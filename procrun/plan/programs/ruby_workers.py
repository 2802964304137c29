"""The workers written in Ruby: what each does at TERM, how long it waits for its jobs, what KILL costs.

"Cloud 66" is that platform's default sequence; the other words for a source are those of `profile`.
"""

from math import inf
from signal import SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGUSR1, SIGUSR2

from procrun.plan.programs.profile import QUIT_FIRST, WORKER, Code, Config, Patience, Profile, Variant, Versions

_VALUE = r"(?P<value>[^\n#;}]+)"

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
        code=Code(  # source, 6.4.1: the launcher reads it after the app has booted, so it beats -t; 7: the same
            patterns=(
                rf"\bSidekiq\.(?:options|default_configuration)\[:timeout\]\s*=\s*{_VALUE}",
                r"\bSidekiq\.(?:options|default_configuration)\.merge!\(\s*timeout:\s*(?P<value>\d+)",
                r"\bSidekiq\.configure_server\s*(?:do|\{)\s*\|\s*(?P<name>\w+)\s*\|"
                rf".*?\b(?P=name)(?:\.options)?\[:timeout\]\s*=\s*{_VALUE}",
            ),
            options=("-r", "--require"),
            files=("config/initializers/**/*.rb", "config/application.rb", "config/environment.rb"),
            about="Sidekiq",
        ),
    ),
    ready="title",  # run: the title comes with the first heartbeat, 0.6 s after the start
    ready_line=r"Booting Sidekiq \d|Sidekiq \d\S* connecting to Redis",  # source: redis_connection.rb:113, and 7
    busy_title=r"sidekiq (?P<version>\d\S*) .*\[(?P<busy>\d+) of (?P<slots>\d+) busy\](?P<quiet> s)?",  # run
    gem="sidekiq",
    source="run, 6.4.1",
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
    source="source (resque 2.6, worker.rb)",
)

RESQUE_POOL = RESQUE._replace(
    name="resque-pool",
    programs=("resque-pool",),
    verbs=(),
    quiet=(),
    at_term="TERM kills the jobs in flight, which are lost; start it with --term-graceful, and it waits for them",
    variants=(
        Variant(
            {"at_term": "", "patience": Patience(default=inf, margin=2, loses="the jobs in flight are lost")},
            word="--term-graceful",
        ),
    ),
    gem="resque-pool",
    source="source (resque-pool, pool.rb): TERM is passed on to its workers",
)

_LOCKED = "the job in flight stays locked for up to 4 hours (max_run_time) before it runs again"

DELAYED_JOB = Profile(
    name="delayed_job",
    programs=("rake", "rails"),
    verbs=("jobs:work", "jobs:workoff"),
    stop=WORKER,
    patience=Patience(  # source (worker.rb:157): TERM and INT set a flag, which is looked at after each job
        default=inf,
        margin=2,
        loses=_LOCKED,
        also=(SIGINT,),
        cure="set Delayed::Worker.raise_signal_exceptions = :term, and it gives the job back at TERM",
    ),
    variants=(
        Variant(  # source (worker.rb:160): TERM raises in the job, which is then rescheduled
            {
                "patience": Patience(default=0, margin=2, loses=_LOCKED),
                "at_term": "",
            },
            line=r"^\s*Delayed::Worker\.raise_signal_exceptions\s*=\s*(:term|true)",
            config=Config(
                "raise_signal_exceptions",
                files=("config/initializers/delayed_job.rb", "config/initializers/delayed_job_config.rb"),
            ),
        ),
    ),
    ready_line=r"Starting job worker",  # source (worker.rb, start)
    gem="delayed_job",
    source="source (4.1.9, worker.rb:157-166)",
)

_AGAIN = "its jobs run again from their beginning"

GOOD_JOB = Profile(
    name="good_job",
    programs=("good_job",),
    stop=WORKER,
    patience=Patience(
        default=inf,  # source (configuration.rb): DEFAULT_SHUTDOWN_TIMEOUT = -1, which is for ever
        margin=2,
        loses=_AGAIN,  # docs: the advisory lock goes with the connection
        harmless=True,
        also=(SIGINT,),
        options=("--shutdown-timeout",),
        variables=("GOOD_JOB_SHUTDOWN_TIMEOUT",),
    ),
    gem="good_job",
    source="source (configuration.rb, cli.rb)",
)

SOLID_QUEUE = Profile(
    name="solid_queue",
    programs=("bin/jobs",),
    stop=WORKER,
    script=r"solid_queue",
    patience=Patience(
        default=5,  # source (engine.rb): shutdown_timeout || 5.seconds; then QUIT to its processes
        margin=3,
        loses="its jobs are marked as failed when their process is missed",  # docs: ProcessPrunedError
        also=(SIGINT,),
        config=Config(
            r"(?:Rails\.application\.)?config\.solid_queue\.shutdown_timeout",
            files=(
                "config/initializers/solid_queue.rb",
                "config/environments/production.rb",
                "config/application.rb",
            ),
        ),
    ),
    gem="solid_queue",
    source="source (supervisor.rb, engine.rb)",
)

SHORYUKEN = Profile(
    name="shoryuken",
    programs=("shoryuken",),
    stop=WORKER,
    patience=Patience(
        default=8,  # source (options.rb)
        margin=2,
        loses="its messages come again after their visibility time-out",  # docs of SQS
        harmless=True,
        also=(SIGINT,),
        options=("-t", "--timeout"),
        config=Config("timeout", ("-C", "--config"), ("config/shoryuken.yml",), sections=True),
    ),
    gem="shoryuken",
    source="source (runner.rb, launcher.rb, options.rb)",
)

QUE = Profile(
    name="que",
    programs=("que",),
    stop=WORKER,
    # source (command_line_interface.rb): INT and TERM have it finish its current jobs; its locks are the connection's
    patience=Patience(default=inf, margin=2, loses=_AGAIN, harmless=True, also=(SIGINT,)),
    ready_line=r"Que waiting for jobs",  # source (the same)
    gem="que",
    source="source (command_line_interface.rb)",
)

KARAFKA = Profile(
    name="karafka",
    programs=("karafka",),
    verbs=("server", "s", "swarm"),
    stop=WORKER,
    quiet=(Versions(SIGTSTP),),  # source (server.rb): on_sigtstp { quiet }
    patience=Patience(
        default=60,  # docs: shutdown_timeout
        margin=3,
        loses="its messages are consumed again",
        work="messages",
        harmless=True,
        also=(SIGINT, SIGQUIT),
        config=Config(r"config\.shutdown_timeout", files=("karafka.rb",)),
        unit=0.001,
    ),
    gem="karafka",
    source="source (server.rb)",
)

SNEAKERS = Profile(
    name="sneakers",
    programs=("rake", "rails"),
    verbs=("sneakers:run",),
    stop=WORKER,
    patience=Patience(default=inf, margin=2, loses="its messages are delivered again", work="messages", harmless=True),
    gem="sneakers",
    source="docs: TERM is ServerEngine's graceful stop",
)

RACECAR = Profile(
    name="racecar",
    programs=("racecar",),
    stop=WORKER,
    patience=Patience(
        default=inf,
        margin=2,
        loses="its messages are consumed again",
        work="messages",
        harmless=True,
        also=(SIGINT, SIGQUIT),
    ),
    gem="racecar",
    source="docs",
)

FAKTORY_WORKER = Profile(
    name="faktory-worker",
    programs=("faktory-worker",),
    stop=WORKER,
    quiet=(Versions(SIGTSTP),),
    patience=Patience(
        default=25,
        margin=3,
        loses="its jobs run again after their reservation, half an hour",
        also=(SIGINT,),
        options=("-t", "--timeout"),
    ),
    gem="faktory_worker_ruby",
    source="docs",
)

RUBY_WORKERS: tuple[Profile, ...] = (
    SIDEKIQ,
    RESQUE,
    RESQUE._replace(programs=("resque",), verbs=("work",)),
    RESQUE_POOL,
    RESQUE_POOL._replace(programs=("rake", "rails"), verbs=("resque:pool",)),
    DELAYED_JOB,
    DELAYED_JOB._replace(programs=("delayed_job", "delayed_job_worker_pool"), verbs=("run",)),
    GOOD_JOB,
    SOLID_QUEUE,
    SOLID_QUEUE._replace(programs=("rake", "rails"), verbs=("solid_queue:start", "solid_queue:work"), script=""),
    SHORYUKEN,
    QUE,
    KARAFKA,
    SNEAKERS,
    SNEAKERS._replace(programs=("sneakers",), verbs=("work",)),
    RACECAR,
    FAKTORY_WORKER,
)
