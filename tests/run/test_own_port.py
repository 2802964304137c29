"""`port` in procrun.toml: a base for each checkout, remembered, moved when taken, beaten by what is typed."""

import re
import socket
import subprocess
from pathlib import Path

import pytest

from procrun.plan import ports
from tests.harness import PYTHON, TERM, Folder
from tests.programs import need

SERVE = f"{PYTHON} -u -m http.server $PORT --bind 127.0.0.1"


def auto(folder: Folder, *lines: str) -> None:
    folder.write("procrun.toml", 'port = "auto"\n')
    folder.procfile(*(lines or (f"web: {SERVE}", "worker: sleep 60")))


def port_of(folder: Folder, name: str = "web") -> int:
    """The port that `procrun env` tells of."""
    return int(re.search(r"^PORT=(\d+)", folder.procrun("env", name).stdout, re.MULTILINE)[1])  # type: ignore[index]


def bound(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


def test_start_tells_the_urls_of_what_listens_and_env_has_the_same_port(folder: Folder) -> None:
    auto(folder, f"web: {SERVE}", "worker: sleep 60", "admin: sh -c 'sleep 60; echo $PORT'")
    told = port_of(folder)
    run = folder.start()

    assert int(run.wait_for(r"web\.1 at http://127\.0\.0\.1:(\d+)$")[1]) == told
    assert int(run.wait_for(r"admin\.1 at http://127\.0\.0\.1:(\d+)$")[1]) == told + 200
    run.wait_for(rf"Serving HTTP on 127\.0\.0\.1 port {told}")
    run.finish(TERM)
    assert "worker.1 at" not in run.output
    assert told in ports.bases()
    assert port_of(folder) == told


def test_base_is_remembered_where_git_does_not_see_it(folder: Folder) -> None:
    need("git")
    auto(folder, "web: sleep 60")
    run = folder.start()
    run.wait_for(r"web\.1 at")
    run.finish(TERM)
    git(folder.path, "init", "-q")

    assert git(folder.path, "status", "--porcelain").split() == ["??", "Procfile", "??", "procrun.toml"]
    assert (folder.path / ".procrun/port").read_text() == f"{port_of(folder)}\n{folder.path.resolve()}"

    (folder.path / ".procrun/port").write_text(f"12300\n{folder.path.resolve()}")
    assert port_of(folder) == 12300


def test_worktrees_of_a_repository_have_ports_of_their_own_and_run_side_by_side(folder: Folder) -> None:
    need("git")
    main = Folder(folder.path / "main")
    auto(main, f"web: {SERVE}")
    git(main.path, "init", "-q")
    git(main.path, "add", ".")
    git(main.path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one")
    git(main.path, "worktree", "add", "-q", "../feature")
    feature = Folder(folder.path / "feature")

    runs = [each.start() for each in (main, feature)]

    serving = [int(run.wait_for(r"Serving HTTP on \S+ port (\d+)")[1]) for run in runs]
    assert serving == [port_of(main), port_of(feature)]
    assert serving[0] != serving[1]
    for run in runs:
        run.finish(TERM)


def test_copy_of_a_checkout_is_another_one(folder: Folder) -> None:
    auto(folder, "web: sleep 60")
    folder.write(".procrun/port", f"12300\n{folder.path.resolve()}-before-it-was-copied")

    assert port_of(folder) != 12300


@pytest.mark.parametrize("text", ["", "x", "70000\n{root}", "\n{root}", "12300\n", "\xff"])
def test_what_nobody_wrote_is_not_remembered(folder: Folder, text: str) -> None:
    auto(folder, "web: sleep 60")
    derived = port_of(folder)
    folder.write(".procrun/port", text.format(root=folder.path.resolve()))

    assert port_of(folder) == derived


def test_base_moves_where_another_checkout_is_on_it_and_stays_there(folder: Folder) -> None:
    one, other = Folder(folder.path / "one"), Folder(folder.path / "other")
    auto(one, f"web: {SERVE}")
    auto(other, f"web: {SERVE}")
    first = one.start()
    taken = int(first.wait_for(r"Serving HTTP on \S+ port (\d+)")[1])
    other.write(".procrun/port", f"{taken}\n{other.path.resolve()}")
    (other.path / ".procrun").chmod(0o700)

    second = other.start()

    told = second.wait_for(rf"port {taken} is taken by pid \d+ \(.*http\.server.*\) in {one.path.resolve()}; (.*)$")[1]
    moved = int(second.wait_for(r"Serving HTTP on \S+ port (\d+)")[1])
    assert told == f"this checkout has the ports from {moved} on now"
    assert moved != taken
    assert second.wait_for(rf"web\.1 at http://127\.0\.0\.1:{moved}$")
    for run in (first, second):
        run.finish(TERM)
    assert port_of(other) == moved


def test_base_stays_where_this_checkout_has_another_run(folder: Folder) -> None:
    auto(folder, f"web: {SERVE}", "worker: sleep 60")
    web = folder.start("web")
    base = int(web.wait_for(r"Serving HTTP on \S+ port (\d+)")[1])

    worker = folder.start("worker")

    worker.wait_for(rf"worker\.1 started, pid \d+, port {base}$")
    for run in (web, worker):
        run.finish(TERM)
    assert port_of(folder) == base


def test_what_an_earlier_run_left_does_not_move_the_base(folder: Folder) -> None:
    auto(folder, f"web: {SERVE}")
    base = port_of(folder)
    command = [PYTHON, "-u", "-m", "http.server", str(base), "--bind", "127.0.0.1"]
    with subprocess.Popen(command, cwd=folder.path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as left:
        assert left.stdout is not None
        left.stdout.readline()
        result = folder.procrun("start")
        left.terminate()

    assert result.returncode == 2
    assert f"web.1: port {base} is taken by pid {left.pid} (" in result.stderr
    assert port_of(folder) == base


def test_scaled_instances_follow_the_base(folder: Folder) -> None:
    auto(folder, "web: sleep 60")
    run = folder.start()
    base = int(run.wait_for(r"web\.1 at http://127\.0\.0\.1:(\d+)$")[1])

    folder.procrun("scale", "web=2")

    run.wait_for(rf"web\.2 started, pid \d+, port {base + 1}$")
    run.finish(TERM)


@pytest.mark.parametrize(
    ("toml", "dotenv", "arguments", "expected"),
    [
        ("port = 4000", "", (), 4000),
        ("port = 4000", "PORT=4100", (), 4100),
        ('port = "auto"', "PORT=4100", (), 4100),
        ('port = "auto"', "PORT=4100", ("-p", "4200"), 4200),
        ('port = "auto"', "", ("-p", "4200"), 4200),
        ("port = 4000", "", ("-p", "4200"), 4200),
    ],
)
def test_what_beats_the_port_of_the_configuration(
    folder: Folder, toml: str, dotenv: str, arguments: tuple[str, ...], expected: int
) -> None:
    folder.procfile("web: echo port is $PORT")
    folder.write("procrun.toml", toml)
    folder.write(".env", dotenv)

    result = folder.procrun("start", *arguments)

    assert f"port is {expected}\n" in result.stdout
    assert "at http://" not in result.stdout


@pytest.mark.parametrize("value", ["0", "65536", "-1", "true", '"4000"', '"automatic"', "[4000]", "4000.5"])
def test_what_is_no_port_is_one_line_with_its_place(folder: Folder, value: str) -> None:
    folder.procfile("web: sleep 60")
    folder.write("procrun.toml", f"port = {value}\n")

    result = folder.procrun("start")

    assert result.returncode == 2
    expected = 'procrun: procrun.toml: port: takes "auto", or the base port as a number from 1 to 65535; this is '
    assert result.stderr.startswith(expected)
    assert result.stderr.count("\n") == 1


def test_export_has_no_port_of_this_checkout_and_says_so(folder: Folder) -> None:
    auto(folder, "web: sleep 60")

    result = folder.procrun("export", "systemd", "out", "-a", "shop")

    assert "Environment=PORT=5000" in (folder.path / "out/shop-web-1.service").read_text()
    said = 'procrun: port = "auto" is for this checkout alone; the files have 5000, and -p gives another\n'
    assert said in result.stderr
    assert said not in folder.procrun("export", "systemd", "out", "-a", "shop", "-p", "7000").stderr
    assert "Environment=PORT=7000" in (folder.path / "out/shop-web-1.service").read_text()


def test_bases_end_where_outgoing_ports_begin() -> None:
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found = ports.bases()

    assert len(found) > 5
    assert found[0] == ports.FIRST
    assert found[-1] + ports.ROOM <= (low if low >= ports.FIRST + 2 * ports.ROOM else ports.LAST)
    assert {base % 100 for base in found} == {0}
    assert list(ports.after(found[-1], 2)) == list(found[:-1])
    assert list(ports.after(found[0], 2)) == [*found[2:], found[1]]


def test_base_that_cannot_be_remembered_stays_that_of_the_run(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    auto(folder, "web: sleep 60")
    derived = port_of(folder)
    folder.write(".procrun/port~/in-the-way", "")
    (folder.path / ".procrun").chmod(0o700)
    monkeypatch.chdir("/")  # who listens in the folder itself is no other checkout
    with bound(derived):
        run = folder.start()
        moved = int(run.wait_for(r"web\.1 at http://127\.0\.0\.1:(\d+)$")[1])
        folder.procrun("scale", "web=2")
        run.wait_for(rf"web\.2 started, pid \d+, port {moved + 1}$")
        run.finish(TERM)
    assert moved != derived
    assert not (folder.path / ".procrun/port").exists()


def git(where: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=where, capture_output=True, text=True, check=True).stdout
