"""Where the control socket is, whom one trusts, who may start: places that will not do, and many at once."""

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from procrun.core import run_dir
from procrun.system.linux import procfs
from tests.disks import sftp_server
from tests.harness import PYTHON, TERM, Folder, Run, alive, child, opened, until
from tests.programs import NOBODY, need, need_namespace, need_right

HURRIED = (
    "from procrun.control import client; from procrun.core import run_dir; "
    "client.HELLO_TIMEOUT = run_dir.LOCK_TIMEOUT = 1; "
)
"""What makes a client wait one second where it would wait 5 or 10."""


@pytest.fixture(autouse=True)
def _runtime_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One of the test's own, with a short path: nothing is left in the user's."""
    with tempfile.TemporaryDirectory(prefix="run") as base:
        monkeypatch.setenv("XDG_RUNTIME_DIR", base)
        yield


def supervisor_of(run: Run) -> int:
    run.wait_for("started")
    return next(row.pid for row in procfs.snapshot().values() if row.ppid == run.pid)


def hurried(folder: Folder, *commands: list[str]) -> "list[subprocess.Popen[str]]":
    """Commands, side by side, that do not wait as long as people would."""
    code = f"{HURRIED}from procrun.__main__ import main; main()"
    return [
        subprocess.Popen([PYTHON, "-c", code, *command], cwd=folder.path, stdout=-1, stderr=-1, text=True)
        for command in commands
    ]


def told(client: "subprocess.Popen[str]") -> str:
    """What it says on stderr, at its end."""
    return client.communicate(timeout=60)[1]


@contextmanager
def mounted(where: Path, *arguments: str) -> Iterator[None]:
    subprocess.run([need("mount"), *arguments, str(where)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@contextmanager
def suspended(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    until(lambda: (row := procfs.stat(pid)) is not None and row.state == "T", "it is suspended")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def assert_reached(folder: Folder, env: dict[str, str] | None = None) -> None:
    """The run is found, by a second start too."""
    assert re.search(r"^web\.1 +(up|starting)", folder.procrun("ps", env=env).stdout, re.MULTILINE)
    again = folder.procrun("start", env=env)
    assert (again.returncode, again.stdout) == (2, "")
    assert "web.1 belongs to the procrun with pid" in again.stderr


def planted_socket(folder: Path, pid: int, owner: int) -> tuple[socket.socket, Path]:
    """A socket somebody listens on, of this owner."""
    listener, path = socket.socket(socket.AF_UNIX), folder / f"{pid}.sock"
    listener.bind(str(path))
    listener.listen()
    os.chown(path, owner, owner)
    return listener, path


# --- what lies in .procrun


def test_the_socket_of_a_run_that_was_killed_is_cleared_away(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    run = folder.start()
    pid = int(run.wait_for(r"web\.1 started, pid (\d+)")[1])
    supervisor = supervisor_of(run)
    path = folder.path / ".procrun" / f"{supervisor}.sock"
    until(path.exists, "the socket is there")
    os.kill(run.pid, signal.SIGSTOP)  # or it would stop what the other leaves
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not alive(supervisor), "the supervisor is gone")
    os.kill(run.pid, signal.SIGKILL)
    run.finish()
    os.kill(pid, signal.SIGKILL)

    assert folder.procrun("ps").stderr == f"procrun: nothing runs in {folder.path}; start it with `procrun start`\n"

    assert not path.exists()
    run = folder.start()
    run.wait_for("started")
    run.finish(TERM)


def test_what_is_no_socket_of_ours_is_left_alone(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    home = folder.path / ".procrun"
    home.mkdir(mode=0o700)
    (home / "123.sock").write_text("mine\n")
    (home / "124.sock").mkdir()
    (home / "125.sock").symlink_to("/nowhere")
    os.mkfifo(home / "126.sock")
    app, path = planted_socket(home, 127, os.getuid())
    path.rename(home / "puma.sock")
    with app:
        run = folder.start()
        run.wait_for("started")

        assert_reached(folder)

        run.finish(TERM)
    left = {name.name for name in home.iterdir()}
    assert left == {"123.sock", "124.sock", "125.sock", "126.sock", "puma.sock", "lock", ".gitignore"}


def test_what_a_killed_start_had_not_finished_is_cleared_away(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    home = folder.path / ".procrun"
    home.mkdir(mode=0o700)
    beyond = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    for name in (f"{beyond}.sock~", f"{beyond}.run~", f"{os.getpid()}.run~", "notes~"):
        (home / name).write_text("")

    run = folder.start()
    run.wait_for("started")

    run.finish(TERM)
    assert {name.name for name in home.iterdir()} == {f"{os.getpid()}.run~", "notes~", "lock", ".gitignore"}


@pytest.mark.parametrize("what", ["a file", "a dangling link", "a link to a folder", "for all to write", "no lock"])
def test_a_procrun_folder_that_will_not_do_is_passed_over_and_said_to_be(folder: Folder, what: str) -> None:
    folder.procfile("web: sleep 60")
    home = folder.path / ".procrun"
    (folder.path / "other").mkdir(mode=0o700)
    if what == "a file":
        home.write_text("mine\n")
    elif what == "for all to write":
        home.mkdir()
        home.chmod(0o777)
    elif what == "no lock":
        (home / "lock").mkdir(mode=0o700, parents=True)
        home.chmod(0o700)
    else:
        home.symlink_to("/nowhere" if what == "a dangling link" else folder.path / "other")

    run = folder.start()

    reason = {"for all to write": "others can write there", "no lock": "Is a directory"}.get(what, "is no folder")
    base = os.environ["XDG_RUNTIME_DIR"]
    run.wait_for(rf"the control socket is in {base}/procrun-[0-9a-f]{{16}}, since not in {home}: {reason}\n")
    assert_reached(folder)
    run.finish(TERM)
    assert list((folder.path / "other").iterdir()) == []


def test_a_path_of_200_characters_gets_a_short_one(folder: Folder) -> None:
    deep = folder.path / ("a" * 100) / ("b" * (198 - len(str(folder.path)) - 100))
    deep.mkdir(parents=True)
    assert len(str(deep)) >= 199
    inside = Folder(deep)
    inside.procfile("web: sleep 60")
    run = inside.start()

    run.wait_for(rf"the control socket is in /.*, since not in {deep}/\.procrun: too long a path for a socket\n")

    assert_reached(inside)
    assert inside.procrun("restart", "web").returncode == 0
    assert not (deep / ".procrun").exists()
    run.finish(TERM)


# --- where there can be none


def test_on_a_disk_that_may_stand_still_all_is_elsewhere(folder: Folder) -> None:
    """sshfs, as people have their code on."""
    need_right("mount a file system by FUSE")
    program, server = need("sshfs"), sftp_server()
    there, here = folder.path / "there", folder.path / "here"
    there.mkdir()
    here.mkdir()
    ssh = folder.write("ssh", f"#!/bin/sh\nexec {server}\n")  # no network: the server is its own child
    ssh.chmod(0o755)
    subprocess.run([program, "-o", f"ssh_command={ssh}", f"localhost:{there}", str(here)], check=True)
    try:
        app = Folder(here)
        app.procfile("web: sleep 60")
        run = app.start()
        run.wait_for(r"web\.1 started")

        assert_reached(app)

        run.finish(TERM)
        assert not (here / ".procrun").exists()
    finally:
        subprocess.run(["umount", "--lazy", str(here)], check=True)


@pytest.mark.parametrize("before", ["never used", "used before"])
def test_a_read_only_file_system_has_the_socket_elsewhere(folder: Folder, before: str) -> None:
    need_right("mount a file system")
    with mounted(folder.path, "-t", "tmpfs", "none"):
        folder.procfile("web: sleep 60")
        if before == "used before":
            run = folder.start()
            run.wait_for("started")
            run.finish(TERM)
        subprocess.run(["mount", "-o", "remount,ro", str(folder.path)], check=True)
        run = folder.start()

        run.wait_for(rf"the control socket is in /.*, since not in {folder.path}/\.procrun: Read-only file system\n")

        assert_reached(folder)
        run.finish(TERM)


def test_a_folder_one_may_not_write_to_has_the_socket_elsewhere(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    folder.path.chmod(0o555)
    # Root without capabilities (capabilities(7)) is held by modes as everybody is.
    program = [need("setpriv"), "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
    popen = subprocess.Popen(
        [*program, PYTHON, "-m", "procrun", "start"], stdin=subprocess.DEVNULL, stdout=-1, stderr=-2, cwd=folder.path
    )
    run = Run(popen)
    folder.runs.append(run)

    run.wait_for(rf"the control socket is in /.*, since not in {folder.path}/\.procrun: Permission denied\n")

    assert_reached(folder)
    run.finish(TERM)
    folder.path.chmod(0o755)


def test_without_any_folder_nothing_is_started(folder: Folder) -> None:
    apart = need_namespace("--mount")
    folder.procfile("web: sleep 60")
    # A mount namespace of its own, in which nothing can be written.
    script = 'mount --bind / /; mount -o remount,bind,ro /; exec "$@"'
    command = [*apart, "sh", "-euc", script, "-", PYTHON, "-m", "procrun", "start"]

    result = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 2
    result = subprocess.run([*command, "-d", str(folder.path)], capture_output=True, text=True, timeout=30, check=False)

    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(
        rf"procrun: \.procrun: no folder for the control socket: {folder.path}/\.procrun: Read-only file system; "
        r".*; /tmp/procrun-0/procrun-\w+: Read-only file system; make one of them writable\n",
        result.stderr,
    )


# --- whom to trust


def test_a_socket_that_another_user_planted_is_not_talked_to(folder: Folder) -> None:
    need_right("give files away")
    folder.procfile("web: sleep 60")
    home = folder.path / ".procrun"
    home.mkdir(mode=0o700)
    listener, path = planted_socket(home, 999999, NOBODY)
    with listener:
        listener.settimeout(0)
        result = folder.procrun("ps")
        run = folder.start()
        run.wait_for("started")
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert "nothing runs in" in result.stderr
    assert path.exists()
    run.finish(TERM)


@pytest.mark.parametrize("how", ["another's", "for all to write", "missing", "a link"])
def test_a_runtime_directory_that_is_not_ours_alone_is_not_used(folder: Folder, how: str) -> None:
    need_right("give files away")
    folder.procfile("web: sleep 60")
    (folder.path / ".procrun").write_text("")
    xdg, real = folder.path / "xdg", folder.path / "real"
    real.mkdir(mode=0o700)
    if how == "a link":
        xdg.symlink_to(real)
    elif how != "missing":
        xdg.mkdir()
        xdg.chmod(0o777 if how == "for all to write" else 0o755)
        os.chown(xdg, NOBODY if how == "another's" else 0, 0)
    env = {"XDG_RUNTIME_DIR": str(xdg)}

    run = folder.start(env=env)

    run.wait_for(r"the control socket is in /tmp/procrun-0/procrun-")
    assert_reached(folder, env)
    run.finish(TERM)
    assert not xdg.exists() or list(xdg.iterdir()) == []
    shutil.rmtree(run_dir.folders(str(folder.path))[-1])


@pytest.mark.parametrize("how", ["another's", "for all to write", "a link", "a file"])
def test_a_folder_planted_in_tmp_is_not_used_and_keeps_nobody_from_starting(folder: Folder, how: str) -> None:
    """A user namespace gives a uid that has no folder in /tmp yet (user_namespaces(7))."""
    need_right("give files away")
    uid = 1_000_000 + os.getpid()
    program = need_namespace(f"--map-user={uid}")
    planted, real = Path(f"/tmp/procrun-{uid}"), folder.path / "real"
    real.mkdir(mode=0o700)
    folder.procfile("web: sleep 60")
    (folder.path / ".procrun").write_text("")
    plant(planted, real, how)
    env = {"XDG_RUNTIME_DIR": str(folder.path / "missing")}
    try:
        run = folder.start(env=env, before=program)
        place = run.wait_for(rf"the control socket is in ({planted}-\w+)/procrun-\w+, since not in .*; ({planted}/.*)")
        command = [*program, PYTHON, "-m", "procrun"]
        told = [output(folder, env, *command, verb) for verb in ("ps", "start", "stop")]
        run.finish()
        assert not list(real.iterdir())
    finally:
        planted.rmdir() if planted.is_dir() and how != "a link" else planted.unlink()
        for further in Path("/tmp").glob(f"{planted.name}-*"):
            shutil.rmtree(further)

    reason = {"another's": f"belongs to another user (uid {NOBODY})", "for all to write": "others can write there"}
    assert reason.get(how, "is no folder") in place[2]
    assert re.search(r"web\.1 +(starting|up|ready) ", told[0])
    assert "web.1 belongs to the procrun with pid" in told[1]


def plant(planted: Path, real: Path, how: str) -> None:
    """Put something under this name that is no folder of the user's alone."""
    if how == "a link":
        planted.symlink_to(real)
    elif how == "a file":
        planted.write_text("")
    else:
        planted.mkdir()
        planted.chmod(0o777 if how == "for all to write" else 0o755)
    os.chown(planted, NOBODY if how == "another's" else 0, 0, follow_symlinks=False)


