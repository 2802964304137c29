"""`ps`, and the greeting by which a client learns what a run has: how each instance is."""

from time import monotonic

from procrun.control.protocol import Hello, Ps, Row, Status, Talk, Welcome
from procrun.supervise.handlers.context import Context, Send
from procrun.supervise.instance import Instance
from procrun.supervise.state_machine import State
from procrun.system.linux import procfs


def hello(context: Context, request: Hello, send: Send) -> Talk:
    """Say who we are, and what we have."""
    states = {name: state_of(process) for name, process in context.supervisor.processes.items()}
    send(Welcome(context.pid(), context.supervisor.since, states))
    return Talk()


def ps(context: Context, request: Ps, send: Send) -> Talk:
    """Say how each instance is."""
    send(Status([_row(process) for process in context.supervisor.processes.values()]))
    return Talk()


def _row(process: Instance) -> Row:
    rows = process.alive() if process.state is not State.DOWN else []
    uptime = monotonic() - process.started if rows else None
    cpu = procfs.seconds(sum(row.cpu for row in rows))
    busy = process.busy() if rows else None
    return Row(
        name=process.spec.name,
        state=state_of(process),
        pid=process.pid or None,
        port=process.spec.port,
        uptime=uptime,
        restarts=process.restarts,
        cpu_seconds=round(cpu, 2),
        cpu_percent=round(100 * cpu / uptime, 1) if uptime else 0.0,
        memory=sum(procfs.memory(row.pid) for row in rows),
        last_exit=process.ended or None,
        command=process.spec.command,
        restart=process.spec.manners.policy.restart,
        busy=busy.busy if busy else None,
        threads=busy.threads if busy else None,
        store=process.manners.store,
        status=process.status or None,
    )


def state_of(process: Instance) -> str:
    """What `ps` calls it."""
    if process.state is State.STOPPING:
        return "restarting" if process.wanted else "stopping"
    if process.state is State.DOWN:
        if process.wanted:
            return "crashed" if process.crashed else "waiting"
        return "done" if process.done else "down"
    if process.quieted:
        return "quiet"
    if process.spec.manners.ready is None:
        return "up"
    return "starting" if process.starting else "unready" if process.unready else "ready"
