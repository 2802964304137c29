"""What the files of honcho's exporters cannot hold: it would become a directive of its own, or another value.

Each rule was tried with the program that reads the file: supervisord 4.3, chpst of runit 2.1; systemd's are those of
systemd.exec(5) and systemd.syntax(7), upstart's those of init(5).
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from procrun.core.errors import ConfigError
from procrun.plan.layout import Plan
from procrun.plan.options import Variable

_LINE_END = re.compile(r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029\0]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_WORD = (re.compile(r"[^A-Za-z0-9_@%+=:,./-]"), "what is no plain word to a shell")


class _Format(NamedTuple):
    """What the values of its variables, and the app's folder, must not hold, each with words for it; and whether the
    command stands in single quotes."""

    values: tuple[re.Pattern[str], str] | None
    folder: tuple[re.Pattern[str], str]
    quoted: bool = True


_FORMATS = {
    "systemd": _Format((re.compile(r"[%\\]"), "a `%` or a `\\`"), (re.compile(r"[%\\]"), "a `%` or a `\\`")),
    "upstart": _Format((re.compile(r"\\"), "a `\\`"), _NO_WORD),
    "supervisord": _Format(
        # It is put into quotes only where it has other signs than these, and supervisord wants them for `@%=,`, too.
        (
            re.compile(r"'|\s[;#]|\A[A-Za-z0-9_+:./-]*[@%=,][A-Za-z0-9_@%+=:,./-]*\Z"),
            "a quote, a comment's sign, or a `@`, `%`, `=` or `,` and no blank",
        ),
        (re.compile(r"%|\s[;#]"), "a `%` or a comment's sign"),
    ),
    "runit": _Format((re.compile(r"[ \t]\Z"), "a blank at its end"), _NO_WORD, quoted=False),
}


def refuse(plan: Plan, format_: str, context: Mapping[str, Any], processes: list[Any]) -> None:
    """Raise ConfigError for the first thing that the files of `format_` cannot hold; nothing for other exporters."""
    rules = _FORMATS.get(format_)
    if rules is None:
        return
    for what, where, why in _faults(plan, rules, context, processes):
        raise ConfigError(f"{what} holds {why}, which a {format_} file cannot hold yet; change it", where)


def _faults(
    plan: Plan, rules: _Format, context: Mapping[str, Any], processes: list[Any]
) -> Iterator[tuple[str, str, str]]:
    """What it is, its place, and what it holds."""
    for option in ("app", "user", "log", "shell", "app_root"):
        why = _found(str(context[option]), rules.folder if option != "app" else (re.compile("/"), "a `/`"))
        if why:
            yield (
                (f"the {option}", f"--{option}", why) if option != "app_root" else ("its name", "the app's folder", why)
            )
    places = {entry.name: entry.where for entry in plan.types}
    for process in processes:
        type_ = process.name.rpartition(".")[0]
        why = _found(process.cmd, None) or (_quotes(process.cmd) if rules.quoted else "")
        if why:
            yield f"the command of {type_}", places[type_], why
        for name, value in process.env.items():
            source = plan.sources.environment.variables.get(name, Variable("", "export")).source
            if not _NAME.fullmatch(name):
                yield "a variable's name", source, "other signs than letters, digits and `_`"
            why = _found(value, rules.values)
            if why:
                yield name, source, why


def _found(text: str, rule: tuple[re.Pattern[str], str] | None) -> str:
    """What of the text cannot be held, in words; empty where all can."""
    if _LINE_END.search(text):
        return "a line's end"
    return rule[1] if rule is not None and rule[0].search(text) else ""


def _quotes(command: str) -> str:
    """Whether the command falls apart where it is put between single quotes."""
    try:
        whole = len(shlex.split(f"'{command}'")) == 1
    except ValueError:
        whole = False
    return "" if whole and " ;" not in command else "quotes or a ` ;` that end it early"
