"""What platform, configuration and profile make of the plan: sequences, budgets, order, variables."""

import os
from collections.abc import Mapping
from signal import SIGINT, SIGKILL, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, Signals
from typing import Any

import pytest

from procrun.core.errors import ConfigError
from procrun.core.spec import Spec, Step
from procrun.core.stop_sequence import format_sequence
from procrun.plan.layout import Plan, build
from procrun.plan.options import Wishes
from tests.harness import PYTHON, TERM, Folder

ALL = ("redis: redis-server", "db: postgres -D data", "web: puma -p $PORT", "worker: sidekiq", "clock: bin/clock")
MANIFEST = """\
production:
  rails:
    configuration: {}
  procfile_metadata:
    worker:
      stop_sequence: tstp, 120, term, 30, kill
    web:
      restart_signal: usr2
    clock:
      restart_on_deploy: false
staging:
  procfile_metadata:
    worker:
      stop_sequence: term, 5, kill
"""


def plan(folder: Folder, toml: str = "", *lines: str, **wishes: Any) -> Plan:
    folder.write("procrun.toml", toml)
    folder.procfile(*(lines or ALL))
    return build(Wishes(**wishes), {"PATH": os.environ["PATH"], "HOME": str(folder.path)})


def specs(folder: Folder, toml: str = "", *lines: str, **wishes: Any) -> Mapping[str, Spec]:
    return {spec.type: spec for spec in plan(folder, toml, *lines, **wishes).specs}


def sequences(folder: Folder, toml: str = "", *lines: str, **wishes: Any) -> dict[str, str]:
    return {
        name: format_sequence(spec.manners.stop_sequence)
        for name, spec in specs(folder, toml, *lines, **wishes).items()
    }


