"""What a command asks of the shell that /bin/sh cannot do: syntax errors, and what only bash and its like have.

The shell that will run the command is asked itself. It reads the command without running it (`sh -n`), and for a
feature of bash it runs a probe of ours that shows whether it has that feature. So nothing is said where /bin/sh is
bash, and the features that busybox or a newer dash has are not blamed.

Source of the table: dash(1), bash(1), and the list of devscripts' checkbashisms.
"""

import functools
import os
import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from procrun.core.text import public
from procrun.plan.programs import command_line

SHELL = "/bin/sh"
"""What runs every command of a Procfile."""

PATIENCE = 5.0
"""Seconds that the shell may take to read a line; it takes some milliseconds."""

_FILL = "q"
"""What stands for each letter of a quoted text, but for slashes, while a line is searched."""

# Where a command begins: at the start of the line, behind an operator, a keyword or an assignment.
_START = r"(?:^|[;&|({]|\b(?:if|then|elif|else|while|until|do|time)\b|(?<=\s)!)\s*(?:\w+=\S*\s+)*"
_FILE = r"([^\s;&|<>()]+)"
_USE_BASH = "write `bash -c '…'`"

_SIGNS = frozenset("\"'`$(){}[]<>|&;\\!#*?~+")
"""A line without any of these is words alone; a shell can only object to its first one."""

# A line of words, simple quotes and variables, with operators between them: most lines, and no shell refuses one.
_BALANCED = r"\$[A-Za-z_]|\$\{\w+(?::?[-+=?][\w./:@-]*)?\}"
_SIMPLE = rf"(?:[\w\s./:=,@%+~?*;-]|'[^']*'|{_BALANCED}|\"(?:[^\"\\$`]|{_BALANCED})*\")*+"
_EMPTY_COMMAND = r"(?:^|;)\s*(?:;|$)"
_KEYWORDS = frozenset(
    (
        *("case", "do", "done", "elif", "else", "esac", "exec", "fi", "for", "if", "in", "then", "until", "while"),
        *(
            "builtin",
            "coproc",
            "declare",
            "disown",
            "function",
            "let",
            "mapfile",
            "popd",
            "pushd",
            "readarray",
            "select",
        ),
        *("shopt", "source", "typeset"),
    )
)
_SUSPECTS = rf"\b(?:{'|'.join(sorted(_KEYWORDS - {'exec'}))}|pipefail|ERR)\b|\+=|\s==\s|\b(?:wait|echo|exec|read)\s+-"


class Feature(NamedTuple):
    """Something that bash has and another shell may not have.

    `pattern` finds it in a line whose quoted text is masked; `in_quotes` where it counts within double quotes too. The
    command `probe` succeeds in a shell that has it. `name` and `cure` are for people, `{0}` being the pattern's group.
    """

    name: str
    pattern: str
    probe: str
    cure: str = _USE_BASH
    in_quotes: bool = False


_COMMANDS = ["shopt", "declare", "typeset", "let", "mapfile", "readarray", "disown", "coproc", "select", "builtin"]

FEATURES = (
    Feature("`source`", rf"{_START}source\s+(\S*/\S*)", "source /dev/null", "write `. {0}`"),
    Feature("`source`", rf"{_START}source\s+([^\s/]+)(?!\S)", "source /dev/null", "write `. ./{0}`"),
    Feature("`[[ … ]]`", rf"{_START}\[\[\s", "[[ a = a ]]", "write `[ … ]`, or `bash -c '…'`"),
    Feature("`{0}`", r"(&>>?)", '[ -z "$(echo a &> /dev/null)" ]', "write `> FILE 2>&1`, or it runs in the background"),
    Feature("`>& {0}`", rf"(?<![\d&])>&\s*(?![\d-]){_FILE}", "( : >& /dev/null )", "write `> {0} 2>&1`"),
    Feature("`<( … )`", r"(?<![$<\w])[<>]\(", "cat <(:)"),
    Feature("`<<<`", r"<<<", "cat <<< a", "write `echo … |` before the command"),
    Feature("`|&`", r"\|&", "echo a |& cat", "write `2>&1 |`"),
    Feature("an array", r"(?:^|[\s;&|])\w+\+?=\(", "a=(1)"),
    Feature("an array", r"\$\{#?\w+\[", "a=(1); [ ${a[0]} = 1 ]", in_quotes=True),
    Feature("`{0}`", r"(?<![$\\\w])(\{\w+\.\.\w+\})", '[ "$(echo {1..2})" = "1 2" ]', "write the words one by one"),
    Feature("`function`", rf"{_START}function\s+(\w+)", "function f { :; }; f", "write `{0}() {{ …; }}`"),
    Feature("`{0}`", rf"{_START}(pushd|popd)\b", "pushd /", "write `cd`"),
    Feature("`$'…'`", r"\$'", "[ $'\\101' = A ]", "write `\"$(printf '…')\"`"),
    Feature("`==` in `[ ]`", rf"{_START}(?:\[|test)\s[^;&|]*\s==\s", "[ a == a ]", "write `=`"),
    Feature("`(( … ))`", rf"{_START}\(\(", "(( 1 ))", "write `[ … ]` with -lt, -gt and -eq"),
    Feature("`for ((…))`", r"\bfor\s*\(\(", "for ((;;)); do break; done"),
    Feature(
        "`{0}`",
        r"(\$\{(?:\w+(?:\^\^?|,,?|//?|:\d|:\s)|!\w)[^}]*\})",
        'a=b; [ "${a^^}${a//b/c}${a:0:1}" = Bcb ]',
        in_quotes=True,
    ),
    Feature("`set -o pipefail`", rf"{_START}set\s+-\w*o\s+pipefail\b", "set -o pipefail"),
    Feature("`wait -n`", rf"{_START}wait\s+-n\b", "wait -n; [ $? -eq 127 ]"),
    Feature("`echo {0}`", rf"{_START}echo\s+(-\w*e\w*)\s", '[ "$(echo -e a)" = a ]', "write `printf`"),
    Feature("`exec -a`", rf"{_START}exec\s+-a\b", "(exec -a x true)"),
    Feature("`read {0}`", rf"{_START}read\s+(-[adnNtu])\b", "read -t 1 a; [ $? -eq 1 ]"),
    Feature("`trap … ERR`", rf"{_START}trap\s+\S+\s+ERR\b", "trap : ERR"),
    Feature("`+=`", rf"{_START}(\w+)\+=(?!\()", "a=1; a+=2; [ $a = 12 ]", 'write `{0}="${0}…"`'),
    *(Feature(f"`{name}`", rf"{_START}{name}(?!\S)", f"command -v {name}") for name in _COMMANDS),
)


