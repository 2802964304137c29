"""The command that tries a running app, as one more instance: in the app's environment, told where the app listens."""

import re
from collections.abc import Iterable, Sequence
from shlex import join

from procrun.core.spec import APART, PIPES, Manners, Policy, Spec
from procrun.core.stop_sequence import dyno_sequence
from procrun.plan.layout import Plan
from procrun.plan.programs import command_line

WEB = "web"
"""The type whose port is `PORT`, as it is the one that gets requests on Heroku."""


def driver(plan: Plan, name: str, argv: Sequence[str]) -> Spec:
    """How `argv` is run in the app's folder and environment, under this name.

    `PORT` is the port of `web`, or of the only type there is; `PROCRUN_PORT_WEB` that of each type's first instance.
    When everything is stopped at once, stores and whatever others come after wait for it: it may be using them.
    What it reads is at its end at once: nobody can type here, and a CI job would hang until its time is over.
    """
    variables = {key: variable.value for key, variable in plan.sources.environment.variables.items() if key != "PORT"}
    return Spec(
        name=name,
        type=f"({name})",  # such that no process type can have it
        command=argv[0] if len(argv) == 1 else join(argv),
        shell_line=f"exec </dev/null; {command_line.line_of(argv)}",
        env={**variables, **ports(plan.specs), "PS": name},
        root=plan.sources.root,
        port=0,
        quiet=False,
        manners=Manners(
            stop_sequence=dyno_sequence(plan.budget),
            after=tuple(_used(plan)),
            policy=Policy(essential=False, once=True),
        ),
        console=APART if plan.apart else PIPES,
    )


def _used(plan: Plan) -> set[str]:
    """The types that others use: stores, and what is configured so."""
    stores = {type_ for type_, manners in plan.manners.items() if manners.store}
    return stores.union(*(manners.after for manners in plan.manners.values()))


def ports(specs: Iterable[Spec]) -> dict[str, str]:
    """`PORT` and `PROCRUN_PORT_TYPE` for who wants to reach these."""
    first: dict[str, int] = {}
    for spec in specs:
        first.setdefault(spec.type, spec.port)
    found = {f"PROCRUN_PORT_{re.sub(r'[^A-Z0-9]', '_', type_.upper())}": str(port) for type_, port in first.items()}
    own = first.get(WEB, next(iter(first.values())) if len(first) == 1 else None)
    return found if own is None else {**found, "PORT": str(own)}
