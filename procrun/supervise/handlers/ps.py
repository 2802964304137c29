"""`ps`, and the greeting by which a client learns what a run has: how each instance is."""

from time import monotonic

from procrun.control.protocol import Hello, Ps, Row, Status, Talk, Welcome
from procrun.supervise import drain
from procrun.supervise.handlers.context import Context, Send
from procrun.supervise.instance import Instance
from procrun.system.host import process_table


def hello(context: Context, request: Hello, send: Send) -> Talk:
    """Say who we are, and what we have."""
    states = {name: process.status.word(process.spec) for name, process in context.supervisor.processes.items()}
    send(Welcome(context.pid(), context.supervisor.since, states))
    return Talk()


def ps(context: Context, request: Ps, send: Send) -> Talk:
    """Say how each instance is."""
    send(Status([_row(process) for process in context.supervisor.processes.values()]))
    return Talk()


def _row(process: Instance) -> Row:
    rows = process.members.alive() if not process.status.down else []
    uptime = monotonic() - process.started if rows else None
    cpu = process_table.seconds(sum(row.cpu for row in rows))
    busy = drain.busy(process.members) if rows else None
    return Row(
        name=process.spec.name,
        state=process.status.word(process.spec),
        pid=process.members.pid or None,
        port=process.spec.port,
        uptime=uptime,
        restarts=process.restarts,
        cpu_seconds=round(cpu, 2),
        cpu_percent=round(100 * cpu / uptime, 1) if uptime else 0.0,
        memory=sum(process_table.memory(row.pid) for row in rows),
        last_exit=process.ended or None,
        command=process.spec.command,
        restart=process.spec.manners.policy.restart,
        busy=busy.busy if busy else None,
        threads=busy.threads if busy else None,
        store=process.manners.store,
        status=process.checks.status_text or None,
    )
