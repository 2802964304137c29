"""Real web servers with one slow request in flight: who finishes it when procrun stops or restarts them."""

import re
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.apps.loads import Request
from tests.harness import PYTHON, TERM, Folder, Run, free_base, until
from tests.programs import need, need_module
from tests.rows import Record

APP = Path(__file__).parents[1] / "apps" / "servers"
NGINX_CONF = """
daemon off; worker_processes 2; pid nginx.pid; error_log stderr notice; {user}
events {{}}
http {{
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{upstream}; }} }}
}}
"""


def of_module(name: str) -> Callable[[], str]:
    def found() -> str:
        need_module(name)
        return version(name)

    return found


def of_program(name: str, option: str = "--version") -> Callable[[], str]:
    def found() -> str:
        said = subprocess.run([need(name), option], capture_output=True, text=True, check=True)
        match = re.search(r"\d+\.\d+[.\d]*", said.stdout + said.stderr)
        return match[0] if match else "?"

    return found


class Server(NamedTuple):
    """A server's command, what tells its version (and leaves the test out where it is missing), and how it ends."""

    command: str
    version: Callable[[], str]
    exit: str = "exit 0"
    finishes_at_term: bool = True


GUNICORN = f"{PYTHON} -m gunicorn --chdir {APP} -b 127.0.0.1:$PORT slow:wsgi"
SERVERS = {
    "gunicorn": Server(GUNICORN, of_module("gunicorn")),
    "uvicorn": Server(
        f"{PYTHON} -m uvicorn --app-dir {APP} --host 127.0.0.1 --port $PORT slow:asgi",
        of_module("uvicorn"),
        "killed by TERM (clean)",
    ),
    "puma": Server(
        f"puma -b tcp://127.0.0.1:$PORT -t 1:4 {APP}/config.ru", of_program("puma"), "killed by TERM (clean)"
    ),
    "unicorn": Server(f"unicorn -l 127.0.0.1:$PORT {APP}/config.ru", of_program("unicorn"), finishes_at_term=False),
    "nginx": Server("nginx -p . -c nginx.conf", of_program("nginx", "-v"), finishes_at_term=False),
}


def in_flight(folder: Folder, name: str, platform: str) -> tuple[Run, Request]:
    """The server runs, and is in the middle of a request of two seconds."""
    lines = [f"web: {SERVERS[name].command}"]
    port = free_base()
    if name == "nginx":
        need_module("gunicorn")
        user = "user root;" if Path("/proc/self").owner() == "root" else ""
        folder.write("nginx.conf", NGINX_CONF.format(port=port, upstream=port + 100, user=user))
        lines.append(f"app: {GUNICORN}")
    folder.procfile(*lines)
    run = folder.start("--platform", platform, "-p", str(port))
    until(lambda: Request(port, "/").whole() or run.popen.poll() is not None, f"{name} answers")
    request = Request(port, "/slow")
    run.wait_for("begun /slow")
    return run, request


def took(output: str) -> float:
    match = re.search(r"web\.1 +gone ([\d.]+) s after its first signal", output)
    assert match is not None, output
    return float(match[1])


def tell(row: Record, name: str, platform: str, action: str, happened: str) -> None:
    row(name, SERVERS[name].version(), platform, "1 request of 2 s", action, happened)


@pytest.mark.parametrize("name", SERVERS)
def test_stop_on_a_server_lets_the_request_finish(folder: Folder, name: str, row: Record) -> None:
    SERVERS[name].version()
    run, request = in_flight(folder, name, "server")

    stopped = folder.procrun("stop")

    assert request.whole(), request.fault
    assert (stopped.returncode, run.finish()) == (0, 0)
    assert f"web.1: {SERVERS[name].exit}, ran " in run.output
    assert "forced kills 1" not in run.output
    tell(row, name, "server", "stop", f"finished, {SERVERS[name].exit}, gone in {took(stopped.stdout):.1f} s")


@pytest.mark.parametrize("name", SERVERS)
def test_restart_on_a_server_lets_the_request_finish_and_the_new_one_serves(
    folder: Folder, name: str, row: Record
) -> None:
    SERVERS[name].version()
    run, request = in_flight(folder, name, "server")

    restarted = folder.procrun("restart", "web")

    assert request.whole(), request.fault
    assert restarted.returncode == 0
    port = int(run.wait_for(r"web\.1 started, pid \d+, port (\d+)", count=2)[1])
    until(lambda: Request(port, "/").whole(), "the new one answers")
    assert re.search(rf"^web\.1 .* {re.escape(SERVERS[name].exit)}$", folder.procrun("ps").stdout, re.MULTILINE)
    run.finish(TERM)
    tell(row, name, "server", "restart", f"finished, new one up; the old was gone in {took(restarted.stdout):.1f} s")


@pytest.mark.parametrize("name", SERVERS)
def test_term_as_on_a_dyno_finishes_the_request_where_the_server_takes_term_so(
    folder: Folder, name: str, row: Record
) -> None:
    SERVERS[name].version()
    run, request = in_flight(folder, name, "local")

    run.finish(TERM)

    assert request.whole() is SERVERS[name].finishes_at_term
    assert "KILL 10" not in run.output
    match = re.search(r"web\.1 TERM 0\.00 → gone ([\d.]+) s", run.output)
    assert match is not None, run.output
    happened = "finished" if SERVERS[name].finishes_at_term else "cut, as on a dyno: TERM is its quick stop"
    tell(row, name, "local", "TERM", f"{happened}, gone in {float(match[1]):.1f} s")
