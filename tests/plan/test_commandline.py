"""What a command line runs in the end: behind wrappers, in shell forms, in the app's scripts, below managers."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrun.core.errors import ConfigError
from procrun.plan.layout import Plan, build
from procrun.plan.options import Wishes
from procrun.plan.programs import index, what_runs
from procrun.plan.programs.grace_period import Wait, deadline
from procrun.plan.programs.recognise import Recognised, recognise
from procrun.plan.stop_budget import nesting

CELERY = "celery -A x worker"

WRAPPED = [
    "wait-for-it.sh redis:6379 -t 30 -- {}",
    "wait-for-it db:5432 -- {}",
    "dockerize -wait tcp://db:5432 -timeout 60s {}",
    "flock /tmp/lock {} -c 4",
    "flock -n /tmp/lock -c '{}'",
    "su app -c '{}'",
    "su - app -s /bin/sh -c 'exec {}'",
    "runuser -u app -- {}",
    "mise x -- {}",
    "mise exec python@3.11 -- {}",
    "rvm 3.2 do {}",
    "nix-shell --run '{}'",
    "nix develop -c {}",
    "micromamba run -n env {}",
    "pixi run -e prod {}",
    "infisical run --env=prod -- {}",
    "infisical run --command '{} && echo done'",
    "doppler run --command '{}'",
    "doppler run --command='{}'",
    "envdir env {}",
    "script -q -c '{}' /dev/null",
    "with-contenv {}",
    "qgtunnel {}",
    "nodemon --exec '{}' --ext py",
    "nodemon --watch app -x {}",
    "watchexec -r -e py -- {}",
    "watchexec -e py '{}'",
    "reflex -r '\\.py$' -s -- {}",
    "ls *.py | entr -r {}",
    "dumb-init {}",
    "tini -g -- {}",
    "timeout -k 5 3600 {}",
    "bin/start-pgbouncer {}",
    "npx dotenv -- {}",
    "dumb-init flock /tmp/l timeout 60 nice -n 5 doppler run -- {}",
    "bin/start-pgbouncer newrelic-admin run-program {}",
    # shell forms
    "({})",
    "{{ {}; }}",
    "(cd app && exec {}) 2>&1 | tee log",
    "{} 2>&1 | tee -a log | grep -v noise",
    "while true; do {}; sleep 1; done",
    "until false; do {}; done",
    "for q in a b; do {} -Q $q & done; wait",
    "if [ -f tmp/stop ]; then exit 0; else {}; fi",
    "if [ -n \"$UNSET\" ]; then gunicorn a:a; else {}; fi",
    "case $KIND in web) gunicorn a:a;; *) {};; esac",
    "{} & celery -A x beat & wait",
    "{} & wait $!",
    "{}; bin/cleanup",
    "bash -c \"trap 'echo bye' EXIT; {}\"",
    "sh -c '{} & wait'",
    "concurrently '{}' 'node server.js'",
]  # fmt: skip


@pytest.mark.parametrize("form", WRAPPED)
def test_program_is_told_behind_wrappers_and_in_shell_forms(form: str) -> None:
    found = recognise(form.format(CELERY), {"KIND": "worker"})
    assert found is not None
    assert "celery" in [found.profile.name, *(other.profile.name for other in found.others)]


@pytest.mark.parametrize(
    "command",
    [
        "if [ -f x ]; then celery -A x worker; else gunicorn a:a; fi",  # which one runs is not known
        'if [ "$DYNO" ]; then celery -A x worker; else gunicorn a:a; fi',  # set only when an instance starts
        "case $(hostname) in a) sidekiq;; b) puma;; esac",
        "redis-server & python app.py",  # an entry with something else in it is no store
        "python app.py | celery_log_parser",
        "flock /tmp/lock bin/other -c 'celery -A x worker'",  # the option is the other program's
        "wait-for-it.sh celery:6379",
        "echo celery worker",
        "which sidekiq && bin/other",
        "pkill sidekiq; bin/other",
        "puma --version",
        "sidekiq() { :; }; other",
        "celery -A x worker <<X",
        "(celery -A x worker",
        "while true; do celery -A x worker",
    ],
)
def test_what_is_unclear_stays_unknown(command: str) -> None:
    assert recognise(command, {}) is None


def test_of_several_programs_the_one_with_work_counts_and_the_others_are_kept() -> None:
    found = recognise("redis-server & gunicorn a:a & celery -A x worker & wait", {})
    assert found is not None
    assert found.profile.name == "gunicorn"
    assert {other.profile.name for other in found.others} == {"redis", "celery"}


PIECES = """
    if then else fi while do done case in esac ( ) { } ; & | ;; a sidekiq $X '
