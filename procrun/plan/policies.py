"""How an instance is stopped, quieted, ordered and started again: platform, configuration and profile as one."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from procrun.core import dependencies
from procrun.core import stop_sequence as stopping
from procrun.core.errors import ConfigError, Finding
from procrun.core.spec import OWN_PORT, Manners, Policy, Readiness, Step
from procrun.plan import textfile
from procrun.plan.options import Config, Entry, Heroku, ProcessConfig
from procrun.plan.programs import index

if TYPE_CHECKING:  # what is known of programs is imported where one is known: 3 ms of a start
    from procrun.plan.programs.profile import Profile
    from procrun.plan.programs.recognise import Recognised
import signal

from procrun.core.stop_sequence import parse_sequence, signal_number

RELEASE = "release"
"""The entry that Heroku runs once at each release: no part of the formation."""

WEB = "web"
"""The one type that Heroku gives a port to, and that has to listen there: it is asked for it whatever it runs."""

NAMES_PORT = re.compile(r"\$\{?PORT\b")
"""What a command has in it that says on which port it will listen."""

STORE_WITHIN = 30.0
"""Seconds after which what uses a store starts all the same."""


class Rules(NamedTuple):
    """What holds for the whole run: the platform, its budgets in seconds, and whether stores are recognised.

    `heroku` is what a simulated dyno does, None on other platforms.
    """

    platform: str
    budget: float
    store_budget: float
    order: bool = True
    heroku: Heroku | None = None


def all_manners(
    entries: Iterable[Entry], rules: Rules, config: Config, variables: Mapping[str, str], root: str
) -> tuple[dict[str, Manners], list[Finding]]:
    """The manners of each type, and a finding for each setting that the platform leaves unused.

    Raises ConfigError for a fault in a configured value.
    """
    known = {entry.name: recognised(entry, config, variables, root) for entry in entries}
    stores = {
        name: found.profile.name
        for name, found in known.items()
        if found is not None and found.profile.store and rules.order
    }
    manners: dict[str, Manners] = {}
    findings: list[Finding] = []
    commands = {entry.name: entry.command for entry in entries}
    after = {name: given.after or () for name, given in config.processes.items()}
    before_stores = {store: dependencies.all_before(store, after) for store in stores}
    for name, found in known.items():
        given = config.processes.get(name, ProcessConfig())
        before = [store for store in _stores_before(found, stores) if name not in before_stores[store]]
        made = _manners(name, found, given, rules, before, root)
        ready = _readiness(name, commands[name], found, given, rules)
        if ready is not None and ready.kind == "port" and not ready.value:
            ready = _with_own_ports(ready, commands[name], variables, found)
        if ready is not None and not ready.awaited and made.boot_timeout:
            ready = ready._replace(within=made.boot_timeout + 1)  # it is Heroku's R10 that says it
        manners[name] = made._replace(ready=ready)
        findings += _unused(name, given, rules.platform)
        watched = given.watchdog is not None or given.alive is not None
        if given.restart_limit is not None and manners[name].policy.restart == "never" and not watched:
            text = 'left unused, as nothing is restarted; restart = "on-failure" or "always" uses it'
            findings.append(Finding(given.places["restart_limit"], text, "unused-setting", processes=(name,)))
    _refuse_cycle(manners, config)
    return manners, findings


def recognised(entry: Entry, config: Config, variables: Mapping[str, str], root: str) -> "Recognised | None":
    """The program behind the command, with the profile that the configuration names for it, if it does."""
    name = config.processes.get(entry.name, ProcessConfig()).profile
    if name is None and not config.programs and not _may_be_known(entry.command, variables, root):
        return None
    from procrun.plan import own_programs
    from procrun.plan.programs import profiles, recognise

    own = own_programs.profiles_of(config) if config.programs else ()
    if name is None:
        return recognise.recognise(entry.command, variables, root, own)
    profile = profiles.named(name, own)  # "none" names none
    return recognise.named(profile, entry.command, variables, root) if profile is not None else None


def _may_be_known(command: str, variables: Mapping[str, str], root: str) -> bool:
    """Whether the command, or a script of the app that it runs, has the name of a known program in it."""
    if index.may_be_known(command, variables):
        return True
    texts = (textfile.text(os.path.join(root, file)) for file in index.files(command))
    return any(index.may_be_known(text, variables) or index.files(text) for text in texts if text[:2] in ("#!", "{\n"))


def _manners(
    name: str, found: "Recognised | None", given: ProcessConfig, rules: Rules, stores: list[str], root: str
) -> Manners:
    profile = found.profile if found is not None else None
    is_store = profile is not None and profile.store and rules.order
    server = rules.platform == "server"
    quiet = _quiet_signals(found, root) if server and found is not None else ()
    heroku = rules.heroku if name != RELEASE and not is_store else None
    return Manners(
        stop_sequence=_sequence(found, given, rules, is_store, root),
        profile=profile.name if profile is not None else "",
        after=given.after if given.after is not None else tuple(stores),
        store=is_store,
        to_all=rules.platform == "heroku" and not is_store,
        quiet_signals=quiet,
        busy_title=profile.busy_title if profile is not None else "",
        clean=frozenset(profile.clean) if profile is not None else frozenset(),
        deadly=_deadly_signals(found, root) if found is not None else frozenset(),
        restart_signal=configured_restart_signal(given) if server else None,
        restart_on_deploy=given.restart_on_deploy is not False,
        policy=_policy(given, heroku),
        dyno=heroku is not None,
        boot_timeout=heroku.boot_timeout if heroku is not None and name == WEB else 0.0,
        memory=given.memory if given.memory is not None else heroku.memory if heroku is not None else 0,
        watchdog=given.watchdog or 0.0,
        alive=given.alive,
        watch=given.watch or (),
    )


def _stores_before(found: "Recognised | None", stores: Mapping[str, str]) -> list[str]:
    """The types that a type starts after by itself: all stores, and for a store those that its profile names.

    `stores` has the name of the profile of each type that is a store.
    """
    if found is None or not found.profile.store:
        return list(stores)
    return [type_ for type_, profile in stores.items() if profile in found.profile.after]


def with_program(planned: Manners, found: "Recognised", given: ProcessConfig, rules: Rules, root: str) -> Manners:
    """The manners of an instance that turns out to run `found`: how that program is stopped, quieted and read.

    What was settled before its start stays: its order, readiness, policy and limits.
    """
    made = _manners("", found, given, rules, [], root)
    found_out = {name: getattr(made, name) for name in _OF_THE_PROGRAM}
    return planned._replace(**found_out)


_OF_THE_PROGRAM = (
    "stop_sequence", "profile", "store", "to_all", "quiet_signals", "busy_title", "clean", "deadly",
)  # fmt: skip
"""The manners that follow from the program alone."""


def _policy(given: ProcessConfig, heroku: Heroku | None) -> Policy:
    """That of the configuration; where it has none any end of a dyno is a crash, and the dyno is started again."""
    essential, once = _is_essential(given), given.run_once is True
    dyno = heroku is not None and heroku.crash_restart and not once
    if given.restart is None and given.essential is not True and dyno:
        return Policy("always", given.restart_limit, essential, at_once=True)
    return Policy(given.restart or "never", given.restart_limit, essential, once=once)


def _readiness(
    name: str, command: str, found: "Recognised | None", given: ProcessConfig, rules: Rules
) -> Readiness | None:
    """As configured; else as the profile knows it, and for the type `web` when its port answers."""
    if given.ready is not None:
        return given.ready if given.ready.kind else None
    if given.run_once:
        return None
    profile = found.profile if found is not None else None
    if profile is not None and profile.readiness is not None:
        return profile.readiness if profile.readiness.kind else None
    if profile is not None and profile.store:
        kind = "port" if profile.ready == "connect" else profile.ready
        return Readiness(kind, within=STORE_WITHIN, awaited=True) if rules.order else None
    if profile is not None and profile.ready == "title":
        return Readiness("title", profile.busy_title, line=profile.ready_line)
    if profile is not None and profile.ready_line:
        return Readiness("log", profile.ready_line)
    if name == WEB or (profile is not None and profile.ready == "connect"):
        return Readiness("port", OWN_PORT if NAMES_PORT.search(command) else "")
    return None


def _with_own_ports(
    ready: Readiness, command: str, variables: Mapping[str, str], found: "Recognised | None"
) -> Readiness:
    """The same, with the ports that are the program's own beside its $PORT, and those that never are."""
    from procrun.plan.own_ports import of_command  # where no `$PORT` says it

    own = of_command(command, variables, found.profile.port if found is not None else 0)
    return ready._replace(ports=own.ports, sockets=own.sockets, never=own.never)


