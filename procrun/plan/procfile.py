"""The Procfile: honcho's grammar, with each line that it would pass over in silence named and explained."""

import itertools
import re  # compiles a pattern when it is first used, most of them never
from collections.abc import Iterator

from honcho.environ import PROCFILE_LINE

from procrun.core.errors import ConfigError, Finding
from procrun.core.text import public
from procrun.plan.options import Entry

_LINE_END = re.compile(r"\r\n|\n|\r")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
# Possessive: a heading with a long run of blanks behind it took time by its square.
_YAML_HEADING = r"[^\s#:][^:]*+:\s*+(?:[|>][+-]?\s*+)?(?:(?<=\s)#.*)?"
_VARIABLE = r"(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*="
_MARKUP = r"\{\{|\{%|<%|\$\{|@@"
_CONFLICT = r"(?:<{7}|\|{7}|>{7})(?: .*)?"
# Names of process types that are common in public Procfiles, with what follows them in `worker2` and `web-dev`.
_COMMON = (
    r"(?:web|worker|release|redis|css|js|api|vite|beat|webpacker|frontend|backend|server|client|scheduler|clock|assets|"
    r"jobs|cron|queue|mailer)(?:[_-]?\d+|[_-][a-z0-9]+)*"
)
# What a command begins with, where it stands behind a name: programs that start others, and paths.
_LAUNCHER = (
    r"(?:bundle|npm|npx|yarn|pnpm|bun|deno|node|python[\d.]*|ruby|php|java|go|cargo|dotnet|mix|elixir|perl|rails|rake|puma|"
    r"sh|bash|env|docker|docker-compose|foreman|poetry|uv|pipenv|gunicorn|uvicorn|celery|sidekiq|redis-server)|"
    r"(?:\.{0,2}/|bin/).+"
)
_PART_OF_A_COMMAND = r"""\s-|["'=$/]"""
# Where str.splitlines() cuts (and honcho with it), blanks that are none to a shell, and marks without width.
_ODD = re.compile(r"[\x0b\x0c\x1c-\x1e\x85\xa0\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff]")
LONGEST = 128 * 1024
"""Bytes that Linux takes as one argument (execve(2), MAX_ARG_STRLEN): the command is one of the shell's."""
_NOT_AN_ENTRY = "ignored: not `name: command`"
_MOST_SHOWN = 40
_LONGEST_NAME = 40
"""Letters of a name that is looked for in a line that is no entry; none in a public Procfile has so many."""


def parse(data: bytes, name: str) -> tuple[tuple[Entry, ...], tuple[Finding, ...]]:
    """The entries of a Procfile, at least one, in their order, and a finding for each line that is odd.

    `name` is what places are called by (`Procfile` gives `Procfile:7`). Bytes that are no UTF-8 are kept in the
    command (surrogateescape). Raises ConfigError for a line that was surely meant as an entry and is none, for
    entries that share a name, for YAML, and for a file without an entry.
    """
    lines = _lines(data, name)
    _refuse_yaml(lines, name)
    entries: dict[str, Entry] = {}
    duplicates: list[Entry] = []
    findings: list[Finding] = []
    continued = False
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        match = PROCFILE_LINE.match(line)
        if match and not _is_empty(match[2]):
            entry = Entry(match[1], _command(match[2]), where)
            _refuse_endless(entry)
            if entries.setdefault(entry.name, entry) is not entry:
                duplicates.append(entry)
            findings += _oddities(entry)
        elif continued:
            text = "ignored: the line above cannot go on here; make it one line"
            findings.append(Finding(where, text, "continued-line"))
        elif line.strip() and not line.lstrip().startswith("#"):
            findings.append(Finding(where, _why_no_entry(line, where), "ignored-line"))
        continued = _ends_in_backslash(line) and (continued or match is not None)
    _refuse_duplicates(entries, duplicates)
    if not entries:
        raise _no_entry(lines, findings, name)
    return tuple(entries.values()), (*findings, *_strange_names(entries))


def _refuse_duplicates(entries: dict[str, Entry], duplicates: list[Entry]) -> None:
    """Raise one fault that names every entry whose name another one has already."""
    if not duplicates:
        return
    first, *others = duplicates
    text = f'"{first.name}" is in {entries[first.name].where} already'
    for entry in others:
        text += f', "{entry.name}" in {entries[entry.name].where} and {entry.where}'
    raise ConfigError(f"{text}; rename {'one of the two' if not others else 'all but one of each'}", first.where)


