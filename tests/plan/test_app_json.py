"""Heroku's `app.json`: how many of each type, and the variables that an app needs."""

import json
import os
from collections import Counter
from typing import Any

import pytest

from procrun.plan.layout import Plan, build
from procrun.plan.options import Wishes
from tests.harness import TERM, Folder

SHOP = """\
{
  "name": "shop",
  "environments": {"test": {"env": {"LOCALE": "de"}, "formation": {"web": {"quantity": 9}}}},
  "formation": {
    "web": {"quantity": 2, "size": "standard-1x"},
    "worker": {}
  },
  "env": {
    "LOCALE": "en",
    "SECRET_KEY_BASE": {"description": "signs cookies", "generator": "secret"},
    "MAIL_FROM": {
      "description": "Who our mail is from"
    },
    "SENTRY_DSN": {"required": false},
    "THREADS": {"value": "5"}
  }
}
"""


def plan(folder: Folder, text: str = SHOP, toml: str = 'platform = "heroku"\n', **wishes: Any) -> Plan:
    folder.write("app.json", text)
    folder.write("procrun.toml", toml)
    folder.procfile("web: sleep 1000", "worker: sleep 1000", "clock: sleep 1000")
    env = wishes.pop("env", {})
    return build(Wishes(**wishes), {"PATH": os.environ["PATH"], **env})


def counts(made: Plan) -> dict[str, int]:
    return dict(Counter(spec.type for spec in made.specs))


# --- the formation


def test_the_formation_counts_and_what_it_does_not_name_has_one(folder: Folder) -> None:
    assert counts(plan(folder)) == {"web": 2, "worker": 1, "clock": 1}


@pytest.mark.parametrize(
    ("wishes", "toml", "expected"),
    [
        ({"concurrency": "web=1"}, "", {"web": 1, "worker": 1, "clock": 1}),
        ({"formation": "worker=3"}, "", {"worker": 3}),
        ({}, 'formation = "clock=2"\n', {"web": 1, "worker": 1, "clock": 2}),
        ({"names": ("web",)}, "", {"web": 2}),
        ({"platform": "local"}, "", {"web": 1, "worker": 1, "clock": 1}),
        ({"platform": "server"}, "", {"web": 1, "worker": 1, "clock": 1}),
        ({}, "[heroku]\napp_json = false\n", {"web": 1, "worker": 1, "clock": 1}),
    ],
)
def test_everything_else_beats_it(folder: Folder, wishes: dict[str, Any], toml: str, expected: dict[str, int]) -> None:
    assert counts(plan(folder, toml=f'platform = "heroku"\n{toml}', **wishes)) == expected


def test_foremans_file_beats_it(folder: Folder) -> None:
    folder.write(".foreman", "formation: worker=2\n")
    assert counts(plan(folder)) == {"worker": 2}


def test_none_of_a_type_is_none(folder: Folder) -> None:
    assert counts(plan(folder, '{"formation": {"web": {"quantity": 0}}}')) == {"worker": 1, "clock": 1}


def test_a_type_that_the_procfile_has_not_is_a_warning_with_its_line(folder: Folder) -> None:
    made = plan(folder, '{\n "formation": {\n  "web": {"quantity": 2},\n  "wrker": {"quantity": 1}}}')

    (finding,) = made.sources.findings
    assert (finding.where, finding.note) == ("app.json:4", False)
    assert finding.text == (
        'formation: no process type "wrker" in the Procfile; there are: web, worker, clock; did you mean "worker"?'
    )
    assert counts(made) == {"web": 2, "worker": 1, "clock": 1}


# --- variables


