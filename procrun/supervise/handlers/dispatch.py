"""Which handler serves which request of a client."""

from collections.abc import Callable, Mapping
from typing import Any

from procrun.control.protocol import (
    Attach,
    Deploy,
    Hello,
    Logs,
    Ps,
    Quiet,
    Reload,
    Request,
    Restart,
    Scale,
    Signal,
    Start,
    Stop,
    Talk,
    Wait,
    Watch,
)
from procrun.core.errors import ControlError
from procrun.supervise.handlers import attach, deploy, logs, ps, reload, restart, scale, signal, watch
from procrun.supervise.handlers.context import Context, Send

Handler = Callable[[Context, Any, Send], Talk]
"""Answers by its third argument, now or later. Raises ControlError and ConfigError; nothing was done then."""

HANDLERS: Mapping[type, Handler] = {
    Hello: ps.hello,
    Ps: ps.ps,
    Start: restart.start,
    Stop: restart.stop,
    Restart: restart.restart,
    Scale: scale.scale,
    Quiet: signal.quiet,
    Signal: signal.signal,
    Deploy: deploy.deploy,
    Reload: reload.reload,
    Logs: logs.logs,
    Attach: attach.attach,
    Watch: watch.watch,
    Wait: watch.wait,
}


def serve(context: Context, request: Request, send: Send) -> Talk:
    """Have the request's handler answer it. Raises as a handler does."""
    handler = HANDLERS.get(type(request))
    if handler is None:
        raise ControlError("nothing that this belongs to was begun on this connection", 2)
    return handler(context, request, send)
