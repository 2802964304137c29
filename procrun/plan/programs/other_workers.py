"""The workers written in PHP and JavaScript that are programs of their own.

BullMQ, Bee-Queue and Agenda are libraries: what TERM does is the app's own code.
"""

from math import inf
from signal import SIGINT, SIGQUIT

from procrun.plan.programs.profile import WORKER, Patience, Profile

LARAVEL = Profile(
    name="laravel",
    programs=("artisan",),
    verbs=("queue:work",),
    stop=WORKER,
    patience=Patience(
        default=60,  # source (WorkCommand.php): --timeout=60, after which a job is ended
        margin=3,
        loses="the job in flight runs again after retry_after, 90 s",  # docs
        harmless=True,
        also=(SIGINT, SIGQUIT),  # source (Worker.php, listenForSignals)
        options=("--timeout",),
    ),
    source="source (Worker.php, WorkCommand.php); it needs PHP's pcntl",
)

HORIZON = Profile(
    name="horizon",
    programs=("artisan",),
    verbs=("horizon",),
    stop=WORKER,
    patience=Patience(
        default=60,  # docs: `timeout` of its supervisors
        margin=5,
        loses="the jobs in flight run again after retry_after, 90 s",
        harmless=True,
        also=(SIGINT,),
    ),
    source="docs; it needs PHP's pcntl",
)

MESSENGER = Profile(
    name="messenger",
    programs=("console",),
    verbs=("messenger:consume", "messenger:consume-messages"),
    stop=WORKER,
    patience=Patience(  # docs: it ends behind the message; what is not acknowledged is delivered again
        default=inf,
        margin=2,
        loses="the message in flight is delivered again",
        work="messages",
        harmless=True,
        also=(SIGINT,),
    ),
    source="docs; it needs PHP's pcntl",
)

GRAPHILE_WORKER = Profile(
    name="graphile-worker",
    programs=("graphile-worker",),
    stop=WORKER,
    patience=Patience(  # docs: it waits for its jobs
        default=inf,
        margin=2,
        loses="the jobs in flight stay locked for 4 hours before they run again",
        also=(SIGINT,),
    ),
    npm="graphile-worker",
    source="docs",
)

OTHER_WORKERS: tuple[Profile, ...] = (LARAVEL, HORIZON, MESSENGER, GRAPHILE_WORKER)
