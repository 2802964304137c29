"""Procfile, environment, formation and ports become frozen Specs: what start, check, env and export all use."""

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from procrun import environment, proc, procfile, profiles, shell
from procrun.environment import Environment
from procrun.errors import ConfigError
from procrun.model import Entry, Finding, Spec, Variable
from procrun.stopping import DEFAULT_BUDGET, dyno_sequence

BASE_PORT = 5000
PORTS_PER_TYPE = 100
LAST_PORT = 65535
RELEASE = "release"
"""The entry that Heroku runs once at each release: no part of the formation."""


class Wishes(NamedTuple):
    """What the command line asked for; None and () where it said nothing.

    `formation` is foreman's `-m` (types not named get none), `concurrency` honcho's `-c` (they get one); `defaults` are
    variables of procrun's own, for where neither a file nor the shell sets them.
    """

    procfile: str | None = None
    env_files: tuple[str, ...] = ()
    app_root: str | None = None
    port: int | None = None
    formation: str | None = None
    concurrency: str | None = None
    names: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    timeout: float | None = None
    defaults: Mapping[str, str] = {}


class Sources(NamedTuple):
    """What was read: the app's folder, its entries and its environment, and the files with their state then."""

    root: str
    procfile: str
    entries: tuple[Entry, ...]
    environment: Environment
    findings: tuple[Finding, ...]
    files: tuple[tuple[str, tuple[int, int] | None], ...]


class Plan(NamedTuple):
    """Everything that is to run. `types` are the entries of the formation, in the order that gives them ports."""

    sources: Sources
    types: tuple[Entry, ...]
    specs: tuple[Spec, ...]
    base_port: int
    single: str | None
    quiet: frozenset[str]
    budget: float


def read(wishes: Wishes, environ: Mapping[str, str], required: bool = True) -> Sources:
    """Read Procfile and environment. Raises ConfigError for the first fault.

    A Procfile that does not exist is a fault only where it is `required`.
    """
    wishes = _with_foreman_defaults(wishes)
    home = os.path.abspath(wishes.app_root or os.path.dirname(_given_file(wishes)) or ".")
    env_files, loaded = _load_environment(wishes, home, environ)
    name, path = _procfile_place(wishes, home, loaded)
    text = _read_procfile(path) if required or path is None or os.path.exists(path) else None
    entries, findings = procfile.parse(text, name) if text is not None else ((), ())
    sidekiq = any(profiles.recognise(shell.words(entry.command)) is profiles.SIDEKIQ for entry in entries)
    loaded = _with_defaults(environment.resolve_providers(loaded, sidekiq), wishes.defaults)
    return Sources(
        root=home if wishes.app_root or path is None else os.path.dirname(path),
        procfile=name,
        entries=entries,
        environment=loaded,
        findings=(*findings, *loaded.findings),
        files=tuple((file, _stamp(file)) for file in (path, *env_files) if file is not None),
    )


def build(wishes: Wishes, environ: Mapping[str, str]) -> Plan:
    """Read everything and lay out every instance. Raises ConfigError for the first fault; nothing is started."""
    sources = read(wishes, environ)
    wishes = _with_foreman_defaults(wishes)
    plan = Plan(
        sources=sources,
        types=tuple(entry for entry in sources.entries if entry.name != RELEASE or RELEASE in wishes.names),
        specs=(),
        base_port=_base_port(wishes, sources.environment),
        single=_single(wishes),
        quiet=frozenset(_split(wishes.quiet)),
        budget=DEFAULT_BUDGET if wishes.timeout is None else wishes.timeout,
    )
    return plan._replace(specs=tuple(_choose(plan, wishes)))


