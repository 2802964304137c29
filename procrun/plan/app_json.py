"""`app.json`, Heroku's manifest of an app: how many of each process type, and which variables it needs."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from procrun.core.errors import ConfigError, Finding
from procrun.core.text import decoded, from_here, plain, shown, there_are
from procrun.plan import textfile
from procrun.plan.environment import Environment
from procrun.plan.options import Variable

FILE = "app.json"

MOST = 99_999
"""Instances of a type, as in a formation on the command line."""

HEROKUS_OWN = frozenset(
    f"HEROKU_{name}"
    for name in (
        *("APP_DEFAULT_DOMAIN_NAME", "APP_ID", "APP_NAME", "BUILD_COMMIT", "BUILD_DESCRIPTION", "DYNO_ID"),
        *("RELEASE_CREATED_AT", "RELEASE_VERSION", "SLUG_COMMIT", "SLUG_DESCRIPTION"),
        *("BRANCH", "PARENT_APP_NAME", "PR_NUMBER"),
    )
)
"""Variables that Heroku sets itself: a dyno's metadata (docs: dyno-metadata) and what a review app gets (docs:
github-integration-review-apps, which has `app.json` require HEROKU_APP_NAME for that)."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]|[^\s{}\[\]:,"]+')

Path = tuple[str, ...]


class Wanted(NamedTuple):
    """A variable that the app wants: its value if `app.json` has one; `secret` where Heroku would make one up."""

    name: str
    value: str | None
    required: bool
    secret: bool
    where: str


class AppJson(NamedTuple):
    """What `app.json` says: a formation as for `-c`, None where it has none, and variables."""

    formation: str | None = None
    variables: tuple[Wanted, ...] = ()
    findings: tuple[Finding, ...] = ()


def load(root: str, types: Sequence[str]) -> AppJson:
    """What `app.json` in the folder `root` says, an empty AppJson where there is none.

    A formation of types that are not among `types` is a finding. Raises ConfigError with the line for a file that is no
    JSON, and for values of a wrong type (https://devcenter.heroku.com/articles/app-json-schema).
    """
    path = os.path.join(root, FILE)
    name = from_here(path)
    try:
        text = decoded(textfile.read(path, name, largest=textfile.SETTINGS), name)
    except FileNotFoundError:
        return AppJson()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", name) from None
    given = _parse(text, name)
    place = _places(text, name)
    formation, findings = _formation(given, types, place)
    variables = _table(given, ("env",), place)
    wanted = tuple(_variable(key, value, place) for key, value in variables.items())
    return AppJson(formation, wanted, tuple(findings))


def complete(environment: Environment, given: AppJson) -> Environment:
    """`environment` with the values of `app.json` where nothing else sets them; what is missing then is a finding.

    What Heroku sets itself is not missing, though it is not set here: its values mean nothing on this machine.
    """
    variables = dict(environment.variables)
    findings = list(environment.findings)
    for wanted in given.variables:
        if wanted.name in variables or (wanted.value is None and wanted.name in HEROKUS_OWN):
            continue
        if wanted.value is not None:
            variables[wanted.name] = Variable(wanted.value, f"{FILE}: env.{wanted.name}")
        elif wanted.secret:
            findings.append(Finding(wanted.where, _how_to_make(wanted.name), "missing-secret"))
        elif wanted.required:
            text = f"{plain(wanted.name)} is required and not set; set it in .env"
            findings.append(Finding(wanted.where, text, "required-variable"))
    return Environment(variables, tuple(findings))


def _how_to_make(name: str) -> str:
    """What Heroku does by itself: 64 hexadecimal digits."""
    line = f'echo "{plain(name)}=$(openssl rand -hex 32)" >> .env'
    return f"{plain(name)} is not set, and Heroku would make up a secret; make one: {line}"