"""


@given(st.lists(st.sampled_from(PIECES.split())))
def test_no_shell_form_makes_it_raise(words: list[str]) -> None:
    recognise(" ".join(words), {})


# --- scripts of the app


SCRIPTS = {
    "run_celery.sh": """#!/bin/bash
set -e
# its queues
export X=1
python manage.py migrate
exec celery -A x worker \\
  -l info
""",
    "entry.sh": """#!/usr/bin/env sh
case "$1" in
  web|api)
    exec gunicorn app:app
    ;;
  worker)
    shift
    exec celery -A x worker "$@"
    ;;
  *) exec "$@" ;;
esac
""",
    "odd.sh": "#!/bin/sh\nstop() { kill $p; }\ntrap stop TERM\ncat <<X\nsidekiq\nX\nexec celery -A x worker\n",
    "both.sh": "#!/bin/sh\nf() { :; }\nif a; then\n  exec gunicorn a:a\nfi\nexec celery -A x worker\n",
    "pipe.sh": "#!/bin/bash\ncelery -A x worker 2>&1 | tee log\n",
    "calls.sh": "#!/bin/sh\n\n./run_celery.sh\n",
    "loop.sh": "#!/bin/sh\n./loop.sh\n",
    "python.sh": "#!/usr/bin/env python3\nexec celery -A x worker\n",
    "no_shebang.sh": "exec celery -A x worker\n",
    "large.sh": "#!/bin/sh\n" + "#" * 70_000 + "\nexec celery -A x worker\n",
    "package.json": r"""{"scripts": {
        "worker": "nodemon --exec 'celery -A x worker'",
        "dev": "concurrently \"npm:worker\" \"sidekiq -t 3\"",
        "all": "run-p worker"
    }}""",
    "Makefile": """.PHONY: worker
worker: deps
	@echo hi
	exec celery -A x worker
odd:
	celery -A $(APP) worker