def fault(folder: Folder, toml: str, *lines: str, **wishes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        plan(folder, toml, *lines, **wishes)
    return str(caught.value)


# --- which platform


@pytest.mark.parametrize(
    ("toml", "option", "platform"),
    [
        ("", None, "local"),
        ('platform = "server"', None, "server"),
        ('platform = "server"', "heroku", "heroku"),
        ('platform = "heroku"', "local", "local"),
    ],
)
def test_command_line_beats_file_beats_local(folder: Folder, toml: str, option: str | None, platform: str) -> None:
    assert plan(folder, toml, platform=option).platform == platform


def test_without_a_file_it_is_local(folder: Folder) -> None:
    folder.procfile("web: true")
    assert build(Wishes(), {}).platform == "local"


# --- stop sequences


@pytest.mark.parametrize("platform", ["local", "heroku"])
def test_a_dyno_knows_term_and_kill_and_a_store_its_own_signal(folder: Folder, platform: str) -> None:
    assert sequences(folder, platform=platform) == {
        "redis": "term, 10, kill",
        "db": "int, 10, kill",
        "web": "term, 10, kill",
        "worker": "term, 10, kill",
        "clock": "term, 10, kill",
    }


def test_on_a_server_the_profile_says_how_it_is_stopped(folder: Folder) -> None:
    assert sequences(folder, platform="server") == {
        "redis": "term, 30, kill",
        "db": "int, 60, quit, 10",
        "web": "term, 90, kill",
        "worker": "term, 90, kill",
        "clock": "term, 10, kill",
    }


def test_on_a_server_a_longer_time_out_of_the_program_makes_its_wait_longer(folder: Folder) -> None:
    assert sequences(folder, "", "worker: sidekiq -t 200", platform="server") == {"worker": "term, 203, kill"}


def test_configured_sequence_beats_the_profile_on_a_server(folder: Folder) -> None:
    toml = '[process.worker]\nstop_sequence = [":TSTP", 120, "SIGTERM", 30, "kill"]\n'
    (step,) = [specs(folder, toml, platform="server")["worker"].manners.stop_sequence]
    assert step == (Step(SIGTSTP, 120), Step(SIGTERM, 30), Step(SIGKILL, 5))


def test_configured_profile_stands_for_the_recognised_one(folder: Folder) -> None:
    toml = 'process.clock.profile = "unicorn"\nprocess.worker.profile = "none"\n'
    made = sequences(folder, toml, platform="server")
    assert (made["clock"], made["worker"]) == ("quit, 75, term, 15, kill", "term, 10, kill")


def test_manifest_says_it_for_its_environment(folder: Folder) -> None:
    folder.write(".cloud66/manifest.yml", MANIFEST)
    toml = 'platform = "server"\nmetadata = ".cloud66/manifest.yml"\n'
    made = specs(folder, toml)
    assert format_sequence(made["worker"].manners.stop_sequence) == "tstp, 120, term, 30, kill"
    assert made["web"].manners.restart_signal == SIGUSR2
    assert [name for name, spec in made.items() if not spec.manners.restart_on_deploy] == ["clock"]
    assert sequences(folder, f'{toml}environment = "staging"\n')["worker"] == "term, 5, kill"
    beaten = f'{toml}[process.worker]\nstop_sequence = "term, 40, kill"\n'
    assert sequences(folder, beaten)["worker"] == "term, 40, kill"


# --- budgets


@pytest.mark.parametrize(
    ("toml", "timeout", "budget", "store"),
    [
        ("", None, 10, 10),
        ("restart_budget = 20", None, 20, 10),
        ("restart_budget = 20", 7.5, 7.5, 10),
        ("store_budget = 4", None, 10, 4),
        ("total_budget = 15", None, 5, 10),
        ("total_budget = 60", None, 10, 10),
        ("total_budget = 30\nrestart_budget = 40\nstore_budget = 5", None, 25, 5),
        ("total_budget = 12\nstore_budget = 5", 30.0, 7, 5),
    ],
)
@pytest.mark.parametrize("platform", ["local", "heroku"])
def test_budgets(folder: Folder, toml: str, timeout: float | None, budget: float, store: float, platform: str) -> None:
    made = specs(folder, toml, timeout=timeout, platform=platform)
    assert made["worker"].manners.stop_sequence[0] == Step(SIGTERM, budget)
    assert made["redis"].manners.stop_sequence[0] == Step(SIGTERM, store)
    assert made["db"].manners.stop_sequence[0] == Step(SIGINT, store)


def test_on_a_server_the_budget_is_for_what_nothing_else_is_known_of(folder: Folder) -> None:
    made = sequences(folder, "restart_budget = 20", platform="server")
    assert (made["clock"], made["worker"]) == ("term, 20, kill", "term, 90, kill")


def test_total_budget_that_leaves_nothing_is_a_fault(folder: Folder) -> None:
    place = "procrun.toml: total_budget: 10 s leave no time beside the 10 s of store_budget"
    assert fault(folder, "total_budget = 10") == place


@pytest.mark.parametrize(
    ("toml", "timeout", "place"),
    [("restart_budget = 31", None, "procrun.toml: restart_budget"), ("restart_budget = 8", 31.0, "-t")],
)
def test_budget_beyond_herokus_is_noted_with_its_place(
    folder: Folder, toml: str, timeout: float | None, place: str
) -> None:
    (finding,) = plan(folder, toml, timeout=timeout).sources.findings
    assert (finding.where, finding.note) == (place, True)


# --- who gets what


@pytest.mark.parametrize(("platform", "dyno"), [("local", None), ("heroku", "worker.1"), ("server", None)])
def test_dyno_is_set_on_heroku_alone(folder: Folder, platform: str, dyno: str | None) -> None:
    env = specs(folder, platform=platform)["worker"].env
    assert (env["PS"], env.get("DYNO")) == ("worker.1", dyno)


@pytest.mark.parametrize(("platform", "to_all"), [("local", False), ("heroku", True), ("server", False)])
def test_only_on_a_dyno_term_goes_to_every_process_and_never_to_all_of_a_store(
    folder: Folder, platform: str, to_all: bool
) -> None:
    made = specs(folder, "", "a: celery -A x worker", "b: python work.py", "c: postgres -D data", platform=platform)
    assert [made[name].manners.to_all for name in "abc"] == [to_all, to_all, False]


@pytest.mark.parametrize("platform", ["local", "heroku"])
def test_quiet_and_restart_signals_are_for_servers(folder: Folder, platform: str) -> None:
    toml = 'process.web.restart_signal = "usr2"'
    there, here = (specs(folder, toml, platform=name) for name in ("server", platform))
    assert (there["web"].manners.restart_signal, here["web"].manners.restart_signal) == (SIGUSR2, None)
    assert SIGTSTP in there["worker"].manners.quiet_signals
    assert here["worker"].manners.quiet_signals == ()


@pytest.mark.parametrize(("version", "signals"), [("6.4.1", (SIGTSTP,)), ("5.2.9", (SIGTSTP,)), ("4.2.10", (SIGUSR1,))])
def test_quiet_signal_is_that_of_the_locked_version(folder: Folder, version: str, signals: tuple[int, ...]) -> None:
    folder.write("Gemfile.lock", f"GEM\n  specs:\n    sidekiq ({version})\n")
    assert specs(folder, platform="server")["worker"].manners.quiet_signals == signals


# --- what the platform leaves unused


@pytest.mark.parametrize("platform", ["local", "heroku"])
def test_setting_that_the_platform_has_not_is_left_unused_with_a_line(folder: Folder, platform: str) -> None:
    toml = '[process.worker]\nstop_sequence = "term, 30, kill"\n[process.web]\nrestart_signal = "usr2"\n'
    made = plan(folder, toml, platform=platform)
    unused = f'left unused on platform {platform}, which knows TERM and KILL only; platform = "server" uses it'
    assert [(finding.where, finding.text) for finding in made.sources.findings] == [
        ("procrun.toml: process.web.restart_signal", unused),
        ("procrun.toml: process.worker.stop_sequence", unused),
    ]
    assert plan(folder, toml, platform="server").sources.findings == ()


def test_start_says_what_it_leaves_unused(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.web]\nstop_sequence = "quit, 30, kill"\n')
    folder.procfile("web: true")
    run = folder.start()
    run.finish()
    assert "procrun: procrun.toml: process.web.stop_sequence: left unused on platform local" in run.output


# --- the formation


@pytest.mark.parametrize(
    ("wishes", "counts"),
    [
        ({}, {"redis": 1, "db": 1, "web": 2, "worker": 1}),
        ({"concurrency": "web=3"}, {"redis": 1, "db": 1, "web": 3, "worker": 1, "clock": 1}),
        ({"formation": "worker=2"}, {"worker": 2}),
        ({"names": ("clock", "web")}, {"web": 2}),
    ],
)
def test_formation_of_the_file_counts_where_the_command_line_has_none(
    folder: Folder, wishes: dict[str, Any], counts: dict[str, int]
) -> None:
    made = plan(folder, 'formation = "web=2,clock=0"', **wishes).specs
    assert {type_: sum(spec.type == type_ for spec in made) for type_ in {spec.type for spec in made}} == counts


def test_formation_of_the_file_that_names_no_type_is_a_fault_with_its_place(folder: Folder) -> None:
    said = fault(folder, 'formation = "wbe=2"')
    assert said.startswith('procrun.toml: formation: no process type "wbe"; there are: redis, db, web')


# --- the order


def test_stores_are_recognised_and_everything_else_comes_after_them(folder: Folder) -> None:
    made = specs(folder)
    assert {name for name, spec in made.items() if spec.manners.store} == {"redis", "db"}
    assert {name: set(spec.manners.after) for name, spec in made.items()} == {
        "redis": set(),
        "db": set(),
        "web": {"redis", "db"},
        "worker": {"redis", "db"},
        "clock": {"redis", "db"},
    }


def test_what_stands_before_a_database_comes_after_it_and_before_its_users(folder: Folder) -> None:
    folder.procfile("web: gunicorn a:a", "pool: pgbouncer p.ini", "queue: kafka-server-start.sh s", "db: postgres -D d")
    manners = build(Wishes(), {}).manners
    assert manners["db"].after == manners["queue"].after == ()
    assert manners["pool"].after == ("db",)
    assert set(manners["web"].after) == {"pool", "queue", "db"}


def test_no_order_recognises_no_stores_but_keeps_what_is_configured(folder: Folder) -> None:
    made = specs(folder, 'process.worker.after = ["web"]', no_order=True)
    assert not any(spec.manners.store for spec in made.values())
    assert not made["redis"].manners.ready
    assert not made["db"].manners.ready
    assert {name: spec.manners.after for name, spec in made.items() if spec.manners.after} == {"worker": ("web",)}
    assert {spec.manners.stop_sequence[0] for spec in made.values()} == {Step(SIGTERM, 10)}


def test_configured_order_stands_for_the_recognised_one(folder: Folder) -> None:
    made = specs(folder, 'process.worker.after = ["redis"]\nprocess.clock.after = []')
    assert (made["worker"].manners.after, made["clock"].manners.after) == (("redis",), ())


def test_store_that_is_to_start_later_than_a_process_is_not_waited_for_by_it(folder: Folder) -> None:
    made = specs(folder, 'process.redis.after = ["clock"]\nprocess.clock.after = ["db"]')
    assert made["redis"].manners.after == ("clock",)
    assert made["clock"].manners.after == ("db",)
    assert made["worker"].manners.after == ("redis", "db")


def test_cycle_of_recognised_and_configured_order_is_a_fault_with_a_cure_that_cures(folder: Folder) -> None:
    toml = 'process.redis.after = ["web"]\nprocess.db.after = ["worker"]\n'
    said = fault(folder, toml)
    assert said == (
        "procrun.toml: process.redis.after: redis → web → db → worker → redis is a cycle, as recognised stores start "
        "first; set after = [] in [process.web]"
    )
    assert specs(folder, f"{toml}process.web.after = []")["worker"].manners.after == ("redis",)
    assert plan(folder, toml, no_order=True)


# --- restart signals


REBORN = """\
import os, signal, sys, time
signal.signal(signal.SIGUSR2, lambda *a: print("again", flush=True))
print("up", flush=True)
while True:
    time.sleep(1)
"""


def pid(folder: Folder, name: str) -> str:
    return next(line.split()[2] for line in folder.procrun("ps").stdout.splitlines() if line.startswith(name))


def test_a_deploy_sends_the_restart_signal_and_a_restart_makes_a_new_process(folder: Folder) -> None:
    folder.write("web.py", REBORN)
    folder.write("procrun.toml", 'platform = "server"\n[process.web]\nrestart_signal = "usr2"\n')
    folder.procfile(f"web: {PYTHON} web.py")
    run = folder.start()
    run.wait_for(r"\| up")
    before = pid(folder, "web")
    assert folder.procrun("deploy").returncode == 0
    run.wait_for(r"\| again")
    assert pid(folder, "web") == before
    assert folder.procrun("restart", "web").returncode == 0
    run.wait_for(r"\| up", count=2)
    assert pid(folder, "web") != before
    assert run.output.count("again") == 1
    run.finish(TERM)


def test_a_restart_signal_that_nothing_catches_restarts_by_the_stop_sequence(folder: Folder) -> None:
    folder.write("web.py", REBORN)
    folder.write("procrun.toml", 'platform = "server"\n[process.web]\nrestart_signal = "usr1"\n')
    folder.procfile(f"web: {PYTHON} web.py")
    run = folder.start()
    run.wait_for(r"\| up")
    assert folder.procrun("deploy").returncode == 0
    run.wait_for(r"web\.1 TERM 0\.00 → gone")
    run.wait_for(r"\| up", count=2)
    run.finish(TERM)


@pytest.mark.parametrize(
    ("version", "deadly"),
    [
        ("6.4.1", {"SIGUSR1", "SIGUSR2", "SIGHUP", "SIGQUIT"}),
        ("5.2.9", {"SIGHUP", "SIGQUIT"}),
        (None, {"SIGUSR1", "SIGUSR2", "SIGHUP", "SIGQUIT"}),
    ],
)
def test_signals_that_kill_are_known_by_version_and_feared_without_one(
    folder: Folder, version: str | None, deadly: set[str]
) -> None:
    if version is not None:
        folder.write("Gemfile.lock", f"GEM\n  specs:\n    sidekiq ({version})\n")
    folder.write(".env", "GEM_HOME=gems\n")
    assert {Signals(number).name for number in specs(folder)["worker"].manners.deadly} == deadly
