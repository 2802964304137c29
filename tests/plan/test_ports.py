"""A port that somebody listens on already: who is told of it, and who it does not concern."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from procrun.core.errors import ConfigError
from procrun.plan.layout import build
from procrun.plan.options import Wishes
from procrun.plan.preflight import port_holder, taken_ports
from tests.harness import Folder, free_base, until


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def check(port: int) -> None:
    taken_ports(build(Wishes(port=port), {}).specs)


@pytest.mark.parametrize(
    "command", ["puma -p $PORT", "puma -p ${PORT}", "puma -p ${PORT:-3000}", "sh -c 'puma -p $PORT'"]
)
def test_taken_port_is_an_error_that_names_the_pid_where_the_command_names_the_port(
    folder: Folder, taken: int, command: str
) -> None:
    folder.procfile(f"web: {command}")
    with pytest.raises(ConfigError) as caught:
        check(taken)
    start = f"web.1: port {taken} is taken by pid {os.getpid()} ("
    assert str(caught.value).startswith(start)
    assert str(caught.value).endswith("); stop it, or choose another base: -p")


@pytest.mark.parametrize("command", ["puma", "puma -p 3000", "puma -p $PORTAL", "puma -p ${PORT_WEB}", "puma $REPORT"])
def test_taken_port_is_no_matter_where_the_command_does_not_name_it(folder: Folder, taken: int, command: str) -> None:
    folder.procfile(f"web: {command}")
    check(taken)


def test_port_of_each_instance_is_looked_at(folder: Folder, taken: int) -> None:
    folder.procfile("web: puma -p $PORT")
    with pytest.raises(ConfigError, match=rf"^web\.2: port {taken} is taken"):
        taken_ports(build(Wishes(port=taken - 1, concurrency="web=2"), {}).specs)


def test_port_of_what_is_not_started_is_not_looked_at(folder: Folder, taken: int) -> None:
    folder.procfile("web: puma -p $PORT", "worker: sidekiq")
    taken_ports(build(Wishes(port=taken, exclude=("web",)), {}).specs)


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")
def test_listener_on_ipv6_counts(folder: Folder) -> None:
    folder.procfile("web: puma -p $PORT")
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as listener,
        pytest.raises(ConfigError, match=rf"is taken by pid {os.getpid()} "),
    ):
        check(listener.getsockname()[1])


def test_start_refuses_a_taken_port_before_anything_runs(folder: Folder, taken: int) -> None:
    folder.procfile("other: touch ran", "web: touch ran; echo $PORT")
    made = folder.procrun("start", "-p", str(taken - 100))
    assert made.returncode == 2
    assert f"web.1: port {taken} is taken by pid {os.getpid()} (" in made.stderr
    assert not (folder.path / "ran").exists()


def test_start_bears_a_taken_port_that_no_command_names(folder: Folder, taken: int) -> None:
    folder.procfile("web: echo here")
    assert folder.procrun("start", "-p", str(taken)).returncode == 0


def test_connection_in_time_wait_does_not_make_a_port_taken(folder: Folder) -> None:
    folder.procfile("web: puma -p $PORT")
    port = in_time_wait()
    with contextlib.closing(socket.socket()) as naive, pytest.raises(OSError, match="in use"):
        naive.bind(("127.0.0.1", port))  # what a test by bind() would say
    check(port)


def test_holder_that_cannot_be_seen_is_another_users() -> None:
    assert port_holder("0") == "another user's process"


def in_time_wait() -> int:
    """A port with a connection in TIME_WAIT, and nobody who listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server, _ = listener.accept()
            server.close()  # who closes first gets TIME_WAIT
            assert client.recv(1) == b""
    until(lambda: (f"{port:04X}", "06") in rows(), "a connection in TIME_WAIT")
    return port


def rows() -> list[tuple[str, str]]:
    """The local port and the state of every connection."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [(fields[1].partition(":")[2], fields[3]) for fields in lines]


def test_scale_refuses_a_port_that_is_taken_and_changes_nothing(folder: Folder) -> None:
    folder.procfile("web: : $PORT; echo ready; exec sleep 1000")
    base = free_base()
    folder.start("-p", str(base)).wait_for("ready$")
    with socket.create_server(("127.0.0.1", base + 1)):
        made = folder.procrun("scale", "web=2")
    assert made.returncode == 2
    assert f"web.2: port {base + 1} is taken by pid {os.getpid()} (" in made.stderr
    assert folder.procrun("ps").stdout.count("web.") == 1


def test_scale_refuses_to_give_two_instances_one_port(folder: Folder) -> None:
    folder.procfile("web: : $PORT; exec sleep 1000", "api: : $PORT; echo ready; exec sleep 1000")
    base = free_base()
    folder.start("-p", str(base), "-m", "web=0,api=1").wait_for("ready$")
    made = folder.procrun("scale", "web=101")
    assert made.returncode == 2
    assert f"would both get port {base + 100}; start at most 100 of web" in made.stderr
    assert folder.procrun("ps").stdout.count("web.") == 0
