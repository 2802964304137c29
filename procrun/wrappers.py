"""The program that a command line runs, behind `bundle exec`, `env A=1`, `sh -c '… exec …'` and their like.

Four entries in five of real Procfiles hide their program so. Nothing is run: what is unclear stays unknown.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from procrun import grammar
from procrun.grammar import ASSIGNMENT, Command, Token, UnclearError

_DEEPEST = 8
_SHELLS = frozenset(("sh", "bash", "dash", "ash", "ksh", "zsh"))
_AFTERWARDS = frozenset((":", "true", "false", "exit", "echo", "printf", "wait"))
"""Commands that may follow the program of a line: `sidekiq; exit 1`."""
_GIVEN = frozenset(("PORT", "PS"))
"""Variables whose value is known only when an instance starts: they stay as written."""


class Program(NamedTuple):
    """`words` from the program's own name on, what the line assigns for it, and the folder that it changes to.

    `variables` is the whole environment of the program.
    """

    words: tuple[str, ...]
    assignments: Mapping[str, str]
    variables: Mapping[str, str]
    folder: str


class _Wrapper(NamedTuple):
    """How to get behind a wrapper: the verb it needs (`bundle exec`), its options that take the next word, and how
    many words of its own follow (`timeout 30`). `optional`: it works without its verb. `line`: one word may hold a
    whole command line. `python`: `-m` names a module."""

    verb: str = ""
    valued: str = ""
    operands: int = 0
    optional: bool = False
    line: bool = False
    python: bool = False


_PLAIN = """
    busybox catchsegv caffeinate command ddtrace-run docker-entrypoint.sh eatmydata elastic-apm-run je jemalloc.sh
    nohup opentelemetry-instrument proximo qgsocksify setsid start-nginx start-pgbouncer
    start-pgbouncer-stunnel start-stunnel thrust unbuffer with_jemalloc
