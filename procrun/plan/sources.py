"""What is read before anything is planned: the Procfile, the environment, and the state of their files."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from procrun.core import values
from procrun.core.errors import ConfigError, Finding
from procrun.core.text import shown
from procrun.plan import config, environment, procfile, textfile
from procrun.plan.environment import Environment
from procrun.plan.options import Config, Entry, Variable, Wishes
from procrun.plan.textfile import Pipes
from procrun.system.host import STREAMS

PROCFILE = "PROCFILE"
"""The variable that names the Procfile where the command line does not."""

Stamp = tuple[int, int, int]
"""What tells a plain file from what it was: mtime in nanoseconds, bytes, inode."""


class Sources(NamedTuple):
    """What was read: the app's folder, its entries and its environment, and the files with their state then.

    `formation` is that of `app.json`, written as for `-c`; `named` is the folder by the path as its user named it.
    """

    root: str
    procfile: str
    entries: tuple[Entry, ...]
    environment: Environment
    config: Config
    findings: tuple[Finding, ...]
    files: tuple[tuple[str, Stamp | None], ...]
    formation: str | None = None
    named: str = ""


def read(wishes: Wishes, environ: Mapping[str, str], required: bool = True, again: bool = False) -> Sources:
    """Read Procfile and environment. Raises ConfigError for the first fault.

    A Procfile that does not exist is a fault only where it is `required`. A pipe in the place of a file is waited for,
    but not where files are read `again`: it has been read to its end. Places are told as paths from the
    current folder, as one would open them.
    """
    wishes = with_foreman_defaults(wishes)
    if wishes.app_root is not None and not os.path.isdir(wishes.app_root):
        raise ConfigError(f"{shown(wishes.app_root)} is no folder; name the one that the app is in", "-d")
    pipes = Pipes.READ_ONCE if again else Pipes.READ
    env_files, loaded = _load_environment(wishes, environ, pipes)
    path = _procfile_path(wishes, loaded)
    name = path or "stdin"
    text = _read_procfile(path, pipes, wishes.app_root) if required or path is None or os.path.exists(path) else None
    entries, findings = procfile.parse(text, name) if text is not None else ((), ())
    root = _root(wishes, path)
    types = [entry.name for entry in entries]
    configured = _configuration(root, types)
    files = [path, *env_files, os.path.join(root, config.FILE)]
    formation = None
    if (wishes.platform or configured.platform) == "heroku" and configured.heroku.app_json:
        from procrun.plan import app_json  # JSON, so only where it is used

        files.append(os.path.join(root, app_json.FILE))
        given = app_json.load(root, types)
        loaded, formation = app_json.complete(loaded, given), given.formation
        findings = (*findings, *given.findings)
    loaded = environment.resolve_providers(loaded, _has_sidekiq(entries, loaded))
    loaded = _with_defaults(loaded, wishes.defaults)
    return Sources(
        root=root,
        procfile=name,
        entries=entries,
        environment=loaded,
        config=configured,
        findings=(*findings, *loaded.findings),
        files=tuple((os.path.abspath(file), _stamp(file)) for file in files if file is not None),
        formation=formation,
        named=_named(wishes.app_root or _folder_of(path or ""), environ),
    )


def folder(wishes: Wishes, environ: Mapping[str, str]) -> str:
    """The app's folder, for who talks to what runs there."""
    return places(wishes, environ)[0]


def places(wishes: Wishes, environ: Mapping[str, str]) -> tuple[str, str]:
    """The app's folder, and the same by the path as its user named it. Faults in its files by now do not matter.

    An environment file is looked at only for PROCFILE, and only where that can take no time: never a pipe.
    """
    wishes = with_foreman_defaults(wishes)
    given = {name: Variable(environ[name], "shell") for name in (PROCFILE,) if name in environ}
    for file in () if wishes.procfile else _environment_files(wishes)[0]:
        if PROCFILE in textfile.text(file):
            try:
                given |= environment.load([file], {}, "", required=False, pipes=Pipes.REFUSED).variables
            except ConfigError:
                pass
    path = _procfile_path(wishes, Environment(given, ()))
    return _root(wishes, path), _named(wishes.app_root or _folder_of(path or ""), environ)


def changed_files(sources: Sources) -> dict[str, Stamp | None]:
    """The files that are not what they were when it was read, each with what it is now; None for one that is gone."""
    return {file: now for file, stamp in sources.files if (now := _stamp(file)) != stamp}


def folders_of_files(sources: Sources) -> set[str]:
    """The folders in which these files are, or may come to be, and those of what links lead to."""
    plain = [file for file, _ in sources.files if os.path.isfile(file) or not os.path.exists(file)]
    return {os.path.dirname(path) for file in plain for path in (file, os.path.realpath(file))}


def _load_environment(wishes: Wishes, environ: Mapping[str, str], pipes: Pipes) -> tuple[list[str], Environment]:
    """The environment, and the paths of its files."""
    files, named = _environment_files(wishes)
    loaded = environment.load(files, environ, "", required=named, pipes=pipes)
    if len(files) > 1 and not named:
        from procrun.plan import overmind  # where there is its file

        loaded = loaded._replace(findings=(*loaded.findings, *overmind.findings(loaded.variables)))
    return files, loaded


def _environment_files(wishes: Wishes) -> tuple[list[str], bool]:
    """The environment's files: `-e` as one typed it (from `-d`), else `.env` beside the Procfile; and which of both."""
    named = list(_named_files(wishes))
    return named or [*_overminds_file(wishes), os.path.join(_home(wishes), ".env")], bool(named)


