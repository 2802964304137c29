"""What users ask for, as frozen values: the entries of a Procfile, `procrun.toml`, and the command line's wishes."""

from collections.abc import Mapping
from typing import NamedTuple

from procrun.core.spec import AliveCheck, Limit, ProgramConfig, Readiness


class Entry(NamedTuple):
    """One line of a Procfile: a process type and its command, with its place (`Procfile:3`)."""

    name: str
    command: str
    where: str


class Variable(NamedTuple):
    """A value of the environment and where it comes from (`.env:3`, `shell`, `procrun`)."""

    value: str
    source: str


class Wishes(NamedTuple):
    """What the command line asked for; None and () where it said nothing.

    `formation` is foreman's `-m` (types not named get none), `concurrency` honcho's `-c` (they get one); `defaults` are
    variables of procrun's own, for where neither a file nor the shell sets them. `pty` names who gets a
    pseudo-terminal ("all" means everybody); of the others stdout and stderr are told `apart`, or are one. `cycle` is
    after how many seconds each instance is restarted.
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
    only: tuple[str, ...] = ()
    timeout: float | None = None
    platform: str | None = None
    no_order: bool = False
    pty: tuple[str, ...] = ()
    apart: bool = False
    defaults: Mapping[str, str] = {}
    cycle: float | None = None


class Heroku(NamedTuple):
    """What the simulated dyno does (`[heroku]` of `procrun.toml`); each thing can be switched off.

    `boot_timeout` is in seconds, `memory` in bytes; 0 is off. `cycle` is as written (`24h`), empty is off. `log` has
    what happens told in Heroku's words, too.
    """

    crash_restart: bool = True
    boot_timeout: float = 60.0
    memory: int = 0
    cycle: str = ""
    app_json: bool = True
    log: bool = True


class ProcessConfig(NamedTuple):
    """What the configuration says of one process type; None where it says nothing.

    `stop_sequence` and `restart_signal` are as written (a list as a tuple); `stopping` reads them. A profile "none"
    stands for a program of which nothing is to be assumed. `places` is where each key was given
    (`procrun.toml: process.worker.after`). `memory` is a quota in bytes, 0 for none. `accept` are the codes of findings
    that are not to be told.
    """

    profile: str | None = None
    stop_sequence: str | tuple[object, ...] | None = None
    no_kill: bool | None = None
    restart_signal: str | int | None = None
    restart_on_deploy: bool | None = None
    after: tuple[str, ...] | None = None
    restart: str | None = None
    restart_limit: Limit | None = None
    essential: bool | None = None
    pty: bool | None = None
    ready: Readiness | None = None
    run_once: bool | None = None
    watchdog: float | None = None
    alive: AliveCheck | None = None
    watch: tuple[str, ...] | None = None
    places: Mapping[str, str] = {}
    memory: int | None = None
    accept: tuple[str, ...] | None = None


class Config(NamedTuple):
    """What `procrun.toml` says; `where` is the file for messages, None where there is none.

    Budgets are in seconds. `formation` is written as for `-c`; `metadata` is the path of a Cloud 66 manifest from
    the app's folder, `environment` its level that counts. Log files are in the folder `log_dir`, where there is one:
    begun anew at `log_size` bytes and as often as `log_rotate` says, `log_keep` old ones of each kept. `port` is the
    base, or "auto". `accept` are the codes of findings of no process type that are not to be told.
    """

    platform: str = "local"
    restart_budget: float | None = None
    store_budget: float = 10.0
    total_budget: float | None = None
    formation: str | None = None
    metadata: str | None = None
    environment: str = "production"
    log_dir: str | None = None
    log_size: int = 10_000_000
    log_keep: int = 5
    log_rotate: str = "never"
    processes: Mapping[str, ProcessConfig] = {}
    where: str | None = None
    programs: Mapping[str, ProgramConfig] = {}
    heroku: Heroku = Heroku()
    port: int | str | None = None
    accept: tuple[str, ...] = ()