"""
_WRAPPERS: dict[str, _Wrapper] = {
    **dict.fromkeys(_PLAIN.split(), _Wrapper()),
    # Ruby
    "bundle": _Wrapper("exec", "--gemfile"),
    "rbenv": _Wrapper("exec"),
    "rerun": _Wrapper(valued="-d --dir -p --pattern -i --ignore -s --signal -n --name -w --wait", line=True),
    # Python
    "newrelic-admin": _Wrapper("run-program"),
    "uv": _Wrapper(
        "run",
        "-p --python --with --with-editable --with-requirements --extra --group --only-group --no-group --env-file "
        "--project --directory --package --index --default-index --index-url --cache-dir --config-file",
        python=True,
    ),
    "uvx": _Wrapper(valued="-p --python --with --from --index"),
    "poetry": _Wrapper("run", "-C --directory -P --project"),
    "pipenv": _Wrapper("run"),
    "pdm": _Wrapper("run", "-p --project"),
    "rye": _Wrapper("run"),
    "hatch": _Wrapper("run", "-e --env"),
    "pipx": _Wrapper("run", "--spec"),
    "conda": _Wrapper("run", "-n --name -p --prefix --cwd"),
    "coverage": _Wrapper("run", "--source --rcfile --data-file", python=True),
    "debugpy": _Wrapper(valued="--listen --connect --log-to", python=True),
    "manage.py": _Wrapper(valued="--settings --pythonpath"),
    "django": _Wrapper(valued="--settings --pythonpath"),
    "django-admin": _Wrapper(valued="--settings --pythonpath"),
    "watchmedo": _Wrapper("auto-restart", "-d --directory -p --pattern --patterns -i --ignore-patterns --signal"),
    "watchfiles": _Wrapper(valued="--filter --ignore-paths --target-type", line=True),
    # secrets and environments
    "env": _Wrapper(valued="-u --unset -C --chdir"),
    "dotenv": _Wrapper("run", "-f --file -e -v", optional=True),
    "direnv": _Wrapper("exec", operands=1),
    "chamber": _Wrapper("exec", operands=1),
    "aws-vault": _Wrapper("exec", operands=1),
    "doppler": _Wrapper("run", "-p --project -c --config"),
    "op": _Wrapper("run"),
    "mise": _Wrapper("exec"),
    "asdf": _Wrapper("exec"),
    # the system's
    "exec": _Wrapper(valued="-a"),
    "sudo": _Wrapper(valued="-u --user -g --group -D --chdir"),
    "runuser": _Wrapper(valued="-u --user"),
    "setpriv": _Wrapper(valued="--reuid --regid --groups --inh-caps --ambient-caps --bounding-set --securebits"),
    "gosu": _Wrapper(operands=1),
    "su-exec": _Wrapper(operands=1),
    "s6-setuidgid": _Wrapper(operands=1),
    "chpst": _Wrapper(valued="-u -U -e -n -m -o"),
    "nice": _Wrapper(valued="-n --adjustment"),
    "ionice": _Wrapper(valued="-c -n"),
    "taskset": _Wrapper(operands=1),
    "numactl": _Wrapper(valued="-i -m -N -C"),
    "stdbuf": _Wrapper(valued="-i -o -e"),
    "time": _Wrapper(valued="-f -o"),
    "timeout": _Wrapper(valued="-k --kill-after -s --signal", operands=1),
    "tini": _Wrapper(valued="-p -e"),
    "dumb-init": _Wrapper(valued="-r --rewrite"),
    "xvfb-run": _Wrapper(valued="-n -s -e"),
}
_PYTHON = _Wrapper(valued="-W -X -Q", python=True)
_RUBY = _Wrapper(valued="-I -r -C -E")


def program(command: str, variables: Mapping[str, str]) -> Program | None:
    """What `command` runs in the end, with `variables` expanded as far as that is simple; None where it is unclear.

    Unclear is a line whose program is not surely its last one: pipes, `&`, brackets, unmatched quotes.
    """
    reader = _Reader(variables)
    try:
        words = reader.line(command, 0)
    except UnclearError:
        return None
    if not words:
        return None
    environment = {name: value for name, value in variables.items() if name not in reader.unset}
    return Program(tuple(words), reader.given, environment | reader.given, reader.folder)


_SAME_PROCESS = frozenset(("bundle", "coverage", "debugpy", "django", "django-admin", "manage.py"))
"""Wrappers that run the program inside their own process instead of starting or becoming another one."""


def own_program(arguments: Sequence[str]) -> list[str]:
    """The words of the program that a process with these arguments runs itself, from the program's own name on.

    An interpreter and what runs inside it are left out (`python -m celery worker`). Empty for a shell and for a wrapper
    that has the program in a child (`timeout 60 celery worker`).
    """
    words = list(arguments)
    while words:
        name = os.path.basename(words[0])
        wrapper = _wrapper(name)
        if name in _SHELLS:
            return []
        if wrapper is None:
            return words
        rest = _behind(wrapper, words[1:]) if name in _SAME_PROCESS or wrapper in (_PYTHON, _RUBY) else None
        if rest is None:
            return words if wrapper.verb and name in _SAME_PROCESS else []
        words = rest
    return []


class _Reader:
    """Reads a line from left to right, as the shell would, and keeps what it assigns."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.given: dict[str, str] = {}
        self.unset: set[str] = set()
        self.folder = ""
        self._variables = dict(variables)

    def line(self, text: str, depth: int) -> list[str]:
        """The words of the program that this line runs; raises UnclearError."""
        commands = grammar.parse(text)
        if depth > _DEEPEST or any(command.operator not in ("", "&&", "||", ";") for command in commands):
            raise UnclearError
        while len(commands) > 1 and self._is_afterthought(commands[-1]):
            del commands[-1]
        for command in commands[:-1]:
            self._pass(command)
        words = self._words(commands[-1].words)
        self._assign(token.text for token in commands[-1].assignments)
        return self._unwrap(words, depth)

    def _is_afterthought(self, command: Command) -> bool:
        return not command.words or command.words[0].text in _AFTERWARDS

    def _pass(self, command: Command) -> None:
        """Take over what a command before the last one changes: `cd X`, `export A=1`, `A=1`, `unset A`."""
        words = self._words(command.words)
        if not words:
            for token in command.assignments:
                name, _, value = token.text.partition("=")
                self._variables[name] = self._expanded(value)
                if name in self.given:
                    self.given[name] = self._variables[name]
        elif words[0] == "export":
            self._assign(token.text for token in command.words[1:])
        elif words[0] == "unset":
            for name in words[1:]:
                self._variables.pop(name, None)
                self.given.pop(name, None)
                self.unset.add(name)
        elif words[0] in ("cd", "chdir") and len(words) > 1:
            self.folder = os.path.join(self.folder, words[-1])

    def _assign(self, texts: Iterable[str]) -> None:
        """Set what `A=1 B=$A` sets for the program; an `export A` without a value is nothing new."""
        for text in texts:
            name, equals, value = text.partition("=")
            if equals:
                self.given[name] = self._variables[name] = self._expanded(value)

    def _words(self, tokens: Sequence[Token]) -> list[str]:
        return [word for token in tokens for word in self._fields(token.text)]

    def _fields(self, text: str) -> list[str]:
        """One word of the line as the words that the program gets: an unquoted variable is split, or vanishes."""
        value = self._expanded(text)
        if re.search(r"""["'\\]""", text):
            return [value]
        return value.split() if "$" in text else [value]

    def _expanded(self, text: str, depth: int = 0) -> str:
        parts = grammar.parts(text)
        return "".join(self._value(part, depth) if kind == "expansion" else part for kind, part in parts)

    def _value(self, part: str, depth: int) -> str:
        """An expansion's value: `$A`, `${A}`, `${A:-b}`, `${A+b}`; any other as written."""
        match = re.fullmatch(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?)([-=+?])(.*))?\})", part, re.DOTALL)
        if match is None or depth > _DEEPEST:
            return part
        name = match[1] or match[2]
        value = self._variables.get(name)
        there = value is not None and not (match[3] and value == "")
        if match[4] in ("-", "=") and not there:
            return self._expanded(match[5], depth + 1)
        if match[4] == "+":
            return self._expanded(match[5], depth + 1) if there else ""
        return part if value is None and name in _GIVEN else value or ""

    def _unwrap(self, words: list[str], depth: int) -> list[str]:
        """`words` from the program's own name on."""
        while words:
            if ASSIGNMENT.match(words[0]):
                name, _, self.given[name] = words.pop(0).partition("=")
                continue
            name = os.path.basename(words[0])
            wrapper = _wrapper(name)
            if name in _SHELLS:
                inner = _shell_line(words[1:])
                return words if inner is None else self.line(inner, depth + 1)
            rest = _behind(wrapper, words[1:]) if wrapper else None
            if wrapper is None or rest is None:
                return words
            if wrapper.line and rest and " " in rest[0]:
                return self.line(rest[0], depth + 1)
            words = rest
        return words


