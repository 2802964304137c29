"""`scale`: so many instances of each type."""

from procrun.control.protocol import Answer, Done, Scale, Talk
from procrun.plan import preflight
from procrun.supervise.handlers.context import Context, Send, names_of
from procrun.supervise.operation import Goal


def scale(context: Context, request: Scale, send: Send) -> Talk:
    """Start the missing instances, and stop and forget those beyond. Raises ConfigError where there is no room."""
    context.refuse_while_ending()
    supervisor = context.supervisor
    wanted = [spec for type_, count in request.formation.items() for spec in context.plan.instances(type_, count)]
    names = {spec.name for spec in wanted}
    running = supervisor.processes
    fewer = [p for p in running.values() if p.spec.type in request.formation and p.spec.name not in names]
    more = [spec for spec in wanted if spec.name not in running or not running[spec.name].status.present]
    preflight.make_room(more)
    preflight.refuse_shared_ports([*(p.spec for p in running.values() if p.status.wanted), *more])
    preflight.taken_ports(spec for spec in more if spec.name not in running)

    def act() -> None:
        supervisor.stop(fewer, None, again=False)
        supervisor.start(more)

    def relay(answer: Answer) -> None:
        if isinstance(answer, Done):
            supervisor.remove(process.spec.name for process in fewer)
        send(answer)

    up = frozenset(spec.name for spec in more)
    return context.carry_out(Goal(names_of(fewer) | up, up), act, relay)
