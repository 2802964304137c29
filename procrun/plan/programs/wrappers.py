"""The programs that run another one: how to get behind `bundle exec`, `env A=1`, `flock FILE` and their like.

Four entries in five of real Procfiles hide their program so. Some wrappers have a time of their own: they kill what
they run when it has not ended so many seconds after TERM.
"""

import os
import re
from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from procrun.plan.programs.profile import Patience


class Wrapper(NamedTuple):
    """How to get behind a wrapper.

    `verb`: the words of which it needs one (`bundle exec`); `optional`: it works without. `valued`: its options that
    take the next word. `operands`: how many words of its own follow (`flock FILE`). `until`: a word of its own that
    the command stands behind, `--` above all; `bare`: the command may follow the operands without it. `line`: one
    word may hold a whole command line; `line_options`: options whose value does. `python`: `-m` names a module.
    `deadline`: after how long it kills what it runs.
    """

    verb: str = ""
    valued: str = ""
    operands: int = 0
    optional: bool = False
    until: str = ""
    bare: bool = True
    line: bool = False
    line_options: tuple[str, ...] = ()
    python: bool = False
    deadline: Patience | None = None


def _deadline(default: float, options: str = "", unit: float = 1) -> Patience:
    return Patience(default, margin=0, loses="", options=tuple(options.split()), unit=unit)


