"""`procrun.toml`: what it gives, and what is said of what is wrong in it."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procrun.core.errors import ConfigError
from procrun.plan.config import load, validate, with_manifest
from procrun.plan.options import Config, ProcessConfig
from tests.harness import PYTHON

TYPES = ("web", "worker", "redis")
PROFILES = ("sidekiq", "redis")


def config(folder: Path, text: str | bytes) -> Config:
    (folder / "procrun.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(str(folder))


def fault(folder: Path, text: str | bytes) -> str:
    """What is said of `text`, from the name of the file on."""
    with pytest.raises(ConfigError) as caught:
        validate(config(folder, text), TYPES, PROFILES)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder}/")


def test_no_file_says_nothing_and_costs_no_import(tmp_path: Path) -> None:
    assert load(str(tmp_path)) == Config()

    code = f"import sys; from procrun.plan.config import load; load({str(tmp_path)!r}); print(*sys.modules)"
    modules = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"tomllib", "msgspec", "yaml", "difflib", "dataclasses", "pathlib", "inspect"} & set(modules)


def test_every_key_is_handed_on(tmp_path: Path) -> None:
    found = config(
        tmp_path,
        """
        platform = "server"
        restart_budget = 8
        store_budget = 20.5
        total_budget = 60
        formation = "web=1,worker=2"
        metadata = ".cloud66/manifest.yml"
        environment = "staging"

        [process.worker]
        profile = "sidekiq"
        stop_sequence = "tstp, 120, term, 30, kill"
        restart_signal = "usr1"
        restart_on_deploy = false
        after = ["redis"]

        [process.redis]
        stop_sequence = ["int", 60.5]
        no_kill = true
        restart_signal = 12

        [process.web]
        """,
    )
    place = f"{tmp_path}/procrun.toml: process"

    assert found._replace(processes={}) == Config(
        platform="server",
        restart_budget=8.0,
        store_budget=20.5,
        total_budget=60.0,
        formation="web=1,worker=2",
        metadata=".cloud66/manifest.yml",
        environment="staging",
        where=f"{tmp_path}/procrun.toml",
    )
    assert found.processes["worker"]._replace(places={}) == ProcessConfig(
        profile="sidekiq",
        stop_sequence="tstp, 120, term, 30, kill",
        restart_signal="usr1",
        restart_on_deploy=False,
        after=("redis",),
    )
    assert found.processes["redis"] == ProcessConfig(
        stop_sequence=("int", 60.5),
        no_kill=True,
        restart_signal=12,
        places={key: f"{place}.redis.{key}" for key in ("stop_sequence", "no_kill", "restart_signal")},
    )
    assert found.processes["web"] == ProcessConfig()
    validate(found, TYPES, PROFILES)


@pytest.mark.parametrize("text", [b"", b"# nothing\n", b"\xef\xbb\xbf", b"[process]\r\n"])
def test_file_that_says_nothing_leaves_the_defaults(tmp_path: Path, text: bytes) -> None:
    assert config(tmp_path, text)._replace(where=None) == Config()


def test_place_is_told_as_one_would_type_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "procrun.toml").write_text("platfrom = 'server'")
    monkeypatch.chdir(tmp_path)

    for root in ("", str(tmp_path)):
        with pytest.raises(ConfigError) as caught:
            load(root)
        assert str(caught.value) == 'procrun.toml: platfrom: unknown key; did you mean "platform"?'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[process.worker]\nafterr = []", 'process.worker.afterr: unknown key; did you mean "after"?'),
        ("[process.worker]\nstop_seq = ''", 'process.worker.stop_seq: unknown key; did you mean "stop_sequence"?'),
        (
            "[process.worker]\nx = 1",
            "process.worker.x: unknown key; there are: profile, stop_sequence, no_kill, restart_signal,"
            " restart_on_deploy, after",
        ),
        (
            "x = 1",
            "x: unknown key; there are: platform, restart_budget, store_budget, total_budget, formation, metadata,"
            " environment, log_dir, log_size, log_keep, log_rotate, port, accept, process",
        ),
        ("[processes.worker]", 'processes: unknown key; did you mean "process"?'),
        ("[worker]", "worker: unknown key; for a process type write [process.worker]"),
        (
            "stop_sequence = 'kill'",
            "stop_sequence: unknown key; it belongs to a process type: put it under [process.NAME]",
        ),
        ("essential = true", "essential: unknown key; it belongs to a process type: put it under [process.NAME]"),
        (
            "[process.worker]\nplatform = 'server'",
            "process.worker.platform: unknown key; it stands at the top of the file, above the first [process.…]",
        ),
        (r'"a\n" = 1', r"a\n: unknown key"),
    ],
)
def test_unknown_key_is_told_with_the_one_that_was_meant(tmp_path: Path, text: str, message: str) -> None:
    assert fault(tmp_path, text).startswith(f"procrun.toml: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("platform = 'sever'", 'platform: takes one of local, heroku, server; this is "sever"'),
        ("platform = 1", "platform: takes one of local, heroku, server; this is 1"),
        (
            "restart_budget = '10'",
            'restart_budget: takes seconds, a number above 0 and up to 1000000, as in 10 or 0.5; this is "10"',
        ),
        ("restart_budget = 0", "restart_budget: takes seconds, a number above 0"),
        ("restart_budget = -1", "restart_budget: takes seconds, a number above 0"),
        ("store_budget = nan", "store_budget: takes seconds, a number above 0"),
        ("store_budget = inf", "store_budget: takes seconds, a number above 0"),
        ("total_budget = true", "total_budget: takes seconds, a number above 0"),
        (f"total_budget = 1{'0' * 400}", "total_budget: takes seconds, a number above 0"),
        (f"total_budget = 0x{'f' * 9000}", "total_budget: takes seconds, a number above 0"),
        ("formation = {web = 1}", 'formation: takes text, as in "web=1,worker=2"; this is a table'),
        ("metadata = ''", 'metadata: takes text, as in ".cloud66/manifest.yml"; this is ""'),
        ("environment = 1979-05-27", 'environment: takes text, as in "production"; this is a date'),
        ("process = 1", "process: takes tables, as in [process.worker]; this is 1"),
        ("process.worker = 1", "process.worker: takes a table, as in [process.worker]; this is 1"),
        ("process.worker.profile = true", 'process.worker.profile: takes text, as in "sidekiq"; this is true'),
        (
            "process.worker.stop_sequence = 10",
            "process.worker.stop_sequence: takes signals and seconds by turns,"
            ' as in "tstp, 120, term, 30, kill"; this is 10',
        ),
        (
            "process.worker.no_kill = 'yes'",
            'process.worker.no_kill: takes true or false, without quotes; this is "yes"',
        ),
        (
            "process.worker.restart_on_deploy = 0",
            "process.worker.restart_on_deploy: takes true or false, without quotes; this is 0",
        ),
        (
            "process.worker.restart_signal = []",
            'process.worker.restart_signal: takes the name of a signal, as in "usr1"; this is a list',
        ),
        (
            "process.worker.after = 'redis'",
            'process.worker.after: takes a list of process types, as in ["redis"]; this is "redis"',
        ),
        ("process.worker.after = [1]", "process.worker.after: takes a list of process types"),
    ],
)
def test_wrong_value_is_told_with_what_is_expected(tmp_path: Path, text: str, message: str) -> None:
    assert fault(tmp_path, text).startswith(f"procrun.toml: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\n\n\n\n\n\nplatform = server", "procrun.toml:7:12: is no TOML: Invalid value; text stands in quotes"),
        (b"platform = 'local'\nplatform = 'local'", "procrun.toml:2:19: is no TOML: Cannot overwrite a value"),
        (b"[process.web\n", "procrun.toml:1:13: is no TOML: Expected ']'"),
        (b"web: puma\n", "procrun.toml:1:4: is no TOML: Expected '=' after a key in a key/value pair"),
        (b"a = 1\nb = '''", "procrun.toml:2:8: is no TOML: Expected"),
        (b"a = 1\nb = '\xff'", "procrun.toml:2:6: is no UTF-8; save the file as plain UTF-8"),
        (b"a = " + b"9" * 5000, "procrun.toml:1:5005: is no TOML: Exceeds the limit"),
        (b"a = " + b"[" * 5000, "procrun.toml:1:5005: is no TOML: maximum recursion depth"),
    ],
)
def test_file_that_is_no_toml_is_told_with_line_and_column(tmp_path: Path, text: bytes, message: str) -> None:
    assert fault(tmp_path, text).startswith(message)


def test_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "procrun.toml").mkdir()

    with pytest.raises(ConfigError, match=r"procrun\.toml: cannot be read: Is a directory$"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[process.wroker]", "process.wroker: no such process type; there are: web, worker, redis"),
        (
            "[process.worker]\nafter = ['web', 'rediss']",
            'process.worker.after: no process type "rediss"; there are: web, worker, redis',
        ),
        (
            "[process.worker]\nprofile = 'sidekik'",
            'process.worker.profile: no profile "sidekik"; did you mean "sidekiq"?',
        ),
        (
            "[process.worker]\nprofile = 'x'",
            'process.worker.profile: no profile "x"; there are: sidekiq, redis, none',
        ),
        (
            "[process.worker]\nafter = ['redis']\n[process.redis]\nafter = ['worker']",
            "process.worker.after: worker → redis → worker is a cycle, so none of them can start first;"
            " remove one `after`",
        ),
        (
            "process.web.after = ['worker']\nprocess.worker.after = ['redis']\nprocess.redis.after = ['worker']",
            "process.worker.after: worker → redis → worker is a cycle",
        ),
        ("process.web.after = ['web']", "process.web.after: web → web is a cycle"),
    ],
)
def test_what_the_procfile_does_not_have_is_told_with_what_it_has(tmp_path: Path, text: str, message: str) -> None:
    assert fault(tmp_path, text).startswith(f"procrun.toml: {message}")


def test_order_without_a_cycle_is_taken(tmp_path: Path) -> None:
    text = "process.web.after = ['worker', 'redis']\nprocess.worker.after = ['redis']\nprocess.worker.profile = 'none'"

    validate(config(tmp_path, text), TYPES, PROFILES)


def test_procrun_toml_beats_the_manifest_key_by_key() -> None:
    mine = Config(processes={"worker": ProcessConfig(stop_sequence="kill", places={"stop_sequence": "toml"})})
    theirs = {
        "worker": ProcessConfig(
            stop_sequence="term, 9, kill",
            restart_on_deploy=False,
            places={"stop_sequence": "yml", "restart_on_deploy": "yml"},
        ),
        "web": ProcessConfig(restart_signal="usr1", places={"restart_signal": "yml"}),
        "nsq": ProcessConfig(restart_on_deploy=False, places={"restart_on_deploy": "yml"}),
    }

    assert with_manifest(mine, theirs, TYPES).processes == {
        "worker": ProcessConfig(
            stop_sequence="kill",
            restart_on_deploy=False,
            places={"stop_sequence": "toml", "restart_on_deploy": "yml"},
        ),
        "web": theirs["web"],
    }
    assert with_manifest(mine, {}, TYPES) == mine


KEYS = st.sampled_from(["platform", "process", "process.worker", "process.worker.after", "formation", "'a b'", "x"])
VALUES = st.sampled_from(["1", "'server'", "['redis']", "{}", "{after = []}", "nan", "0x1", "true", "1979-05-27"])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary()
    | st.text().map(str.encode)
    | st.lists(st.tuples(KEYS, VALUES)).map(lambda rows: "\n".join(f"{k} = {v}" for k, v in rows).encode())
)
def test_no_file_raises_anything_but_a_config_error(tmp_path: Path, data: bytes) -> None:
    try:
        validate(config(tmp_path, data), TYPES, PROFILES)
    except ConfigError as error:
        assert "procrun.toml" in str(error)
        assert "\n" not in str(error)
