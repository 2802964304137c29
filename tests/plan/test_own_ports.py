"""Which port shows that an instance serves: its $PORT, one that is the program's own, never a debugger's."""

import contextlib
import os
import socket
from time import monotonic

import pytest

from procrun.core.spec import Readiness
from procrun.eventloop.loop import Loop
from procrun.health import readiness
from procrun.health.readiness import Asked, Probe, Questions
from procrun.plan.own_ports import DEBUGGERS, of_command
from procrun.system.process_tree import Family
from tests.harness import PATIENCE, PYTHON, TERM, Folder, child, free_base, free_port
from tests.programs import need

# --- what a command says of its ports


@pytest.mark.parametrize(
    ("command", "ports"),
    [
        ("npm start", ()),
        ("rails server -p 3000", (3000,)),
        ("python -m http.server 8000", (8000,)),
        ("gunicorn --bind=0.0.0.0:8000 app:app", (8000,)),
        ("gunicorn -b [::]:8000 -w 4 app:app", (8000,)),
        ("php -S localhost:8080", (8080,)),
        ("server -p8080", (8080,)),
        ("node --inspect=9090 index.js", ()),
        ("node --inspect=0.0.0.0:9090 index.js --port 3000", (3000,)),
        ("node --inspect-brk 9090 index.js", ()),
        ("java -agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=*:5006 -jar app.jar", ()),
        ("java -Dcom.sun.management.jmxremote.port=9010 -Dserver.port=8081 -jar app.jar", (8081,)),
        ("python -m debugpy --listen 0.0.0.0:5679 app.py", ()),
        ("rdebug-ide --port 1235 --dispatcher-port 26162 -- bin/rails s -p 3001", (3001,)),
        ("dlv debug --headless --listen=:2346 -- -http :8082", (8082,)),
        ("app-v1.8080 --ratio=0.8000", ()),
    ],
)
def test_ports_in_a_command_are_its_own_but_not_those_of_debuggers(command: str, ports: tuple[int, ...]) -> None:
    assert of_command(command, {}, 0).ports == ports


@pytest.mark.parametrize(
    ("command", "variables", "port"),
    [
        ("node --inspect=9090 index.js", {}, 9090),
        ("node --inspect-port=127.0.0.1:9091 index.js", {}, 9091),
        ("npm start", {"NODE_OPTIONS": "--inspect=9092"}, 9092),
        ("./gradlew run", {"JAVA_TOOL_OPTIONS": "-agentlib:jdwp=transport=dt_socket,server=y,address=5006"}, 5006),
        ("java -agentlib:jdwp=transport=dt_socket,address=localhost:5007 x", {}, 5007),
        ("rails s", {"RUBY_DEBUG_PORT": "12345"}, 12345),
        ("python -m debugpy --listen 5679 app.py", {}, 5679),
    ],
)
def test_port_that_is_given_to_a_debugger_never_counts(command: str, variables: dict[str, str], port: int) -> None:
    assert set(of_command(command, variables, 0).never) == {*DEBUGGERS, port}


def test_usual_port_of_a_known_program_is_its_own() -> None:
    assert of_command("mongod --port 27018", {}, 27017).ports == (27018, 27017)


@pytest.mark.parametrize(
    "command", ["puma -b unix:///run/web.sock", "gunicorn --bind unix:tmp/web.sock a:b", "uwsgi --socket web.sock"]
)
def test_socket_that_a_command_names_is_its_own(command: str) -> None:
    assert "web.sock" in of_command(command, {}, 0).sockets


# --- the question, asked of this very process


def listening(*ports: int) -> contextlib.ExitStack:
    """Sockets that listen on these ports, closed at its end."""
    stack = contextlib.ExitStack()
    for port in ports:
        stack.enter_context(socket.create_server(("127.0.0.1", port)))
    return stack


def ask(
    port: int, within: float = PATIENCE, ports: tuple[int, ...] = (), never: tuple[int, ...] = ()
) -> tuple[str, str]:
    """What is told of a process that listens where this one does, and has this $PORT."""
    loop, told = Loop(), list[tuple[str, str]]()

    def ended(by: str, reason: str) -> None:
        told.append((by, reason))
        loop.stop()

    asked = Asked("web.1", port, "/", {}, lambda: [os.getpid()], [], Family("run"))
    Probe(loop, Readiness("port", "", within, ports=ports, never=never), asked, Questions(loop), ended)
    loop.run()
    return told[0]


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_port(), free_port()