_PLAIN = """
    busybox catchsegv caffeinate command ddtrace-run docker-entrypoint.sh eatmydata elastic-apm-run
    je jemalloc.sh nohup opentelemetry-instrument proximo qgsocksify qgtunnel setsid start-nginx start-pgbouncer
    start-pgbouncer-stunnel start-stunnel thrust unbuffer with-contenv with_contenv with_jemalloc
"""
_WRAPPERS: dict[str, Wrapper] = {
    **dict.fromkeys(_PLAIN.split(), Wrapper()),
    # Ruby
    "bundle": Wrapper("exec", "--gemfile"),
    "rbenv": Wrapper("exec"),
    "rerun": Wrapper(
        valued="-d --dir -p --pattern -i --ignore -s --signal -n --name -w --wait",
        line=True,
        deadline=_deadline(4, "-w --wait", unit=2),  # source (runner.rb): TERM, INT and KILL, --wait = 2 s apart
    ),
    "rvm": Wrapper(until="do", bare=False),
    "spring": Wrapper("rails rake"),
    # Node
    "npx": Wrapper(valued="-p --package", line_options=("-c", "--call")),
    "bunx": Wrapper(),
    "dotenvx": Wrapper("run", "-f --env-file -e --env"),
    "dotenv-cli": Wrapper(valued="-e -c -v"),
    "env-cmd": Wrapper(valued="-f --file -e --environments -r --rc-file"),
    "cross-env": Wrapper(),
    # Python
    "newrelic-admin": Wrapper("run-program"),
    "uv": Wrapper(
        "run",
        "-p --python --with --with-editable --with-requirements --extra --group --only-group --no-group --env-file "
        "--project --directory --package --index --default-index --index-url --cache-dir --config-file",
        python=True,
    ),
    "uvx": Wrapper(valued="-p --python --with --from --index"),
    "poetry": Wrapper("run", "-C --directory -P --project"),
    "pipenv": Wrapper("run"),
    "pdm": Wrapper("run", "-p --project"),
    "rye": Wrapper("run"),
    "hatch": Wrapper("run", "-e --env"),
    "pipx": Wrapper("run", "--spec"),
    "conda": Wrapper("run", "-n --name -p --prefix --cwd"),
    "mamba": Wrapper("run", "-n --name -p --prefix --cwd"),
    "micromamba": Wrapper("run", "-n --name -p --prefix -r --root-prefix -e --env --cwd -a --attach"),
    "pixi": Wrapper("run", "-e --environment --manifest-path -m"),
    "coverage": Wrapper("run", "--source --rcfile --data-file", python=True),
    "debugpy": Wrapper(valued="--listen --connect --log-to", python=True),
    "manage.py": Wrapper(valued="--settings --pythonpath"),
    "django": Wrapper(valued="--settings --pythonpath"),
    "django-admin": Wrapper(valued="--settings --pythonpath"),
    "watchmedo": Wrapper(
        "auto-restart",
        "-d --directory -p --pattern --patterns -i --ignore-patterns --signal --kill-after --interval",
        deadline=_deadline(10, "--kill-after"),  # source (tricks/__init__.py): kill_after = 10.0
    ),
    "watchfiles": Wrapper(valued="--filter --ignore-paths --target-type", line=True),
    # secrets and environments
    "env": Wrapper(valued="-u --unset -C --chdir"),
    "dotenv": Wrapper("run", "-f --file -e -v", optional=True),
    "direnv": Wrapper("exec", operands=1),
    "chamber": Wrapper("exec", operands=1, until="--"),
    "aws-vault": Wrapper("exec", operands=1, until="--"),
    "doppler": Wrapper("run", "-p --project -c --config", line_options=("--command",)),
    "infisical": Wrapper("run", "-e --env --path --projectId --token --domain", line_options=("--command", "-c")),
    "envdir": Wrapper(operands=1),
    "envconsul": Wrapper(valued="-config -prefix -secret -upcase", line_options=("-exec",)),
    "berglas": Wrapper("exec"),
    "teller": Wrapper("run", "-c --config"),
    "vals": Wrapper("exec", "-f --file"),
    "sops": Wrapper("exec-env", operands=1, line=True),
    "ssm-env": Wrapper(),
    "aws-env": Wrapper(),
    "op": Wrapper("run"),
    "mise": Wrapper("exec x", "-C --cd", until="--", line_options=("-c", "--command")),
    "rtx": Wrapper("exec x", until="--"),
    "asdf": Wrapper("exec"),
    "nix-shell": Wrapper(bare=False, line_options=("--run", "--command")),
    "nix": Wrapper("develop shell", bare=False, until="-c"),
    "devbox": Wrapper("run", "-c --config"),
    "guix": Wrapper("shell", until="--", bare=False),
    # what waits for others first
    "wait-for-it": Wrapper(valued="-h --host -p --port -t --timeout", until="--", bare=False),
    "wait-for-it.sh": Wrapper(valued="-h --host -p --port -t --timeout", until="--", bare=False),
    "wait-for": Wrapper(valued="-t --timeout", until="--", bare=False),
    "wait-for.sh": Wrapper(valued="-t --timeout", until="--", bare=False),
    "dockerize": Wrapper(
        valued="-wait -timeout -template -stdout -stderr -wait-http-header -wait-retry-interval -env -env-section "
        "-delims"
    ),
    "wait4x": Wrapper(
        "tcp http redis postgresql mysql rabbitmq mongodb", "-t --timeout -i --interval", until="--", bare=False
    ),
    # what starts it again when a file changes
    "nodemon": Wrapper(bare=False, line_options=("-x", "--exec")),
    "watchexec": Wrapper(
        valued="-e --exts -f --filter -i --ignore -w --watch -s --signal --stop-signal --stop-timeout -d --debounce "
        "--delay-run -o --on-busy-update --shell --project-origin --workdir -E --env",
        line=True,
        deadline=_deadline(10, "--stop-timeout"),  # docs: its default
    ),
    "reflex": Wrapper(
        valued="-r --regex -R --inverse-regex -g --glob -G --inverse-glob -t --shutdown-timeout --substitute "
        "-d --decoration",
        deadline=_deadline(0.5, "-t --shutdown-timeout"),  # docs: --shutdown-timeout=500ms
    ),
    "entr": Wrapper(line_options=("-s",)),
    "modd": Wrapper(bare=False, line_options=("-c",)),
    # the system's
    "exec": Wrapper(valued="-a"),
    "flock": Wrapper(
        valued="-E --conflict-exit-code -w --wait --timeout", operands=1, line_options=("-c", "--command")
    ),
    "su": Wrapper(bare=False, line_options=("-c", "--command")),
    "script": Wrapper(bare=False, line_options=("-c", "--command")),
    "systemd-run": Wrapper(valued="-u --unit -p --property --uid --gid --slice --description -M --machine"),
    "systemd-cat": Wrapper(valued="-t --identifier -p --priority"),
    "setuidgid": Wrapper(operands=1),
    "softlimit": Wrapper(valued="-m -d -s -l -a -o -p -f -c -r -t"),
    "prlimit": Wrapper(),
    "chrt": Wrapper(operands=1),
    "choom": Wrapper(valued="-n --adjust"),
    "unshare": Wrapper(),
    "chroot": Wrapper(operands=1),
    "faketime": Wrapper(valued="-f", operands=1),
    "torsocks": Wrapper(),
    "proxychains": Wrapper(valued="-f"),
    "proxychains4": Wrapper(valued="-f"),
    "catatonit": Wrapper(),
    "ssh-agent": Wrapper(valued="-a -t"),
    "sudo": Wrapper(valued="-u --user -g --group -D --chdir"),
    "runuser": Wrapper(valued="-u --user"),
    "setpriv": Wrapper(valued="--reuid --regid --groups --inh-caps --ambient-caps --bounding-set --securebits"),
    "gosu": Wrapper(operands=1),
    "su-exec": Wrapper(operands=1),
    "s6-setuidgid": Wrapper(operands=1),
    "chpst": Wrapper(valued="-u -U -e -n -m -o"),
    "nice": Wrapper(valued="-n --adjustment"),
    "ionice": Wrapper(valued="-c -n"),
    "taskset": Wrapper(operands=1),
    "numactl": Wrapper(valued="-i -m -N -C"),
    "stdbuf": Wrapper(valued="-i -o -e"),
    "time": Wrapper(valued="-f -o"),
    "timeout": Wrapper(
        valued="-k --kill-after -s --signal",
        operands=1,
        deadline=_deadline(inf, "-k --kill-after"),  # source (timeout.c, cleanup): from any signal that it passes on
    ),
    "tini": Wrapper(valued="-p -e"),
    "dumb-init": Wrapper(valued="-r --rewrite"),
    "xvfb-run": Wrapper(valued="-n -s -e"),
}
_PYTHON = Wrapper(valued="-W -X -Q", python=True)
_RUBY = Wrapper(valued="-I -r -C -E")
_PHP = Wrapper(valued="-d -c --define --php-ini")
_CELERY_MODULES = frozenset(("celery", "celery_app", "celeryapp"))
"""Modules that are an app's own Celery: `python -m proj.celery_app worker` calls its `start`."""


