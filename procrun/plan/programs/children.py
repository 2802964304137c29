"""What programs that run others are told to run: by a file of their own, a package.json, a Makefile, Django's settings.

Only what is plain in the file is read; the rest stays unknown.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf
from shlex import join
from signal import SIGINT, SIGTERM, Signals
from typing import Any, NamedTuple

from procrun.plan.programs.managers import KILLS_OTHERS, MANAGERS
from procrun.plan.programs.profile import Ending, Profile, Reach
from procrun.plan.programs.settings import number, operands, option
from procrun.plan.textfile import text


class Child(NamedTuple):
    """One program that is run: its command line, the place that says so, and the folder, from the manager's.

    `seconds` is how long it may live after TERM where its own entry says that, by `said_by`; None: as all of them.
    """

    line: str
    where: str
    folder: str = ""
    variables: Mapping[str, str] = {}
    seconds: float | None = None
    said_by: str = ""
    ending: Ending = Ending()


class Children(NamedTuple):
    """What a program runs. `manager` is its profile; None where it is a mere name for what it runs (`npm run X`)."""

    children: tuple[Child, ...]
    manager: Profile | None = None


class _Asked(NamedTuple):
    """The command of the program that is asked: its words, its variables, its folder."""

    words: Sequence[str]
    variables: Mapping[str, str]
    folder: str


def children(words: Sequence[str], variables: Mapping[str, str], folder: str | None) -> Children | None:
    """What these words run; None where they are no program that runs others. Without a `folder` no file is read."""
    name = os.path.basename(words[0])
    profile = next((known for known in MANAGERS if name in known.programs), None)
    asked = _Asked(words, variables, folder or "")
    if profile is not None:
        if profile.verbs and not set(profile.verbs).intersection(operands(words[1:], ())):
            return None
        reader = _MANAGED.get(profile.name)
        without_file = profile.name in _WITHOUT_FILE
        found = reader(asked) if reader is not None and (folder is not None or without_file) else ()
        return Children(tuple(found), profile)
    alias = _ALIASES.get(name)
    found = tuple(alias(asked)) if alias is not None and (folder is not None or name in _WITHOUT_FILE) else ()
    return Children(found) if found else None


def _text(asked: _Asked, name: str) -> str:
    return text(os.path.join(asked.folder, name))


def _first(asked: _Asked, names: Iterable[str | None]) -> tuple[str, str]:
    """The first of these files that there is, and what is in it."""
    found = ((name, _text(asked, name)) for name in names if name)
    return next(((name, content) for name, content in found if content), ("", ""))


# --- runners of Procfiles

_PROCFILE_OPTIONS = (
    "-f --procfile -e --env -p --port -t --timeout -c --concurrency -m --formation -d --root --app-root -l --platform "
    "-x --except -q --quiet -i --stop-signals"
)


def _procfile(asked: _Asked) -> Iterator[Child]:
    """The entries of the Procfile that a runner is told to run: all of them, or those that it names."""
    root = option(asked.words[1:], ("-d", "--root", "--app-root")) or ""
    given = option(asked.words[1:], ("-f", "--procfile")) or asked.variables.get("PROCFILE") or "Procfile"
    file = os.path.normpath(os.path.join(root, given) if given == "Procfile" else given)
    folder = root or os.path.dirname(file)
    entries = re.findall(r"(?m)^([A-Za-z0-9_-]+):[ \t]*(\S.*)$", _text(asked, file))
    names = [name for name in operands(asked.words[1:], _PROCFILE_OPTIONS.split()) if name not in ("start", "s")]
    places = {name: f"{file}: {name}" for name, _ in entries}
    wanted = [(name, line) for name, line in entries if not names or name in names]
    alone = os.path.basename(asked.words[0]) == "honcho" and len(wanted) == 1
    for name, line in wanted:
        seconds = inf if alone or _is_on_a_server(asked) else None
        ending = Ending() if alone else _runners_ending(asked, name)
        yield Child(line, places[name], folder, seconds=seconds, ending=ending)


_TO_GROUPS = frozenset(("honcho", "overmind", "hivemind", "goreman", "forego"))
"""Those that signal the whole process group of each process.

