"""Settings that a program's own file computes, where the idiom is plain: `Integer(ENV.fetch("T", 30))`, `x or 30`.

Just enough of Ruby, Python and JavaScript for numbers, strings, the environment and simple tests. What is not read
raises UnclearError: nothing is guessed.
"""

import re
from collections.abc import Iterator, Mapping
from math import inf

Value = float | str | bool | None

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d[\d_]*(?:\.\d+)?)|(?P<string>\"[^\"\\]*\"|'[^'\\]*')|(?P<name>:?[A-Za-z_]\w*[?!]?)"
    r"|(?P<sign>\|\||\?\?|&&|[=!<>]=|[-+*/().,\[\]{}<>!]))"
)
_UNITS = {"second": 1, "seconds": 1, "minute": 60, "minutes": 60, "hour": 3600, "hours": 3600}
_CASTS = frozenset(("Integer", "Float", "int", "float", "Number", "parseInt", "parseFloat", "to_i", "to_f"))
_WORDS: Mapping[str, Value] = {
    "nil": None,
    "None": None,
    "null": None,
    "undefined": None,
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    ":forever": inf,
    ":immediately": 0.0,
}


class UnclearError(Exception):
    """The expression holds something that is not read here."""


def value(expression: str, variables: Mapping[str, str], names: Mapping[str, Value] | None = None) -> Value:
    """What an expression is, with these environment variables and local names. Raises UnclearError."""
    reader = _Reader(expression, variables, names or {})
    found = reader.either()
    if not reader.at_end():
        raise UnclearError
    return found


def number(found: Value) -> float:
    """A value as a number. Raises UnclearError."""
    try:
        if found is None or isinstance(found, bool):
            raise UnclearError
        return float(found)
    except ValueError:
        raise UnclearError from None


class _Reader:
    """Reads an expression from left to right, the loosest operator first."""

    def __init__(self, expression: str, variables: Mapping[str, str], names: Mapping[str, Value]) -> None:
        self._variables = variables
        self._names = names
        self._tokens: list[tuple[str, str]] = []
        index = 0
        while expression[index:].strip():
            match = _TOKEN.match(expression, index)
            if match is None or len(self._tokens) > 200:
                raise UnclearError
            self._tokens.append((match.lastgroup or "", match[match.lastgroup or 0]))
            index = match.end()
        self._tokens.reverse()

    def at_end(self) -> bool:
        return not self._tokens

    def either(self) -> Value:
        """`a || b`, `a or b`, `a ?? b`, and `&&` within."""
        left = self._both()
        while self._takes("||", "or", "??"):
            right = self._both()
            left = left if left or (left == 0 and left is not False) else right
        return left

    def _both(self) -> Value:
        left = self._compared()
        while self._takes("&&", "and"):
            right = self._compared()
            left = right if left not in (None, False) else left
        return left

    def _compared(self) -> Value:
        left = self._sum()
        sign = self._takes("==", "!=", ">", "<", ">=", "<=")
        if not sign:
            return left
        right = self._sum()
        if sign in ("==", "!="):
            return (left == right) is (sign == "==")
        low, high = number(left), number(right)
        return {">": low > high, "<": low < high, ">=": low >= high, "<=": low <= high}[sign]

    def _sum(self) -> Value:
        left = self._product()
        while sign := self._takes("+", "-"):
            right = number(self._product())
            left = number(left) + (right if sign == "+" else -right)
        return left

    def _product(self) -> Value:
        left = self._signed()
        while sign := self._takes("*", "/"):
            right = number(self._signed())
            if sign == "/" and not right:
                raise UnclearError
            left = number(left) * right if sign == "*" else number(left) / right
        return left

    def _signed(self) -> Value:
        if self._takes("-"):
            return -number(self._signed())
        if self._takes("!", "not"):
            return self._signed() in (None, False)
        return self._methods(self._plain())

    def _plain(self) -> Value:
        kind, text = self._next()
        if kind == "number":
            return float(text.replace("_", ""))
        if kind == "string":
            if "#{" in text or "${" in text:
                raise UnclearError
            return text[1:-1]
        if text == "(":
            found = self.either()
            self._expect(")")
            return found
        if kind == "name":
            return self._named(text)
        raise UnclearError

    def _named(self, text: str) -> Value:
        if text in ("ENV", "environ", "getenv"):
            return self._environment(text)
        if text == "os":
            self._expect(".")
            return self._environment(self._next()[1])
        if text == "process":
            for part in (".", "env", "."):
                self._expect(part)
            return self._variables.get(self._next()[1])
        if text == "Rails":
            for part in (".", "env", "."):
                self._expect(part)
            given = self._variables.get("RAILS_ENV") or self._variables.get("RACK_ENV") or "development"
            return self._next()[1] == f"{given}?"
        if text in _CASTS:
            self._expect("(")
            found = number(self.either())
            if self._takes(","):
                self.either()
            self._expect(")")
            return found
        if text in _WORDS:
            return _WORDS[text]
        if text in self._names:
            return self._names[text]
        raise UnclearError

    def _environment(self, text: str) -> Value:
        """`ENV["X"]`, `ENV.fetch("X", d)`, `ENV.fetch("X") { d }`, `environ.get("X", d)`, `getenv("X", d)`."""
        if text not in ("ENV", "environ", "getenv"):
            raise UnclearError
        if text != "getenv" and self._takes("["):
            name = self._string()
            self._expect("]")
            return self._variables.get(name)
        if text != "getenv":
            self._expect(".")
            if not self._takes("fetch", "get"):
                raise UnclearError
        self._expect("(")
        name = self._string()
        otherwise = self.either() if self._takes(",") else None
        self._expect(")")
        if self._takes("{"):
            otherwise = self._block(needed=name not in self._variables)
        return self._variables.get(name, otherwise)

    def _block(self, needed: bool) -> Value:
        """A block's value; where it is not needed it need not be read."""
        found = self.either() if needed else None
        while not needed and self._tokens and self._tokens[-1][1] != "}":
            self._tokens.pop()
        self._expect("}")
        return found

    def _methods(self, found: Value) -> Value:
        while self._takes("."):
            name = self._next()[1]
            if name in ("to_i", "to_f"):
                found = 0.0 if found is None else number(found)
            elif name in _UNITS:
                found = number(found) * _UNITS[name]
            elif name == "presence":
                found = found or None
            elif name not in ("to_s", "strip"):
                raise UnclearError
            if self._takes("("):
                self._expect(")")
        return found

    def _string(self) -> str:
        kind, text = self._next()
        if kind != "string":
            raise UnclearError
        return text[1:-1]

    def _takes(self, *texts: str) -> str:
        if self._tokens and self._tokens[-1][0] != "string" and self._tokens[-1][1] in texts:
            return self._tokens.pop()[1]
        return ""

    def _expect(self, text: str) -> None:
        if not self._takes(text):
            raise UnclearError

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise UnclearError
        return self._tokens.pop()