def faults(command: str) -> Iterator[tuple[str, str]]:
    """What /bin/sh cannot do with the command, each as the code of a finding and its text."""
    for line in (command, *_inner(command)):
        if _is_simple(line):
            continue
        missing = list(dict.fromkeys(_missing(line)))
        yield from (("bash-only", text) for text in missing)
        error = _syntax_error(line) if not missing else ""
        if error:
            yield "shell-syntax", f"{SHELL} cannot read the command: {public(error)}{_cure(line)}"


def _inner(command: str) -> Iterator[str]:
    """The line that the command hands to /bin/sh by `sh -c`."""
    words = command_line.words(command)
    if len(words) > 2 and words[0] in ("sh", SHELL) and re.fullmatch(r"-\w*c", words[1]):
        yield words[2]


def _is_simple(line: str) -> bool:
    """Whether every shell runs it alike, which is known without asking one."""
    if _SIGNS.isdisjoint(line):
        return line.split()[0] not in _KEYWORDS
    joined = line.rstrip().removesuffix(";").replace("&&", ";").replace("||", ";").replace("|", ";")
    return (
        re.compile(_SIMPLE).fullmatch(joined) is not None
        and not re.compile(_EMPTY_COMMAND).search(joined)
        and not re.compile(_SUSPECTS).search(line)
    )


def _missing(line: str) -> Iterator[str]:
    """What it uses of bash and the shell does not have."""
    bare, expanded = _masked(line, '"'), _masked(line, "")
    for feature in FEATURES:
        found = re.search(feature.pattern, expanded if feature.in_quotes else bare)
        if found and not _succeeds(feature.probe):
            given = [public(line[start:end]) for start, end in found.regs[1:]]
            name, cure = feature.name.format(*given), feature.cure.format(*given)
            yield f"{name} is bash's, and {SHELL}{_which()} does not have it; {cure}"


def _masked(line: str, also: str) -> str:
    """The line with the letters in single quotes, escaped ones and comments masked, and those in the quotes `also`."""
    text = re.sub(r"\\.", 2 * _FILL, line)
    pattern = r"'[^']*'|\"[^\"]*\"|(?:^|(?<=[\s;&|]))#.*"
    return re.sub(pattern, lambda found: _filled(found[0], also), text)


def _filled(text: str, also: str) -> str:
    if text[0] == "#":
        return " " * len(text)
    if text[0] == '"' and not also:
        return text
    return text[0] + re.sub("[^/]", _FILL, text[1:-1]) + text[0]


def _syntax_error(line: str) -> str:
    """What the shell says against the line, without running it; empty where it says nothing."""
    made = _run("-n", line)
    if made is None or made.returncode == 0:
        return ""
    said = made.stderr.decode(errors="replace").strip().partition("\n")[0]
    return re.sub(r"^\S*sh: (?:-c: )?(?:line )?(?:\d+: )?", "", said)[:100]


def _cure(line: str) -> str:
    bare = _masked(line, '"')
    call = re.search(r"[^\s\"'$;&|<>()=]*\([^\s;&<>()]*\)", bare)
    if call:
        return f"; put '{public(line[call.start() : call.end()])}' in quotes"
    return "; close the quotes" if bare.count("'") % 2 or bare.count('"') % 2 else ""


@functools.cache
def _succeeds(probe: str) -> bool:
    made = _run("-c", probe)
    return made is not None and made.returncode == 0


def _run(*arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    """The shell's answer, in an environment of its own; None where it gives none in time."""
    flags = ["-n", "-c"] if arguments[0] == "-n" else ["-c"]
    try:
        return subprocess.run(
            [SHELL, *flags, arguments[1]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


@functools.cache
def _which() -> str:
    """` (dash)`: what /bin/sh is."""
    name = os.path.basename(os.path.realpath(SHELL))
    return f" ({name})" if name != "sh" else ""