Run: honcho 2.0.0, which procrun passes over where it runs one process. Source: the others (process.go, proc_posix.go).
"""

_BY_INT = frozenset(("overmind", "hivemind"))
"""Those that end their processes by INT (source: procfile.go, process.go)."""


def _runners_ending(asked: _Asked, name: str) -> Ending:
    runner = os.path.basename(asked.words[0])
    ending = Ending(SIGINT if runner in _BY_INT else SIGTERM, reach=Reach.GROUP if runner in _TO_GROUPS else Reach.ONE)
    if runner != "overmind":
        return ending
    given = option(asked.words[1:], ("-i", "--stop-signals")) or asked.variables.get("OVERMIND_STOP_SIGNALS", "")
    named = re.search(rf"(?:^|,)\s*{re.escape(name)}=(\w+)", given)
    number = _signal(named[1]) if named is not None else None
    return ending._replace(signal=number or SIGINT, set_by=f"--stop-signals {name}={{signal}}")


def _is_on_a_server(asked: _Asked) -> bool:
    """Whether it is a procrun whose stop sequences give each program its time."""
    if os.path.basename(asked.words[0]) != "procrun":
        return False
    given = option(asked.words[1:], ("--platform",))
    configured = re.search(r'(?m)^platform\s*=\s*"(\w+)"', _text(asked, "procrun.toml"))
    return (given or (configured[1] if configured else "")) == "server"


# --- supervisord and circusd


def _sections(content: str, kind: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    from configparser import Error, RawConfigParser  # where there is such a file

    parser = RawConfigParser(strict=False, inline_comment_prefixes=(";",), allow_no_value=True)
    try:
        parser.read_string(content)
    except Error:
        return
    for section in parser.sections():
        if section.startswith(f"{kind}:"):
            yield section, parser[section]


def _supervisord(asked: _Asked) -> Iterator[Child]:
    named = option(asked.words[1:], ("-c", "--configuration"))
    file, content = _first(asked, [named] if named else ["supervisord.conf", "etc/supervisord.conf"])
    for section, keys in _sections(content, "program"):
        command = keys.get("command")
        if not command or (keys.get("autostart") or "").lower() in ("false", "no", "off", "0"):
            continue
        seconds = number(keys.get("stopwaitsecs") or "")
        said_by = f"stopwaitsecs {seconds:g}" if seconds is not None else ""
        pairs = re.findall(r"""(\w+)=(?:"([^"]*)"|'([^']*)'|([^,\s]*))""", keys.get("environment") or "")
        line = re.sub(r"%\(ENV_(\w+)\)s", lambda found: asked.variables.get(found[1], ""), command)
        line = line.replace("%(here)s", os.path.dirname(os.path.join(asked.folder, file))).replace("%%", "%")
        variables = {name: "".join(values) for name, *values in pairs}
        reach = Reach.GROUP if _is_true(keys, "stopasgroup") else Reach.ONE
        number_ = _signal(keys.get("stopsignal") or "") or SIGTERM
        ending = Ending(number_, "stopsignal = {signal}", reach, "stopasgroup")
        yield Child(line, f"{file}: {section}", keys.get("directory") or "", variables, seconds, said_by, ending)


def _circusd(asked: _Asked) -> Iterator[Child]:
    file, content = _first(asked, [word for word in asked.words[1:] if word.endswith(".ini")])
    for section, keys in _sections(content, "watcher"):
        command = " ".join(filter(None, (keys.get("cmd"), keys.get("args"))))
        if not command or (keys.get("autostart") or "").lower() == "false":
            continue
        seconds = number(keys.get("graceful_timeout") or "")
        said_by = f"graceful_timeout {seconds:g}" if seconds is not None else ""
        reach = Reach.TREE if _is_true(keys, "stop_children") else Reach.ONE
        number_ = _signal(keys.get("stop_signal") or "") or SIGTERM
        ending = Ending(number_, "stop_signal = {signal}", reach, "stop_children")
        yield Child(command, f"{file}: {section}", keys.get("working_dir") or "", {}, seconds, said_by, ending)


def _is_true(keys: Mapping[str, str], key: str) -> bool:
    return (keys.get(key) or "").strip().lower() in ("true", "yes", "on", "1")


def _signal(word: str) -> int | None:
    """`TERM`, `SIGTERM` or `15` as a number; None for a word that is no signal."""
    word = word.strip().upper().removeprefix("SIG")
    named = Signals.__members__.get(f"SIG{word}")
    return int(named) if named is not None else int(word) if word.isdigit() else None


# --- pm2-runtime

_ECOSYSTEM = re.compile(r".*(?:\.config\.[cm]?js|\.json|\.ya?ml)")
_INTERPRETERS = {
    ".js": "node",
    ".cjs": "node",
    ".mjs": "node",
    ".ts": "ts-node",
    ".py": "python",
    ".rb": "ruby",
    ".sh": "bash",
}
_PM2_OPTIONS = "--interpreter -i --instances -n --name --env --kill-timeout --cwd --max-memory-restart"