def _is_essential(given: ProcessConfig) -> bool:
    """What is started again by the next change of a file ends no run, unless that was said."""
    return given.essential if given.essential is not None else not given.watch


def _sequence(
    found: "Recognised | None", given: ProcessConfig, rules: Rules, is_store: bool, root: str
) -> tuple[Step, ...]:
    """On a server the configured sequence, else the profile's; elsewhere a dyno's, a store by its own signal."""
    configured = configured_sequence(given)
    if rules.platform == "server":
        if configured is not None:
            return configured
        if found is not None:
            from procrun.plan.programs.grace_period import stop_sequence

            return stop_sequence(found, root)
        return stopping.dyno_sequence(rules.budget)
    if is_store and found is not None:
        return stopping.dyno_sequence(rules.store_budget, found.profile.stop[0].signal)
    return stopping.dyno_sequence(rules.budget)


def _quiet_signals(found: "Recognised", root: str) -> tuple[int, ...]:
    """That of the installed version; where the version is unknown the running program's handlers decide."""
    from procrun.plan.programs import profiles, recognise

    known: Profile = found.profile
    version = recognise.installed_version(found, root)
    if version is None:
        return tuple(quiet.signal for quiet in known.quiet)
    number = profiles.quiet_signal(known, version)
    return () if number is None else (number,)


