"""Which ports are a program's own, before it listens on any: those its command names and its usual one.

A debugger's port is open long before the program serves: Node opens that of `--inspect` in 0.1 s, a JVM that of jdwp.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

DEBUGGERS = (9229, 5005, 5678, 8989, 1234, 26162, 2345, 4369, 25672)
"""The usual ports of debuggers and of what else comes before a program serves: Node's inspector (docs: CLI, --inspect),
a JVM's jdwp (by custom), debugpy (its README), byebug (its remote.rb), ruby-debug-ide (its options),
Delve; and Erlang's epmd and RabbitMQ's port
between its nodes (docs: networking)."""

_OPTIONS_OF_DEBUGGERS = (
    r"--(?:inspect|debug)(?:-brk|-wait|-port|-publish-uid)?(?:=|\s+)(?:[\w.:\[\]-]*:)?(\d{2,5})\b",  # Node
    r"jdwp\S*?address=(?:[\w.*\[\]-]*:)?(\d{2,5})\b",  # a JVM
    r"jmxremote(?:\.\w+)*\.port=(\d{2,5})\b",
    r"(?:debugpy|ptvsd|pydevd)\b.*?--(?:listen|port)(?:=|\s+)(?:[\w.:\[\]-]*:)?(\d{2,5})\b",
    r"--dispatcher-port(?:=|\s+)(\d{2,5})\b",
    r"(?:rdbg|rdebug-ide)\b.*?--port(?:=|\s+)(\d{2,5})\b",
    r"(?:dlv)\b.*?--listen(?:=|\s+)(?:[\w.:\[\]-]*:)?(\d{2,5})\b",
)
_VARIABLES_OF_DEBUGGERS = ("RUBY_DEBUG_PORT", "BYEBUG_REMOTE_PORT", "DEBUGPY_PORT", "DEBUG_PORT")
_VARIABLES_OF_PORTS = ("RABBITMQ_NODE_PORT", "UVICORN_PORT", "FLASK_RUN_PORT", "SERVER_PORT")
_OPTIONS_IN = ("NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JAVA_OPTS", "MAVEN_OPTS")

_NUMBER = r"(?:(?<![\w.])|(?<=\s-[a-zA-Z]))(\d{2,5})(?![\w.])"
_PATH = r"(?:unix:(?://)?|(?<!\S)--?[\w-]*sock\w*[=\s]+)([^\s'\"]+)|(?<!\S)(\S+\.sock)\b"
_LONGEST = 10_000
"""Characters of a command that are read: the patterns look on from each place, and a longer one names no port there."""


class OwnPorts(NamedTuple):
    """The ports and the files' names of the UNIX sockets that are its own, and ports that never are."""

    ports: tuple[int, ...]
    sockets: tuple[str, ...]
    never: tuple[int, ...]


def of_command(command: str, variables: Mapping[str, str], usual: int) -> OwnPorts:
    """What `command` says of its ports in this environment; `usual` is the known program's, 0 for none.

    A number that the command names counts wherever it stands, as only one that is listened on means anything.
    """
    command = command[:_LONGEST]
    said = " ".join([command, *(variables.get(name, "")[:_LONGEST] for name in _OPTIONS_IN)])
    debuggers = {found for pattern in _OPTIONS_OF_DEBUGGERS for found in re.findall(pattern, said)}
    debuggers |= {variables[name] for name in _VARIABLES_OF_DEBUGGERS if name in variables}
    for pattern in _OPTIONS_OF_DEBUGGERS:
        command = re.sub(pattern, " ", command)
    named = [int(found) for found in re.findall(_NUMBER, command)]
    named += [int(given) for name in _VARIABLES_OF_PORTS if (given := variables.get(name, "")).isdecimal()]
    paths = [first or second for first, second in re.findall(_PATH, command)]
    return OwnPorts(
        ports=tuple(dict.fromkeys([*(port for port in named if port < 65536), *([usual] if usual else [])])),
        sockets=tuple(path.rpartition("/")[2] for path in paths),
        never=tuple({*DEBUGGERS, *(int(found) for found in debuggers if found.isdecimal())}),
    )