def test_its_port_counts_at_once_whatever_else_it_listens_on(ports: tuple[int, int]) -> None:
    foreign, own = ports
    with listening(foreign, own):
        assert ask(own) == (f"port {own}", "")


def test_port_that_is_known_as_its_own_counts_at_once(ports: tuple[int, int]) -> None:
    foreign, known = ports
    with listening(foreign, known):
        assert ask(1, ports=(known,)) == (f"port {known}", "")


def test_another_port_counts_after_a_while_and_that_is_said(
    ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "ELSEWHERE_AFTER", 0.3)
    begun = monotonic()
    with listening(ports[0]):
        assert ask(ports[1]) == (f"port {ports[0]}, not on its PORT {ports[1]}", "")
    assert monotonic() - begun >= 0.3


def test_another_port_does_not_count_before(ports: tuple[int, int]) -> None:
    with listening(ports[0]):
        assert ask(ports[1], within=0.3) == ("", f"it listens on port {ports[0]}, not on its PORT {ports[1]}")


def test_what_a_store_should_listen_on_is_its_usual_port(ports: tuple[int, int]) -> None:
    with listening(ports[0]):
        told = ask(1, within=0.3, ports=(ports[1],))
    assert told == ("", f"it listens on port {ports[0]}, not on its port {ports[1]}")


def test_port_of_a_debugger_never_counts(ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "ELSEWHERE_AFTER", 0.0)
    with listening(ports[0]):
        told = ask(ports[1], within=0.3, never=(ports[0],))
    assert told == ("", f"it listens on port {ports[0]}, not on its PORT {ports[1]}")


def test_its_port_counts_even_where_debuggers_usually_are(ports: tuple[int, int]) -> None:
    with listening(ports[0]):
        assert ask(ports[0], never=(ports[0],)) == (f"port {ports[0]}", "")


# --- real programs

TWO = """
import os, socket, sys, time
first = socket.create_server(("127.0.0.1", int(sys.argv[1].partition("=")[2])))
print("first", flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
second = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
print("second", flush=True)
time.sleep(600)
"""


def test_a_listener_on_its_port_comes_after_that_of_its_debugger(folder: Folder) -> None:
    folder.write("app.py", TWO)
    base = free_base()
    folder.procfile(f"web: {PYTHON} app.py --inspect={free_port()}")
    run = folder.start("-p", str(base), "--wait")
    run.wait_for(r"web\.1 +\| first")
    assert "starting" in folder.procrun("ps").stdout

    folder.write("go", "")

    run.wait_for(rf"web\.1 +0\.\d\d s +\d+\.\d\d s +port {base}")
    assert run.output.index("| second") < run.output.index("web.1 ready after")
    run.finish(TERM)


def test_node_is_ready_at_its_port_and_not_at_that_of_its_inspector(folder: Folder) -> None:
    base = free_base()
    folder.write(
        "index.js",
        "const fs = require('fs'), http = require('http')\n"
        "console.log('waits')\n"
        "const timer = setInterval(() => { if (fs.existsSync('go')) { clearInterval(timer)\n"
        "  http.createServer((q, a) => a.end('x')).listen(process.env.PORT, () => console.log('serves')) } }, 20)\n",
    )
    folder.procfile(f"web: {need('node')} --inspect={free_port()} index.js")
    run = folder.start("-p", str(base))
    run.wait_for("Debugger listening on")
    run.wait_for(r"web\.1 +\| waits")
    assert "starting" in folder.procrun("ps").stdout

    folder.write("go", "")

    run.wait_for(r"web\.1 ready after \d+\.\d\d s$")
    assert run.output.index("| serves") < run.output.index("web.1 ready after")
    run.finish(TERM)


def test_a_listener_on_another_port_alone_is_ready_after_a_while_and_that_is_said(folder: Folder) -> None:
    base = free_base()
    folder.procfile(f"web: {child('listener.py', 'listen')}")
    run = folder.start("-p", str(base))
    port = run.wait_for(r"listening on (\d+)")[1]
    found = run.wait_for(rf"web\.1 ready after (\d+\.\d\d) s; it listens on port {port}, not on its PORT {base}$")
    assert float(found[1]) >= readiness.ELSEWHERE_AFTER
    run.finish(TERM)