def test_a_value_is_used_where_nothing_else_sets_the_variable(folder: Folder) -> None:
    folder.write(".env", "LOCALE=fr\n")
    made = plan(folder, env={"THREADS": "7"})
    variables = made.sources.environment.variables

    assert variables["LOCALE"] == ("fr", ".env:1")
    assert variables["THREADS"] == ("7", "shell")
    (folder.path / ".env").unlink()
    variables = plan(folder).sources.environment.variables
    assert variables["LOCALE"] == ("en", "app.json: env.LOCALE")
    assert variables["THREADS"] == ("5", "app.json: env.THREADS")


def test_env_shows_where_a_value_comes_from_and_processes_get_it(folder: Folder) -> None:
    plan(folder, '{"env": {"LOCALE": "en"}}')
    folder.procfile("web: echo locale $LOCALE; exec sleep 1000")

    assert "LOCALE=en  # app.json: env.LOCALE\n" in folder.procrun("env").stdout
    assert "LOCALE=en  # app.json: env.LOCALE\n" in folder.procrun("env", "web").stdout
    assert folder.procrun("run", "echo $LOCALE").stdout == "en\n"
    run = folder.start()
    run.wait_for(r"web\.1 +\| locale en")
    run.finish(TERM)


@pytest.mark.parametrize("name", ["HEROKU_APP_NAME", "HEROKU_SLUG_COMMIT", "HEROKU_PR_NUMBER"])
def test_what_heroku_sets_itself_is_not_missing(folder: Folder, name: str) -> None:
    assert plan(folder, f'{{"env": {{"{name}": {{"required": true}}}}}}').sources.findings == ()


def test_what_only_looks_like_herokus_own_is_missing(folder: Folder) -> None:
    (finding,) = plan(folder, '{"env": {"HEROKU_TEAM": {"required": true}}}').sources.findings
    assert finding.code == "required-variable"


def test_a_command_that_uses_what_heroku_sets_gets_a_note(folder: Folder) -> None:
    plan(folder, "{}")
    folder.procfile("web: echo $HEROKU_APP_NAME $DYNO")
    result = folder.procrun("check", "--strict", "--platform", "heroku")
    assert result.returncode == 0
    assert result.stderr.splitlines()[1:] == [
        "Procfile:1: note: web: $HEROKU_APP_NAME is set by Heroku and not here; set it in .env where the command "
        "needs it [unset-variable]"
    ]


def test_what_is_missing_is_a_warning_that_says_where_and_what_to_do(folder: Folder) -> None:
    plan(folder)
    result = folder.procrun("check", "--strict")

    assert result.returncode == 1
    assert result.stderr.splitlines()[1:] == [
        "app.json:10: SECRET_KEY_BASE is not set, and Heroku would make up a secret; make one: "
        'echo "SECRET_KEY_BASE=$(openssl rand -hex 32)" >> .env [missing-secret]',
        "app.json:11: MAIL_FROM is required and not set; set it in .env [required-variable]",
    ]
    folder.write(".env", "SECRET_KEY_BASE=x\nMAIL_FROM=\n")
    assert folder.procrun("check", "--strict").returncode == 0


def test_a_provider_may_be_named_there(folder: Folder) -> None:
    made = plan(folder, '{"env": {"REDIS_PROVIDER": "TOGO_URL", "TOGO_URL": "redis://there:1"}}')

    assert made.sources.environment.variables["REDIS_URL"].value == "redis://there:1"


def test_nothing_is_missed_on_other_platforms_or_where_it_is_switched_off(folder: Folder) -> None:
    for toml in ('platform = "local"\n', 'platform = "heroku"\n[heroku]\napp_json = false\n'):
        made = plan(folder, "this is no JSON", toml)
        assert made.sources.findings == ()


def test_an_app_without_it_is_as_before(folder: Folder) -> None:
    plan(folder)
    (folder.path / "app.json").unlink()

    assert folder.procrun("check", "--strict").returncode == 0


def test_a_restart_says_that_it_has_changed(folder: Folder) -> None:
    plan(folder, "{}")
    run = folder.start()
    run.wait_for(r"web\.1 started")
    folder.write("app.json", '{"env": {"LOCALE": "en"}}')

    assert "app.json has changed since the start; restart keeps the old plan" in folder.procrun("restart").stderr
    run.finish(TERM)