_TAKES_ALL = frozenset(("-x", "--exec", "-exec"))
"""Options whose value may be several words: `nodemon --exec celery worker`."""


_SAME_PROCESS = frozenset(("bundle", "coverage", "debugpy", "django", "django-admin", "manage.py"))
"""Wrappers that run the program inside their own process instead of starting or becoming another one."""

SHELLS = frozenset(("sh", "bash", "dash", "ash", "ksh", "zsh"))


class Behind(NamedTuple):
    """What stands behind a wrapper: the words of a command, or the text of a line (`is_line`)."""

    words: tuple[str, ...]
    is_line: bool = False


def wrapper(name: str) -> Wrapper | None:
    """How to get behind the program of this name; None where it is no wrapper."""
    if re.fullmatch(r"(?:python|pypy)[\d.]*", name):
        return _PYTHON
    if re.fullmatch(r"php[\d.]*", name):
        return _PHP
    return _RUBY if re.fullmatch(r"j?ruby[\d.]*", name) else _WRAPPERS.get(name)


def behind(known: Wrapper, words: Sequence[str]) -> Behind | None:
    """What the wrapper runs, from the words behind its name; None where it does something else (`bundle install`)."""
    rest, verbs = list(words), known.verb.split()
    if verbs:
        stripped = _without_options(known, rest)
        if stripped[:1] and stripped[0] in verbs:
            rest = stripped[1:]
        elif not known.optional:
            return None
    line = _line(known, rest)
    if line is not None:
        return Behind((line,), is_line=True)
    rest = _without_options(known, rest)
    dashes = known.until or "--"
    if (known.until or not known.bare) and dashes in rest:
        return _words(known, rest[rest.index(dashes) + 1 :])
    if not known.bare:
        return None
    rest = _without_options(known, rest[known.operands :]) if known.operands else rest
    return _words(known, rest[1:] if rest[:1] == ["--"] else rest)


def own_program(arguments: Sequence[str]) -> list[str]:
    """The words of the program that a process with these arguments runs itself, from the program's own name on.

    An interpreter and what runs inside it are left out (`python -m celery worker`, `node node_modules/.bin/pm2`).
    Empty for a shell and for a wrapper that has the program in a child (`timeout 60 celery worker`).
    """
    words = list(arguments)
    if os.path.basename(words[0]) in ("node", "nodejs") and "/node_modules/" in "".join(words[1:2]):
        del words[0]
    while words:
        name = os.path.basename(words[0])
        known = wrapper(name)
        if name in SHELLS:
            return []
        if known is None:
            return words
        rest = behind(known, words[1:]) if name in _SAME_PROCESS or known in (_PYTHON, _RUBY, _PHP) else None
        if rest is None:
            return words if known.verb and name in _SAME_PROCESS else []
        words = list(rest.words)
    return []


def _words(known: Wrapper, words: list[str]) -> Behind:
    if known.line and words and " " in words[0]:
        return Behind((words[0],), is_line=True)
    return Behind(tuple(words))


def _line(known: Wrapper, words: Sequence[str]) -> str | None:
    """The value of the wrapper's own option that holds a command line: `su app -c LINE`, `doppler run --command=LINE`.

    Its own options end behind its operands: in `flock FILE celery -c 4` the `-c` is Celery's.
    """
    operands = known.operands if known.bare else len(words)
    rest = list(words)
    while known.line_options and rest and rest[0] != "--":
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if option in known.line_options:
            if equals:
                return value
            return " ".join(rest) if option in _TAKES_ALL else "".join(rest[:1])
        if word in known.valued.split():
            del rest[:1]
        elif not word.startswith("-"):
            operands -= 1
            if operands < 0:
                return None
    return None


def _without_options(known: Wrapper, words: Sequence[str]) -> list[str]:
    """`words` behind the wrapper's own options; `-m celery.bin` becomes `celery`."""
    valued = known.valued.split()
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest[0]
        if option in ("--", known.until):
            return rest if known.until or known.operands else rest[1:]
        if known.python and option in ("-m", "--module"):
            return [_program_of_module(word) for word in rest[1:2]] + rest[2:]
        rest = rest[2:] if option in valued else rest[1:]
    return rest


def _program_of_module(module: str) -> str:
    first, _, last = module.partition(".")[0], "", module.rpartition(".")[2]
    return "celery" if last in _CELERY_MODULES else first