def _named_files(wishes: Wishes) -> Iterator[str]:
    """The files of `-e`; one with a comma in its name is no list, unless all files of that list are there."""
    for given in wishes.env_files:
        paths = [os.path.join(wishes.app_root or "", name) for name in values.split([given])]
        whole = os.path.join(wishes.app_root or "", given)
        if len(paths) > 1 and os.path.exists(whole) and not all(map(os.path.exists, paths)):
            paths = [whole]
        yield from paths


def _overminds_file(wishes: Wishes) -> list[str]:
    """`.overmind.env`, where there is one: its variables count below those of `.env`, as in overmind."""
    place = os.path.join(wishes.app_root or "", ".overmind.env")
    return [place] if os.path.isfile(place) else []


def _has_sidekiq(entries: Iterable[Entry], loaded: Environment) -> bool:
    """Whether a Sidekiq is among them, as far as its REDIS_PROVIDER makes that matter."""
    if "REDIS_PROVIDER" not in loaded.variables:
        return False
    from procrun.plan.programs.recognise import recognise

    given = {name: variable.value for name, variable in loaded.variables.items()}
    known = [recognise(entry.command, given) for entry in entries]
    return any(found is not None and found.profile.name == "sidekiq" for found in known)


def _configuration(root: str, types: Sequence[str]) -> Config:
    """`procrun.toml`, completed from the Cloud 66 manifest that it names."""
    found = config.load(root)
    if found.metadata is not None:
        from procrun.plan import cloud66  # YAML, so only where it is used

        given = cloud66.load(os.path.join(root, found.metadata), found.environment)
        found = config.with_manifest(found, given, types)
    if found.where is not None:
        from procrun.plan.programs.profiles import PROFILES  # where there is a configuration

        config.validate(found, types, {*found.programs, *(profile.name for profile in PROFILES)})
    return found


def _with_defaults(loaded: Environment, defaults: Mapping[str, str]) -> Environment:
    ours = {name: Variable(value, "procrun") for name, value in defaults.items()}
    return loaded._replace(variables={**ours, **loaded.variables})


def _home(wishes: Wishes) -> str:
    """The folder that `.env`, and a Procfile not named with `-f`, are in; empty for the current one."""
    return wishes.app_root or ("" if wishes.procfile in (None, "-") else _folder_of(str(wishes.procfile)))


def _folder_of(path: str) -> str:
    """The folder of a Procfile; the current one for what only stands for a stream, as in `-f <(cat Procfile)`."""
    if os.path.abspath(path).startswith(STREAMS):  # /dev/stdin is a plain file where stdin is one
        return ""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return os.path.dirname(path)
    return os.path.dirname(path) if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else ""


def _procfile_path(wishes: Wishes, loaded: Environment) -> str | None:
    """`-f` beats PROCFILE beats `Procfile`; None for standard input."""
    if wishes.procfile == "-":
        return None
    if wishes.procfile:
        return os.path.join(wishes.app_root or "", wishes.procfile)
    return os.path.join(_home(wishes), loaded.variables.get(PROCFILE, Variable("", "")).value or "Procfile")


def _root(wishes: Wishes, path: str | None) -> str:
    """Where the processes run: `-d`, else the Procfile's folder."""
    return os.path.abspath(wishes.app_root or _folder_of(path or ""))


def _named(place: str, environ: Mapping[str, str]) -> str:
    """The absolute path with the links in it that its user went by: the shell keeps that of the current folder in PWD.

    It is believed where it leads to the current folder, as pwd(1) does.
    """
    here = environ.get("PWD", "")
    try:
        if os.path.isabs(place) or not os.path.isabs(here) or not os.path.samefile(here, "."):
            return os.path.abspath(place)
    except (OSError, ValueError):
        return os.path.abspath(place)
    named = os.path.normpath(os.path.join(here, place))
    return named if os.path.realpath(named) == os.path.realpath(place) else os.path.abspath(place)


def _read_procfile(path: str | None, pipes: Pipes, app_root: str | None) -> bytes:
    try:
        return textfile.read(textfile.STDIN if path is None else path, path or "stdin", pipes)
    except FileNotFoundError:
        from procrun.core import nearby  # where there is none

        hint = "does not exist; make one, as in `web: python app.py`, or name one with -f"
        raise ConfigError(nearby.instead(path or "", app_root) or hint, path) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", path or "stdin") from None


def with_foreman_defaults(wishes: Wishes) -> Wishes:
    """Options from `.foreman` and `.overmind.env` where the command line does not give them."""
    given: dict[str, Any] = {}
    for place in _overminds_file(wishes):
        from procrun.plan import overmind  # where there is its file

        given = overmind.defaults(place)
    place = os.path.join(wishes.app_root or "", ".foreman")
    if os.path.isfile(place):
        from procrun.plan import foreman  # YAML, so only where it is used

        given |= foreman.defaults(place)
    if wishes.formation is not None or wishes.concurrency is not None:
        given = {name: value for name, value in given.items() if name not in ("formation", "concurrency")}
    return wishes._replace(**{name: value for name, value in given.items() if getattr(wishes, name) in (None, ())})


def _stamp(path: str) -> Stamp | None:
    """None for what is no plain file, too: a pipe is read once, and is another one at every look."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if stat.S_ISREG(found.st_mode) else None
