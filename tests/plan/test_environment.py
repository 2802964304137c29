"""The environment: python-dotenv's dialect, which file wins, and providers."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procrun.core.errors import ConfigError, Finding
from procrun.plan.environment import Environment, load, resolve_providers
from procrun.plan.options import Variable


def values(environment: Environment) -> dict[str, str]:
    return {name: variable.value for name, variable in environment.variables.items()}


def read(root: Path, data: bytes | str, shell: dict[str, str] | None = None) -> Environment:
    (root / ".env").write_bytes(data if isinstance(data, bytes) else data.encode())
    return load([".env"], shell or {}, str(root), required=True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("FOO=hello world", {"FOO": "hello world"}),
        ("export FOO=bar", {"FOO": "bar"}),
        ("FOO=a#b", {"FOO": "a#b"}),
        ("FOO=a # c", {"FOO": "a"}),
        ('FOO="a\\nb"', {"FOO": "a\nb"}),
        ("FOO='a\\nb'", {"FOO": "a\\nb"}),
        ("FOO=a\\nb", {"FOO": "a\\nb"}),
        ('FOO="a\\tb"', {"FOO": "a\tb"}),
        ("FOO=a\\b", {"FOO": "a\\b"}),
        ("FOO = bar", {"FOO": "bar"}),
        (" FOO=bar", {"FOO": "bar"}),
        ("FOO=", {"FOO": ""}),
        ('FOO=""', {"FOO": ""}),
        ("FOO", {}),
        ("FOO=${HOME}", {"FOO": "/root"}),
        ('FOO="x${U:-d}"', {"FOO": "xd"}),
        ("FOO=$HOME", {"FOO": "$HOME"}),
        ('FOO="unterminated', {}),
        ("FOO=it's", {"FOO": "it's"}),
        ('FOO="multi\nline"', {"FOO": "multi\nline"}),
        ('FOO="multi\r\nline"', {"FOO": "multi\nline"}),
        ("F1O_O2=x", {"F1O_O2": "x"}),
        ("\ufeffFOO=x", {"FOO": "x"}),
        ("FOO=a=b", {"FOO": "a=b"}),
        ("FOO=redis://u:p@h:1/0?x=1&y=2;z", {"FOO": "redis://u:p@h:1/0?x=1&y=2;z"}),
        ("FOO=bar\r", {"FOO": "bar"}),
        ("FOO=bar\r\nB=1\r\n", {"FOO": "bar", "B": "1"}),
        ("FOO='#bots'", {"FOO": "#bots"}),
        ('FOO="Pacific Time (US & Canada)"', {"FOO": "Pacific Time (US & Canada)"}),
        ("FOO=<id>!*", {"FOO": "<id>!*"}),
        ("# FOO=1\n\n", {}),
        ("FOO=1\nFOO=2", {"FOO": "2"}),
        ("", {}),
    ],
)
def test_file_is_read_in_the_dialect_of_python_dotenv(line: str, expected: dict[str, str], tmp_path: Path) -> None:
    found = values(read(tmp_path, line, {"HOME": "/root"}))
    assert found == {"HOME": "/root"} | expected


def test_shell_variables_keep_their_source(tmp_path: Path) -> None:
    assert read(tmp_path, "B=2", {"A": "1"}).variables == {
        "A": Variable("1", "shell"),
        "B": Variable("2", ".env:1"),
    }


def test_file_wins_over_the_shell(tmp_path: Path) -> None:
    assert read(tmp_path, "A=2", {"A": "1"}).variables == {"A": Variable("2", ".env:1")}


def test_later_file_wins_and_sees_the_values_of_the_earlier(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("A=1\nB=b\n")
    (tmp_path / "two").write_text("A=2\nC=${B}\n")
    assert load(["one", "two"], {"B": "shell"}, str(tmp_path), required=True).variables == {
        "A": Variable("2", "two:1"),
        "B": Variable("b", "one:2"),
        "C": Variable("b", "two:2"),
    }


def test_interpolation_sees_the_file_before_the_shell(tmp_path: Path) -> None:
    found = values(read(tmp_path, "B=${A}\nA=file\nC=${A}\nD=${NONE}", {"A": "shell"}))
    assert found == {"A": "file", "B": "shell", "C": "file", "D": ""}


def test_place_is_the_line_of_the_variable(tmp_path: Path) -> None:
    text = '\n# one\n\n  \n\nA=1\r\n# two\n\n\tB="x\ny"\n\nC=3\rD=4\n'
    places = {name: variable.source for name, variable in read(tmp_path, text).variables.items()}
    assert places == {"A": ".env:6", "B": ".env:9", "C": ".env:12", "D": ".env:13"}


def test_file_is_shown_by_the_name_given(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x.env").write_text("A=1")
    assert load(["sub/../sub/x.env"], {}, str(tmp_path), required=True).variables["A"].source == "sub/../sub/x.env:1"


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("\n# c\n\nFOO BAR=x\n", ".env:4", "not `NAME=value`"),
        ("=x", ".env:1", "not `NAME=value`"),
        ("A=1\nFOO\n", ".env:2", '"FOO" has no `=`'),
        ("export FOO", ".env:1", '"FOO" has no `=`'),
        ('A=1\n\nFOO="geheim\nB=2\n', ".env:3", 'the quotes of "FOO" do not match'),
        ("FOO='geheim\"", ".env:1", 'the quotes of "FOO" do not match'),
        ('export FOO="a" geheim', ".env:1", 'the quotes of "FOO" do not match'),
        ('A="geheim\nB=geheim\nC="x"\n', ".env:1", "ignored, and the 2 after it:"),
    ],
)
def test_dropped_line_is_a_finding_that_shows_no_value(text: str, where: str, words: str, tmp_path: Path) -> None:
    [finding] = read(tmp_path, text).findings
    assert finding.where == where
    assert words in finding.text
    assert "geheim" not in finding.text


def test_missing_file_that_was_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^-e: \.env\.test does not exist \(looked for .*/\.env\.test\)$"):
        load([".env.test"], {}, str(tmp_path), required=True)


def test_missing_default_file_is_left_out(tmp_path: Path) -> None:
    assert load([".env"], {"A": "1"}, str(tmp_path), required=False) == ({"A": ("1", "shell")}, ())


@pytest.mark.parametrize("required", [True, False])
def test_directory_is_an_error(required: bool, tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigError, match=r"^\.env: is a directory.* -e$"):
        load([".env"], {}, str(tmp_path), required)


@pytest.mark.parametrize("required", [True, False])
def test_unreadable_file_is_an_error(required: bool, tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(".env")
    with pytest.raises(ConfigError, match=r"^\.env: cannot be read \(Too many levels of symbolic links\); -e"):
        load([".env"], {}, str(tmp_path), required)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"A=1\r\nB=\xe9\n", r"^\.env:2: this is not UTF-8 \(byte 0xe9\)"),
        ("A=1".encode("utf-16"), r"^\.env:1: this is not UTF-8 \(UTF-16\)"),
        (b"\n\nA=x\0y", r"^\.env:3: a NUL"),
        (b"A\0=x", r"^\.env:1: a NUL"),
        (b"'A=B'=x", r"^\.env:1: a name cannot hold a `=`"),
    ],
)
def test_what_no_environment_can_hold_is_an_error_with_its_place(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, data)


FILE_TEXT = st.text(st.sampled_from("AB=\"'# \t\n\r\\${}:-\0\ufeff\x85\u2028é") | st.characters(), max_size=60)


@settings(deadline=None)
@given(data=FILE_TEXT.map(lambda text: text.encode("utf-8", "replace")) | st.binary(max_size=30))
def test_any_file_is_read_or_is_a_configuration_error(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        environment = read(tmp_path_factory.getbasetemp(), data)
    except ConfigError as error:
        assert error.where
    else:
        resolve_providers(environment, sidekiq=False)


def providers(sidekiq: bool = False, **given: str) -> Environment:
    """Resolved, with each variable standing in a line of its own, in this order."""
    variables = {name: Variable(value, f".env:{line}") for line, (name, value) in enumerate(given.items(), 1)}
    return resolve_providers(Environment(variables, ()), sidekiq)


def test_provider_gives_the_url_of_the_variable_it_names() -> None:
    environment = providers(REDISTOGO_URL="redis://h", REDIS_PROVIDER="REDISTOGO_URL")
    assert environment.variables["REDIS_URL"] == ("redis://h", "REDIS_PROVIDER=REDISTOGO_URL (.env:2)")
    assert environment.findings == ()


def test_provider_from_the_shell_counts() -> None:
    variables = {"MY_DB": Variable("pg://h", ".env:1"), "DATABASE_PROVIDER": Variable("MY_DB", "shell")}
    resolved = resolve_providers(Environment(variables, ()), sidekiq=False).variables
    assert resolved["DATABASE_URL"] == ("pg://h", "DATABASE_PROVIDER=MY_DB (shell)")


def test_url_that_is_set_stays_and_a_difference_is_a_finding() -> None:
    environment = providers(REDIS_URL="redis://a", OTHER_URL="redis://b", REDIS_PROVIDER="OTHER_URL")
    assert environment.variables["REDIS_URL"] == ("redis://a", ".env:1")
    assert [finding.where for finding in environment.findings] == [".env:3"]
    assert "REDIS_URL (.env:1) differs" in environment.findings[0].text


def test_url_that_is_set_to_the_same_is_no_finding() -> None:
    assert providers(REDIS_URL="r", OTHER_URL="r", REDIS_PROVIDER="OTHER_URL").findings == ()


def test_provider_that_names_the_usual_variable_changes_nothing() -> None:
    environment = providers(REDIS_URL="r", REDIS_PROVIDER="REDIS_URL")
    assert (environment.variables["REDIS_URL"], environment.findings) == (("r", ".env:1"), ())


@pytest.mark.parametrize("name", ["REDISTOGO_URL", "REDIS_URL", "MY_URI", "MY_DSN"])
def test_redis_provider_that_names_an_unset_url_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\.env:1: REDIS_PROVIDER names {name}, which is not set"):
        providers(REDIS_PROVIDER=name)


def test_other_provider_that_names_an_unset_url_is_a_finding() -> None:
    environment = providers(MAIL_PROVIDER="SMTP_URL")
    text = "MAIL_PROVIDER names SMTP_URL, which is not set; set SMTP_URL or remove MAIL_PROVIDER"
    assert environment.findings == (Finding(".env:1", text, "provider-unset"),)
    assert "MAIL_URL" not in environment.variables


def test_url_as_redis_provider_is_a_finding_without_sidekiq() -> None:
    environment = providers(REDIS_PROVIDER="redis://:geheim@h")
    [finding] = environment.findings
    assert finding.where == ".env:1"
    assert "geheim" not in finding.text
    assert "REDIS_URL" not in environment.variables


def test_url_as_redis_provider_is_an_error_with_sidekiq() -> None:
    with pytest.raises(ConfigError, match=r"^\.env:1: REDIS_PROVIDER must name .*Sidekiq refuses to boot$"):
        providers(sidekiq=True, REDIS_PROVIDER="redis://127.0.0.1:21002")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_PROVIDER", "openai"),
        ("LLM_PROVIDER", "OPENAI"),
        ("LLM_PROVIDER", "https://api.example.com"),
        ("REDIS_PROVIDER", "upstash"),
        ("REDIS_PROVIDER", "REDIS_HOST"),
        ("REDIS_PROVIDER", ""),
        ("REDIS_PROVIDER", "REDIS_PROVIDER"),
        ("MAIL_PROVIDER", "smtp_url"),
        ("_PROVIDER", "SMTP_URL"),
        ("PROVIDER", "SMTP_URL"),
        ("MAIL_PROVIDER", "lower"),
    ],
)
def test_other_values_are_left_alone(name: str, value: str) -> None:
    given = Environment({"lower": Variable("x", "shell"), name: Variable(value, ".env:1")}, ())
    assert resolve_providers(given, sidekiq=False) == given
