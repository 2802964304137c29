"""Gets away from its leader in the way that is named; everything of it holds a lock on the file members/PS.PID.

Each process notes its pid in that file. The file `ready` of the same name comes when all of them are there.
"""

import ctypes
import fcntl
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_CHILD_SUBREAPER, PR_SET_NAME = 36, 15  # prctl(2)
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207  # ptrace(2)
CLONE_VFORK = 0x4000  # clone(2)
SYS_CLONE = {"x86_64": 56, "aarch64": 220}
NAME = f"members/{os.environ['PS']}.{os.getpid()}"


def note() -> None:
    os.write(MEMBERS, f"{os.getpid()}\n".encode())


def noted() -> list[str]:
    return os.pread(MEMBERS, 65536, 0).decode().split()


def stay() -> None:
    note()
    while True:
        time.sleep(600)


def child(act: Callable[[], None] = stay) -> int:
    pid = os.fork()
    if pid == 0:
        act()
        os._exit(0)
    return pid


def twice(act: Callable[[], None]) -> None:
    """Fork, leave the session, fork again: nobody's child any more (daemon(7))."""

    def middle() -> None:
        os.setsid()
        child(act)

    os.waitpid(child(middle), 0)


def daemon() -> None:
    def settled() -> None:
        os.chdir("/")
        for handle in range(3):
            os.close(handle)
        stay()

    twice(settled)


def session() -> None:
    subprocess.Popen(["setsid", "sleep", "600"], pass_fds=[MEMBERS])


def nohup() -> None:
    subprocess.Popen("nohup sleep 600 >/dev/null 2>&1 & exit", shell=True, pass_fds=[MEMBERS]).wait()


def redis() -> None:
    """It puts its title over its environment, so that no mark can be read."""
    path = os.path.abspath(f"{os.environ['PS']}.sock")
    options = f"--port 0 --unixsocket {path} --daemonize yes --save".split()
    subprocess.run(["redis-server", *options, ""], pass_fds=[MEMBERS], check=True, stdout=subprocess.DEVNULL)
    while not os.path.exists(path):
        time.sleep(0.01)


def stopped() -> None:
    def stop() -> None:
        note()
        os.kill(os.getpid(), signal.SIGSTOP)
        stay()

    os.waitpid(child(stop), os.WUNTRACED)


def deaf() -> None:
    """It ignores what can be ignored, and so does its child, a daemon of its own."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, 32, 33}:
        signal.signal(number, signal.SIG_IGN)
    twice(stay)


def subreaper() -> None:
    """Orphans go to it instead of to procrun."""

    def adopt() -> None:
        os.setsid()
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        twice(stay)
        twice(stay)
        stay()

    child(adopt)


def tracer() -> None:
    """One child holds another one in a tracing stop (state t), which TERM and CONT do not end."""
    traced = child()

    def trace() -> None:
        while str(traced) not in noted():
            time.sleep(0.005)
        assert LIBC.ptrace(PTRACE_SEIZE, traced, None, None) == 0, os.strerror(ctypes.get_errno())
        LIBC.ptrace(PTRACE_INTERRUPT, traced, None, None)
        os.waitpid(traced, 0x40000000)  # __WALL
        stay()

    child(trace)


def vfork() -> None:
    """A process that waits, deaf to all but KILL, for its child's exec, which never comes."""

    def suspended() -> None:
        note()
        if LIBC.syscall(SYS_CLONE[platform.machine()], CLONE_VFORK | signal.SIGCHLD, 0, 0, 0, 0) == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            stay()

    child(suspended)


def renamed() -> None:
    """Its name in /proc/PID/stat looks like the end of the name and other fields."""

    def disguised() -> None:
        LIBC.prctl(PR_SET_NAME, b"x) Z 1 1 1 (\xff", 0, 0, 0)
        stay()

    twice(disguised)


def pipe() -> None:
    """The leader dies of TERM; its child does not, and holds the pipe."""

    def hold() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stay()

    child(hold)


def bomb(members: int, step: Callable[[], object] = lambda: None) -> None:
    """Everyone forks for as long as the limit lets them; another user's, since limits do not bind root.

    It leaves the machine time for others, and ends where nobody has ended it.
    """
    until = time.monotonic() + 60

    def fork_on() -> None:
        while time.monotonic() < until:
            try:
                if os.fork() == 0:
                    step()
            except OSError:
                time.sleep(0.004)
        os._exit(0)

    def start() -> None:
        user = 50000 + int(os.environ["PORT"])
        resource.setrlimit(resource.RLIMIT_NPROC, (members, members))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        note()
        fork_on()

    child(start)


def chain(pause: float) -> None:
    """A daemon that every few milliseconds is another process, in another session, deaf to TERM."""

    def link() -> None:
        note()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            time.sleep(pause)
            for _ in range(2):
                if os.fork():
                    os._exit(0)
                os.setsid()

    twice(link)


WAYS: dict[str, tuple[Callable[[], None], int]] = {
    "daemon": (daemon, 2),
    "session": (session, 1),
    "nohup": (nohup, 1),
    "redis": (redis, 1),
    "stopped": (stopped, 2),
    "deaf": (deaf, 2),
    "subreaper": (subreaper, 4),
    "tracer": (tracer, 3),
    "vfork": (vfork, 3),
    "renamed": (renamed, 2),
    "pipe": (pipe, 2),
    "bomb": (lambda: bomb(40), 2),
    "bomb-sessions": (lambda: bomb(40, os.setsid), 2),
    "chain": (lambda: chain(0.01), 2),
    "fast-chain": (lambda: chain(0), 2),
}
"""By name: what to do, and how many processes note themselves, the leader included."""


if __name__ == "__main__":
    way, expected = WAYS[sys.argv[1]]
    os.makedirs("members", exist_ok=True)
    MEMBERS = os.open(NAME, os.O_CREAT | os.O_RDWR | os.O_APPEND)
    fcntl.flock(MEMBERS, fcntl.LOCK_EX)
    way()
    note()
    while len(noted()) < expected:
        time.sleep(0.005)
    print("ready", NAME, flush=True)
    while True:
        time.sleep(600)