def _lines(data: bytes, name: str) -> list[str]:
    """The lines without their ends; only \\n, \\r\\n and \\r end one."""
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    before, nul, _ = text.partition("\0")
    if nul:
        number = len(_LINE_END.split(before))
        raise ConfigError("a NUL character is in this line; save the file as plain UTF-8", f"{name}:{number}")
    return _LINE_END.split(text)


def _refuse_yaml(lines: list[str], name: str) -> None:
    """Raise where lines are nested under a heading, or the file begins with `---`."""
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    relevant = [(number, line) for number, line in numbered if not line.lstrip().startswith("#")]
    marker = [number for number, line in relevant[:1] if line.rstrip() == "---"]
    headings = [
        number
        for (number, line), (_, following) in itertools.pairwise(relevant)
        if re.compile(_YAML_HEADING).fullmatch(line) and (following[0].isspace() or following.startswith("- "))
    ]
    for number in marker + headings:
        text = "this is YAML, not a Procfile; a Procfile has lines like `web: bin/server`, none of them indented"
        raise ConfigError(text, f"{name}:{number}")


def _command(text: str) -> str:
    """The command without trailing blanks, unless the first of these is escaped."""
    stripped = text.rstrip(" \t")
    return text if stripped.endswith("\\") else stripped


def _refuse_endless(entry: Entry) -> None:
    if len(entry.command) >= LONGEST:
        text = f"the command has {len(entry.command)} letters, and the system takes {LONGEST} at most"
        raise ConfigError(f"{text}; put it into a script", entry.where)


def _is_empty(command: str) -> bool:
    """Whether the shell would find nothing to do."""
    return command.lstrip()[:1] in ("", "#")


def _ends_in_backslash(line: str) -> bool:
    stripped = line.rstrip(" \t")
    return (len(stripped) - len(stripped.rstrip("\\"))) % 2 == 1


def _oddities(entry: Entry) -> Iterator[Finding]:
    """What a reader of the file cannot see or may take for something else."""
    if _ends_in_backslash(entry.command):
        text = "the `\\` at its end does not continue the line; write the command in one line"
        yield Finding(entry.where, text, "trailing-backslash", processes=(entry.name,))
    odd = dict.fromkeys(f"U+{ord(char):04X}" for char in _ODD.findall(entry.command))
    if odd:
        text = f"the command holds {', '.join(odd)}, which is no blank to the shell; it is left there"
        yield Finding(entry.where, text, "odd-blank", processes=(entry.name,))
    for word in entry.command.split()[1:-1]:
        if set(word) & set("\"'"):
            break
        name = _name_at_end(word[:-1]) if word[-1] == ":" else ""
        if name:
            yield Finding(entry.where, _lost_newline(name), "lost-newline", processes=(entry.name,))


def _name_at_end(word: str) -> str:
    """The common name of a process type that `word` ends with: `web` of `mailcatcherweb`."""
    found = re.compile(rf".*?({_COMMON})").fullmatch(word[-_LONGEST_NAME:])
    return found[1] if found else ""


def _lost_newline(name: str) -> str:
    return f'is a newline lost before "{name}:"?'


def _why_no_entry(line: str, where: str) -> str:
    """The text of a finding; raises ConfigError where the line was surely meant as an entry."""
    body = line.strip()
    if re.compile(_CONFLICT).fullmatch(line.rstrip()):
        raise ConfigError("a merge conflict is left here; resolve it", where)
    head, colon, rest = body.partition(":")
    head = head.rstrip()
    if colon and line[0].isspace() and _NAME.fullmatch(head):
        raise ConfigError(f'an entry begins in the first column; remove the blanks before "{head}"', where)
    if body.startswith(("//", ";", "--")):
        return f"{_NOT_AN_ENTRY}; a comment begins with `#`"
    if colon and _NAME.fullmatch(head):
        raise ConfigError(_fault_of_named(head, rest), where)
    meant = _fault_of_separator(body)
    if meant:
        raise ConfigError(meant, where)
    if re.compile(_VARIABLE).match(body):
        return f"{_NOT_AN_ENTRY}; variables are set in .env"
    if colon and _is_meant_as_name(head, rest):
        raise ConfigError(_fault_of_name(head), where)
    return f"{_NOT_AN_ENTRY}{_guess(body)}"


