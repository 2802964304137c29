"""The table of known programs: complete, consistent, and careful where versions differ."""

import re
import signal
from math import inf

import pytest

from procrun.core import dependencies
from procrun.core.spec import Step
from procrun.plan.programs import index, profiles
from procrun.plan.programs.profile import Patience, Profile, Versions
from procrun.plan.programs.profiles import PROFILES
from procrun.plan.programs.python_workers import CELERY
from procrun.plan.programs.ruby_workers import RESQUE, SIDEKIQ

WANTED = (
    "sidekiq celery resque rq dramatiq gunicorn uvicorn puma unicorn nginx uwsgi postgres redis memcached mysqld "
    "rabbitmq mongod delayed_job good_job solid_queue shoryuken que karafka sneakers resque-pool huey arq taskiq "
    "procrastinate django-q laravel horizon messenger hypercorn daphne granian waitress thin passenger supervisord "
    "circusd pm2-runtime foreman honcho"
)
STORES = {
    *("postgres", "redis", "memcached", "mysqld", "mongod", "clickhouse", "cockroach", "etcd"),
    *("minio", "influxd", "couchdb", "neo4j", "elasticsearch", "meilisearch", "typesense", "qdrant"),
    *("solr", "beanstalkd", "nats", "rabbitmq", "mosquitto", "faktory", "gearmand", "nsqd"),
    *("nsqlookupd", "kafka", "zookeeper", "pgbouncer", "pgpool", "proxysql", "twemproxy"),
}

each_profile = pytest.mark.parametrize("profile", PROFILES, ids=[f"{p.name}-{p.programs[0]}" for p in PROFILES])


@pytest.mark.parametrize("name", WANTED.split())
def test_program_is_in_the_table(name: str) -> None:
    profile = profiles.named(name)
    assert profile is not None
    assert profile.name == name


def test_unknown_name_is_none() -> None:
    assert profiles.named("nosuch") is None
    assert profiles.of_program("nosuch") == []


@each_profile
def test_profile_is_found_by_each_of_its_programs(profile: Profile) -> None:
    assert all(profile in profiles.of_program(program) for program in profile.programs)
    assert profile.programs


def test_a_program_with_several_profiles_is_told_by_its_arguments() -> None:
    for profile in PROFILES:
        for program in profile.programs:
            others = [other for other in profiles.of_program(program) if other is not profile]
            assert not others or profile.verbs


def sequences(profile: Profile) -> list[tuple[Step, ...]]:
    return [profile.stop, *(variant.changes["stop"] for variant in profile.variants if "stop" in variant.changes)]


@each_profile
def test_sequence_ends_in_kill_unless_the_profile_says_never(profile: Profile) -> None:
    for sequence in sequences(profile):
        signals = [step.signal for step in sequence]
        assert (signals[-1] == signal.SIGKILL) is not profile.never_kill
        assert signal.SIGKILL not in signals[:-1]
        assert len(set(signals)) == len(signals)


@each_profile
def test_sequence_waits_after_each_signal(profile: Profile) -> None:
    for sequence in sequences(profile):
        assert all(0 < step.wait < 600 for step in sequence)
        assert len(sequence) >= 2


@each_profile
def test_every_signal_is_known(profile: Profile) -> None:
    numbers = [step.signal for sequence in sequences(profile) for step in sequence]
    numbers += [*profile.clean, *(quiet.signal for quiet in profile.quiet)]
    assert all(signal.Signals(number) for number in numbers)
    assert {quiet.signal for quiet in profile.quiet}.isdisjoint({signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP})


@each_profile
def test_patience_is_measured_from_a_signal_of_the_sequence(profile: Profile) -> None:
    for patience, sequence in patiences(profile):
        assert patience.signal in {step.signal for step in sequence}
        assert patience.default >= 0
        assert 0 < patience.margin <= 5
        assert patience.loses


@each_profile
def test_sequence_gives_the_default_patience_its_time(profile: Profile) -> None:
    """Where it does not, `stop_sequence` makes it longer; a server's own time-out is met by the table itself."""
    for patience, sequence in patiences(profile):
        if patience.work == "requests" and patience.default < inf:
            (wait,) = [step.wait for step in sequence if step.signal == patience.signal]
            assert wait >= patience.default + patience.margin


def patiences(profile: Profile) -> list[tuple[Patience, tuple[Step, ...]]]:
    settled = [profile, *(profile._replace(**variant.changes) for variant in profile.variants)]
    return [(each.patience, each.stop) for each in settled if each.patience is not None]


@each_profile
def test_variant_changes_fields_that_are_there_and_says_when(profile: Profile) -> None:
    for variant in profile.variants:
        assert set(variant.changes) <= set(Profile._fields)
        assert variant.word or variant.options or variant.variable or variant.line or variant.setting or variant.code
        assert bool(variant.variable or variant.options) == bool(variant.value)
        re.compile(variant.value)
        re.compile(variant.line)