""",
}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "name", "where"),
    [
        ("./run_celery.sh", "celery", "run_celery.sh:6"),
        ("sh run_celery.sh", "celery", "run_celery.sh:6"),
        ("bash -e ./run_celery.sh", "celery", "run_celery.sh:6"),
        ("exec ./run_celery.sh | tee log", "celery", "run_celery.sh:6"),
        ("./entry.sh worker -c 3", "celery", "entry.sh:8"),
        ("./entry.sh web", "gunicorn", "entry.sh:4"),
        ("./entry.sh sidekiq -t 3", "sidekiq", "entry.sh:10"),
        ("./odd.sh", "celery", "odd.sh:7"),
        ("./pipe.sh", "celery", "pipe.sh:2"),
        ("./calls.sh", "celery", "run_celery.sh:6"),
        ("sh no_shebang.sh", "celery", "no_shebang.sh:1"),
        ("npm run worker", "celery", "package.json: scripts.worker"),
        ("yarn worker -- -c 2", "celery", "package.json: scripts.worker"),
        ("pnpm run worker", "celery", "package.json: scripts.worker"),
        ("run-p worker", "celery", "package.json: scripts.worker"),
        ("npm run dev", "concurrently", "package.json: scripts.dev"),
        ("make worker", "celery", "Makefile:3"),
        ("./both.sh", None, ""),
        ("./loop.sh", None, ""),
        ("./python.sh", None, ""),
        ("./no_shebang.sh", None, ""),
        ("./large.sh", None, ""),
        ("./missing.sh", None, ""),
        ("../run_celery.sh", None, ""),
        ("npm run missing", None, ""),
        ("make odd", None, ""),
    ],
)
def test_a_plain_script_of_the_app_is_read(app: Path, command: str, name: str | None, where: str) -> None:
    found = recognise(command, {}, str(app))
    assert (found.profile.name if found else None) == name
    assert (found.where if found else "") == where


def test_the_words_of_a_script_reach_the_program(app: Path) -> None:
    found = recognise("./entry.sh worker -c 3", {}, str(app))
    assert found is not None
    assert found.words == ("celery", "-A", "x", "worker", "-c", "3")


def test_a_script_outside_of_the_app_is_not_read(app: Path) -> None:
    inside = app / "inside"
    inside.mkdir()
    (inside / "link.sh").symlink_to(app / "run_celery.sh")
    assert recognise("./link.sh", {}, str(inside)) is None
    assert recognise("./link.sh", {}, str(app / "inside")) is None


def test_a_fifo_holds_nothing_up(app: Path) -> None:
    os.mkfifo(app / "fifo.sh")
    assert recognise("./fifo.sh", {}, str(app)) is None


def test_a_finding_names_the_worker_and_its_place_in_the_script(app: Path) -> None:
    (app / "Procfile").write_text("worker: ./run_celery.sh\n")
    made = build(Wishes(app_root=str(app)), {})
    (finding,) = nesting(made, made.types[0])
    assert finding.text.startswith("celery, in run_celery.sh:6, waits without end for its tasks after TERM")
    assert finding.code == "celery-timeout"


def test_files_that_may_say_what_runs_are_those_that_the_command_names() -> None:
    assert index.files("cd app && ./run.sh | tee log") == ["./run.sh", "app/./run.sh"]
    assert index.files("sh run.sh") == ["run.sh"]
    assert index.files("npm run worker") == ["package.json"]
    assert index.files("node server.js") == []


# --- managers and deadlines


MANAGED = {
    "Procfile.inner": "web: gunicorn a:a\nworker: bundle exec sidekiq -t 6\nself: foreman start -f Procfile.inner\n",
    "Procfile.one": "worker: sidekiq -t 6\n",
    "supervisord.conf": """[supervisord]
