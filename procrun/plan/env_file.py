"""One `.env` file, in python-dotenv's dialect: what its lines set, and what is wrong with those that set nothing.

Of a file's text only what looks like the name of a variable is ever quoted: whatever else stands in it may be a secret.
"""

import io
import itertools
import re
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any, NamedTuple

from procrun.core.errors import Finding
from procrun.core.text import public

_LONGEST_NAME = 40
# `S3_BUCKET`, `oauth2.key`, `I18N`: words with a number in them, in one case; no part of a key in base64 is so.
_WORD = r"(?:\d{0,3}(?:[A-Z]+|[A-Z]?[a-z]+)(?:\d{1,3}[A-Za-z]{0,3})?|\d{1,4})"
_NAME = rf"_*(?=\d{{0,2}}[A-Za-z]){_WORD}(?:[_.-]+{_WORD})*_*"

_HEAD = r"(?:export[^\S\n]+)?('[^'\n]+'|[^=#\s]+)[^\S\n]*=[^\S\n]*(['\"]?)"

# Values that go on in the next line. Their rest is taken for variables where a line of it has a `=`.
_BEGIN = r"-{4,5} ?BEGIN [A-Z0-9 ]{1,60}-{4,5}(?!.*-{4,5} ?END )"
_END = r"[^\n]*-{4,5} ?END [A-Z0-9 ]{1,60}-{4,5}[^\n]*"
_ASSIGNMENT = r"[^\S\n]*(?:export[^\S\n]+)?'?[A-Za-z_][\w.-]*'?[^\S\n]*=(?!=?[^\S\n]*$)"
_ENCODED = r"[^\S\n]*[A-Za-z0-9+/_-]{40,}={0,2}[^\S\n]*"
_ENCODED_TAIL = r"[A-Za-z0-9+/_-]+==|[A-Za-z0-9]*[+/][A-Za-z0-9+/]*=?"
_BRACKETS = r'"(?:[^"\\\n]|\\.)*"|[{}\[\]]'
_MOST_LINES = 1000
"""Lines in which the end of a value is looked for."""

_MOST_LETTERS = 256 * 1024
"""Letters of them: a variable has 128 KiB at most (execve(2), MAX_ARG_STRLEN)."""


class Setting(NamedTuple):
    """A line that sets a variable: its value as written, not yet expanded, and the quote that it stands in."""

    name: str
    raw: str
    quote: str
    where: str


def parse(text: str, name: str) -> Iterator[Setting | Finding]:
    """What each entry of the text sets, or why it sets nothing; `name` is the file's, for places (`.env:3`)."""
    parser = dotenv("parser")
    reader = parser.Reader(io.StringIO(text))
    while reader.has_next():
        key, raw, original, dropped = parser.parse_binding(reader)
        body = original.string.lstrip()
        line = original.line + original.string[: len(original.string) - len(body)].count("\n")
        where = f"{name}:{line}"
        if raw is not None and _is_plain(body):
            yield Setting(key, raw, "", where) if _can_be_name(key) else Finding(where, _NO_NAME, "dropped-line")
            continue
        head = re.match(_HEAD, body)
        quote = head[2] if head is not None else ""
        rest = ""
        if not quote or (dropped and "\n" not in body.rstrip("\n")):
            value = body[head.end() :] if head is not None else body
            rest = _rest_of_value(value, reader.string, reader.position.chars)
        if rest:
            reader.position.advance(rest)
            yield Finding(where, _split_value(head, quote, line, rest), "split-value")
        if key is not None and raw is not None:
            yield Setting(key, raw, quote, where) if _can_be_name(key) else Finding(where, _NO_NAME, "dropped-line")
        elif not rest and (dropped or key is not None):
            yield _dropped(body, key, where)


def dotenv(name: str) -> Any:
    """A part of python-dotenv, without what its `__init__` imports besides: that would be a quarter of a start."""
    package = PathFinder.find_spec("dotenv")
    spec = package and PathFinder.find_spec(f"dotenv.{name}", package.submodule_search_locations)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"dotenv.{name}", name=f"dotenv.{name}")
    module = ModuleType(spec.name)
    spec.loader.exec_module(module)
    return module


def is_name(text: str) -> bool:
    """Whether the text looks like the name of a variable and like no part of a secret, so that it may be quoted."""
    return len(text) <= _LONGEST_NAME and re.fullmatch(_NAME, text) is not None and public(text) == text


def _is_plain(body: str) -> bool:
    """Whether the line surely ends its value and refers to nothing; without a pattern, whose first use costs time."""
    if any(sign in body for sign in ("$", "BEGIN", "{", "[", "\\")):
        return False
    value = body.partition("=")[2].strip()
    return len(value) < 40 or not value.rstrip("=").translate(_IN_BASE64).isalnum()


_IN_BASE64 = str.maketrans("", "", "+/_-")