def instances(plan: Plan, type_: str, count: int) -> tuple[Spec, ...]:
    """The first `count` instances of a type, by honcho's expansion.

    Raises ConfigError for an unknown type, and where the port range does not reach.
    """
    from honcho.environ import expand_processes

    names = [entry.name for entry in plan.types]
    if type_ not in names:
        raise ConfigError(f'no process type "{type_}"; there are: {", ".join(names)}', plan.sources.procfile)
    index = names.index(type_)
    entry = plan.types[index]
    port = plan.base_port + (0 if type_ == plan.single else PORTS_PER_TYPE * index)
    if count and port + count - 1 > LAST_PORT:
        wanted = port + count - 1
        text = f"{type_}.{count} would get port {wanted}, and {LAST_PORT} is the last; choose a lower base: -p"
        raise ConfigError(text, entry.where)
    variables = plan.sources.environment.variables
    base = {key: variable.value for key, variable in variables.items() if key != "PORT"}
    line = shell.exec_line(entry.command)
    return tuple(
        Spec(
            name=params.name,
            type=type_,
            command=entry.command,
            shell_line=line,
            env={**params.env, "PS": params.name},
            root=plan.sources.root,
            port=int(params.env["PORT"]),
            quiet=params.name in plan.quiet or type_ in plan.quiet,
            stop_sequence=dyno_sequence(plan.budget),
        )
        for params in expand_processes({type_: entry.command}, {type_: count}, base, [], port)
    )


def taken_ports(specs: Iterable[Spec]) -> None:
    """Raise ConfigError, naming the pid, where a command names `$PORT` and somebody listens on it already."""
    users = [spec for spec in specs if "PORT" in shell.variables(spec.command) or "${PORT" in spec.command]
    listening = proc.listening() if users else {}
    for spec in users:
        if spec.port in listening:
            holder = port_holder(listening[spec.port])
            raise ConfigError(f"port {spec.port} is taken by {holder}; stop it, or choose another base: -p", spec.name)


def port_holder(inode: str) -> str:
    """Who has a listening socket, for people."""
    pid = proc.holder(inode)
    return f"pid {pid} ({proc.title(pid)})" if pid else "another user's process"


def changed_files(plan: Plan) -> list[str]:
    """The files of the plan that are not what they were when it was read."""
    return [file for file, stamp in plan.sources.files if _stamp(file) != stamp]


def parse_formation(text: str, types: Sequence[str], option: str) -> dict[str, int]:
    """`web=2,worker=1` as counts; `all=N` stands for every type not named.

    Raises ConfigError for an unknown type, a count that is none, or a type named twice.
    """
    counts: dict[str, int] = {}
    for item in _split([text]):
        name, equals, number = (part.strip() for part in item.partition("="))
        if not equals or not re.fullmatch(r"[0-9]{1,5}", number):
            raise ConfigError(f'"{item}" is not TYPE=NUMBER, as in web=2,worker=1', option)
        if name not in types and name != "all":
            raise ConfigError(f'no process type "{name}"; there are: {", ".join(types)}', option)
        if name in counts:
            raise ConfigError(f'"{name}" is given twice', option)
        counts[name] = int(number)
    everything = counts.pop("all", None)
    if everything is not None:
        counts = {type_: counts.get(type_, everything) for type_ in types}
    return counts


def _choose(plan: Plan, wishes: Wishes) -> list[Spec]:
    """The instances that the formation, the names and the exclusions leave."""
    types = [entry.name for entry in plan.types]
    counts = _counts(wishes, types)
    every = [spec for type_ in types for spec in instances(plan, type_, _reach(type_, counts[type_], wishes.names))]
    excluded = set(_split(wishes.exclude))
    known = {*types, RELEASE, *(spec.name for spec in every)}
    for name in (*wishes.names, *sorted(excluded | plan.quiet)):
        if name not in known:
            raise ConfigError(f'no process "{name}"; there are: {", ".join(types)}', plan.sources.procfile)
    named = set(wishes.names or types)
    chosen = [
        spec
        for spec in every
        if (spec.name in named or (spec.type in named and _number(spec.name) <= counts[spec.type]))
        and not {spec.type, spec.name} & excluded
    ]
    if not chosen:
        raise ConfigError("nothing is left to start: all is excluded or scaled to 0", plan.sources.procfile)
    return chosen


def _reach(type_: str, count: int, names: Iterable[str]) -> int:
    """How many instances to lay out so that `worker.3`, given by name, is among them."""
    numbers = [_number(name) for name in names if re.fullmatch(rf"{type_}\.[1-9][0-9]{{0,4}}", name)]
    return max([count, *numbers])


def _number(instance: str) -> int:
    return int(instance.rpartition(".")[2])


