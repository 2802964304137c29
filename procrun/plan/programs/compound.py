"""The shell's compound commands: a line or a script as lists, groups, loops and branches of simple commands.

Just enough of them to know which programs a line may run; functions and whatever else is not read raise UnclearError.
"""

from collections.abc import Sequence
from typing import NamedTuple

from procrun.plan.programs import shell_grammar
from procrun.plan.programs.shell_grammar import Command, Token, UnclearError

_DEEPEST = 20
_SEPARATORS = frozenset(("", ";", "\n", "&", "&&", "||", "|"))
_ENDS = frozenset(("then", "elif", "else", "fi", "do", "done", "esac", "}", ")", ";;"))
_UNREAD = frozenset(("function", "select", "coproc"))
_NOTHING = Command((), (), (), "")


class Part(NamedTuple):
    """A member of a list, and the operator behind it: `&`, `|`, `&&`, `||`, `;`, a line's end, or none."""

    body: "Command | Group | Choice | Case"
    operator: str


class Group(NamedTuple):
    """What runs as a whole: `( … )`, `{ …; }`, the body of a loop. A subshell keeps its changes to itself."""

    parts: tuple[Part, ...]
    subshell: bool


class Choice(NamedTuple):
    """`if … then … elif … else … fi`: each test with its body; the test of `else` is empty."""

    arms: tuple[tuple[tuple[Part, ...], tuple[Part, ...]], ...]


class Case(NamedTuple):
    """`case WORD in PATTERN) … ;; esac`: each arm's patterns with its body."""

    word: Token
    arms: tuple[tuple[tuple[Token, ...], tuple[Part, ...]], ...]


def parse(text: str) -> tuple[Part, ...]:
    """The list that a line or a script is. Raises UnclearError."""
    if "<<" in text:
        raise UnclearError
    return _Parser(shell_grammar.parse(text)).whole()


class _Parser:
    """Reads simple commands one after the other; a keyword is the first word of one."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self._commands = [*reversed(commands)]
        self._closed = False  # whether the last command's operator ended its list: `)` or `;;`

    def whole(self) -> tuple[Part, ...]:
        """The list that all the commands are."""
        parts = self._list(0)
        if self._closed or any(any(command) for command in self._commands):
            raise UnclearError
        return parts

    def _list(self, depth: int) -> tuple[Part, ...]:
        """The members up to a keyword or an operator that ends the list; that stays to be read."""
        if depth > _DEEPEST:
            raise UnclearError
        parts: list[Part] = []
        while self._commands and self._keyword() not in _ENDS:
            part = self._part(depth)
            if part is not None:
                parts.append(part)
            if self._closed:
                break
        return tuple(parts)

    def _part(self, depth: int) -> Part | None:
        self._closed = False
        body: Group | Choice | Case
        match self._keyword():
            case "(":
                self._commands.pop()
                body = self._group(depth, ")")
            case "{":
                self._strip()
                body = self._group(depth, "}")
            case "if":
                body = self._choice(depth)
            case "while" | "until":
                self._strip()
                self._list(depth + 1)
                body = self._loop(depth)
            case "for":
                self._pop()
                body = self._loop(depth)
            case "case":
                body = self._case(depth)
            case _:
                return self._simple()
        return Part(body, self._behind())

    def _simple(self) -> Part | None:
        command = self._pop()
        if command.operator == "(" or (command.words and command.words[0].text in _UNREAD):
            raise UnclearError
        self._closed = command.operator in (")", ";;")
        operator = "" if self._closed else command.operator
        return Part(command, operator) if any(command[:3]) else None

    def _group(self, depth: int, end: str) -> Group:
        parts = self._list(depth + 1)
        if end == "}":
            self._expect("}")
        elif not self._closed:
            raise UnclearError
        return Group(parts, end == ")")

    def _loop(self, depth: int) -> Group:
        self._expect("do")
        parts = self._list(depth + 1)
        self._expect("done")
        return Group(parts, False)

    def _choice(self, depth: int) -> Choice:
        self._strip()
        arms = []
        test = self._list(depth + 1)
        while True:
            self._expect("then")
            arms.append((test, self._list(depth + 1)))
            if self._keyword() != "elif":
                break
            self._strip()
            test = self._list(depth + 1)
        if self._keyword() == "else":
            self._strip()
            arms.append(((), self._list(depth + 1)))
        self._expect("fi")
        return Choice(tuple(arms))

    def _case(self, depth: int) -> Case:
        head = self._pop()
        if len(head.words) < 3 or head.words[2].text != "in":
            raise UnclearError
        word, pending = head.words[1], head._replace(words=head.words[3:])
        if pending.words or pending.operator == ")":
            self._commands.append(pending)
        arms = []
        self._skip_empty()
        while self._keyword() != "esac":
            arms.append((self._patterns(), self._list(depth + 1)))
            self._skip_empty()
        self._expect("esac")
        return Case(word, tuple(arms))

    def _patterns(self) -> tuple[Token, ...]:
        """`web | api)`, with or without a bracket before it."""
        found: list[Token] = []
        while True:
            command = self._pop()
            found += command.words
            if command.operator == ")":
                return tuple(found)
            if command.operator not in ("|", "("):
                raise UnclearError

    def _behind(self) -> str:
        """The operator behind a compound command, whose last word has just been read; redirections do not matter."""
        rest = self._pop() if self._commands else _NOTHING
        if rest.words or rest.assignments:
            raise UnclearError
        self._closed = rest.operator in (")", ";;")
        return "" if self._closed else rest.operator

    def _keyword(self) -> str:
        """The first word of the next command where it is bare, or the bracket that it is."""
        command = self._commands[-1] if self._commands else _NOTHING
        if command.assignments:
            return ""
        if not command.words:
            return "(" if command.operator == "(" else ""
        return command.words[0].text

    def _expect(self, keyword: str) -> None:
        self._skip_empty()
        if self._keyword() != keyword:
            raise UnclearError
        self._strip()

    def _skip_empty(self) -> None:
        while self._commands and not any(self._commands[-1][:3]) and self._commands[-1].operator in _SEPARATORS:
            self._commands.pop()
        if not self._commands:
            raise UnclearError

    def _strip(self) -> None:
        """Take the keyword off the next command."""
        command = self._commands.pop()
        self._commands.append(command._replace(words=command.words[1:]))

    def _pop(self) -> Command:
        if not self._commands:
            raise UnclearError
        return self._commands.pop()
