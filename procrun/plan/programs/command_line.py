"""What a command line says without being run: where `exec` may stand, its words, its variables.

An unclear line stays as written.
"""

import re  # compiles a pattern when it is first used, most of them never
from collections.abc import Iterator, Sequence

from procrun.plan.programs import shell_grammar
from procrun.plan.programs.shell_grammar import ASSIGNMENT, Command, UnclearError

_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_BRACED = r"\$\{[#!]?([A-Za-z_][A-Za-z0-9_]*)(:?[-=+?])?"


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
_BEFORE_A_COMMAND = _set("! { if then elif else while until do time")
_SET_BY_THE_SHELL = _set("IFS LINENO OPTIND PPID PWD _")


def exec_line(command: str) -> str:
    """The line to give `/bin/sh -c`: `command` with `exec` before its last simple command where that is safe.

    Safe is a `&&` or `;` list whose last command is a program and whose earlier ones cannot change what
    follows, as `trap`, `.`, `eval`, `alias` and `set` can. Before a builtin, a keyword or another `exec` it
    would end with 127 (dash, bash), within a pipe it would be of no use: these, and all that is not surely
    safe, come back unchanged.
    """
    try:
        commands = _list(command)
    except UnclearError:
        return command
    last = commands[-1]
    if not (last.words and _is_program(last.words[0].text) and all(map(_is_harmless, commands[:-1]))):
        return command
    start = last.words[0].start
    return f"{command[:start]}exec {command[start:]}"


def line_of(argv: Sequence[str]) -> str:
    """What has sh run just these words, or the one that is a line itself."""
    from shlex import join  # where a command is given: not before the first child

    return exec_line(argv[0]) if is_line(argv) else f"exec {join(argv)}"


def is_line(argv: Sequence[str]) -> bool:
    """Whether these words are one single word that only a shell can run: it has blanks or shell signs."""
    return len(argv) == 1 and re.search(r"[\s$&|;<>()`\"'*?~]", argv[0]) is not None


def words(command: str) -> tuple[str, ...]:
    """The words of the last simple command, without assignments, quotes, redirections and a leading `exec`.

    Expansions stay as written (`$PORT`). Empty when the line is no `&&` or `;` list of simple commands.
    """
    try:
        found = [shell_grammar.unquoted(token.text) for token in _list(command)[-1].words]
    except UnclearError:
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

    Left out: `${V:-d}` and its like, quoted and escaped ones, those that the line itself sets before, those that it
    tests (`[ -n "$V" ]`, `case $V in`), those that a sourced file or an `eval` before may set, and those that the shell
    sets (`$1`, `$PWD`). `A=1 cmd $A` is a use: the shell expands `$A` before it assigns. Empty when quotes or
    brackets do not match.
    """
    if "$" not in command and "`" not in command:
        return ()
    try:
        return _needed(command)
    except UnclearError:
        return ()


def _list(line: str) -> list[Command]:
    """The commands of a `&&` or `;` list, at least one; raises for any other line."""
    if "<<" in line or "\n" in line:
        raise UnclearError
    commands = shell_grammar.parse(line)
    if len(commands) > 1 and commands[-2].operator == ";" and not any(commands[-1]):
        del commands[-1]
    if commands[-1].operator == "&&" or any(_is_no_member(command) for command in commands):
        raise UnclearError
    return commands


def _is_no_member(command: Command) -> bool:
    return command.operator not in ("", "&&", ";") or not any(command[:3])


def _is_harmless(command: Command) -> bool:
    """Whether the words after this command mean what they would mean without it."""
    if not command.words:
        return True
    first = command.words[0].text
    return shell_grammar.unquoted(first) in _HARMLESS or _is_program(first)


def _is_program(word: str) -> bool:
    """Whether this first word of a command surely names a program: no builtin, keyword, option or job."""
    parts = list(shell_grammar.parts(word))
    bare = "".join(text for kind, text in parts if kind == "bare")
    known = "".join(text for kind, text in parts if kind != "expansion")
    if re.search(r"[*?\[{}]", bare) or re.match(r"\w+\+=", word):
        return False
    if any(kind == "expansion" for kind, _ in parts):
        return "/" in known  # `$HOME/bin/x` has a slash whatever it becomes, and no builtin has one
    return known != "" and known[0] not in "-%" and known not in _BUILTINS and known not in _SYNTAX


def _needed(line: str) -> tuple[str, ...]:
    """See `variables`; raises where that is empty."""
    tested = _tested(line)
    return tuple(name for name in _unset_uses(line) if name not in tested)


def _unset_uses(line: str) -> tuple[str, ...]:
    """The same, with those that the line tests."""
    known = set(_SET_BY_THE_SHELL)
    found: dict[str, None] = {}
    for command in shell_grammar.parse(line):
        with_prefix = set(known)  # in `A=1 B=$A` the second sees the first, the command's own words do not
        for token in command.assignments:
            found.update(dict.fromkeys(_uses(token.text, with_prefix)))
            with_prefix.add(token.text.partition("=")[0])
        for token in command.words + command.targets:
            found.update(dict.fromkeys(_uses(token.text, known)))
        known.update(_assigned(command))
        if _may_set_anything(command):
            break
    return tuple(found)


def _tested(line: str) -> set[str]:
    """The variables that a command of the line tests: it is written for both cases."""
    found: set[str] = set()
    for command in shell_grammar.parse(line):
        words = _without_keywords(command)
        if words[:1] in (["["], ["test"], ["[["]):
            found.update(name for word in words[1:] for name in _uses(word, set()))
        elif words[:1] == ["case"]:
            found.update(_uses("".join(words[1:2]), set()))
    return found


def _may_set_anything(command: Command) -> bool:
    """Whether variables may have any value after it: `. FILE`, `source FILE`, `eval …`, `export $(…)`."""
    words = _without_keywords(command)
    if words[:1] in (["."], ["source"], ["eval"]):
        return True
    return bool(words) and words[0] in _ASSIGNING and any(word[0] in "$`" for word in words[1:])


def _without_keywords(command: Command) -> list[str]:
    words = [token.text for token in command.words]
    while words and words[0] in _BEFORE_A_COMMAND:
        del words[0]
    return words


def _assigned(command: Command) -> set[str]:
    """The variables that this command sets for the commands after it."""
    given = [token.text for token in command.words]
    if given[:1] == ["for"]:
        return set(given[1:2])
    while given and given[0] in _SYNTAX:
        del given[0]
    if given and given[0] in _ASSIGNING:
        return {text.partition("=")[0] for text in given[1:]}
    if any(not ASSIGNMENT.match(text) for text in given):
        return set()
    return {text.partition("=")[0] for text in [token.text for token in command.assignments] + given}


def _uses(text: str, known: set[str]) -> Iterator[str]:
    """The variables used in a word and not known; `${V:=d}` makes V known."""
    for kind, part in shell_grammar.parts(text):
        braced = re.compile(_BRACED).match(part)
        if kind != "expansion":
            continue
        if part.startswith(("$(", "`")):
            inner = part[2:-1] if part[0] == "$" else part[1:-1]
            yield from (name for name in _needed(inner) if name not in known)
        elif braced and braced[2]:
            if braced[2].endswith("="):
                known.add(braced[1])
        elif braced:
            yield from () if braced[1] in known else (braced[1],)
            yield from _uses(part[braced.end() : -1], known)
        elif re.compile(_VARIABLE).fullmatch(part, 1) and part[1:] not in known:
            yield part[1:]
