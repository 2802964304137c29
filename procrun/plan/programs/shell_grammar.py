"""The shell's grammar, just enough of it to know what is not known: a line as commands, a word as parts."""

import functools
import re  # compiles a pattern when it is first used, most of them never
from collections.abc import Iterator
from typing import NamedTuple

_MOST_DOLLARS = 100  # each may nest in the one before: recursion must end, and nobody writes so many

_REDIRECTION = re.compile(r"\d*(?:<<<|<<|<&|>&|<>|>>|>\||<|>)")
_OPERATOR = re.compile(r"&&|\|\||;;|[;&|()\n]")
ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_DOLLAR = r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])"
_BACKTICKS = r"`[^`\\'\"]*`"
# In `$( )` an unpaired parenthesis may hide in a comment or a `case`.
_HIDES_PARENTHESES = r"(?:^|[\s;&|(])#|\bcase\b|<<"


class UnclearError(Exception):
    """The line holds something that is not read here."""


class Token(NamedTuple):
    """A `word`, an `operator`, or the `target` of a redirection, and where it starts."""

    kind: str
    text: str
    start: int


class Command(NamedTuple):
    """One simple command, and the operator behind it (empty at the end of the line)."""

    assignments: tuple[Token, ...]
    words: tuple[Token, ...]
    targets: tuple[Token, ...]
    operator: str


def parse(line: str) -> list[Command]:
    """The simple commands of a line, at least one; one before, between or behind operators may be empty.

    Comments are left out. Raises UnclearError.
    """
    return list(_parsed(line))


@functools.lru_cache(maxsize=256)  # a start asks for the words, the variables and the program of each line
def _parsed(line: str) -> tuple[Command, ...]:
    found: list[Command] = []
    assignments: list[Token] = []
    words: list[Token] = []
    targets: list[Token] = []
    for token in [*_tokens(line), Token("operator", "", -1)]:
        if token.kind == "operator":
            found.append(Command(tuple(assignments), tuple(words), tuple(targets), token.text))
            assignments, words, targets = [], [], []
        elif token.kind == "target":
            targets.append(token)
        elif not words and ASSIGNMENT.match(token.text):
            assignments.append(token)
        else:
            words.append(token)
    return tuple(found)


def _tokens(line: str) -> list[Token]:
    """The line cut into words, operators and the targets of redirections; comments are left out."""
    if line.count("$") > _MOST_DOLLARS:
        raise UnclearError
    tokens: list[Token] = []
    kind, index = "word", 0
    while index < len(line):
        start = index
        redirection = _REDIRECTION.match(line, index)
        operator = _OPERATOR.match(line, index)
        if line[index] in " \t":
            index += 1
        elif line[index] == "#":
            index = (line + "\n").index("\n", index)
        elif kind == "target" and (redirection or operator):
            raise UnclearError
        elif redirection:
            kind, index = "target", redirection.end()
        elif operator:
            index = operator.end()
            tokens.append(Token("operator", operator[0], start))
        else:
            index = _word_end(line, index)
            tokens.append(Token(kind, line[start:index], start))
            kind = "word"
    if kind == "target":
        raise UnclearError
    return tokens


def _word_end(line: str, index: int) -> int:
    while index < len(line) and line[index] not in " \t\n;&|()<>":
        index = _element_end(line, index, "")
    return index


def parts(text: str, inside: str = "") -> Iterator[tuple[str, str]]:
    """The parts of a word: `bare` and `quoted` ones with the quotes removed, `expansion`s as written."""
    index = 0
    while index < len(text):
        end = _element_end(text, index, inside)
        part, index = text[index:end], end
        if part[0] == '"':
            yield "quoted", ""
            yield from parts(part[1:-1], '"')
        elif part[0] == "'" and not inside:
            yield "quoted", part[1:-1]
        elif part[0] == "\\":
            yield "quoted", part if inside and part[1] not in '$`"\\' else part[1]
        elif part[0] == "`" or (part[0] == "$" and len(part) > 1):
            yield "expansion", part
        else:
            yield "quoted" if inside else "bare", part


def unquoted(word: str) -> str:
    """The word as the program gets it, but for its expansions, which stay as written."""
    return "".join(text for _, text in parts(word))


def _element_end(line: str, index: int, inside: str) -> int:
    """The index behind a quoted string, an expansion, an escaped or a plain character.

    `inside` is what is open around it and changes how it is read: nothing, `"`, `}`, `"}` or `)`.
    """
    char = line[index]
    if char == "\\":
        if index + 1 == len(line):
            raise UnclearError
        return index + 2
    if char == "'" and '"' not in inside:
        return _behind(line, index + 1, "'")
    if char == '"':
        return _closing(line, index + 1, '"', '"')
    if char == "`" and (backticks := re.compile(_BACKTICKS).match(line, index)):
        return backticks.end()
    if char == "`":
        raise UnclearError
    if char == "$":
        return _dollar_end(line, index, inside)
    if char == "'" and "}" in inside:  # the shells do not agree on `"${X:-'}'}"`
        raise UnclearError
    return index + 1


def _dollar_end(line: str, index: int, inside: str) -> int:
    """The index behind the expansion that starts here, or behind a plain `$`."""
    following = line[index + 1 : index + 2]
    quoted = '"' in inside
    if following == "{":
        return _closing(line, index + 2, "}", '"}' if quoted else "}")
    if following == "(":
        return _parenthesis_end(line, index + 2)
    if following == "'" and not quoted:  # bash has C strings here, dash has not
        raise UnclearError
    name = re.compile(_DOLLAR).match(line, index)
    return name.end() if name else index + 1


def _closing(line: str, index: int, closing: str, inside: str) -> int:
    """The index behind `closing`, which is looked for behind the quotes and expansions before it."""
    while index < len(line) and line[index] != closing:
        if line[index] == '"' and '"' in inside:  # quotes in `"${ }"`
            raise UnclearError
        index = _element_end(line, index, inside)
    return _behind(line, index, closing)


def _parenthesis_end(line: str, start: int) -> int:
    """The index behind the `)` that belongs to a `$(` before `start`."""
    index, depth = start, 1
    while index < len(line) and depth:
        depth += {"(": 1, ")": -1}.get(line[index], 0)
        index = index + 1 if line[index] in "()" else _element_end(line, index, ")")
    if depth or re.compile(_HIDES_PARENTHESES).search(line, start, index):
        raise UnclearError
    return index


def _behind(line: str, index: int, closing: str) -> int:
    """The index behind the next `closing`; raises where there is none."""
    found = line.find(closing, index)
    if found < 0:
        raise UnclearError
    return found + 1