def _deadly_signals(found: "Recognised", root: str) -> frozenset[int]:
    """Those of the installed version, and where it is unknown those of any."""
    if not found.profile.deadly:
        return frozenset()
    from procrun.plan.programs import profiles, recognise

    version = recognise.installed_version(found, root)
    return frozenset(each.signal for each in found.profile.deadly if profiles.covers(each, version) is not False)


def _refuse_cycle(manners: Mapping[str, Manners], config: Config) -> None:
    """Raise ConfigError where recognised stores and the configured order make a cycle together."""
    cycle = dependencies.cycle({name: each.after for name, each in manners.items()})
    given = [config.processes.get(name, ProcessConfig()) for name in cycle]
    where = next((each.places["after"] for each in given if each.after is not None), None)
    if cycle:
        free = next(name for name, each in zip(cycle, given, strict=True) if each.after is None)
        why = f"{dependencies.told(cycle)} is a cycle, as recognised stores start first"
        raise ConfigError(f"{why}; set after = [] in [process.{free}]", where)


def _unused(name: str, given: ProcessConfig, platform: str) -> Iterable[Finding]:
    if platform == "server":
        return
    for key in ("stop_sequence", "restart_signal"):
        if getattr(given, key) is not None:
            text = f'left unused on platform {platform}, which knows TERM and KILL only; platform = "server" uses it'
            yield Finding(given.places[key], text, "unused-setting", processes=(name,))


def configured_sequence(process: ProcessConfig) -> tuple[Step, ...] | None:
    """The stop sequence that the configuration gives a process type, None where it gives none.

    Raises ConfigError for its faults, and where `no_kill` contradicts it.
    """
    if process.stop_sequence is None:
        return None
    steps = parse_sequence(process.stop_sequence, process.places["stop_sequence"], bool(process.no_kill))
    if process.no_kill and steps[-1].signal == signal.SIGKILL:
        text = "contradicts the stop sequence, which ends in kill; remove one of the two"
        raise ConfigError(text, process.places["no_kill"])
    return steps


def configured_restart_signal(process: ProcessConfig) -> int | None:
    """The signal that restarts a process type in place, None where none is given. Raises ConfigError for its faults."""
    if process.restart_signal is None:
        return None
    where = process.places["restart_signal"]
    number = signal_number(process.restart_signal, where)
    if number in (signal.SIGKILL, signal.SIGSTOP):
        text = "no program can act on KILL or STOP; name a signal that it restarts at, as in usr1, usr2 or hup"
        raise ConfigError(text, where)
    return number