@each_profile
def test_readiness_is_one_that_can_be_asked(profile: Profile) -> None:
    assert profile.ready in {"", "redis", "postgres", "memcached", "connect", "title"}
    assert (profile.ready == "title") <= (profile.busy_title != "")
    re.compile(profile.ready_line)


def test_stores_are_stores_and_can_be_asked() -> None:
    assert {profile.name for profile in PROFILES if profile.store} == STORES
    assert all(profile.ready for profile in PROFILES if profile.store)


def test_a_profile_says_where_it_is_from_and_a_store_where_it_listens() -> None:
    for profile in PROFILES:
        assert profile.port > 0 or not profile.store
        assert profile.manager is (profile.deadline is not None)
        assert profile.source or not profile.store
        assert profile.port > 0 or not profile.port_options


def test_a_store_comes_after_stores_only_and_never_after_itself() -> None:
    after = {profile.name: profile.after for profile in PROFILES}
    for profile in PROFILES:
        assert set(profile.after) <= STORES
        assert profile.store or not profile.after
    assert dependencies.cycle(after) == ()


def test_death_by_term_is_clean_only_where_the_program_means_it() -> None:
    assert {profile.name for profile in PROFILES if signal.SIGTERM in profile.clean} == {
        *("puma", "uvicorn", "elasticsearch", "solr", "neo4j", "kafka", "zookeeper", "etcd", "beanstalkd", "rabbitmq"),
        "twemproxy",
        "waitress",
    }


def test_work_is_lost_unless_the_profile_says_that_it_runs_again() -> None:
    assert {profile.name for profile in PROFILES if profile.patience and profile.patience.harmless} == {
        *("dramatiq", "arq", "saq", "good_job", "shoryuken", "que", "karafka", "sneakers", "racecar"),
        *("laravel", "horizon", "messenger"),
    }


def test_a_worker_without_a_quiet_signal_says_what_quiets_it() -> None:
    for name in ("celery", "rq", "dramatiq"):
        profile = profiles.named(name)
        assert profile is not None
        assert not profile.quiet
        assert profile.quiet_hint


# --- quiet signals


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ((6, 4, 1), signal.SIGTSTP),
        ((5,), signal.SIGTSTP),
        ((5, 0, 0), signal.SIGTSTP),
        ((8, 0), signal.SIGTSTP),
        ((4, 99), signal.SIGUSR1),
        ((3, 5, 4), signal.SIGUSR1),
        (None, None),
    ],
)
def test_sidekiqs_quiet_signal_is_that_of_its_version_and_never_guessed(
    version: tuple[int, ...] | None, number: int | None
) -> None:
    assert profiles.quiet_signal(SIDEKIQ, version) == number


@pytest.mark.parametrize("version", [None, (1, 27)])
def test_a_quiet_signal_of_all_versions_needs_none(version: tuple[int, ...] | None) -> None:
    assert profiles.quiet_signal(RESQUE, version) == signal.SIGUSR2


def test_a_program_without_quiet_signals_has_none() -> None:
    assert profiles.quiet_signal(CELERY, (5, 7)) is None


def test_the_first_quiet_signal_that_fits_is_preferred() -> None:
    both = SIDEKIQ._replace(quiet=(Versions(signal.SIGTSTP, since=(5,)), Versions(signal.SIGUSR1)))
    assert profiles.quiet_signal(both, (5, 2)) == signal.SIGTSTP


# --- Sidekiq's title


@pytest.mark.parametrize(
    ("title", "groups"),
    [
        ("sidekiq 6.4.1  [0 of 5 busy]", ("6.4.1", "0", "5", None)),
        ("sidekiq 6.4.1 app [2 of 5 busy] stopping", ("6.4.1", "2", "5", " s")),
        ("sidekiq 7.2.0 my [app] [12 of 25 busy] stopping", ("7.2.0", "12", "25", " s")),
        ("sidekiq 6.4.1  [0 of 5 busy] stop", ("6.4.1", "0", "5", " s")),
    ],
)
def test_busy_title_is_read(title: str, groups: tuple[str | None, ...]) -> None:
    match = re.match(SIDEKIQ.busy_title, title)
    assert match is not None
    assert match.group("version", "busy", "slots", "quiet") == groups


@pytest.mark.parametrize("title", ["/usr/bin/ruby /usr/bin/sidekiq -r ./app.rb", "sidekiq", ""])
def test_title_before_the_first_heartbeat_says_nothing(title: str) -> None:
    assert re.match(SIDEKIQ.busy_title, title) is None


def test_every_program_of_a_profile_is_among_the_names_that_are_looked_for() -> None:
    assert {program for profile in PROFILES for program in profile.programs} == index.NAMES


def test_a_name_in_a_variable_that_the_command_uses_counts() -> None:
    assert index.may_be_known("exec $SERVER -p 1", {"SERVER": "bin/puma"})
    assert not index.may_be_known("exec bin/web -p $PORT", {"PORT": "5000", "SERVER": "puma"})