_NO_NAME = (
    "ignored: what stands before the `=` is no name; where the line belongs to the value above, quote that whole value"
)


def _can_be_name(key: str) -> bool:
    """As far as a `=`, a NUL or a line's end in it is no fault of its own."""
    return key.isidentifier() or re.fullmatch(r"[\w.-]+", key) is not None or any(sign in key for sign in "=\0")


def _dropped(body: str, key: str | None, where: str) -> Finding:
    """What is wrong with a line that sets nothing."""
    if key is not None:
        if is_name(key):
            return Finding(where, f'ignored: "{key}" has no `=`; write `{key}=` to set it to nothing', "missing-value")
        return Finding(where, "ignored: not `NAME=value`", "dropped-line")
    head = re.match(_HEAD, body)
    if head is None or not head[2]:
        return Finding(where, "ignored: not `NAME=value`", "dropped-line")
    more = body.rstrip("\n").count("\n")
    lost = f", and the {more} after it" if more else ""
    whose = f'of "{head[1]}"' if is_name(head[1]) else "in it"
    text = f"ignored{lost}: the quotes {whose} do not match, or something stands behind them"
    return Finding(where, text, "dropped-line")


def _split_value(head: re.Match[str] | None, quote: str, line: int, rest: str) -> str:
    """What is said of a value over several lines: which of them are left out, why, and the cure."""
    last = line + rest.rstrip("\n").count("\n") + 1
    name = head[1].strip("'") if head is not None else ""
    cure = f"quote the whole value: {name if is_name(name) else 'NAME'}='…'"
    if quote:
        return f"lines {line} to {last} are ignored: the quote at the beginning of the value is not closed; {cure}"
    if head is None:
        return f"lines {line} to {last} are ignored: they look like a value without a name; {cure}"
    if last == line + 1:
        return f"line {last} is ignored: it looks like the rest of this value; {cure}"
    return f"lines {line + 1} to {last} are ignored: they look like the rest of this value; {cure}"


def _rest_of_value(value: str, text: str, position: int) -> str:
    """The lines from `position` on that belong to the value whose first line ends there; empty where none does."""
    first = value.rstrip("\n").lstrip("\"'")
    if re.search(_BEGIN, first):
        count = _to_end_of_block
    elif first[:1] in ("{", "["):
        count = _to_closing_bracket
    elif first.endswith("\\"):
        count = _continued
    elif re.fullmatch(_ENCODED, first):
        count = _encoded
    else:
        return ""
    lines = _Lines(text, position)
    end = position
    for line in itertools.islice(lines, count(first, lines)):
        end += len(line) + 1
    return text[position:end]


class _Lines:
    """The next lines of a text, each looked for when it is wanted: most looks end at the first."""

    def __init__(self, text: str, position: int) -> None:
        self._text = text
        self._position = position

    def __iter__(self) -> Iterator[str]:
        position = self._position
        for _ in range(_MOST_LINES):
            if position >= min(len(self._text), self._position + _MOST_LETTERS):
                return
            end = self._text.find("\n", position)
            end = len(self._text) if end < 0 else end
            yield self._text[position:end]
            position = end + 1


def _to_end_of_block(first: str, lines: Iterable[str]) -> int:
    """How many lines there are to the `-----END …-----`, those of a chain of certificates included."""
    count, inside = 0, True
    for index, line in enumerate(lines):
        begins = re.search(_BEGIN, line)
        if inside and re.fullmatch(_END, line):
            count, inside = index + 1, False
        elif inside == bool(begins) or (inside and re.match(_ASSIGNMENT, line)):
            break
        elif begins:
            inside = True
    return count or _encoded(first, lines)


def _to_closing_bracket(first: str, lines: Iterable[str]) -> int:
    """How many lines there are to the bracket that closes the first one of a JSON value."""
    depth = count = 0
    for count, line in enumerate(itertools.chain([first], lines)):
        if count and re.match(_ASSIGNMENT, line):
            return count - 1
        for token in re.findall(_BRACKETS, line):
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token, 0)
            if depth == 0 and token in ("}", "]"):
                return count
    return count


def _continued(first: str, lines: Iterable[str]) -> int:
    """How many lines a shell would join to one that ends in a backslash, up to one that sets a variable."""
    count = 0
    for count, line in enumerate(lines, 1):
        if not line.strip() or re.match(_ASSIGNMENT, line):
            return count - 1
        if not line.endswith("\\"):
            return count
    return count


def _encoded(first: str, lines: Iterable[str]) -> int:
    """How many lines of base64 there are, the shorter last one included."""
    for count, line in enumerate(lines):
        if not re.fullmatch(_ENCODED, line):
            last = line.strip()
            mixed = count and re.fullmatch(r"[A-Za-z0-9]+=?", last) and not is_name(last.rstrip("="))
            return count + 1 if mixed or re.fullmatch(_ENCODED_TAIL, last) else count
    return sum(1 for _ in lines)