def _fault_of_named(name: str, rest: str) -> str:
    if _is_empty(rest):
        return f'no command after "{name}:"; write one, or remove the line'
    return f'a blank stands before the colon; write "{name}:"'


def _fault_of_separator(body: str) -> str:
    """What is wrong with a line that has a name and a command, and something else than a colon between them."""
    found = re.match(r"([a-z][A-Za-z0-9_-]*)(\s*)(;|,|\||=>|->|:=|=|\s)\s*(\S.*)", body)
    if found is None or len(found[1]) > _LONGEST_NAME:
        return ""
    name, blanks, sign, command = found.groups()
    if not _is_entry(name, sign if sign.strip() else "", blanks, command):
        return ""
    if not sign.strip():
        return f'no colon after "{name}"; write "{name}:", or begin a comment with `#`'
    return f'"{sign}" stands where the colon belongs; write "{name}:"'


def _is_entry(name: str, sign: str, blanks: str, command: str) -> bool:
    """Whether a name and a command with this sign between them, or none, are surely an entry.

    `web=1` is a formation and `title=x` a variable; `bundle exec x` is a command without a name.
    """
    if sign == ";" or (sign == "=" and blanks):
        return True
    if sign == "=" and " " not in command and not re.compile(_LAUNCHER).match(command):
        return False
    launched = re.compile(rf"(?:{_LAUNCHER})(?!\S)").match(command) and not re.compile(_LAUNCHER).fullmatch(name)
    return launched is not None or (sign != "," and re.compile(_COMMON).fullmatch(name) is not None)


def _is_meant_as_name(head: str, rest: str) -> bool:
    """Whether what stands before the first colon is a bad name, and not a command that happens to hold one."""
    if re.compile(_MARKUP).search(head) or not re.search(r"\s", head):
        return True
    return (not rest or rest[0].isspace()) and not re.compile(_PART_OF_A_COMMAND).search(head)


def _fault_of_name(name: str) -> str:
    if not name:
        return "no name before the colon; write one, as in `web: bin/server`"
    if re.compile(_MARKUP).search(name):
        return f'"{_shown(name)}" is template markup, no name; render the template first'
    fault = f'"{_shown(name)}" is no name: letters, digits, `_` and `-` make one'
    before, _, last = name.rpartition(" ")
    glued = _name_at_end(last)
    if glued not in ("", last):
        return f"{fault}; {_lost_newline(glued)}"
    if before:
        return f'{fault}; did you mean "{_shown(last)}", and is a newline lost before it?'
    better = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")
    return f'{fault}; "{better[:_MOST_SHOWN]}" would do' if better else fault


def _guess(body: str) -> str:
    """What may be missing in a line without a name."""
    first, _, rest = body.partition(" ")
    if re.compile(_MARKUP).search(body):
        return "; template markup? render the template first"
    launcher = rest and re.compile(_LAUNCHER).fullmatch(first)
    if launcher or not _NAME.fullmatch(first) or first.startswith("-") or rest.lstrip().startswith("-"):
        return f'; missing name before "{_shown(first)}"?'
    return f'; missing colon after "{_shown(first)}"?'


def _no_entry(lines: list[str], findings: list[Finding], name: str) -> ConfigError:
    if findings:
        return ConfigError(f"no entry in the whole file; this line is {findings[0].text}", findings[0].where)
    state = "holds only comments" if any(map(str.strip, lines)) else "is empty"
    return ConfigError(f"the file {state}; write a line like `web: bin/server`", name)


def _strange_names(entries: dict[str, Entry]) -> list[Finding]:
    """`Procfileweb:`, which comes of pasting a file's name before its first line."""
    if "web" in entries:
        return []
    return [
        Finding(
            entry.where,
            f'is the name meant to be "{match[1]}"? there is no "web" in the file',
            "pasted-name",
            processes=(entry.name,),
        )
        for entry in entries.values()
        if (match := re.fullmatch(r"(?i:procfile)(.+)", entry.name))
    ]


def _shown(text: str) -> str:
    """The text for a message: without secrets, what cannot be printed is spelt out, and what is long is cut."""
    spelt = "".join(char if char.isprintable() else f"<U+{ord(char):04X}>" for char in public(text))
    return spelt if len(spelt) <= _MOST_SHOWN else f"{spelt[:_MOST_SHOWN]}…"
