"""What a command line says without being run: where `exec` may stand, its words, its variables.

Just enough of the shell's grammar is read to know what is not known: an unclear line stays as written.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_MOST_DOLLARS = 100  # each may nest in the one before: recursion must end, and nobody writes so many

_REDIRECTION = re.compile(r"\d*(?:<<<|<<|<&|>&|<>|>>|>\||<|>)")
_OPERATOR = re.compile(r"&&|\|\||;;|[;&|()\n]")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOLLAR = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-])")
_BRACED = re.compile(r"\$\{[#!]?([A-Za-z_][A-Za-z0-9_]*)(:?[-=+?])?")
_BACKTICKS = re.compile(r"`[^`\\'\"]*`")
# In `$( )` an unpaired parenthesis may hide in a comment or a `case`.
_HIDES_PARENTHESES = re.compile(r"(?:^|[\s;&|(])#|\bcase\b|<<")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SYNTAX = _set("! [[ ]] { } case coproc do done elif else esac fi for function if in select then until while")
# What dash, bash or busybox ash have inside, and `time`, which is a keyword in bash.
_BUILTINS = _set(
    """
    . : [ alias bg bind break builtin caller cd chdir command compgen complete compopt continue declare
    dirs disown echo enable eval exec exit export false fc fg getopts hash help history jobs kill let local
    logout mapfile popd printf pushd pwd read readarray readonly return set shift shopt source suspend test
    time times trap true type typeset ulimit umask unalias unset wait
    """
)
# The builtins after which every later word still means what it meant.
_HARMLESS = _set(": [ cd chdir echo exit export false kill printf pwd test true ulimit umask unset wait")
_ASSIGNING = _set("declare export local read readonly typeset")
_SET_BY_THE_SHELL = _set("IFS LINENO OPTIND PPID PWD _")


class _UnclearError(Exception):
    """The line holds something that is not read here."""


class _Token(NamedTuple):
    """A `word`, an `operator`, or the `target` of a redirection, and where it starts."""

    kind: str
    text: str
    start: int


class _Command(NamedTuple):
    """One simple command, and the operator behind it (empty at the end of the line)."""

    assignments: tuple[_Token, ...]
    words: tuple[_Token, ...]
    targets: tuple[_Token, ...]
    operator: str


def exec_line(command: str) -> str:
    """The line to give `/bin/sh -c`: `command` with `exec` before its last simple command where that is safe.

    Safe is a `&&` or `;` list whose last command is a program and whose earlier ones cannot change what
    follows, as `trap`, `.`, `eval`, `alias` and `set` can. Before a builtin, a keyword or another `exec` it
    would end with 127 (dash, bash), within a pipe it would be of no use: these, and all that is not surely
    safe, come back unchanged.
    """
    try:
        commands = _list(command)
    except _UnclearError:
        return command
    last = commands[-1]
    if not (last.words and _is_program(last.words[0].text) and all(map(_is_harmless, commands[:-1]))):
        return command
    start = last.words[0].start
    return f"{command[:start]}exec {command[start:]}"


def words(command: str) -> tuple[str, ...]:
    """The words of the last simple command, without assignments, quotes, redirections and a leading `exec`.

    Expansions stay as written (`$PORT`). Empty when the line is no `&&` or `;` list of simple commands.
    """
    try:
        found = [_unquoted(token.text) for token in _list(command)[-1].words]
    except _UnclearError:
        return ()
    if found[:1] == ["exec"] and not "".join(found[1:2]).startswith("-"):
        del found[0]
    return () if found and found[0] in _SYNTAX else tuple(found)


def program(command: str) -> str | None:
    """The program that the last simple command runs, as written (`puma`, `bin/web`, `~/bin/x`).

    None when that cannot be told: a builtin, a `$` or a glob in it; and when the line changes PATH or may do
    so (`. venv/bin/activate && gunicorn`), for then it cannot be looked up from here.
    """
    first = "".join(words(command)[:1])
    if not first or first[0] in "-%" or first in _BUILTINS or re.search(r"[$`*?\[{}]|\+=", first):
        return None
    if not all(map(_is_harmless, _list(command)[:-1])) or re.search(r"\bPATH\b", command):
        return None
    return first


def variables(command: str) -> tuple[str, ...]:
    """The names of the variables that the line uses without a default, in the order of their first use.

    Left out: `${V:-d}` and its like, quoted and escaped ones, those that the line itself sets before, and
    those that the shell sets (`$1`, `$PWD`). `A=1 cmd $A` is a use: the shell expands `$A` before it assigns.
    Empty when quotes or brackets do not match.
    """
    try:
        return _unset_uses(command)
    except _UnclearError:
        return ()


def _list(line: str) -> list[_Command]:
    """The commands of a `&&` or `;` list, at least one; raises for any other line."""
    if "<<" in line or "\n" in line:
        raise _UnclearError
    commands = _commands(_tokens(line))
    if len(commands) > 1 and commands[-2].operator == ";" and not any(commands[-1]):
        del commands[-1]
    if commands[-1].operator == "&&" or any(_is_no_member(command) for command in commands):
        raise _UnclearError
    return commands


def _is_no_member(command: _Command) -> bool:
    return command.operator not in ("", "&&", ";") or not any(command[:3])


def _is_harmless(command: _Command) -> bool:
    """Whether the words after this command mean what they would mean without it."""
    if not command.words:
        return True
    first = command.words[0].text
    return _unquoted(first) in _HARMLESS or _is_program(first)


def _is_program(word: str) -> bool:
    """Whether this first word of a command surely names a program: no builtin, keyword, option or job."""
    parts = list(_parts(word))
    bare = "".join(text for kind, text in parts if kind == "bare")
    known = "".join(text for kind, text in parts if kind != "expansion")
    if re.search(r"[*?\[{}]", bare) or re.match(r"\w+\+=", word):
        return False
    if any(kind == "expansion" for kind, _ in parts):
        return "/" in known  # `$HOME/bin/x` has a slash whatever it becomes, and no builtin has one
    return known != "" and known[0] not in "-%" and known not in _BUILTINS and known not in _SYNTAX


def _unset_uses(line: str) -> tuple[str, ...]:
    """See `variables`; raises where that is empty."""
    known = set(_SET_BY_THE_SHELL)
    found: dict[str, None] = {}
    for command in _commands(_tokens(line)):
        with_prefix = set(known)  # in `A=1 B=$A` the second sees the first, the command's own words do not
        for token in command.assignments:
            found.update(dict.fromkeys(_uses(token.text, with_prefix)))
            with_prefix.add(token.text.partition("=")[0])
        for token in command.words + command.targets:
            found.update(dict.fromkeys(_uses(token.text, known)))
        known.update(_assigned(command))
    return tuple(found)


def _assigned(command: _Command) -> set[str]:
    """The variables that this command sets for the commands after it."""
    given = [token.text for token in command.words]
    if given[:1] == ["for"]:
        return set(given[1:2])
    while given and given[0] in _SYNTAX:
        del given[0]
    if given and given[0] in _ASSIGNING:
        return {text.partition("=")[0] for text in given[1:]}
    if any(not _ASSIGNMENT.match(text) for text in given):
        return set()
    return {text.partition("=")[0] for text in [token.text for token in command.assignments] + given}


def _uses(text: str, known: set[str]) -> Iterator[str]:
    """The variables used in a word and not known; `${V:=d}` makes V known."""
    for kind, part in _parts(text):
        braced = _BRACED.match(part)
        if kind != "expansion":
            continue
        if part.startswith(("$(", "`")):
            inner = part[2:-1] if part[0] == "$" else part[1:-1]
            yield from (name for name in _unset_uses(inner) if name not in known)
        elif braced and braced[2]:
            if braced[2].endswith("="):
                known.add(braced[1])
        elif braced:
            yield from () if braced[1] in known else (braced[1],)
            yield from _uses(part[braced.end() : -1], known)
        elif _VARIABLE.fullmatch(part, 1) and part[1:] not in known:
            yield part[1:]


def _commands(tokens: list[_Token]) -> list[_Command]:
    """The simple commands, at least one; one before, between or behind operators may be empty."""
    found: list[_Command] = []
    assignments: list[_Token] = []
    words: list[_Token] = []
    targets: list[_Token] = []
    for token in [*tokens, _Token("operator", "", -1)]:
        if token.kind == "operator":
            found.append(_Command(tuple(assignments), tuple(words), tuple(targets), token.text))
            assignments, words, targets = [], [], []
        elif token.kind == "target":
            targets.append(token)
        elif not words and _ASSIGNMENT.match(token.text):
            assignments.append(token)
        else:
            words.append(token)
    return found


def _tokens(line: str) -> list[_Token]:
    """The line cut into words, operators and the targets of redirections; comments are left out."""
    if line.count("$") > _MOST_DOLLARS:
        raise _UnclearError
    tokens: list[_Token] = []
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
            raise _UnclearError
        elif redirection:
            kind, index = "target", redirection.end()
        elif operator:
            index = operator.end()
            tokens.append(_Token("operator", operator[0], start))
        else:
            index = _word_end(line, index)
            tokens.append(_Token(kind, line[start:index], start))
            kind = "word"
    if kind == "target":
        raise _UnclearError
    return tokens


def _word_end(line: str, index: int) -> int:
    while index < len(line) and line[index] not in " \t\n;&|()<>":
        index = _element_end(line, index, "")
    return index


def _parts(text: str, inside: str = "") -> Iterator[tuple[str, str]]:
    """The parts of a word: `bare` and `quoted` ones with the quotes removed, `expansion`s as written."""
    index = 0
    while index < len(text):
        end = _element_end(text, index, inside)
        part, index = text[index:end], end
        if part[0] == '"':
            yield "quoted", ""
            yield from _parts(part[1:-1], '"')
        elif part[0] == "'" and not inside:
            yield "quoted", part[1:-1]
        elif part[0] == "\\":
            yield "quoted", part if inside and part[1] not in '$`"\\' else part[1]
        elif part[0] == "`" or (part[0] == "$" and len(part) > 1):
            yield "expansion", part
        else:
            yield "quoted" if inside else "bare", part


def _unquoted(word: str) -> str:
    return "".join(text for _, text in _parts(word))


def _element_end(line: str, index: int, inside: str) -> int:
    """The index behind a quoted string, an expansion, an escaped or a plain character.

    `inside` is what is open around it and changes how it is read: nothing, `"`, `}`, `"}` or `)`.
    """
    char = line[index]
    if char == "\\":
        if index + 1 == len(line):
            raise _UnclearError
        return index + 2
    if char == "'" and '"' not in inside:
        return _behind(line, index + 1, "'")
    if char == '"':
        return _closing(line, index + 1, '"', '"')
    if char == "`" and (backticks := _BACKTICKS.match(line, index)):
        return backticks.end()
    if char == "`":
        raise _UnclearError
    if char == "$":
        return _dollar_end(line, index, inside)
    if char == "'" and "}" in inside:  # the shells do not agree on `"${X:-'}'}"`
        raise _UnclearError
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
        raise _UnclearError
    name = _DOLLAR.match(line, index)
    return name.end() if name else index + 1


def _closing(line: str, index: int, closing: str, inside: str) -> int:
    """The index behind `closing`, which is looked for behind the quotes and expansions before it."""
    while index < len(line) and line[index] != closing:
        if line[index] == '"' and '"' in inside:  # quotes in `"${ }"`
            raise _UnclearError
        index = _element_end(line, index, inside)
    return _behind(line, index, closing)


def _parenthesis_end(line: str, start: int) -> int:
    """The index behind the `)` that belongs to a `$(` before `start`."""
    index, depth = start, 1
    while index < len(line) and depth:
        depth += {"(": 1, ")": -1}.get(line[index], 0)
        index = index + 1 if line[index] in "()" else _element_end(line, index, ")")
    if depth or _HIDES_PARENTHESES.search(line, start, index):
        raise _UnclearError
    return index


def _behind(line: str, index: int, closing: str) -> int:
    """The index behind the next `closing`; raises where there is none."""
    found = line.find(closing, index)
    if found < 0:
        raise _UnclearError
    return found + 1
