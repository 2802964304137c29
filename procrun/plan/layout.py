"""Procfile, environment, formation and ports become frozen Specs: what start, check, env and export all use."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from procrun.core import values
from procrun.core.errors import ConfigError, Finding
from procrun.core.spec import APART, PIPES, PTY, Manners, Spec
from procrun.core.stop_sequence import DEFAULT_BUDGET, HEROKUS_BUDGET
from procrun.core.text import shown, there_are
from procrun.plan.options import Config, Entry, Wishes
from procrun.plan.policies import RELEASE, Rules, all_manners
from procrun.plan.ports import _base_port
from procrun.plan.preflight import PORTS_PER_TYPE, _number, refuse_shared_ports
from procrun.plan.programs import command_line
from procrun.plan.sources import Sources, read, with_foreman_defaults

EVERYBODY = "all"
"""The name by which `--pty` means everybody, as `all=1` does in a formation."""
DEFAULTS = {"PYTHONUNBUFFERED": "1"}
"""What a process of the formation gets where nothing else sets it: Python writes to a pipe in blocks otherwise."""


class Plan(NamedTuple):
    """Everything that is to run. `types` are the entries of the formation, in the order that gives them ports.

    The base is the checkout's own (`port = "auto"`) where `own_port` says so.
    """

    sources: Sources
    types: tuple[Entry, ...]
    specs: tuple[Spec, ...]
    base_port: int
    single: str | None
    quiet: frozenset[str]
    only: frozenset[str]
    pty: frozenset[str]
    apart: bool
    rules: Rules
    manners: Mapping[str, Manners]
    cycle: float
    own_port: bool = False

    @property
    def platform(self) -> str:
        """local, heroku or server."""
        return self.rules.platform

    @property
    def budget(self) -> float:
        """Seconds from TERM to KILL of what is no store."""
        return self.rules.budget


def build(wishes: Wishes, environ: Mapping[str, str], again: bool = False) -> Plan:
    """Read everything, perhaps `again`, and lay out every instance.

    Raises ConfigError for the first fault; nothing is started.
    """
    return lay_out(read(wishes, environ, again=again), wishes)


def lay_out(sources: Sources, wishes: Wishes) -> Plan:
    """What `wishes` ask for of what has been read. Raises ConfigError for the first fault."""
    config = sources.config
    wishes = with_foreman_defaults(_with_formation(sources, wishes))
    if wishes.formation is None and wishes.concurrency is None:
        wishes = wishes._replace(concurrency=sources.formation)
    rules = _rules(config, wishes)
    release = [entry for entry in sources.entries if entry.name == RELEASE and RELEASE in wishes.names]
    variables = {name: variable.value for name, variable in sources.environment.variables.items()}
    manners, findings = all_manners(sources.entries, rules, config, variables, sources.root)
    base, own = _base_port(wishes, sources)
    plan = Plan(
        sources=sources._replace(findings=(*sources.findings, *_budget_findings(rules, config, wishes), *findings)),
        # At the end, so that the others have the same ports with it and without.
        types=(*(entry for entry in sources.entries if entry.name != RELEASE), *release),
        specs=(),
        base_port=base,
        single=_single(wishes),
        quiet=frozenset(values.split(wishes.quiet)),
        only=frozenset(values.split(wishes.only)),
        pty=frozenset(values.split(wishes.pty)),
        apart=wishes.apart,
        rules=rules,
        manners=manners,
        cycle=_cycle(config, wishes, rules),
        own_port=own,
    )
    specs = tuple(_choose(plan, wishes))
    refuse_shared_ports(specs)
    return plan._replace(specs=specs)


def _with_formation(sources: Sources, wishes: Wishes) -> Wishes:
    """The formation of `procrun.toml`, where the command line gives none. Raises ConfigError for its faults."""
    config = sources.config
    if config.formation is None or wishes.formation is not None or wishes.concurrency is not None:
        return wishes
    try:
        values.formation(config.formation, [entry.name for entry in sources.entries])
    except ValueError as error:
        raise ConfigError(str(error), f"{config.where}: formation") from None
    return wishes._replace(concurrency=config.formation)


def instances(plan: Plan, type_: str, count: int) -> tuple[Spec, ...]:
    """The first `count` instances of a type, by honcho's expansion.

    Raises ConfigError for an unknown type, and where the port range does not reach.
    """
    from honcho.environ import expand_processes

    names = [entry.name for entry in plan.types]
    if type_ not in names:
        raise ConfigError(f"no process type {shown(type_)}{there_are(names, type_)}", plan.sources.procfile)
    index = names.index(type_)
    entry = plan.types[index]
    port = plan.base_port + (0 if type_ == plan.single else PORTS_PER_TYPE * index)
    if count and port + count - 1 > values.LAST_PORT:
        wanted = port + count - 1
        text = f"{type_}.{count} would get port {wanted}, and {values.LAST_PORT} is the last; choose a lower base: -p"
        raise ConfigError(text, entry.where)
    variables = plan.sources.environment.variables
    base = {key: variable.value for key, variable in variables.items() if key != "PORT"}
    line = command_line.exec_line(entry.command)
    dyno = plan.platform == "heroku"
    found = expand_processes({type_: entry.command}, {type_: count}, base, [], port)
    consoles = [_console(plan, type_, params.name) for params in found]
    return tuple(
        Spec(
            name=params.name,
            type=type_,
            command=entry.command,
            shell_line=line,
            env={
                **params.env,
                "PS": params.name,
                **({"DYNO": params.name} if dyno else {}),
            },
            root=plan.sources.root,
            port=int(params.env["PORT"]),
            quiet=params.name in plan.quiet or type_ in plan.quiet,
            console=console,
            manners=plan.manners[type_],
        )
        for params, console in zip(found, consoles, strict=True)
    )


def _console(plan: Plan, type_: str, name: str) -> str:
    """What the instance writes to; the command line may give a terminal to who has none in `procrun.toml`."""
    configured = plan.sources.config.processes.get(type_)
    if plan.pty & {EVERYBODY, type_, name} or (configured is not None and configured.pty):
        return PTY
    return APART if plan.apart else PIPES


def as_scaled(before: Plan, now: Plan, running: Sequence[str]) -> Iterator[Spec]:
    """The specs of the plan `now`, with what `scale` has made of those of `before`: what is `running`, by name."""
    planned = {spec.name for spec in before.specs}
    yield from (spec for spec in now.specs if spec.name in running or spec.name not in planned)
    types = {entry.name for entry in now.types}
    for name in set(running) - planned - {spec.name for spec in now.specs}:
        if name.rpartition(".")[0] in types:
            yield instances(now, name.rpartition(".")[0], _number(name))[-1]


def _rules(config: Config, wishes: Wishes) -> Rules:
    """What holds for the whole run; the command line beats `procrun.toml`. With a total budget dynos get its rest."""
    budget = wishes.timeout or config.restart_budget or DEFAULT_BUDGET
    if config.total_budget is not None:
        left = config.total_budget - config.store_budget
        if left <= 0:
            text = f"{config.total_budget:g} s leave no time beside the {config.store_budget:g} s of store_budget"
            raise ConfigError(text, f"{config.where}: total_budget")
        budget = min(budget, left)
    platform = wishes.platform or config.platform
    heroku = config.heroku if platform == "heroku" else None
    return Rules(platform, budget, config.store_budget, not wishes.no_order, heroku)


def _cycle(config: Config, wishes: Wishes, rules: Rules) -> float:
    """After how many seconds each instance is restarted, 0 for never. Raises ConfigError where that cannot be."""
    if wishes.cycle is not None and rules.platform == "server":
        raise ConfigError(
            "is for the platforms local and heroku; on a server nothing is restarted by the clock", "--cycle"
        )
    try:
        configured = values.period(config.heroku.cycle) if config.heroku.cycle else 0.0
    except ValueError as error:
        raise ConfigError(str(error), f"{config.where}: heroku.cycle") from None
    return wishes.cycle or (configured if rules.heroku is not None else 0.0)


def _budget_findings(rules: Rules, config: Config, wishes: Wishes) -> Iterable[Finding]:
    if rules.platform != "server" and rules.budget > HEROKUS_BUDGET:
        where = "-t" if wishes.timeout else f"{config.where}: restart_budget"
        text = f"{rules.budget:g} s is more than a dyno has: Heroku sends KILL {HEROKUS_BUDGET:g} s after TERM"
        yield Finding(where, text, "long-budget", note=True)


def _choose(plan: Plan, wishes: Wishes) -> list[Spec]:
    """The instances that the formation, the names and the exclusions leave."""
    types = [entry.name for entry in plan.types]
    counts = _counts(wishes, types)
    every = [spec for type_ in types for spec in instances(plan, type_, _reach(type_, counts[type_], wishes.names))]
    excluded = frozenset(values.split(wishes.exclude))
    known = {*types, *(spec.name for spec in every)}
    asked = (
        *((name, plan.sources.procfile) for name in wishes.names if name not in known),
        *((name, "-x") for name in sorted(excluded - known - {RELEASE})),
        *((name, "-q/--hide") for name in sorted(plan.quiet - known - {RELEASE})),
        *((name, "--only") for name in sorted(plan.only - known)),
        *((name, "--pty") for name in sorted(plan.pty - known - {EVERYBODY})),
    )
    for name, where in asked:
        raise ConfigError(f"no process {shown(name)}{there_are(types, name)}", where)
    for name in sorted(plan.only & plan.quiet):
        raise ConfigError(f"{name} is given to both", "--only and --hide")
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


def _counts(wishes: Wishes, types: Sequence[str]) -> dict[str, int]:
    if wishes.formation is not None and wishes.concurrency is not None:
        raise ConfigError("give one of them: -m leaves types that are not named at 0, -c at 1", "-m and -c")
    option, text, default = ("-c", wishes.concurrency, 1) if wishes.formation is None else ("-m", wishes.formation, 0)
    try:
        given = values.formation(text, types) if text is not None else {}
    except ValueError as error:
        raise ConfigError(str(error), option) from None
    # A type named as an argument is wanted, whatever -m leaves out.
    return {type_: given.get(type_, 1 if type_ in wishes.names else default) for type_ in types}


def _single(wishes: Wishes) -> str | None:
    """The one type that was named: it gets the base port, wherever it stands in the Procfile."""
    named = {name.partition(".")[0] for name in wishes.names}
    return named.pop() if len(named) == 1 else None
