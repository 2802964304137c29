"""`procrun env`: each variable, where it comes from, and what is hidden."""

import json
import os

import pytest

from tests.harness import Folder


@pytest.fixture
def app(folder: Folder) -> Folder:
    folder.procfile("web: puma", "worker: sidekiq")
    folder.write(
        ".env",
        "# of the app\n"
        "APP_NAME=shop\n"
        "export SECRET_KEY_BASE=abc123\n"
        "DATABASE_URL=postgres://me:hunter2@db/shop\n"
        "REDIS_PROVIDER=REDISTOGO_URL\n"
        "REDISTOGO_URL=redis://h:1/0\n"
        'TWO_LINES="a\nb"\n',
    )
    return folder


def shown(folder: Folder, *arguments: str, env: dict[str, str] | None = None) -> list[str]:
    made = folder.procrun("env", *arguments, env=env)
    assert (made.returncode, made.stderr) == (0, "")
    return made.stdout.splitlines()


def as_json(folder: Folder, *arguments: str, env: dict[str, str] | None = None) -> dict[str, dict[str, str]]:
    made = folder.procrun("env", "--json", *arguments, env=env)
    found: dict[str, dict[str, str]] = json.loads(made.stdout)
    return found


def test_variable_of_a_file_is_shown_with_its_line(app: Folder) -> None:
    assert "APP_NAME=shop  # .env:2" in shown(app)


def test_variable_of_the_shell_is_shown_as_such(app: Folder) -> None:
    assert "FROM_OUTSIDE=1  # shell" in shown(app, env={"FROM_OUTSIDE": "1"})


def test_file_that_wins_is_the_one_named(app: Folder) -> None:
    app.write("more.env", "\nAPP_NAME=other\n")
    assert "APP_NAME=other  # more.env:2" in shown(app, "-e", ".env,more.env", env={"APP_NAME": "outer"})


def test_url_of_a_provider_says_which_provider(app: Folder) -> None:
    assert "REDIS_URL=redis://h:1/0  # REDIS_PROVIDER=REDISTOGO_URL (.env:5)" in shown(app)


def test_variables_are_sorted(app: Folder) -> None:
    names = [line.partition("=")[0] for line in shown(app)]
    assert names == sorted(names)


def test_secrets_are_masked(app: Folder) -> None:
    lines = shown(app)
    assert "SECRET_KEY_BASE=****  # .env:3" in lines
    assert "DATABASE_URL=postgres://me:****@db/shop  # .env:4" in lines


def test_secrets_are_masked_in_json(app: Folder) -> None:
    assert as_json(app)["SECRET_KEY_BASE"] == {"value": "****", "source": ".env:3"}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_secrets_are_revealed_on_request(app: Folder, options: list[str]) -> None:
    made = app.procrun("env", "--reveal", *options)
    assert "abc123" in made.stdout
    assert "hunter2" in made.stdout


def test_value_stays_on_one_line(app: Folder) -> None:
    assert "TWO_LINES=a\\nb  # .env:7" in shown(app)


def test_value_cannot_drive_the_terminal(app: Folder) -> None:
    app.write(".env", 'A="\x1b[2Jx"\n')
    assert "A=\\x1b[2Jx  # .env:1" in shown(app)


def test_json_has_values_as_they_are(app: Folder) -> None:
    app.write(".env", 'A="\x1b é\nb"\n')
    assert as_json(app)["A"] == {"value": "\x1b é\nb", "source": ".env:1"}


def test_bytes_that_are_no_text_are_shown_somehow(app: Folder) -> None:
    assert "RAW=\\xff  # shell" in shown(app, env={"RAW": os.fsdecode(b"\xff")})


def test_environment_of_an_instance_has_its_port_and_name(app: Folder) -> None:
    lines = shown(app, "worker.2", env={"PS": "outer", "PORT": "7000"})
    assert "PORT=7101  # procrun" in lines
    assert "PS=worker.2  # procrun" in lines


def test_type_stands_for_its_first_instance_as_start_has_it(app: Folder) -> None:
    found = as_json(app, "worker")
    assert (found["PORT"]["value"], found["PS"]["value"]) == ("5100", "worker.1")
    assert found["PYTHONUNBUFFERED"] == {"value": "1", "source": "procrun"}


def test_port_option_counts(app: Folder) -> None:
    assert as_json(app, "web", "-p", "8000")["PORT"]["value"] == "8000"


def test_environment_of_an_instance_is_what_it_gets(app: Folder) -> None:
    app.procfile("web: env -0 > got")
    expected = {name: variable["value"] for name, variable in as_json(app, "web", "--reveal").items()}
    app.procrun("start", "web")
    got = dict(item.split("=", 1) for item in (app.path / "got").read_text().split("\0") if item)
    own = {"_", "PWD", "OLDPWD", "SHLVL"} | {
        name for name in got if name.startswith("PROCRUN")
    }  # the shell's and marks
    assert {k: v for k, v in got.items() if k not in own} == {k: v for k, v in expected.items() if k not in own}


def test_unknown_name_is_a_fault_that_lists_the_names(app: Folder) -> None:
    made = app.procrun("env", "wbe")
    assert (made.returncode, made.stderr) == (
        2,
        'procrun: Procfile: no process "wbe"; there are: web, worker; did you mean "web"?\n',
    )


def test_line_that_is_dropped_is_said_on_stderr(app: Folder) -> None:
    app.write(".env", "A=1\noops\n")
    made = app.procrun("env")
    assert made.returncode == 0
    assert (
        made.stderr
        == 'procrun: .env:2: ignored: "oops" has no `=`; write `oops=` to set it to nothing [missing-value]\n'
    )


def test_no_procfile_is_needed(folder: Folder) -> None:
    folder.write(".env", "A=1")
    assert "A=1  # .env:1" in shown(folder)
