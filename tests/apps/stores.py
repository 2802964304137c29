"""Real stores for a test's Procfile: a Postgres cluster and a Redis, each with the clients that ask it."""

import getpass
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.harness import free_port, until
from tests.programs import leave_out, need


class Postgres:
    """A cluster in a folder of its own. As root it belongs to the user postgres: the server refuses root."""

    def __init__(self) -> None:
        self.psql = need("psql")
        self._programs = _newest_programs()
        self._prefix = _as_postgres() if os.geteuid() == 0 else []
        self.user = "postgres" if self._prefix else getpass.getuser()
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.data = self.folder / "data"
        self.port = free_port()
        if self._prefix:
            shutil.chown(self.folder, "postgres", "postgres")
        initdb = [*self._prefix, str(self._programs / "initdb"), "-D", str(self.data), "-A", "trust", "-N"]
        subprocess.run(initdb, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    @property
    def command(self) -> str:
        """Its line in a Procfile."""
        server = [str(self._programs / "postgres"), "-D", str(self.data), "-k", str(self.folder)]
        return shlex.join([*self._prefix, *server, "-h", "127.0.0.1", "-p", str(self.port)])

    @property
    def version(self) -> str:
        said = subprocess.run([self._programs / "postgres", "--version"], capture_output=True, text=True, check=True)
        return said.stdout.split()[2]

    def client(self, statement: str) -> str:
        """A command that carries out one statement."""
        address = [self.psql, "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-d", "postgres"]
        return shlex.join([*address, "-AtXqc", statement])

    def ask(self, statement: str) -> str:
        """What one statement gives, empty while nobody answers."""
        client = shlex.split(self.client(statement))
        return subprocess.run(client, capture_output=True, text=True, timeout=30, check=False).stdout.strip()

    def session(self) -> "subprocess.Popen[bytes]":
        """A client that stays connected and does nothing, as a pool does; it ends with its input or the server."""
        address = shlex.split(self.client(""))[:-2]
        quiet = subprocess.DEVNULL
        popen = subprocess.Popen([*address, "-q"], stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
        until(lambda: int(self.ask("select count(*) from pg_stat_activity where application_name = 'psql'")) > 1, "in")
        return popen

    def close(self) -> None:
        shutil.rmtree(self.folder)


class Redis:
    """A redis-server on a free loopback port, with options of its own."""

    def __init__(self, folder: Path, **options: str) -> None:
        self.server, self.cli = need("redis-server"), need("redis-cli")
        self.port = free_port()
        given = {"bind": "127.0.0.1", "port": str(self.port), "save": "", "dir": str(folder), **options}
        self.command = shlex.join(
            [self.server, *(word for key, value in given.items() for word in (f"--{key}", value))]
        )

    def client(self, *words: str) -> str:
        """A command that sends one command."""
        return shlex.join([self.cli, "-p", str(self.port), *words])

    def ask(self, *words: str) -> str:
        """What one command gives, empty while nobody answers."""
        client = shlex.split(self.client(*words))
        return subprocess.run(client, capture_output=True, text=True, timeout=60, check=False).stdout.strip()


def _newest_programs() -> Path:
    """Debian keeps the servers of several versions out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[4]))
    program = str(found[-1]) if found else shutil.which("postgres")
    return Path(program).parent if program else leave_out("postgres is not installed (make test names the line)")


def _as_postgres() -> list[str]:
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        leave_out("there is no user postgres")
    return [need("setpriv"), "--reuid=postgres", "--regid=postgres", "--init-groups"]