def _parse(text: str, name: str) -> Mapping[str, Any]:
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise ConfigError(f"is no JSON: {what} (column {error.colno})", f"{name}:{error.lineno}") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 1,000 brackets
        raise ConfigError(f"is no JSON that can be read: {plain(str(error), 80)}", f"{name}:1") from None
    if not isinstance(given, dict):
        raise ConfigError(f'takes an object, as in {{"env": {{}}}}; this is {_shown(given)}', f"{name}:1")
    return given


def _places(text: str, name: str) -> Callable[[Path], str]:
    """Tells where a key stands, `app.json:3` for ("env", "KEY"): the parser of the library does not. `text` is JSON."""
    found: dict[Path, int] = {}
    path: list[str] = []
    before: re.Match[str] | None = None
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            path.append("")
        elif token[0] in "}]":
            path.pop()
        elif token[0] == ":" and before is not None:
            path[-1] = json.loads(before[0])
            if len(path) <= 3:  # formation.web.quantity, env.KEY.value
                found[tuple(path)] = before.start()
        before = token
    return lambda path: f"{name}:{text.count(chr(10), 0, found.get(path, 0)) + 1}"


def _table(given: Mapping[str, Any], path: Path, place: Callable[[Path], str]) -> Mapping[str, Any]:
    value = given.get(path[-1])
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{'.'.join(path)} takes an object; this is {_shown(value)}", place(path))
    return value


def _formation(
    given: Mapping[str, Any], types: Sequence[str], place: Callable[[Path], str]
) -> tuple[str | None, list[Finding]]:
    counts: dict[str, int] = {}
    findings = []
    for type_, value in _table(given, ("formation",), place).items():
        path = ("formation", type_)
        table = _table({type_: value}, path, place) if value is not None else {}
        quantity = table.get("quantity", 1)
        if isinstance(quantity, bool) or not isinstance(quantity, int) or not 0 <= quantity <= MOST:
            text = f"formation.{plain(type_)}.quantity takes a number from 0 to {MOST}; this is {_shown(quantity)}"
            raise ConfigError(text, place((*path, "quantity")))
        if type_ in types:
            counts[type_] = quantity
        else:
            text = f"formation: no process type {shown(type_)} in the Procfile{there_are(types, type_)}"
            findings.append(Finding(place(path), text, "unknown-formation"))
    return ",".join(f"{type_}={count}" for type_, count in counts.items()) or None, findings


def _variable(key: str, value: Any, place: Callable[[Path], str]) -> Wanted:
    """`"KEY": "value"`, or an object with value, required and generator (and a description)."""
    where = place(("env", key))
    name = f"env.{plain(key)}"
    if not key or "=" in key or not _possible(key):
        raise ConfigError(f"env: {shown(key)} cannot be the name of a variable", where)
    table = {"value": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        takes = "takes text, or an object with value, required, generator"
        raise ConfigError(f"{name} {takes}; this is {_kind(value)}", where)
    text, required, generator = table.get("value"), table.get("required", True), table.get("generator")
    checks = (
        ("value", text is None or (isinstance(text, str) and _possible(text)), "takes text", text),
        ("required", isinstance(required, bool), "takes true or false", required),
        ("generator", generator in (None, "secret"), 'takes "secret"', generator),
    )
    for field, good, takes, wrong in checks:
        if not good:
            this = _kind(wrong) if field == "value" else _shown(wrong)
            raise ConfigError(f"{name}.{field} {takes}; this is {this}", place(("env", key, field)))
    return Wanted(key, text, required, generator == "secret", where)


def _possible(text: str) -> bool:
    """Whether the system can hold it in an environment: no NUL, and no half of a surrogate pair (`\\ud800`)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _shown(value: object) -> str:
    return "an object" if isinstance(value, dict) else shown(value)


def _kind(value: object) -> str:
    """What the value of a variable is, and not which: it may be a secret."""
    if isinstance(value, str):
        return "text with a character that no variable can hold"
    return "a number" if isinstance(value, int | float) and not isinstance(value, bool) else _shown(value)