# --- files


def in_file(setting: str, content: str, variables: Mapping[str, str]) -> list[Value]:
    """What a Ruby or Python file makes of a setting: nothing, its value, or UNREAD where that is not plain.

    The last that surely counts; a later one that may count makes it unread.
    """
    found: list[Value] = []
    names: dict[str, Value] = {}
    for statement, sure in _statements(content, variables, names):
        expression, test = _without_modifier(statement)
        holds = _holds(test, variables, names) if test else True
        if holds is False:
            continue
        assigned = re.match(r"([A-Za-z_]\w*)\s*(?:\|\|)?=(?!=)\s*(.+)", expression)
        given = re.match(rf"{setting}\b\s*(?:=(?!=)\s*|\(|\s)(.+)", expression)
        if given is not None:
            text = given[1].rstrip(";")
            text = text[:-1] if text.endswith(")") and text.count(")") > text.count("(") else text
            read = _read(text, variables, names)
            found = [read if sure and holds else UNREAD]
        elif assigned is not None:
            names[assigned[1]] = _read(assigned[2], variables, names) if sure and holds else UNREAD
    return found


UNREAD = "\0unread"
"""The value of what is computed in a way that is not read."""


def _read(text: str, variables: Mapping[str, str], names: Mapping[str, Value]) -> Value:
    try:
        return value(text, variables, {name: known for name, known in names.items() if known != UNREAD})
    except (UnclearError, RecursionError):
        return UNREAD


def _holds(test: str, variables: Mapping[str, str], names: Mapping[str, Value]) -> bool | None:
    """Whether a test holds; None where it is not read. `not ` before it turns it round."""
    found = _read(test, variables, names)
    return None if found == UNREAD else found not in (None, False, "")


def _without_modifier(statement: str) -> tuple[str, str]:
    """`workers 2 if n > 1` as its statement and its test."""
    match = re.fullmatch(r"(\S.*?)\s+(if|unless)\s+(.+)", statement)
    if match is None or match[1] in ("else",):
        return statement, ""
    return match[1], match[3] if match[2] == "if" else f"!({match[3]})"


_OPENS = re.compile(r"(?:case|begin|while|until|def|class|module|for)\b|.*\bdo(?:\s*\|[^|]*\|)?$")
_IF = re.compile(r"(if|unless|elsif|elif)\b\s*(.*?)(:|\s+then)?$")


class _Block:
    """A block of lines: whether it is run (None: perhaps), by indent in Python, to its `end` in Ruby."""

    def __init__(self, holds: bool | None, indent: int, python: bool) -> None:
        self.holds = holds
        self.indent = indent
        self.python = python
        self.left: bool | None = _not(holds)  # whether an `else` is run

    def branch(self, holds: bool | None) -> None:
        """Another arm, which is run where its own test holds and none before it did."""
        self.holds = False if self.left is False else None if self.left is None and holds else holds
        self.left = False if holds or self.left is False else None if holds is None else self.left


def _not(holds: bool | None) -> bool | None:
    return None if holds is None else not holds


def _statements(content: str, variables: Mapping[str, str], names: Mapping[str, Value]) -> Iterator[tuple[str, bool]]:
    """Each statement that may be run, and whether it surely is; `names` grow while this is read."""
    blocks: list[_Block] = []
    for line in content.split("\n"):
        text = re.sub(r"(?:^|\s)#.*", "", line).rstrip()
        statement, indent = text.strip(), len(text) - len(text.lstrip())
        if not statement:
            continue
        branch = re.match(r"(?:elsif|elif|else)\b", statement)
        while (
            blocks
            and blocks[-1].python
            and (indent < blocks[-1].indent or (indent == blocks[-1].indent and not branch))
        ):
            blocks.pop()
        opened = _IF.fullmatch(statement)
        holds: bool | None = True
        if opened is not None and opened[1] in ("if", "unless", "elsif", "elif"):
            holds = _holds(opened[2], variables, names)
            holds = _not(holds) if opened[1] == "unless" else holds
        if re.match(r"end\b", statement):
            del blocks[-1:]
        elif branch and blocks:
            blocks[-1].branch(holds)
        elif opened is not None:
            blocks.append(_Block(holds, indent, opened[3] == ":"))
        elif _OPENS.match(statement):
            runs = None if re.match(r"(?:def|case|while|until|for)\b", statement) else True
            blocks.append(_Block(runs, indent, statement.endswith(":")))
        elif all(block.holds is not False for block in blocks):
            yield statement, all(block.holds for block in blocks)
