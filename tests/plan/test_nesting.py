"""Time-outs must nest: each finding says what would be lost and a cure, and the cure cures."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from procrun.core.errors import Finding
from procrun.plan.check import told_at_start
from procrun.plan.layout import Plan, build
from procrun.plan.options import Wishes
from procrun.plan.stop_budget import nesting
from tests.harness import Folder

WITH_HOOK = "uwsgi --hook-master-start 'unix_signal:15 gracefully_kill_them_all'"


class Case(NamedTuple):
    """A worker: `cost` is part of what is said; `note` where no job is lost; `cures` how many are offered."""

    command: str
    cost: str
    cures: int
    note: bool = False
    platform: str = "local"
    sequence: str = ""
    toml: str = ""
    top: str = ""
    timeout: float | None = None
    files: Mapping[str, str] = {}


LOCK = {"Gemfile.lock": "GEM\n  specs:\n    sidekiq (6.4.1)\n"}
LOCK_5 = {"Gemfile.lock": "GEM\n  specs:\n    sidekiq (5.2.9)\n"}
JOBS = "every job in flight is lost"

CASES = {
    # On local and heroku: TERM, the budget, KILL.
    "sidekiq": Case(
        "sidekiq",
        "waits 25 s for its jobs after TERM (its default: -t is not given, and config/sidekiq.yml does not exist); "
        f"KILL comes at 10 s and {JOBS}",
        2,
    ),
    "sidekiq -t": Case("bundle exec sidekiq -t 12", "waits 12 s for its jobs after TERM (-t 12)", 2),
    "sidekiq, file": Case(
        "sidekiq", "(config/sidekiq.yml); KILL comes", 2, files={"config/sidekiq.yml": ":timeout: 20\n"}
    ),
    "sidekiq, margin": Case("sidekiq -t 9", "it may need 3 s more, and KILL comes at 10 s", 2, note=True),
    "sidekiq, heroku": Case(
        "sidekiq -t 25",
        "waits 25 s for its jobs after TERM (-t 25), and a dyno has 30 s for that; here KILL comes at 10 s and "
        f"{JOBS}; use a longer budget: procrun start -t 28",
        1,
        note=True,
        platform="heroku",
    ),
    "sidekiq, file without it": Case(
        "sidekiq -e production",
        "(its default: -t is not given, and config/sidekiq.yml has no timeout)",
        2,
        files={"config/sidekiq.yml": ":concurrency: 5\n"},
    ),
    "sidekiq, code": Case(
        "sidekiq -t 6",
        "waits 20 s for its jobs after TERM (config/initializers/jobs/sidekiq.rb); KILL comes",
        2,
        files={"config/initializers/jobs/sidekiq.rb": "Sidekiq.options[:timeout] = 20\n"},
    ),
    "celery that gives back": Case(
        "celery -A shop worker",
        "waits without end for its tasks after TERM (its default: --time-limit is not given); KILL comes at 10 s and "
        "its tasks stop half-way and run again",
        2,
        note=True,
        files={"shop.py": "app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True)\n"},
    ),
    "sidekiq, beyond a dyno": Case("sidekiq -t 40", f"KILL comes at 30 s and {JOBS}", 1, platform="heroku", timeout=30),
    "sidekiq, small dyno": Case("sidekiq -t 40", f"KILL comes at 4 s and {JOBS}", 1, platform="heroku", timeout=4),
    "sidekiq, small budget": Case("sidekiq -t 6", f"KILL comes at 4 s and {JOBS}", 1, timeout=4),
    "sidekiq, store's share": Case("sidekiq", f"KILL comes at 5 s and {JOBS}", 2, top="total_budget = 15\n"),
    "sidekiq, longer share": Case("sidekiq", JOBS, 2, top="total_budget = 30\nstore_budget = 2\n"),
    "celery": Case("celery -A shop worker", "waits without end for its tasks", 2),
    "celery --time-limit": Case("celery -A shop worker --time-limit 60", "waits 60 s for its tasks", 2),
    "rq": Case("rq worker high", "KILL comes at 10 s and the job in flight is lost: it is not run again", 1),
    "dramatiq": Case("dramatiq tasks", "its jobs wait a minute or more, then run again", 2, note=True),
    "resque": Case("rake resque:work", "TERM kills the job in flight, which is lost", 1),
    "resque, told": Case(
        "TERM_CHILD=1 RESQUE_TERM_TIMEOUT=20 rake resque:work", "(RESQUE_TERM_TIMEOUT=20); KILL comes", 2
    ),
    "resque, graceful": Case("GRACEFUL_TERM=1 rake resque:work", "waits without end for its jobs", 1),
    "gunicorn": Case("gunicorn app:app", "waits 30 s for its requests after TERM", 2, note=True),
    "uvicorn": Case("uvicorn app:app", "waits without end for its requests", 2, note=True),
    "puma": Case("puma", "requests in flight are cut", 2, note=True),
    "puma, cluster": Case("puma -w 2", "waits 30 s for its requests", 2, note=True),
    "unicorn": Case("unicorn", "TERM cuts requests in flight", 1, note=True),
    "nginx": Case("nginx -g 'daemon off;'", "TERM cuts requests in flight", 1, note=True),
    "uwsgi": Case("uwsgi --http :1", "uwsgi restarts at TERM", 1, note=True),
    # What stands around it kills first.
    "rerun": Case(
        "rerun -d app -- sidekiq -t 6",
        "rerun kills what it runs 4 s after TERM (its default), and sidekiq needs 9 s: it waits 6 s for its jobs "
        f"(-t 6), and may take 3 s more; {JOBS}; use --wait 5 for rerun",
        1,
    ),
    "foreman": Case(
        "foreman start -f inner",
        "foreman kills what it runs 5 s after TERM (its default), and sidekiq, in inner: a, needs 9 s",
        2,
        files={"inner": "a: sidekiq -t 6\n"},
    ),
    "foreman, longer": Case(
        "foreman start -f inner -t 6",
        "foreman kills what it runs 6 s after TERM (-t 6), and sidekiq, in inner: a, needs 10 s",
        2,
        files={"inner": "a: sidekiq -t 7\n"},
    ),
    "honcho": Case(
        "honcho start -f inner",
        "honcho kills what it runs 5 s after TERM (its default), and rq, in inner: a, needs 183 s: it waits 180 s",
        0,
        files={"inner": "a: rq worker\nb: true\n"},
    ),
    # What runs it has a signal of its own for it, or signals more than the program itself.
    "supervisord, its signal": Case(
        "supervisord -n",
        f"supervisord ends sidekiq, in supervisord.conf: program:a, by QUIT, and {JOBS}; use stopsignal = TERM",
        1,
        files={"supervisord.conf": "[program:a]\ncommand=sidekiq -t 2\nstopsignal=QUIT\n"},
    ),
    "supervisord, KILL": Case(
        "supervisord -n",
        f"supervisord ends sidekiq, in supervisord.conf: program:a, by KILL, and {JOBS}; use stopsignal = TERM",
        1,
        files={"supervisord.conf": "[program:a]\ncommand=sidekiq -t 2\nstopsignal=KILL\n"},
    ),
    "supervisord, its group": Case(
        "supervisord -n",
        "supervisord sends TERM to celery, in supervisord.conf: program:a, and its whole process group: celery's pool "
        "dies of a TERM of its own and loses every task in flight; set task_acks_late and task_reject_on_worker_lost, "
        "and they run again; or run celery without stopasgroup",
        0,
        files={"supervisord.conf": "[program:a]\ncommand=celery -A a worker\nstopasgroup=true\n"},
    ),
    "circusd, its signal": Case(
        "circusd circus.ini",
        f"circusd ends sidekiq, in circus.ini: watcher:a, by HUP, and {JOBS}; use stop_signal = TERM",
        0,
        files={"circus.ini": "[watcher:a]\ncmd=sidekiq -t 2\nstop_signal=SIGHUP\n"},
    ),
    "overmind, its signal": Case(
        "overmind start -f inner -i a=QUIT,b=KILL",
        f"overmind ends sidekiq, in inner: a, by QUIT, and {JOBS}; use --stop-signals a=TERM",
        0,
        files={"inner": "a: sidekiq -t 2\n"},
    ),
    "overmind, INT": Case(
        "overmind start -f inner",
        "overmind ends resque, in inner: a, by INT, and the job in flight is lost; use --stop-signals a=QUIT",
        0,
        files={"inner": "a: rake resque:work\n"},
    ),
    "honcho, its groups": Case(
        "honcho start -f inner",
        "honcho sends TERM to celery, in inner: a, and its whole process group: celery's pool dies",
        0,
        files={"inner": "a: celery -A a worker\nb: true\n"},
    ),
    "concurrently -k": Case(
        "concurrently -k 'celery -A a worker' 'node web.js'",
        "concurrently sends TERM to celery and everything below it: celery's pool dies",
        0,
    ),
    "supervisord": Case(
        "supervisord -n",
        "supervisord kills what it runs 3 s after TERM (stopwaitsecs 3), and sidekiq, in supervisord.conf: program:a, "
        "needs 5 s: it waits 2 s for its jobs (-t 2), and may take 3 s more",
        1,
        note=True,
        files={"supervisord.conf": "[program:a]\ncommand=sidekiq -t 2\nstopwaitsecs=3\n"},
    ),
    "unknown below supervisord": Case(
        "supervisord -n",
        "supervisord gives what it runs 60 s after TERM (stopwaitsecs 60); KILL comes at 10 s and what its programs",
        1,
        files={"supervisord.conf": "[program:a]\ncommand=bin/work\nstopwaitsecs=60\n"},
    ),
    # What cannot be read is said.
    "unread": Case(
        "sidekiq -t $NOT_SET",
        f"cannot be read (-t ); if that is more than 7 s, KILL comes at 10 s and {JOBS}; use -t 6",
        1,
    ),
    # On a server: configured sequences.
    "short wait": Case("sidekiq", f"KILL comes 5 s after it and {JOBS}", 2, sequence="tstp, 120, term, 5, kill"),
    "next signal": Case("celery -A a worker", "QUIT comes 20 s after it", 2, sequence="term, 20, quit, 3, kill"),
    "short and graceful": Case("gunicorn a:a", "KILL comes 20 s after it", 2, note=True, sequence="term, 20, kill"),
    "nginx, short": Case("nginx", "KILL comes 20 s after it", 1, note=True, sequence="quit, 20, kill"),
    "rq, short": Case("rq worker", "KILL comes 30 s after it", 1, sequence="term, 30, kill"),
    "unicorn by TERM": Case("unicorn", "TERM cuts requests", 1, note=True, sequence="term, 90, kill"),
    "no TERM": Case("rq worker", "without TERM rq never ends its jobs", 1, sequence="kill"),
    "USR1": Case("sidekiq", "USR1 kills sidekiq 6.4.1, and", 1, sequence="usr1, 120, term, 30, kill", files=LOCK),
    "USR1, version unknown": Case(
        "sidekiq",
        "USR1 kills sidekiq 6 and newer (which one runs is not known here: no Gemfile.lock has it), and",
        1,
        sequence="usr1, 120, term, 30, kill",
    ),
    "QUIT": Case("sidekiq", f"QUIT kills sidekiq 6.4.1, and {JOBS}", 1, sequence="quit, 90, kill", files=LOCK),
    "TTIN": Case("sidekiq", "TTIN quiets no worker", 1, sequence="ttin, 120, term, 30, kill"),
    "TTIN, unknown": Case("bin/work", "TTIN quiets no worker", 1, sequence="ttin, 120, term, 5, kill"),
    "no time": Case("bin/work", "KILL comes together with TERM", 1, sequence="term, 0, kill"),
    "no time for quiet": Case(
        "sidekiq", "TERM comes together with TSTP", 1, note=True, sequence="tstp, 0, term, 30, kill"
    ),
    "no time, sidekiq": Case("sidekiq", f"KILL comes 0 s after it and {JOBS}", 1, sequence="term, 0, kill"),
    "no kill": Case(
        "bin/work", "does not end in kill", 0, note=True, sequence="term, 30", toml="no_kill = true\n"
    ),
    "restart signal": Case(
        "sidekiq", f"USR1 kills sidekiq 6.4.1, and {JOBS}; remove it", 0, sequence="term, 30, kill",
        toml='restart_signal = "usr1"\n', files=LOCK,
    ),
    "total": Case("sidekiq", f"total_budget leaves 15 s for that and {JOBS}", 2, platform="server",
                  top="total_budget = 25\n"),
    "total, quiet first": Case(
        "sidekiq", "total_budget leaves 0 s", 1, sequence="tstp, 120, term, 30, kill", top="total_budget = 60\n"
    ),
}  # fmt: skip


def environ(folder: Folder) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder.path), "GEM_HOME": str(folder.path / "gems")}


def write(folder: Folder, case: Case) -> None:
    platform = "server" if case.sequence else case.platform
    text = f'platform = "{platform}"\n{case.top}[process.worker]\n{case.toml}'
    folder.write("procrun.toml", text + (f'stop_sequence = "{case.sequence}"\n' if case.sequence else ""))
    for name, content in case.files.items():
        folder.write(name, content)
    folder.procfile(f"worker: {case.command}")


def plan(folder: Folder, case: Case) -> Plan:
    write(folder, case)
    return build(Wishes(timeout=case.timeout), environ(folder))


def findings(folder: Folder, case: Case) -> list[Finding]:
    made = plan(folder, case)
    return [finding for entry in made.types for finding in nesting(made, entry)]


def cured(case: Case, cure: str) -> Case | None:
    """The case with a cure followed to the letter; None for words that are no setting."""
    done = case
    if found := re.search(r"procrun start -t ([\d.]+)", cure):
        done = done._replace(timeout=float(found[1]))
    if found := re.search(r"total_budget = ([\d.]+)", cure):
        store = "".join(re.findall(r"store_budget.*\n", done.top))
        done = done._replace(top=f"total_budget = {found[1]}\n{store}")
    if found := re.search(r'stop_sequence = "(.*?)"', cure):
        done = done._replace(sequence=found[1])
    if found := re.search(r"(--?[\w-]+) (\d+) for (foreman|rerun)", cure):
        option = f"{found[1]} {found[2]}"
        command = done.command.replace("rerun", f"rerun {option}")
        return done._replace(command=command if found[3] == "rerun" else f"{done.command} {option}")
    for pattern, old, new in (
        (r"use -t (\d+) for sidekiq", r"-t \d+", "-t {}"),
        (r"set stopwaitsecs = (\d+)", r"secs=\d+", "secs={}"),
        (r"use stopsignal = (\w+)", r"signal=\w+", "signal={}"),
    ):
        if found := re.search(pattern, cure):
            texts = {name: re.sub(old, new.format(found[1]), text) for name, text in done.files.items()}
            return done._replace(files=texts)
    if found := re.search(r"use (--?[\w-]+) (\d+)", cure):
        done = done._replace(command=f"{done.command} {found[1]} {found[2]}")
    if found := re.search(r"\b([A-Z_]+=)(\w+)", cure):
        done = done._replace(command=found[0] + " " + re.sub(rf"{found[1]}\S+ ", "", done.command))
    if found := re.search(r"set (\w+) (\d+) in (\w\S*/\S+)", cure):
        done = done._replace(files={found[3]: f"{found[1]} {found[2]}\n"})
    if 'platform = "server"' in cure:
        done = done._replace(platform="server")
    if found := re.search(r'set (hook-master-start = "(.*?)")', cure):
        done = done._replace(command=f'{done.command} --hook-master-start "{found[2]}"')
    return done if done != case else None


def cures(text: str) -> list[str]:
    """`use -t 6, or a longer budget: …` as its alternatives: what stands behind the last semicolon."""
    return re.split(r", or (?=a longer|platform|--)", text.rpartition("; ")[2])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_would_be_lost_is_said(folder: Folder, case: Case) -> None:
    (finding,) = findings(folder, case)
    assert finding.processes == ("worker",)
    assert case.cost in finding.text
    assert finding.note is case.note


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_following_a_cure_makes_the_finding_vanish(folder: Folder, case: Case) -> None:
    (finding,) = findings(folder, case)
    followed = [done for done in (cured(case, cure) for cure in cures(finding.text)) if done is not None]
    for done in followed:
        left = [finding.text for finding in findings(folder, done)]
        assert all(case.cost not in text for text in left)
        assert not left or case is CASES["uwsgi"]  # it waits for its requests then, which is a finding of its own
    assert len(followed) == case.cures


FINE = {
    "sidekiq -t 7": Case("sidekiq -t 7", "", 0),
    "unknown program": Case("bin/work", "", 0),
    "none": Case("sidekiq", "", 0, toml='profile = "none"\n'),
    "resque with TERM_CHILD": Case("TERM_CHILD=1 rake resque:work", "", 0),
    "celery that gives back": Case("REMAP_SIGTERM=SIGQUIT celery -A a worker", "", 0),
    "redis": Case("redis-server --port 1", "", 0),
    "postgres": Case("postgres -D data", "", 0),
    "USR1 for sidekiq 5": Case("sidekiq", "", 0, sequence="usr1, 120, term, 30, kill", files=LOCK_5),
    "Cloud 66's own": Case("sidekiq", "", 0, sequence="tstp, 120, term, 30, kill"),
    "INT does as well": Case("sidekiq", "", 0, sequence="int, 30, kill"),
    "QUIT after enough": Case("sidekiq", "", 0, sequence="term, 28, quit, 5, kill"),
    "resque by QUIT": Case(
        "supervisord", "", 0, files={"supervisord.conf": "[program:a]\ncommand=resque work\nstopsignal=QUIT\n"}
    ),
    "resque by overmind's QUIT": Case("overmind s -i a=QUIT -f inner", "", 0, files={"inner": "a: resque work\n"}),
    "sidekiq by overmind's INT": Case("overmind s -f inner", "", 0, files={"inner": "a: sidekiq -t 1\n"}),
    "total that is enough": Case("sidekiq", "", 0, platform="server", top="total_budget = 38\n"),
}


@pytest.mark.parametrize("case", FINE.values(), ids=FINE)
def test_what_loses_nothing_is_no_finding(folder: Folder, case: Case) -> None:
    assert findings(folder, case) == []


@pytest.mark.parametrize(
    "command",
    [
        *("sidekiq", "sidekiq -t 300", "celery -A a worker", "rq worker", "dramatiq a", "rake resque:work"),
        *("gunicorn a:a", "uvicorn a:a", "puma", "unicorn", "nginx", WITH_HOOK, "redis-server", "postgres"),
    ],
)
def test_on_a_server_the_profile_waits_long_enough(folder: Folder, command: str) -> None:
    assert findings(folder, Case(command, "", 0, platform="server")) == []


@pytest.mark.parametrize(
    ("command", "cost", "note"),
    [
        (
            "celery -A a worker",
            "a dyno's every process gets TERM: celery's pool dies of a TERM of its own and loses every task in flight; "
            "set task_acks_late and task_reject_on_worker_lost, and they run again",
            False,
        ),
        ("REMAP_SIGTERM=SIGQUIT celery -A a worker", "set task_acks_late and task_reject_on_worker_lost", False),
        ("rq worker", "it is marked failed and not run again; enqueue it with retry=Retry(max=1), and it is", False),
        ("dramatiq a", "its jobs stop half-way and run again after a minute or more; they must bear that", True),
        (WITH_HOOK, "a dyno has no cure", True),
    ],
)
def test_a_dyno_gives_term_to_every_process(folder: Folder, command: str, cost: str, note: bool) -> None:
    (finding,) = findings(folder, Case(command, "", 0, platform="heroku"))
    assert cost in finding.text
    assert finding.note is note


@pytest.mark.parametrize(
    ("command", "said", "note"),
    [
        ("huey_consumer app.huey", "TERM cuts huey's tasks in flight, which are lost; start it with -g TERM", False),
        ("huey_consumer app.huey -g TERM", "huey waits without end for its tasks after TERM", False),
        ("rake jobs:work", "stays locked for up to 4 hours", False),
        ("bin/delayed_job run", "set Delayed::Worker.raise_signal_exceptions = :term", False),
        ("bin/jobs start", "", False),
        ("good_job start", "its jobs run again from their beginning; use --shutdown-timeout 7", True),
        ("arq app.Settings", "TERM cuts arq's jobs, which run again from their beginning", True),
        ("taskiq worker a:b", "use --wait-tasks-timeout 4", False),
        ("procrastinate worker", "stay `doing`", False),
        ("php artisan queue:work", "the job in flight runs again after retry_after", True),
        ("waitress-serve a:a", "TERM cuts requests in flight; INT finishes them", True),
        ("daphne a:a", "daphne cuts requests in flight at any signal", True),
        ("hypercorn a:a", "", True),
        ("celery -A a worker -P gevent & celery -A a beat & wait", "celery waits without end", False),
        ("sidekiq -t 25 2>&1 | tee log", "sidekiq waits 25 s for its jobs after TERM (-t 25)", False),
    ],
)
def test_what_each_program_loses_is_said_beforehand(folder: Folder, command: str, said: str, note: bool) -> None:
    found = findings(folder, Case(command, "", 0))
    assert [said in finding.text for finding in found] == ([True] if said else [])
    assert all(finding.note is note for finding in found)


def test_celerys_pool_of_threads_is_no_loss_on_a_dyno(folder: Folder) -> None:
    texts = [
        finding.text for finding in findings(folder, Case("celery -A a worker -P threads", "", 0, platform="heroku"))
    ]
    assert all("dyno's every process" not in text for text in texts)


@pytest.mark.parametrize(
    ("command", "inner"),
    [
        ("overmind start -f inner", "a: celery -A a worker\nb: true\n"),  # INT, which the pool ignores
        ("foreman start -f inner", "a: celery -A a worker\nb: true\n"),
        ("honcho start -f inner", "a: celery -A a worker\n"),  # passed over
        ("concurrently 'celery -A a worker' 'node web.js'", ""),  # passed over
        ("honcho start -f inner", "a: rq worker\nb: true\n"),  # its job is in a group of its own
    ],
)
def test_no_manager_is_blamed_for_telling_a_pool_that_it_does_not_tell(
    folder: Folder, command: str, inner: str
) -> None:
    codes = [finding.code for finding in findings(folder, Case(command, "", 0, files={"inner": inner}))]
    assert codes
    assert not any("manager" in code for code in codes)


@pytest.mark.parametrize(("version", "soft"), [("5.4.0", False), ("5.5.1", True), ("", True)])
def test_a_cure_names_only_what_the_installed_version_has(folder: Folder, version: str, soft: bool) -> None:
    if version:
        folder.write(f".venv/lib/python3.11/site-packages/celery-{version}.dist-info/METADATA", "")
    case = Case("celery -A a worker", "", 0)
    write(folder, case)
    made = build(Wishes(), {"PATH": ""})
    (finding,) = nesting(made, made.types[0])
    assert ("worker_soft_shutdown_timeout" in finding.text) is soft
    assert "task_reject_on_worker_lost" in finding.text


def test_a_dyno_gets_no_budget_that_heroku_has_not(folder: Folder) -> None:
    (finding,) = findings(folder, Case("sidekiq -t 40", "", 0, platform="heroku"))
    assert finding.text.endswith(f"{JOBS}; use -t 6")
    (finding,) = findings(folder, Case("sidekiq -t 40", "", 0, platform="heroku", timeout=3))
    assert finding.text.endswith(f"{JOBS}; use -t 26, and a longer budget: procrun start -t 30")


def test_a_finding_has_the_place_of_what_is_to_be_changed(folder: Folder) -> None:
    (in_procfile,) = findings(folder, CASES["sidekiq"])
    (in_toml,) = findings(folder, CASES["short wait"])
    assert in_procfile.where == "Procfile:1"
    assert in_toml.where == "procrun.toml: process.worker.stop_sequence"


def test_the_old_example_of_cloud_66_has_both_its_faults_told(folder: Folder) -> None:
    folder.write(
        ".cloud66/manifest.yml", "procfile_metadata:\n  worker:\n    stop_sequence: ttin, 120, term, 5, kill\n"
    )
    folder.write("procrun.toml", 'platform = "server"\nmetadata = ".cloud66/manifest.yml"\n')
    folder.procfile("worker: sidekiq")
    made = build(Wishes(), environ(folder))
    told = [(finding.where, finding.text) for finding in nesting(made, made.types[0])]
    place = ".cloud66/manifest.yml: procfile_metadata.worker.stop_sequence"
    assert [where for where, _ in told] == [place, place]
    assert "KILL comes 5 s after it" in told[0][1]
    assert told[1][1].endswith('which are cut off then; use stop_sequence = "tstp, 120, term, 5, kill"')


# --- what `start` and `check` make of it


def test_start_says_what_would_be_lost_of_what_it_starts(folder: Folder) -> None:
    folder.procfile("web: gunicorn a:a", "worker: sidekiq", "mailer: rq worker")
    for name in ("gunicorn", "sidekiq", "rq"):
        folder.write(f"bin/{name}", "#!/bin/sh\n").chmod(0o755)
    folder.write(".env", "PATH=bin:${PATH}\n")
    everything = told_at_start(build(Wishes(), environ(folder)))
    assert [finding.where for finding in everything] == ["Procfile:2", "Procfile:3"]
    assert told_at_start(build(Wishes(names=("web",)), environ(folder))) == []
    assert told_at_start(build(Wishes(concurrency="worker=0,mailer=0"), environ(folder))) == []
    assert told_at_start(build(Wishes(platform="server"), environ(folder))) == []


def test_start_tells_what_is_lost_in_the_simulated_budget_though_a_dyno_would_save_it(folder: Folder) -> None:
    folder.write("bin/sidekiq", "#!/bin/sh\n").chmod(0o755)
    folder.procfile("worker: bin/sidekiq -t 25")
    (told,) = told_at_start(build(Wishes(platform="heroku"), environ(folder)))
    assert (told.code, told.note) == ("sidekiq-simulated-budget", True)
    assert told_at_start(build(Wishes(platform="heroku", timeout=30), environ(folder))) == []


def test_start_says_it_in_one_line_with_the_cure(folder: Folder) -> None:
    folder.write("bin/sidekiq", "#!/bin/sh\necho up\n").chmod(0o755)
    folder.procfile("worker: bin/sidekiq")
    run = folder.start()
    run.wait_for("worker.1 ended by itself")
    run.finish()
    (line,) = [line for line in run.output.splitlines() if "waits 25 s" in line]
    assert line == (
        "procrun: Procfile:1: worker: sidekiq waits 25 s for its jobs after TERM (its default: -t is not given, "
        "and config/sidekiq.yml does not exist); KILL comes at 10 s and every job in flight is lost; use -t 6, "
        "or a longer budget: procrun start -t 28 [sidekiq-timeout]"
    )


def test_strict_fails_on_a_warning_and_not_on_a_note(folder: Folder) -> None:
    for name in ("sidekiq", "gunicorn"):
        folder.write(f"bin/{name}", "#!/bin/sh\n").chmod(0o755)
    folder.procfile("web: bin/gunicorn a:a")
    noted = folder.procrun("check", "--strict")
    assert noted.returncode == 0
    assert "\nProcfile:1: note: web: gunicorn waits 30 s" in noted.stderr
    folder.procfile("worker: bin/sidekiq")
    warned = folder.procrun("check", "--strict")
    assert warned.returncode == 1
    assert "\nProcfile:1: worker: sidekiq waits 25 s" in warned.stderr


def test_check_looks_at_the_platform_of_the_command_line(folder: Folder) -> None:
    folder.write("bin/sidekiq", "#!/bin/sh\n").chmod(0o755)
    folder.procfile("worker: bin/sidekiq")
    assert folder.procrun("check", "--strict", "--platform", "server").returncode == 0
    assert folder.procrun("check", "--strict", "--platform", "heroku").returncode == 0  # a dyno has 30 s
    assert folder.procrun("check", "--strict", "--platform", "local").returncode == 1


@pytest.mark.parametrize("platform", ["local", "heroku"])
def test_budget_beyond_herokus_is_noted(folder: Folder, platform: str) -> None:
    folder.procfile("web: true")
    made = folder.procrun("check", "--strict", "-t", "45", "--platform", platform)
    assert made.returncode == 0
    assert "\n-t: note: 45 s is more than a dyno has: Heroku sends KILL 30 s after TERM [long-budget]\n" in made.stderr
    assert "note" not in folder.procrun("check", "-t", "30", "--platform", platform).stderr
    assert "note" not in folder.procrun("check", "-t", "45", "--platform", "server").stderr
