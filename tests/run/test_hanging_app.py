"""The disk that the app itself is on stands still, or its files become what hangs: nothing waits but who needs them."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from procrun.control.protocol import Reload, Request, Restart, Stop, encode
from procrun.core import run_dir
from tests.core.test_rundir import _runtime_directory
from tests.disks import NetworkDisk, network_disk
from tests.harness import TERM, Folder, alive, until
from tests.supervise.test_random import Talk

__all__ = ["_runtime_directory", "network_disk"]

DEAF = "trap '' TERM; echo up; while :; do sleep 0.1; done"
LASTING = 'restart = "always"\nrestart_limit = "1000/10"\n'


class App:
    """An app whose folder is on a disk that stands still from `hang` to `go_on`; it is asked at its socket."""

    def __init__(self, disk: NetworkDisk, config: str = "") -> None:
        self.disk = disk
        self.talks: list[Talk] = []
        self.folder = Folder(disk.path / "app")
        self.folder.path.mkdir()
        self.folder.procfile(f"deaf: {DEAF}", "web: echo up; exec sleep 600")
        self.folder.write("procrun.toml", f"[process.web]\n{LASTING}{config}")
        self.run = self.folder.start("-t", "1")
        self.run.wait_for(r"\| up", count=2)
        until(lambda: run_dir.sockets(str(self.folder.path)), "the socket is there")
        (path,) = run_dir.sockets(str(self.folder.path))
        self.path = Path(path)
        self.answers(Stop(["nobody"]))
        self.deaf, self.web = (int(self.run.wait_for(rf"{name}\.1 started, pid (\d+)")[1]) for name in ("deaf", "web"))

    def ask(self, request: Request) -> Talk:
        talk = Talk(self.path, encode(request))
        self.talks.append(talk)
        return talk

    def answers(self, request: Request) -> None:
        """It does, to anything."""
        talk = Talk(self.path, encode(request))
        with talk.socket:
            assert talk.final(wait=True) is not None

    def end(self) -> None:
        self.disk.go_on()
        for talk in self.talks:
            talk.socket.close()
        self.folder.end()


def killed_meanwhile(app: App) -> None:
    """KILL comes at the budget of who is deaf, and the run answers, while the disk stands still."""
    app.ask(Stop(["deaf"]))
    until(lambda: not alive(app.deaf), "the deaf one is killed")
    app.answers(Stop(["nobody"]))
    assert app.run.popen.poll() is None


def restart(app: App) -> None:
    app.ask(Restart(["web"]))


def crash(app: App) -> None:
    os.kill(app.web, signal.SIGKILL)


def reload(app: App) -> None:
    app.ask(Reload())


@pytest.mark.parametrize("what", [restart, crash, reload])
def test_a_kill_that_is_due_comes_although_the_folder_of_the_app_stands_still(
    network_disk: NetworkDisk, what: Callable[[App], None]
) -> None:
    app = App(network_disk)
    try:
        app.disk.hang()

        what(app)
        if what is not reload:
            until(lambda: not alive(app.web), "web has ended")
        killed_meanwhile(app)

        app.disk.go_on()
        if what is not reload:
            app.run.wait_for(r"web\.1 +\| up", count=2)
        assert app.run.finish(TERM) == -TERM
        assert re.search(r"deaf\.1 TERM 0\.00 → KILL 1\.\d\d → gone", app.run.output)
    finally:
        app.end()


def test_a_reload_waits_for_no_file_that_has_become_a_fifo(folder: Folder) -> None:
    """None of those that the plan is read from, nor of those that programs are known by."""
    folder.procfile("web: exec sleep 600", "worker: exec sleep 600")
    folder.write(".env", "A=1\n")
    folder.write("manifest.yml", "")
    profiles = '[process.web]\nprofile = "puma"\n[process.worker]\nprofile = "sidekiq"\n'
    folder.write("procrun.toml", f'platform = "server"\nmetadata = "manifest.yml"\n{profiles}')
    run = folder.start()
    run.wait_for("started", count=2)
    until(lambda: folder.procrun("ps").returncode == 0, "it is reached")
    names = {"Gemfile.lock": 0, "config/sidekiq.yml": 0, "config/puma.rb": 0}
    for name, status in (names | dict.fromkeys(["manifest.yml", "Procfile", ".env", "procrun.toml"], 2)).items():
        path = folder.path / name
        path.parent.mkdir(exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        os.mkfifo(path)

        told = folder.procrun("reload")

        assert told.returncode == status, (name, told.stderr)
        assert status == 0 or re.fullmatch(rf"procrun: {re.escape(name)}: is .* plain file.*\n", told.stderr)
        path.unlink()
        folder.write(name, before)
    assert run.finish(TERM) == -TERM