# --- faults


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n "env": {\n  "A" 1\n }}', "app.json:3: is no JSON: expecting ':' delimiter (column 7)"),
        ('{"env": {"A": "1",}}', "app.json:1: is no JSON: "),  # Python 3.13 has words of its own for this comma
        ("", "app.json:1: is no JSON: expecting value (column 1)"),
        ("[]", 'app.json:1: takes an object, as in {"env": {}}; this is a list'),
        ('"x"', 'app.json:1: takes an object, as in {"env": {}}; this is "x"'),
        ("[" * 100_000, "app.json:1: is no JSON that can be read: "),
        ('{"x": ' + "9" * 5000 + "}", "app.json:1: is no JSON that can be read: "),
        (b"\xff", "app.json:1:1: is no UTF-8; save the file as plain UTF-8"),
        ('{\n\n "formation": 3}', "app.json:3: formation takes an object; this is 3"),
        ('{\n "formation": {\n "web": 2}}', "app.json:3: formation.web takes an object; this is 2"),
        (
            '{"formation": {\n "web": {\n "quantity": "two"}}}',
            'app.json:3: formation.web.quantity takes a number from 0 to 99999; this is "two"',
        ),
        ('{"formation": {"web": {"quantity": true}}}', "quantity takes a number from 0 to 99999; this is true"),
        ('{"formation": {"web": {"quantity": -1}}}', "quantity takes a number from 0 to 99999; this is -1"),
        ('{"formation": {"web": {"quantity": 1.5}}}', "quantity takes a number from 0 to 99999; this is 1.5"),
        ('{"env": []}', "app.json:1: env takes an object; this is a list"),
        (
            '{"env": {\n "A": 1}}',
            "app.json:2: env.A takes text, or an object with value, required, generator; this is a number",
        ),
        ('{"env": {"A": {\n "value": {}}}}', "app.json:2: env.A.value takes text; this is an object"),
        ('{"env": {"A": {"required": "no"}}}', 'env.A.required takes true or false; this is "no"'),
        ('{"env": {"A": {"generator": "dice"}}}', 'env.A.generator takes "secret"; this is "dice"'),
        ('{"env": {"A=B": "x"}}', 'env: "A=B" cannot be the name of a variable'),
        ('{"env": {"": "x"}}', 'env: "" cannot be the name of a variable'),
        (
            '{"env": {"A": "\\u0000"}}',
            "env.A.value takes text; this is text with a character that no variable can hold",
        ),
        (
            '{"env": {"A": "\\ud800"}}',
            "env.A.value takes text; this is text with a character that no variable can hold",
        ),
    ],
)
@pytest.mark.parametrize("command", ["check", "start"])
def test_a_fault_is_one_line_with_its_place(folder: Folder, text: str | bytes, said: str, command: str) -> None:
    folder.write("procrun.toml", 'platform = "heroku"\n')
    folder.procfile("web: sleep 1000")
    folder.write("app.json", text)
    result = folder.procrun(command)

    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_cannot_be_read_is_told(folder: Folder) -> None:
    folder.write("procrun.toml", 'platform = "heroku"\n')
    folder.procfile("web: sleep 1000")
    (folder.path / "app.json").mkdir()
    result = folder.procrun("check")

    assert result.returncode == 2
    assert "app.json: cannot be read: Is a directory" in result.stderr


def test_strings_that_look_like_structure_move_no_line(folder: Folder) -> None:
    text = json.dumps({"description": '{"env": {"A": [', "env": {"B": '"}: {', "C": {"description": "]"}}}, indent=1)
    made = plan(folder, text)

    line = 1 + next(index for index, row in enumerate(text.split("\n")) if '"C"' in row)
    assert [finding.where for finding in made.sources.findings] == [f"app.json:{line}"]