def output(folder: Folder, env: dict[str, str], *command: str) -> str:
    result = subprocess.run(
        command, cwd=folder.path, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False
    )
    return result.stdout + result.stderr


# --- many at once


def test_of_ten_starts_at_the_same_instant_one_runs(folder: Folder) -> None:
    folder.procfile("web: echo ready; exec sleep 60")

    runs = [folder.start() for _ in range(10)]
    until(lambda: sum(run.popen.poll() is not None for run in runs) == 9, "nine are refused")

    [living] = [run for run in runs if run.popen.poll() is None]
    for run in runs:
        if run is not living:
            assert run.finish() == 2
            assert f"web.1 belongs to the procrun with pid {living.pid}, which runs here since" in run.output
            assert "ready" not in run.output
    assert_reached(folder)
    living.finish(TERM)


def test_different_types_may_start_at_the_same_instant(folder: Folder) -> None:
    folder.procfile("web: echo ready; exec sleep 60", "worker: echo ready; exec sleep 60")

    runs = [folder.start(name) for name in ("web", "worker")]

    for run in runs:
        run.wait_for("ready")
    assert set(re.findall(r"^\w+\.1", folder.procrun("ps").stdout, re.MULTILINE)) == {"web.1", "worker.1"}
    for run in runs:
        run.finish(TERM)


