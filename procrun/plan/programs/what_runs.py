"""The programs that a command line runs in the end: behind wrappers, in shell forms, in the app's plain scripts.

Nothing is run. What cannot be told from the text stays unknown.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from procrun.plan import textfile
from procrun.plan.programs import children, compound, shell_grammar, wrappers
from procrun.plan.programs.compound import Case, Choice, Group, Part
from procrun.plan.programs.profile import Ending, Patience
from procrun.plan.programs.shell_grammar import ASSIGNMENT, Command, Token, UnclearError

_DEEPEST = 8
_ASIDE = frozenset(
    (":", "true", "false", "exit", "echo", "printf", "wait", "trap", "set", "return", "[", "test", "sleep")
)
"""Commands that are no program of a line, wherever they stand in it: `sidekiq; exit 1`."""
_READERS_OF_OUTPUT = """
    awk bunyan cat ccze cronolog cut egrep gawk grep gzip head jq logger lolcat mawk multilog pino-pretty rotatelogs
    s6-log sed sort split svlogd tail tee tr ts uniq
"""
_FILTERS = frozenset(_READERS_OF_OUTPUT.split())
"""What reads the output of a program in a pipe."""
_GIVEN = frozenset(("PORT", "PS", "DYNO"))
"""Variables whose value is known only when an instance starts: they stay as written."""
_LARGEST_SCRIPT = 64 * 1024
"""Bytes of a script that is read."""
_MOST_MANAGERS = 2
"""How deep managers are looked into that run managers: a Procfile may run itself."""


class Around(NamedTuple):
    """What stands around a program and lets it live for only so long after TERM: a wrapper or a manager.

    `words`, `variables` and `folder` are where its `deadline` is looked for; `seconds` is it where it is known already.
    `ending` is how it ends the program when it gets TERM.
    """

    name: str
    words: tuple[str, ...]
    variables: Mapping[str, str]
    folder: str
    deadline: Patience
    seconds: float | None = None
    said_by: str = ""
    ending: Ending = Ending()


class Program(NamedTuple):
    """A program that a line runs: `words` from its own name on, what the line assigns for it, its folder.

    `variables` is its whole environment. `where` is the place in a file of the app that starts it
    (`run_celery.sh:4`), empty where it is the line itself. `around` has what ends it after a time, outermost first.
    It is not `sure` to run where an unknown test decides, and it is `earlier` where something else of the line follows
    its end. What another program manages is `inner`.
    """

    words: tuple[str, ...]
    assignments: Mapping[str, str]
    variables: Mapping[str, str]
    folder: str
    where: str = ""
    around: tuple[Around, ...] = ()
    sure: bool = True
    earlier: bool = False
    inner: bool = False


def programs(command: str, variables: Mapping[str, str], root: str | None = None) -> list[Program]:
    """All programs that `command` runs, with `variables` expanded as far as that is simple; none where it is unclear.

    With the app's folder `root`, its plain shell scripts, the scripts of its package.json, and the files of programs
    that manage others are read, too.
    """
    try:
        return _Reader(variables, root).line(command, 0)
    except UnclearError:
        return []


class _Reader:
    """Reads a line from left to right, as the shell would, and keeps what it assigns."""

    def __init__(self, variables: Mapping[str, str], root: str | None) -> None:
        self._root = root
        self._given: dict[str, str] = {}
        self._unset: frozenset[str] = frozenset()
        self._folder = ""
        self._variables = dict(variables)
        self._arguments: tuple[str, ...] = ()
        self._script: tuple[str, str, int] | None = None  # a script that is read: its place, its text, and where in it
        self._where = ""
        self._around: tuple[Around, ...] = ()
        self._managers = 0

    def line(self, text: str, depth: int) -> list[Program]:
        """The programs that this line runs; raises UnclearError."""
        if depth > _DEEPEST:
            raise UnclearError
        return self._list(compound.parse(text), depth)

    def _copy(self) -> "_Reader":
        """A reader whose changes are its own, as those of a subshell or of a program are."""
        made = _Reader(self._variables, self._root)
        made.__dict__.update(self.__dict__)
        made._given, made._variables = dict(self._given), dict(self._variables)
        return made

    # Lists and compound commands

    def _list(self, parts: Sequence[Part], depth: int) -> list[Program]:
        last = max((index for index, part in enumerate(parts) if not _is_aside(part)), default=-1)
        found: list[Program] = []
        for index, part in enumerate(parts):
            end = next(later for later in range(index, len(parts)) if parts[later].operator != "|" or later == last)
            piped = end > index or (index > 0 and parts[index - 1].operator == "|")
            stays = end == last or parts[end].operator == "&"
            for program in self._part(part, depth):
                if not (piped and os.path.basename(program.words[0]) in _FILTERS):
                    found.append(program if stays else program._replace(earlier=True))
        return found

    def _part(self, part: Part, depth: int) -> list[Program]:
        body = part.body
        if isinstance(body, Command):
            return self._simple(body, depth)
        if isinstance(body, Group):
            reader = self._copy() if body.subshell or part.operator in ("&", "|") else self
            return reader._list(body.parts, depth)
        return self._choice(body, depth) if isinstance(body, Choice) else self._case(body, depth)

    def _choice(self, choice: Choice, depth: int) -> list[Program]:
        found: list[Program] = []
        for test, body in choice.arms:
            holds = self._test(test)
            if holds is False:
                continue
            if holds and not found:
                return self._list(body, depth)
            found += [program._replace(sure=False) for program in self._copy()._list(body, depth)]
            if holds:
                break
        return found

    def _test(self, parts: Sequence[Part]) -> bool | None:
        """What the test of an `if` says; None where that cannot be known here."""
        if not parts:
            return True
        if len(parts) > 1 or not isinstance(parts[0].body, Command):
            return None
        words = [self._expanded(token.text) for token in parts[0].body.words]
        if any("$" in word or "`" in word for word in words):
            return None
        match [word for word in words if word not in ("]", "]]")]:
            case ["[" | "test" | "[[", "-n" | "-z" as what, value]:
                return (value != "") is (what == "-n")
            case ["[" | "test" | "[[", left, "=" | "==" | "!=" as what, right]:
                return (left == right) is (what != "!=")
        return None

    def _case(self, case: Case, depth: int) -> list[Program]:
        value = self._expanded(case.word.text)
        if "$" in value or "`" in value:
            bodies = [self._copy()._list(body, depth) for _, body in case.arms]
            return [program._replace(sure=False) for body in bodies for program in body]
        for patterns, body in case.arms:
            if any(fnmatchcase(value, self._expanded(pattern.text)) for pattern in patterns):
                return self._list(body, depth)
        return []

    # Simple commands

    def _simple(self, command: Command, depth: int) -> list[Program]:
        words = self._words(command.words)
        if not words:
            self._set(command.assignments)
            return []
        if self._is_builtin(words, command):
            return []
        reader = self._copy()
        reader._assign(token.text for token in command.assignments)
        if self._script is not None:
            place, text, start = self._script
            reader._script = None
            reader._where = f"{place}:{text.count(chr(10), 0, start + command.words[0].start) + 1}"
        return reader._unwrap(words, depth)

    def _is_builtin(self, words: Sequence[str], command: Command) -> bool:
        """Whether it is a command of the shell's own; what it changes is taken over."""
        match words[0]:
            case "export":
                self._assign(token.text for token in command.words[1:])
            case "unset":
                for name in words[1:]:
                    self._variables.pop(name, None)
                    self._given.pop(name, None)
                self._unset |= set(words[1:])
            case "cd" | "chdir":
                self._folder = os.path.join(self._folder, *words[-1:]) if len(words) > 1 else self._folder
            case "shift":
                self._arguments = self._arguments[1:]
            case word:
                return word in _ASIDE
        return True

    def _set(self, assignments: Iterable[Token]) -> None:
        """`A=1` alone: the shell's own variable, and the program's where it had it already."""
        for token in assignments:
            name, _, value = token.text.partition("=")
            self._variables[name] = self._expanded(value)
            if name in self._given:
                self._given[name] = self._variables[name]

    def _assign(self, texts: Iterable[str]) -> None:
        """Set what `A=1 B=$A` sets for the program; an `export A` without a value is nothing new."""
        for text in texts:
            name, equals, value = text.partition("=")
            if equals:
                self._given[name] = self._variables[name] = self._expanded(value)

    def _program(self, words: Sequence[str]) -> Program:
        environment = {name: value for name, value in self._variables.items() if name not in self._unset}
        environment |= self._given
        return Program(
            tuple(words),
            self._given,
            environment,
            self._folder,
            self._where,
            self._around,
            inner=self._managers > 0,
        )

    # Words

    def _words(self, tokens: Sequence[Token]) -> list[str]:
        return [word for token in tokens for word in self._fields(token.text)]

    def _fields(self, text: str) -> list[str]:
        """One word of the line as the words that the program gets: an unquoted variable is split, or vanishes."""
        if text in ("$@", '"$@"', "$*", "${@}", '"${@}"'):
            return list(self._arguments)
        value = self._expanded(text)
        if re.search(r"""["'\\]""", text):
            return [value]
        return value.split() if "$" in text else [value]

    def _expanded(self, text: str, depth: int = 0) -> str:
        parts = shell_grammar.parts(text)
        return "".join(self._value(part, depth) if kind == "expansion" else part for kind, part in parts)

    def _value(self, part: str, depth: int) -> str:
        """An expansion's value: `$A`, `${A}`, `${A:-b}`, `${A+b}`, `$1` of a script; any other as written."""
        match = re.fullmatch(r"\$(?:([A-Za-z_]\w*|\d)|\{([A-Za-z_]\w*|\d)(?:(:?)([-=+?])(.*))?\})", part, re.DOTALL)
        if match is None or depth > _DEEPEST:
            return part
        name = match[1] or match[2]
        value = self._argument(int(name)) if name.isdigit() else self._variables.get(name)
        there = value is not None and not (match[3] and value == "")
        if match[4] in ("-", "=") and not there:
            return self._expanded(match[5], depth + 1)
        if match[4] == "+":
            return self._expanded(match[5], depth + 1) if there else ""
        return part if value is None and name in _GIVEN else value or ""

    def _argument(self, number: int) -> str | None:
        return self._arguments[number - 1] if 0 < number <= len(self._arguments) else None

    # Wrappers, shells, scripts, managers

    def _unwrap(self, words: list[str], depth: int) -> list[Program]:
        """The programs that these words run."""
        while words:
            if ASSIGNMENT.match(words[0]):
                name, _, self._given[name] = words.pop(0).partition("=")
                continue
            inside = self._inside(words, depth)
            if inside is not None:
                return inside
            known = wrappers.wrapper(os.path.basename(words[0]))
            behind = wrappers.behind(known, words[1:]) if known else None
            if known is None or behind is None:
                return [self._program(words)]
            if known.deadline is not None:
                own = len(words) - len(behind.words)
                self._surround(words[:own], known.deadline)
            if behind.is_line:
                return self.line(behind.words[0], depth + 1)
            words = list(behind.words)
        return []

    def _surround(self, words: Sequence[str], deadline: Patience, child: children.Child | None = None) -> None:
        name, variables = os.path.basename(words[0]), {**self._variables, **self._given}
        around = Around(name, tuple(words), variables, self._folder, deadline)
        if child is not None:
            around = around._replace(seconds=child.seconds, said_by=child.said_by, ending=child.ending)
        self._around = (*self._around, around)

    def _inside(self, words: list[str], depth: int) -> list[Program] | None:
        """The programs in a shell's line, a script, or what a manager runs; None where the words are none of these."""
        if os.path.basename(words[0]) in wrappers.SHELLS:
            return self._of_shell(words, depth)
        text = self._text(words[0]) if "/" in words[0] else None
        if text is not None and _interpreter(text) in wrappers.SHELLS:
            return self._of_script(words, text, depth)
        return self._managed(words, depth)

    def _of_shell(self, words: list[str], depth: int) -> list[Program]:
        """What `sh -c LINE` (`-lc`, `-ec`) runs, or `sh FILE`."""
        for index, word in enumerate(words[1:-1], 1):
            if word.endswith("c") and word.startswith("-") and not word.startswith("--"):
                self._arguments = tuple(words[index + 3 :])
                return self.line(words[index + 1], depth + 1)
        rest = [word for word in words[1:] if not word.startswith("-")]
        text = self._text(rest[0]) if rest else None
        if text is None or _interpreter(text) not in (*wrappers.SHELLS, ""):
            return [self._program(words)]
        return self._of_script(rest, text, depth)

    def _of_script(self, words: list[str], text: str, depth: int) -> list[Program]:
        """What a script of the app runs; the script itself where that is not plain."""
        reader = self._copy()
        reader._arguments = tuple(words[1:])
        reader._script = (os.path.normpath(os.path.join(self._folder, words[0])), text, 0)
        try:
            found = reader.line(text, depth + 1)
        except UnclearError:
            found = reader._of_exec_lines(text, depth)
        return found or [self._program(words)]

    def _of_exec_lines(self, text: str, depth: int) -> list[Program]:
        """What the `exec` lines of a script that is not plain may run."""
        found: list[Program] = []
        for line in re.finditer(r"(?m)^[ \t]*(exec .*)$", text):
            reader = self._copy()
            if self._script is not None:
                reader._script = (self._script[0], text, line.start(1))
            try:
                found += [program._replace(sure=False) for program in reader.line(line[1], depth + 1)]
            except UnclearError:
                continue
        return found

    def _text(self, word: str) -> str | None:
        """What is in a file of the app, with lines that go on in the next one made whole; None where it is none."""
        if self._root is None:
            return None
        path = os.path.join(self._root, self._folder, word)
        if not os.path.realpath(path).startswith(os.path.realpath(self._root) + os.sep):
            return None
        return textfile.text(path, _LARGEST_SCRIPT).replace("\\\n", "  ") or None

    def _managed(self, words: list[str], depth: int) -> list[Program] | None:
        """A program that runs others, and these; None where it is none. A name for them alone is left out."""
        if self._managers >= _MOST_MANAGERS:
            return None
        folder = None if self._root is None else os.path.join(self._root, self._folder)
        run = children.children(words, {**self._variables, **self._given}, folder)
        if run is None:
            return None
        found = [self._program(words)] if run.manager is not None else []
        for child in run.children:
            reader = self._copy()
            reader._managers += 1 if run.manager is not None else 0
            reader._where = child.where or self._where
            reader._folder = os.path.join(self._folder, child.folder)
            reader._given |= child.variables
            reader._variables |= child.variables
            if run.manager is not None and run.manager.deadline is not None:
                reader._surround(words, run.manager.deadline, child)
            try:
                found += reader.line(child.line, depth + 1)
            except UnclearError:
                continue
        return found


def _is_aside(part: Part) -> bool:
    """Whether this member of a list is surely not the program that it is about."""
    return isinstance(part.body, Command) and (not part.body.words or part.body.words[0].text in _ASIDE)


def _interpreter(text: str) -> str:
    """The program that a script is for, by its first line; empty where that names none."""
    found = re.match(r"#![ \t]*(?:\S*/)?(\w+)(?:[ \t]+(\w+))?", text)
    return "" if found is None else found[2] or "" if found[1] == "env" else found[1]
