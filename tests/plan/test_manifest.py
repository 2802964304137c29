"""Cloud 66 manifests as they are written: which shapes are read, and what is said of the odd ones."""

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procrun.core.errors import ConfigError
from procrun.core.stop_sequence import format_sequence
from procrun.plan.cloud66 import load
from procrun.plan.options import ProcessConfig
from procrun.plan.policies import configured_sequence


def read(folder: Path, text: str | bytes, environment: str = "production") -> dict[str, ProcessConfig]:
    path = folder / "manifest.yml"
    path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
    return dict(load(str(path), environment))


def said(folder: Path, text: str, environment: str = "production") -> dict[str, ProcessConfig]:
    return {type_: process._replace(places={}) for type_, process in read(folder, text, environment).items()}


def fault(folder: Path, text: str | bytes) -> str:
    """What is said of `text`, from the name of the file on."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder}/")


WORKER = {"worker": ProcessConfig(stop_sequence="tstp, 120, term, 30, kill")}


@pytest.mark.parametrize(
    "text",
    [
        """
        procfile_metadata:
          worker:
            stop_sequence: tstp, 120, term, 30, kill
        """,
        """
        production:
          procfile_metadata:
            worker:
              stop_sequence: tstp, 120, term, 30, kill
        """,
        """
        rails:
            procfile_metadata:
                worker:
                    stop_sequence: tstp, 120, term, 30, kill
        """,
        """
        production:
           rails:
              procfile_metadata:
                 worker:
                    stop_sequence: tstp, 120, term, 30, kill
        """,
        """
        rails:
          production:
            procfile_metadata: {worker: {stop_sequence: "tstp, 120, term, 30, kill"}}
        """,
        """
        default: &default
          procfile_metadata: # of every environment
            worker:
              stop_sequence: tstp, 120, term, 30, kill
        production:
          <<: *default
        """,
        """
        worker: &worker
          stop_sequence: tstp, 120, term, 30, kill
        production:
          procfile_metadata:
            worker:
              <<: [*worker]
        """,
    ],
)
def test_section_is_found_at_each_level_that_manifests_use(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == WORKER


def test_example_of_the_vendor_is_read(tmp_path: Path) -> None:
    web = ProcessConfig(stop_sequence="usr1, 30, kill", restart_signal="usr1")

    assert said(
        tmp_path,
        """
        production:
          procfile_metadata:
            worker:
              stop_sequence: tstp, 120, term, 30, kill
            web:
              restart_signal: usr1
              stop_sequence: usr1, 30, kill
            nsq:
              restart_on_deploy: false
        """,
    ) == {**WORKER, "web": web, "custom_web": web, "nsq": ProcessConfig(restart_on_deploy=False)}


def test_other_sections_are_never_looked_at(tmp_path: Path) -> None:
    text = """
        # A real one has these, and worse.
        production: &production
          gateway:
            name: aws_bastion
          rails:
            configuration:
              ruby_version: 2.6.5
              when: 2024-13-45
              secret: !vault abc
          redis:
            server: external
          mysql:
            configuration: {version: 9.6.3, root_disk_size: 1_0}
          procfile_metadata:
            worker:
              stop_sequence: tstp, 120, term, 30, kill
        sandbox:
          procfile_metadata:
            worker:
              stop_seq: of no interest
        disaster_recovery:
          <<: *production
        allowed_ips: [1.2.3.4]
        """

    assert said(tmp_path, text) == WORKER
    assert said(tmp_path, text, "disaster_recovery") == WORKER


@pytest.mark.parametrize(
    ("written", "sequence"),
    [
        ("tstp, 120, term, 30, kill", "tstp, 120, term, 30, kill"),
        (":quit,75,:term,15,:kill", "quit, 75, term, 15, kill"),
        ("TTIN, 120, TERM, 5, KILL", "ttin, 120, term, 5, kill"),
        ("[tstp, 120, term, 0.5, kill]", "tstp, 120, term, 0.5, kill"),
        ("kill", "kill"),
    ],
)
def test_sequence_is_handed_on_as_written(tmp_path: Path, written: str, sequence: str) -> None:
    found = read(tmp_path, f"procfile_metadata:\n  worker:\n    stop_sequence: {written}\n")["worker"]

    assert format_sequence(configured_sequence(found) or ()) == sequence
    assert found.places == {"stop_sequence": f"{tmp_path}/manifest.yml: procfile_metadata.worker.stop_sequence"}


@pytest.mark.parametrize(
    ("written", "flag"),
    [("true", True), ("yes", True), ("On", True), ('"true"', True), ("false", False), ("NO", False), ("off", False)],
)
def test_restart_on_deploy_is_a_flag_of_yaml(tmp_path: Path, written: str, flag: bool) -> None:
    text = f"procfile_metadata:\n  nsq:\n    restart_on_deploy: {written}\n"

    assert said(tmp_path, text) == {"nsq": ProcessConfig(restart_on_deploy=flag)}


def test_nearer_level_beats_the_general_one_key_by_key(tmp_path: Path) -> None:
    text = """
        production:
          procfile_metadata:
            worker: {stop_sequence: "term, 90, kill"}
        procfile_metadata:
          worker: {stop_sequence: kill, restart_on_deploy: no}
          clock: {restart_on_deploy: no}
        """

    assert said(tmp_path, text) == {
        "worker": ProcessConfig(stop_sequence="term, 90, kill", restart_on_deploy=False),
        "clock": ProcessConfig(restart_on_deploy=False),
    }


def test_custom_web_stands_for_web_and_beats_it(tmp_path: Path) -> None:
    text = """
        procfile_metadata:
          custom_web: {stop_sequence: "usr1, 30, kill"}
          web: {stop_sequence: kill, restart_signal: usr2}
        """
    web = ProcessConfig(stop_sequence="usr1, 30, kill", restart_signal="usr2")

    assert said(tmp_path, text) == {"web": web, "custom_web": web}


def test_older_key_of_web_counts_unless_the_newer_is_there(tmp_path: Path) -> None:
    older = "procfile_metadata:\n  web:\n    web_server_stop_signals: usr1, 30, kill\n"

    assert said(tmp_path, older)["web"] == ProcessConfig(stop_sequence="usr1, 30, kill")
    assert said(tmp_path, older + "    stop_sequence: kill\n")["web"] == ProcessConfig(stop_sequence="kill")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "---\n",
        "~",
        "production:\n",
        "production:\n  procfile_metadata:\n",
        "rails:\n  a: b\n",
        "a: 1\n",
    ],
)
def test_manifest_without_the_section_says_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == {}


def test_process_without_keys_says_nothing(tmp_path: Path) -> None:
    assert said(tmp_path, "procfile_metadata:\n  worker:\n  clock: {}\n") == {
        "worker": ProcessConfig(),
        "clock": ProcessConfig(),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "production:\n  procfile_metadata:\n    worker:\n      stop_seq: kill",
            'manifest.yml: production.procfile_metadata.worker.stop_seq: unknown key; did you mean "stop_sequence"?',
        ),
        (
            "procfile_metadata: {worker: {scale: 2}}",
            "manifest.yml: procfile_metadata.worker.scale: unknown key;"
            " there are: stop_sequence, restart_signal, restart_on_deploy",
        ),
        (
            "procfile_metadata: {worker: {[a]: 2}}",
            "manifest.yml: procfile_metadata.worker.?: unknown key",
        ),
        (
            "rails: {procfile_metadata: {worker: {restart_on_deploy: maybe}}}",
            'manifest.yml: rails.procfile_metadata.worker.restart_on_deploy: takes true or false; this is "maybe"',
        ),
        (
            "procfile_metadata: {worker: {stop_sequence: {term: 30}}}",
            "manifest.yml: procfile_metadata.worker.stop_sequence: takes one plain value",
        ),
        (
            "procfile_metadata: {web: {restart_signal: [usr1]}}",
            "manifest.yml: procfile_metadata.web.restart_signal: takes one plain value",
        ),
        ("procfile_metadata: {worker: kill}", "manifest.yml: procfile_metadata.worker: takes keys, one a line"),
        ("procfile_metadata: [worker]", "manifest.yml: procfile_metadata: takes keys, one a line"),
        (
            "staging: {procfile_metadata: {}}\ntest: {rails: {procfile_metadata: {}}}",
            'manifest.yml: no procfile_metadata for "production", only under: staging, test;'
            " set `environment` in procrun.toml to one of them",
        ),
    ],
)
def test_wrong_section_is_told_with_its_place_and_cure(tmp_path: Path, text: str, message: str) -> None:
    assert fault(tmp_path, text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            b"production:\n\tworker: 1\n",
            "manifest.yml:2:1: is no YAML: found character '\\t' that cannot start any token;",
        ),
        (b"a: b: c\n", "manifest.yml:1:5: is no YAML: mapping values are not allowed here; look at the indent"),
        (b"a: [1\n", "manifest.yml:2:1: is no YAML: expected ',' or ']'"),
        (b"a: 1\nb: *c\n", "manifest.yml:2:4: is no YAML: found undefined alias"),
        (b"a: 1\n b: 2\n", "manifest.yml:2:3: is no YAML: mapping values are not allowed here"),
        (b"a: 1\nb: \x00\n", "manifest.yml:2:4: is no YAML: special characters are not allowed"),
        (b"a: 1\nb: \xff\n", "manifest.yml:2:4: is no UTF-8; save the file as plain UTF-8"),
        (b'a: "\\UFFFFFFFF"\n', "manifest.yml: is no YAML: "),
        (b"a: 1\n---\nb: 2\n", "manifest.yml:2:1: is no YAML: but found another document"),
        (b"<<: 1\n", "manifest.yml:1:5: is no YAML: expected a mapping or list of mappings for merging"),
        (b"a: " + b"[" * 3000, "manifest.yml: is no YAML: maximum recursion depth"),
        (b"web puma\n", "manifest.yml: is no manifest: it has no sections, as in `production:`"),
        (b"- a\n", "manifest.yml: is no manifest: it has no sections, as in `production:`"),
    ],
)
def test_file_that_is_no_yaml_is_told_in_one_line(tmp_path: Path, text: bytes, message: str) -> None:
    assert fault(tmp_path, text).startswith(message)


def test_file_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    for path in (".cloud66/manifest.yml", str(tmp_path / ".cloud66/manifest.yml")):
        with pytest.raises(ConfigError) as caught:
            load(path, "production")
        assert str(caught.value) == ".cloud66/manifest.yml: does not exist; correct `metadata` in procrun.toml"
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load(str(tmp_path), "production")


PARTS = [
    "production:",
    "procfile_metadata:",
    "worker:",
    "stop_sequence:",
    " ",
    "  ",
    "\n",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "!",
]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary()
    | st.text().map(str.encode)
    | st.lists(st.sampled_from(PARTS)).map(lambda parts: "".join(parts).encode())
)
def test_no_file_raises_anything_but_a_config_error(tmp_path: Path, data: bytes) -> None:
    try:
        read(tmp_path, data)
    except ConfigError as error:
        assert "manifest.yml" in str(error)
        assert "\n" not in str(error)