nodaemon=true
[program:worker]
command=sidekiq -t 6 ; a comment
stopwaitsecs=7
[program:off]
command=celery -A x worker
autostart=false
[program:%]
""",
    "circus.ini": "[watcher:worker]\ncmd = sidekiq\nargs = -t 6\ngraceful_timeout = 3\n",
    "ecosystem.config.js": """module.exports = {
  apps: [{ name: 'w', script: 'sidekiq', args: '-t 6', interpreter: 'none', env: { A: 1 }, kill_timeout: 3000 }],
};
""",
    "pm2.json": '{"apps": [{"script": "sidekiq", "args": ["-t", "6"], "interpreter": "none"}]}',
    "pm2.yml": "apps:\n  - script: sidekiq\n    args: -t 6\n    interpreter: none\n",
}


def workers(found: Recognised | None) -> list[Recognised]:
    assert found is not None
    return [each for each in (found, *found.others) if each.profile.name == "sidekiq"]


@pytest.mark.parametrize(
    ("command", "by", "wait"),
    [
        ("foreman start -f Procfile.inner", "foreman", Wait(5, "its default")),
        ("foreman start -f Procfile.inner -t 20 worker", "foreman", Wait(20, "-t 20")),
        ("honcho start -f Procfile.inner", "honcho", Wait(5, "its default")),
        ("honcho -f Procfile.inner start worker", None, None),  # its time begins when one of the others has ended
        ("procrun start -f Procfile.one", "procrun", Wait(10, "its default")),
        ("procrun start -f Procfile.one -t 30", "procrun", Wait(30, "-t 30")),
        ("procrun start -f Procfile.one --platform server", None, None),
        ("overmind start -f Procfile.one", "overmind", Wait(5, "its default")),
        ("supervisord -n -c supervisord.conf", "supervisord", Wait(7, "stopwaitsecs 7")),
        ("supervisord -n", "supervisord", Wait(7, "stopwaitsecs 7")),
        ("circusd circus.ini", "circusd", Wait(3, "graceful_timeout 3")),
        ("pm2-runtime start ecosystem.config.js", "pm2-runtime", Wait(3, "kill_timeout 3000")),
        ("pm2-runtime pm2.json", "pm2-runtime", Wait(1.6, "its default")),
        ("pm2-runtime start pm2.yml", "pm2-runtime", Wait(1.6, "its default")),
        ("pm2-runtime 'sidekiq -t 6' --interpreter none", "pm2-runtime", Wait(1.6, "its default")),
        ("concurrently 'sidekiq -t 6'", None, None),
        ("concurrently --kill-timeout 2000 'sidekiq -t 6'", "concurrently", Wait(2, "--kill-timeout 2000")),
        ("rerun -b --dir app -- sidekiq -t 6", "rerun", Wait(4, "its default")),
        ("rerun -w 5 -- sidekiq -t 6", "rerun", Wait(10, "-w 5")),
        ("timeout 3600 sidekiq -t 6", None, None),
        ("timeout -k 5 3600 sidekiq -t 6", "timeout", Wait(5, "-k 5")),
        ("timeout -k 9 3600 rerun -- sidekiq -t 6", "rerun", Wait(4, "its default")),
        ("watchexec --stop-timeout 3s -- sidekiq -t 6", "watchexec", Wait(3, "--stop-timeout 3s")),
        ("reflex -- sidekiq -t 6", "reflex", Wait(0.5, "its default")),
        ("watchmedo auto-restart -d . -- sidekiq -t 6", "watchmedo", Wait(10, "its default")),
        ("dumb-init sidekiq -t 6", None, None),
        ("nodemon --exec sidekiq -t 6", None, None),
    ],
)
def test_the_shortest_deadline_around_a_program_is_known(
    tmp_path: Path, command: str, by: str | None, wait: Wait | None
) -> None:
    for name, text in MANAGED.items():
        (tmp_path / name).write_text(text)
    (worker, *_) = workers(recognise(command, {}, str(tmp_path)))
    assert worker.words == ("sidekiq", "-t", "6")
    found = deadline(worker, str(tmp_path))
    assert (found[0].name if found else None, found[1] if found else None) == (by, wait)


def test_a_manager_is_what_the_entry_is_taken_for(tmp_path: Path) -> None:
    for name, text in MANAGED.items():
        (tmp_path / name).write_text(text)
    found = recognise("bundle exec foreman start -f Procfile.inner", {}, str(tmp_path))
    assert found is not None
    assert found.profile.name == "foreman"
    (worker, *_) = workers(found)
    assert worker.where == "Procfile.inner: worker"


def test_a_procfile_that_runs_itself_is_looked_into_only_so_deep(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("".join(f"p{n}: foreman start\n" for n in range(20)))
    assert len(what_runs.programs("foreman start", {}, str(tmp_path))) < 1000


PRODSERVER = """
PRODUCTION_PROCESSES = {
    "web": {"BACKEND": "django_prodserver.backends.servers.gunicorn.GunicornServer", "ARGS": {"bind": "0.0.0.0:80"}},
    "worker": {"BACKEND": "django_prodserver.backends.workers.django_q2.DjangoQ2Worker"},
    "jobs": {"BACKEND": "django_prodserver.backends.celery.CeleryWorker", "APP": "x.celery.app"},
    "beat": {"BACKEND": "django_prodserver.backends.celery.CeleryBeat", "APP": "x.celery.app"},
}
"""


@pytest.mark.parametrize(("name", "program"), [("web", "gunicorn"), ("jobs", "celery"), ("beat", "celery-beat")])
def test_prodservers_processes_are_those_of_the_settings(tmp_path: Path, name: str, program: str | None) -> None:
    (tmp_path / "config/settings").mkdir(parents=True)
    (tmp_path / "config/settings/base.py").write_text(PRODSERVER)
    found = recognise(f"python manage.py prodserver {name}", {}, str(tmp_path))
    assert (found.profile.name if found else None) == program


def test_prodservers_worker_is_celerys_where_no_settings_say_otherwise() -> None:
    found = recognise("python manage.py prodserver worker", {})
    assert found is not None
    assert found.profile.name == "celery"
    assert recognise("python manage.py prodserver web", {}) is None


# --- programs of the app's own

OWN = """
[program.mailer]
programs = ["mail-jobs"]
verbs = ["run"]
stop_signal = "quit"
quiet_signal = "usr1"
timeout = 25
timeout_option = "--timeout"
ready = { log = "^up" }
[program.depot]
programs = ["depot"]
store = true
"""


def own_plan(folder: Path, platform: str = "local", toml: str = OWN) -> Plan:
    (folder / "Procfile").write_text("worker: bundle exec bin/mail-jobs run --timeout 20 | tee log\ndepot: bin/depot\n")
    (folder / "procrun.toml").write_text(f'platform = "{platform}"\n{toml}')
    return build(Wishes(app_root=str(folder)), {})


def test_a_program_of_ones_own_is_treated_as_a_known_one(tmp_path: Path) -> None:
    manners = own_plan(tmp_path, "server").manners
    worker, depot = manners["worker"], manners["depot"]
    assert worker.profile == "mailer"
    assert [(step.signal, step.wait) for step in worker.stop_sequence[:1]] == [(signal.SIGQUIT, 90)]
    assert worker.quiet_signals == (signal.SIGUSR1,)
    assert worker.ready is not None
    assert (worker.ready.kind, worker.ready.value) == ("log", "^up")
    assert depot.store
    assert worker.after == ("depot",)


def test_what_a_program_of_ones_own_would_lose_is_said(tmp_path: Path) -> None:
    made = own_plan(tmp_path, toml=OWN.replace('stop_signal = "quit"\n', ""))
    (finding,) = nesting(made, made.types[0])
    assert finding.code == "mailer-timeout"
    assert finding.text.startswith(
        "mailer waits 20 s for its work after TERM (--timeout 20); KILL comes at 10 s and its work"
    )
    assert "use --timeout 8" in finding.text


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        (
            "[program.a]\ntimeout = 3\n",
            "program.a: names no programs; give the names of its files",
        ),
        ('[program.a]\nprogams = ["a"]\n', 'program.a.progams: unknown key; did you mean "programs"?'),
        ('[program.a]\nprograms = "a"\n', "program.a.programs: takes a list of words"),
        ('[program.a]\nprograms = ["a"]\nstop_signal = "trem"\n', "program.a.stop_signal: "),
        ('[program.a]\nprograms = ["a"]\nstop_signal = "kill"\n', "no program can act on kill"),
        ('[program.a]\nprograms = ["a"]\nready = { prt = 1 }\n', "program.a.ready"),
        ("program = 3\n", "takes tables, as in [program.mailer]"),
    ],
)
def test_a_fault_in_a_program_of_ones_own_has_its_place(tmp_path: Path, toml: str, fault: str) -> None:
    with pytest.raises(ConfigError) as error:
        own_plan(tmp_path, toml=toml)
    assert fault in str(error.value)