def _counts(wishes: Wishes, types: Sequence[str]) -> dict[str, int]:
    if wishes.formation is not None and wishes.concurrency is not None:
        raise ConfigError("give one of them: -m leaves types that are not named at 0, -c at 1", "-m and -c")
    option, text, default = ("-c", wishes.concurrency, 1) if wishes.formation is None else ("-m", wishes.formation, 0)
    given = parse_formation(text, types, option) if text is not None else {}
    # A type named as an argument is wanted, whatever -m leaves out.
    return {type_: given.get(type_, 1 if type_ in wishes.names else default) for type_ in types}


def _single(wishes: Wishes) -> str | None:
    """The one type that was named: it gets the base port, wherever it stands in the Procfile."""
    return wishes.names[0].partition(".")[0] if len(wishes.names) == 1 else None


def _base_port(wishes: Wishes, loaded: Environment) -> int:
    """`-p` beats `.env` beats the shell beats 5000."""
    variable = loaded.variables.get("PORT")
    if wishes.port is not None:
        port, where = str(wishes.port), "-p"
    elif variable is not None and variable.value.strip():
        port, where = variable.value.strip(), f"{variable.source}: PORT"
    else:
        return BASE_PORT
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= LAST_PORT:
        raise ConfigError(f'"{port}" is no port; give a number from 1 to {LAST_PORT}', where)
    return int(port)


def _load_environment(wishes: Wishes, home: str, environ: Mapping[str, str]) -> tuple[list[str], Environment]:
    """The environment, and the paths of its files: `-e` as one typed it, `.env` beside the Procfile."""
    named = _split(wishes.env_files)
    base = os.getcwd() if named and not wishes.app_root else home
    loaded = environment.load(named or [".env"], environ, base, required=bool(named))
    return [os.path.join(base, file) for file in named or [".env"]], loaded


def _with_defaults(loaded: Environment, defaults: Mapping[str, str]) -> Environment:
    ours = {name: Variable(value, "procrun") for name, value in defaults.items()}
    return loaded._replace(variables={**ours, **loaded.variables})


def _given_file(wishes: Wishes) -> str:
    return "" if wishes.procfile in (None, "-") else str(wishes.procfile)


def _procfile_place(wishes: Wishes, home: str, loaded: Environment) -> tuple[str, str | None]:
    """How the Procfile is called in messages, and its path; None for standard input."""
    if wishes.procfile == "-":
        return "stdin", None
    variable = loaded.variables.get("PROCFILE")
    name = wishes.procfile or (variable.value if variable else "") or "Procfile"
    base = home if wishes.app_root or not wishes.procfile else os.getcwd()
    return name, os.path.abspath(os.path.join(base, name))


def _read_procfile(path: str | None) -> bytes:
    if path is None:
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        hint = "make one, as in `web: python app.py`, or name one with -f"
        raise ConfigError(f"does not exist; {hint}", os.path.relpath(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", os.path.relpath(path)) from None


def _with_foreman_defaults(wishes: Wishes) -> Wishes:
    """Options from `.foreman`, foreman's YAML of defaults, where the command line does not give them."""
    place = os.path.join(wishes.app_root or "", ".foreman")
    if not os.path.exists(place):
        return wishes
    import yaml

    try:
        with open(place, "rb") as file:
            given = yaml.safe_load(file) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot be read: {' '.join(str(error).split())}", place) from None
    if not isinstance(given, dict):
        raise ConfigError("is not `option: value` lines, as in `formation: web=2`", place)
    known = {"procfile": str, "root": str, "env": str, "port": int, "formation": str, "timeout": float}
    values: dict[str, object] = {}
    for key, kind in known.items():
        key_there = "concurrency" if key == "formation" and "concurrency" in given else key
        if key_there in given:
            try:
                values[key] = kind(given[key_there])
            except (TypeError, ValueError):
                raise ConfigError(f'"{given[key_there]}" is not what {key_there} takes', place) from None
    return _fill(wishes, values)


def _fill(wishes: Wishes, values: dict[str, object]) -> Wishes:
    names = {"root": "app_root", "env": "env_files"}
    filled: dict[str, object] = {names.get(key, key): value for key, value in values.items()}
    if "env_files" in filled:
        filled["env_files"] = (filled["env_files"],)
    if wishes.concurrency is not None:
        filled.pop("formation", None)
    open_ = {key: value for key, value in filled.items() if getattr(wishes, key) in (None, ())}
    return wishes._replace(**open_)  # type: ignore[arg-type]


def _split(values: Iterable[str]) -> list[str]:
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