def _pm2(asked: _Asked) -> Iterator[Child]:
    words = [word for word in operands(asked.words[1:], _PM2_OPTIONS.split()) if word != "start"][:1]
    if words and not _ECOSYSTEM.fullmatch(words[0]):
        app = {"script": words[0], "interpreter": option(asked.words[1:], ("--interpreter",))}
        yield from _apps([app], "")
        return
    file, content = _first(asked, [*words, "ecosystem.config.js", "ecosystem.config.cjs", "pm2.config.js"])
    if file.endswith("js"):
        yield from _apps(_objects(content), file)
    elif file:
        yield from _apps(_parsed(file, content), file)


def _parsed(file: str, content: str) -> list[dict[str, Any]]:
    """The apps of a JSON or YAML file."""
    try:
        if file.endswith(".json"):
            from json import loads

            found = loads(content)
        else:
            from yaml import safe_load

            found = safe_load(content)
    except Exception:  # YAML has faults of many kinds; what cannot be read is unknown
        return []
    apps = found.get("apps", [found]) if isinstance(found, dict) else found
    return [app for app in apps if isinstance(app, dict)] if isinstance(apps, list) else []


def _objects(content: str) -> Iterator[dict[str, Any]]:
    """The objects of a JavaScript file that have a `script`, with those of their keys that are plain."""
    for found in re.finditer(r"""\bscript["']?\s*:""", content):
        start, end = _braces(content, found.start())
        yield dict(_keys(content[start:end]))


def _keys(block: str) -> Iterator[tuple[str, str]]:
    for key, quoted, bare in re.findall(r"""(\w+)["']?\s*:\s*(?:["'`]([^"'`]*)["'`]|([\w.]+))""", block):
        yield key, quoted or bare


def _braces(content: str, index: int) -> tuple[int, int]:
    """The bounds of the object in whose braces `index` is."""
    start = end = index
    depth = 0
    while start > 0 and depth >= 0:
        start -= 1
        depth += {"}": 1, "{": -1}.get(content[start], 0)
    depth = 0
    while end < len(content) and depth >= 0:
        depth += {"{": 1, "}": -1}.get(content[end], 0)
        end += 1
    return start, end


_PM2S = Ending(SIGINT, "PM2_KILL_SIGNAL={signal}", Reach.TREE)
"""Run, 7.0.4; its own variable is from its documentation."""


def _apps(apps: Iterable[Mapping[str, Any]], file: str) -> Iterator[Child]:
    for app in apps:
        script = str(app.get("script") or "")
        if not script:
            continue
        interpreter = app.get("interpreter") or _INTERPRETERS.get(os.path.splitext(script)[1], "")
        arguments = app.get("args") or ""
        rest = join(map(str, arguments)) if isinstance(arguments, list) else str(arguments)
        line = " ".join(filter(None, ("" if interpreter == "none" else str(interpreter), script, rest)))
        seconds = number(str(app.get("kill_timeout") or ""))
        said_by = f"kill_timeout {seconds:g}" if seconds is not None else ""
        where = f"{file}: {app.get('name') or script}" if file else ""
        seconds = seconds / 1000 if seconds is not None else None
        yield Child(line, where, str(app.get("cwd") or ""), {}, seconds, said_by, _PM2S)


# --- scripts by name

_CONCURRENTLY = (
    "-n --names -c --prefix-colors -p --prefix -m --max-processes --restart-tries --restart-after -l --prefix-length "
    "-t --timestamp-format --hide --ks --kill-signal --kill-timeout -s --success --default-input-target"
)


def _concurrently(asked: _Asked) -> Iterator[Child]:
    """Run, 9.2.5: TERM goes to every process below it; it is passed over where it waits for all of its programs."""
    kills_others = next((word for word in asked.words[1:] if word in KILLS_OTHERS), "")
    ending = Ending(reach=Reach.TREE, reach_set_by=kills_others) if kills_others else Ending()
    for line in operands(asked.words[1:], _CONCURRENTLY.split()):
        yield Child(re.sub(r"^(npm|yarn|pnpm|bun):(\S+)", r"\1 run \2", line), "", ending=ending)


def _all_scripts(asked: _Asked) -> Iterator[Child]:
    for name in operands(asked.words[1:], ()):
        yield Child(f"npm run {name}", "")