def _wrapper(name: str) -> _Wrapper | None:
    if re.fullmatch(r"(?:python|pypy)[\d.]*", name):
        return _PYTHON
    return _RUBY if re.fullmatch(r"j?ruby[\d.]*", name) else _WRAPPERS.get(name)


def _behind(wrapper: _Wrapper, words: list[str]) -> list[str] | None:
    """The words that the wrapper runs; None where it does something else (`bundle install`)."""
    rest = _without_options(wrapper, words)
    if wrapper.verb and rest[:1] == [wrapper.verb]:
        rest = _without_options(wrapper, rest[1:])
    elif wrapper.verb and not wrapper.optional:
        return None
    if wrapper.operands and "--" in rest:
        return rest[rest.index("--") + 1 :]
    rest = rest[wrapper.operands :]
    return rest[1:] if rest[:1] == ["--"] else rest


def _without_options(wrapper: _Wrapper, words: list[str]) -> list[str]:
    """`words` behind the wrapper's own options; `-m celery.bin` becomes `celery`."""
    valued = wrapper.valued.split()
    while words and words[0].startswith("-"):
        option = words[0]
        if option == "--":
            return words[1:]
        if wrapper.python and option in ("-m", "--module"):
            return [word.partition(".")[0] for word in words[1:2]] + words[2:]
        words = words[2:] if option in valued else words[1:]
    return words


def _shell_line(words: Sequence[str]) -> str | None:
    """The line that `sh -c LINE` (`-lc`, `-ec`) runs; None for a script."""
    for index, word in enumerate(words[:-1]):
        if not word.startswith("-"):
            return None
        if word.endswith("c") and not word.startswith("--"):
            return words[index + 1]
    return None