def test_a_start_while_the_last_run_is_ending_never_runs_beside_it(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "1", "0"))
    run = folder.start()
    pid = int(run.wait_for(r"ready pid=(\d+)")[1])
    run.signal(TERM)
    run.wait_for("asked to stop")

    while "web.1 belongs to the procrun with pid" in (after := folder.start()).wait_for(".+")[0]:
        assert after.finish() == 2

    after.wait_for("ready")
    assert not alive(pid)
    after.finish(TERM)
    run.finish()


def test_a_start_says_who_holds_the_lock_for_too_long(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    first = folder.start()
    first.wait_for("started")
    first.finish(TERM)
    code = "from procrun.core import run_dir; held = run_dir.lock('.procrun'); print('held', flush=True); input()"
    holder = subprocess.Popen([PYTHON, "-c", code], stdin=-1, stdout=-1, cwd=folder.path)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with suspended(holder.pid):
            [client] = hurried(folder, ["start"])
            text = told(client)
        holder.kill()

    assert client.returncode == 2
    assert text == (
        f"procrun: {folder.path}/.procrun/lock: held for 1 s by another `procrun start`, pid {holder.pid}, "
        f"which may be suspended; `kill -CONT {holder.pid}` continues it, `kill -KILL {holder.pid}` ends it\n"
    )


# --- a run that does not answer


def test_every_command_names_the_run_that_does_not_answer(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    run = folder.start()
    supervisor = supervisor_of(run)
    until(lambda: folder.procrun("start").returncode == 2, "it is reached, and holds the lock no more")
    commands = [["ps"], ["restart", "web"], ["stop"], ["scale", "web=2"], ["start"], ["start", "web"]]

    with suspended(supervisor):
        results = [(client.communicate(timeout=60), client.returncode) for client in hurried(folder, *commands)]

    text = (
        f"procrun: the procrun with pid {run.pid} does not answer: its supervisor, pid {supervisor}, is suspended; "
        f"`kill -CONT {supervisor}` continues it\n"
    )
    assert results == [(("", text), 124)] * len(commands)
    assert_reached(folder)
    run.finish(TERM)


def test_a_run_that_is_busy_is_named_too(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    home = folder.path / ".procrun"
    home.mkdir(mode=0o700)
    code = (
        "import os, socket; s = socket.socket(socket.AF_UNIX); s.bind(f'.procrun/{os.getpid()}.sock'); s.listen(); "
        "print(os.getpid(), flush=True); input()"
    )
    with subprocess.Popen([PYTHON, "-c", code], stdin=-1, stdout=-1, cwd=folder.path) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        [client] = hurried(folder, ["ps"])
        text = told(client)
        busy.kill()

    assert client.returncode == 124
    assert text == (
        f"procrun: the procrun with pid {os.getpid()} does not answer: its supervisor, pid {busy.pid}, "
        f"says nothing for 1 s; `kill -KILL {busy.pid}` has all of it stopped\n"
    )


def test_a_command_does_not_wait_for_ever_behind_others(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    run = folder.start()
    supervisor = supervisor_of(run)
    until(lambda: run_dir.sockets(str(folder.path)), "the socket is there")
    [path] = run_dir.sockets(str(folder.path))
    waiting = []
    with suspended(supervisor):
        while True:  # up to what listen(2) was told
            connection = socket.socket(socket.AF_UNIX)
            waiting.append(connection)
            connection.setblocking(False)
            try:
                connection.connect(path)
            except BlockingIOError:
                break
        [client] = hurried(folder, ["ps"])
        text = told(client)
    for connection in waiting:
        connection.close()

    assert client.returncode == 124
    assert "does not answer" in text
    assert_reached(folder)
    run.finish(TERM)


def test_a_restart_is_told_when_the_run_is_suspended_meanwhile(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "1", "0"))
    run = folder.start()
    run.wait_for("ready")
    supervisor = supervisor_of(run)
    [restart] = hurried(folder, ["restart"])
    run.wait_for("asked to stop")

    with suspended(supervisor):
        text = told(restart)

    assert restart.returncode == 124
    assert "is suspended" in text
    run.wait_for("ready", count=2)  # the restart goes on
    run.finish(TERM)


def test_one_suspended_run_does_not_keep_from_another(folder: Folder) -> None:
    folder.procfile("web: sleep 60", "worker: sleep 60")
    web = folder.start("web")
    web.wait_for("started")
    worker = folder.start("worker")
    worker.wait_for("started")
    until(lambda: len(run_dir.sockets(str(folder.path))) == 2, "both sockets are there")

    with suspended(supervisor_of(web)):
        [client] = hurried(folder, ["restart", "worker"])
        assert (told(client), client.returncode) == ("", 0)

    web.finish(TERM)
    worker.finish(TERM)


@pytest.mark.parametrize("beside", [(), ("worker",)], ids=["alone", "beside another"])
def test_a_command_waits_for_a_start_that_is_under_way(folder: Folder, beside: tuple[str, ...]) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exec sleep 1000")
    run = folder.start("web")
    supervisor = supervisor_of(run)
    socket_ = folder.path / ".procrun" / f"{supervisor}.sock"
    others = [folder.start(name) for name in beside]
    for other in others:
        other.wait_for("started")
    until(lambda: len(run_dir.sockets(str(folder.path))) == 1 + len(others), "all serve")
    with (folder.path / ".procrun/lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suspended(supervisor):  # else it would have another socket there soon
            hidden = socket_.rename(socket_.with_suffix(".hidden"))  # as if it were not there yet
            asked = folder.background("restart", "web")
            until(lambda: str(folder.path / ".procrun/lock") in opened(asked.pid), "it waits for the lock")
            hidden.rename(socket_)

    output, _ = asked.communicate(timeout=30)
    assert asked.returncode == 0
    assert "web.1" in output
    for each in (run, *others):
        each.finish(TERM)