def _package_script(asked: _Asked) -> Iterator[Child]:
    """`npm run X`, `npm start`, `yarn X`: the line that package.json has for it."""
    folder = option(asked.words[1:], ("--prefix", "--cwd", "--dir", "-C")) or ""
    words = operands(asked.words[1:], ("--prefix", "--cwd", "--dir", "-C", "-w", "--workspace"))
    if words[:1] in (["run"], ["run-script"]):
        del words[0]
    elif os.path.basename(asked.words[0]) == "npm" and words[:1] not in (["start"], ["test"]):
        return
    file = os.path.join(folder, "package.json")
    scripts = _scripts(_text(asked, file)) if words else {}
    line = scripts.get(words[0]) if words else None
    if isinstance(line, str):
        more = asked.words[asked.words.index(words[0]) + 1 :]
        rest = join(more[1:] if more[:1] == ["--"] else more)
        yield Child(f"{line} {rest}".strip(), f"{file}: scripts.{words[0]}", folder)


def _scripts(content: str) -> Mapping[str, Any]:
    from json import loads

    try:
        found = loads(content)
    except ValueError:
        return {}
    scripts = found.get("scripts") if isinstance(found, dict) else None
    return scripts if isinstance(scripts, dict) else {}


def _make(asked: _Asked) -> Iterator[Child]:
    """The recipe of a Makefile's target where it uses none of make's own variables."""
    folder = option(asked.words[1:], ("-C", "--directory")) or ""
    targets = [
        word for word in operands(asked.words[1:], ("-C", "--directory", "-f", "--file", "-j")) if "=" not in word
    ]
    names = (option(asked.words[1:], ("-f", "--file")), "GNUmakefile", "makefile", "Makefile")
    file, content = _first(asked, [name and os.path.join(folder, name) for name in names])
    for target in targets[:1]:
        found = re.search(rf"(?m)^{re.escape(target)}\s*:(?!=).*\n((?:\t.*\n?)+)", content)
        if found is None or re.search(r"\$[^$]", found[1].replace("$$", "")):
            continue
        recipe = re.sub(r"(?m)^\t[@+-]*", "", found[1]).replace("$$", "$")
        yield Child(recipe.strip(), f"{file}:{content.count(chr(10), 0, found.start(1)) + 1}", folder)


# --- django-prodserver

_BACKENDS = {
    "celery.CeleryWorker": "celery -A app worker",
    "celery.CeleryBeat": "celery -A app beat",
    "django_q2": "qcluster",
    "django_tasks": "db_worker",
    "gunicorn": "gunicorn",
    "uvicorn": "uvicorn",
    "granian": "granian",
    "waitress": "waitress-serve",
    "daphne": "daphne",
}
"""Its backends (3.0.0), and the commands that they are."""


def _prodserver(asked: _Asked) -> Iterator[Child]:
    """What PRODUCTION_PROCESSES of the settings has for this name; a `worker` is Celery's where that is not found."""
    name = "".join(operands(asked.words[1:], ())[:1])
    for file in _settings_files(asked.folder):
        content = text(file)
        found = re.search(r"\bPRODUCTION_PROCESSES\b", content)
        entry = re.search(rf"""["']{re.escape(name)}["']\s*:\s*\{{[^}}]*?["']BACKEND["']\s*:\s*["']([\w.]+)""", content)
        if found is None or entry is None:
            continue
        line = next((line for part, line in _BACKENDS.items() if f".{part}" in entry[1]), "")
        if line:
            yield Child(line, f"{os.path.relpath(file, asked.folder)}: PRODUCTION_PROCESSES")
        return
    if name == "worker":
        yield Child(_BACKENDS["celery.CeleryWorker"], "")


def _settings_files(folder: str) -> Iterator[str]:
    from glob import glob

    for pattern in ("settings.py", "*/settings.py", "settings/*.py", "*/settings/*.py"):
        if folder:
            yield from sorted(glob(os.path.join(folder, pattern)))


_MANAGED: dict[str, Callable[[_Asked], Iterable[Child]]] = {
    "supervisord": _supervisord,
    "circusd": _circusd,
    "pm2-runtime": _pm2,
    "concurrently": _concurrently,
    **dict.fromkeys(("foreman", "honcho", "procrun", "overmind", "hivemind", "goreman", "forego"), _procfile),
}
_ALIASES: dict[str, Callable[[_Asked], Iterable[Child]]] = {
    **dict.fromkeys(("npm", "yarn", "pnpm", "bun"), _package_script),
    **dict.fromkeys(("npm-run-all", "run-p", "run-s"), _all_scripts),
    "make": _make,
    "prodserver": _prodserver,
}
_WITHOUT_FILE = frozenset(("concurrently", "pm2-runtime", "npm-run-all", "run-p", "run-s", "prodserver"))
"""Those whose command alone may say what they run."""
