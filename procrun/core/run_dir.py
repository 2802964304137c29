"""The folder `.procrun/` beside a Procfile: socket and record of each run in it, and the lock for starting."""

import fcntl
import os
import signal
import stat
from collections.abc import Callable, Iterable, Iterator
from time import monotonic, sleep
from typing import BinaryIO, NoReturn, Protocol
from zlib import crc32

from procrun.core.errors import ConfigError
from procrun.system.host import process_table


class Kept(Protocol):
    """A file of the run that is to be there while the run lives. Only `path` and `called` may be used in the loop."""

    called: str
    """What it is, for people."""

    @property
    def path(self) -> str:
        """Where it is."""
        ...

    def is_there(self) -> bool:
        """Whether it still is. May block."""
        ...

    def remake(self, folder: str) -> Callable[[], None]:
        """Make it anew in `folder`; what is returned makes it count, and is called in the loop.

        May block. Raises OSError where that cannot be; it may have to be where it was.
        """
        ...

    def give_up(self) -> None:
        """It cannot be made anew now. Called in the loop."""
        ...


NAME = ".procrun"
LOCK = "lock"
LONGEST_PATH = 107 - len("/4194304.n999999")
"""Bytes a socket's folder may have: sun_path holds 107 and a NUL (unix(7)), the highest pid has 7 digits (proc(5))."""

LOCK_TIMEOUT = 10
"""Seconds that another `start` may hold the lock, in which it starts its processes; far more than it takes."""


START_LOOKED_AT = 0.02
"""Seconds between two looks of a client whether a `start` still holds the lock."""


def folders(root: str) -> tuple[str, ...]:
    """Where the sockets of the runs in `root` may be: beside the Procfile, or in a folder of the user's own.

    The others serve where the first is too long, cannot be written, or cannot hold sockets.
    """
    return (os.path.join(os.path.realpath(root), NAME), *(os.path.join(base, _short(root)) for base in _bases()))


def _short(root: str) -> str:
    """The name of the folder for the runs in `root` where it is not beside the Procfile."""
    name = os.fsencode(os.path.realpath(root))
    return f"procrun-{crc32(name):08x}{crc32(name[::-1]):08x}"  # hashlib costs 3 ms


def make(root: str, passed: list[str], local: bool = False) -> Iterator[str]:
    """Those of the folders that this user alone can write, at least one, each made when it is asked for.

    With `local` those of the user's own come first: the disk that the app is on may stand still. An open file there
    holds up each process that is started, since a child closes what it does not need before it executes its program,
    and a close waits for the server of the disk (FLUSH of FUSE and NFS). Why a folder is passed over is added to
    `passed`. Raises ConfigError where there is none.
    """
    none = True
    beside, *own = folders(root)
    for folder in _and_a_new_one((*own, beside) if local else (beside, *own), root):
        reason = _make_own(folder)
        if reason:
            passed.append(f"{folder}: {reason}")
        else:
            none = False
            yield folder
    if none:
        raise ConfigError(f"no folder for the control socket: {'; '.join(passed)}; make one of them writable", NAME)


def own_base() -> str | None:
    """A folder of this user alone that does not depend on the app, if there is one."""
    return next((base for base in (*_bases(), *_new_base()) if not _make_base(base)), None)


def lock(folder: str) -> BinaryIO:
    """Hold the folder's lock until it is closed: of two `start` at the same instant the second waits for the first.

    Raises ConfigError that names the holder where it is held for longer than LOCK_TIMEOUT, and for what is no lock.
    """
    path = os.path.join(folder, LOCK)
    try:
        file = _locked(folder, path)
        while _is_another(file, path):  # somebody has removed it while it was waited for
            file.close()
            file = _locked(folder, path)
    except OSError as error:
        raise ConfigError(f"cannot be locked: {error.strerror}", path) from None
    try:
        file.write(b"%d\n" % os.getpid())  # for those who wait
    except OSError:
        pass  # the disk is full
    _clear_unfinished(folder)
    return file


def _locked(folder: str, path: str) -> BinaryIO:
    handle = _open_lock(folder)
    file = open(handle, "r+b", buffering=0)  # noqa: SIM115  who asked for the lock closes it
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _wait_for(file, path)
    return file


def _is_another(file: BinaryIO, path: str) -> bool:
    found = os.fstat(file.fileno())
    return file_at(path) != (found.st_dev, found.st_ino)


def await_start(root: str, patience: float) -> None:
    """Wait for a `start` that is under way to open its socket, at most `patience` seconds."""
    end = monotonic() + patience
    for folder in folders(root):
        try:
            handle = os.open(os.path.join(folder, LOCK), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            while not _free(handle) and monotonic() < end:
                sleep(START_LOOKED_AT)
        finally:
            os.close(handle)


def sockets(root: str) -> list[str]:
    """The sockets of the runs in `root`, living or stale, oldest first."""
    found = []
    for folder in folders(root):
        try:
            names = [name for name in os.listdir(folder) if name.endswith(".sock") and name[:-5].isdecimal()]
        except OSError:
            continue
        if names and not _not_own(folder, root):
            found += [os.path.join(folder, name) for name in names]
    return sorted((path for path in found if _trusted(path, root)), key=_born)


def records(root: str) -> list[str]:
    """The records of the runs in `root`, oldest first; none from where anybody else could have put one, root or not."""
    return sorted((path for path in traces(root, ".run") if not _not_own(os.path.dirname(path))), key=_born)


def traces(root: str, *suffixes: str) -> list[str]:
    """What runs in `root` have left or are using: sockets (.sock) and records (.run), whosever they are."""
    found = []
    for folder in folders(root):
        try:
            names = [name for name in os.listdir(folder) if name.endswith(suffixes or (".sock", ".run"))]
        except OSError:
            continue
        found += [os.path.join(folder, name) for name in names]
    return found


def socket_path(folder: str) -> str:
    """Where this run's socket goes."""
    return os.path.join(folder, f"{os.getpid()}.sock")


def record_path(folder: str) -> str:
    """Where this run's record goes."""
    return os.path.join(folder, f"{os.getpid()}.run")


def notify_path(folder: str, number: int) -> str:
    """Where the socket goes at which one start of an instance of this run tells how it is."""
    return os.path.join(folder, f"{os.getpid()}.n{number}")


def notify_paths(folder: str) -> list[str]:
    """All such sockets in the folder, whosever they are."""
    pieces = [(name, *name.partition(".n")) for name in os.listdir(folder)]
    return [os.path.join(folder, name) for name, pid, _, number in pieces if pid.isdecimal() and number.isdecimal()]


def file_at(path: str) -> tuple[int, int] | None:
    """What tells the file at `path` from another one of that name; None where there is none. Follows no link."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove(path: str) -> None:
    """Take one of these away, if it is there."""
    try:
        os.unlink(path)
    except OSError:
        pass


def _bases() -> Iterator[str]:
    """Folders of the user alone: the one of the session (XDG Base Directory Specification), those in /tmp."""
    yield os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    yield _in_tmp()
    yield from _further_in_tmp()


def _in_tmp() -> str:
    return f"/tmp/procrun-{os.getuid()}"


def _further_in_tmp() -> list[str]:
    """Folders of the user alone that were made because somebody else had the usual name, in one order for everybody."""
    prefix = f"{os.path.basename(_in_tmp())}-"
    try:
        found = sorted(name for name in os.listdir("/tmp") if name.startswith(prefix))
    except OSError:
        return []
    return [path for path in (os.path.join("/tmp", name) for name in found) if not _not_own(path)]


def _and_a_new_one(known: Iterable[str], root: str) -> Iterator[str]:
    """Those that are known, then, if one is still asked for, a folder under a name that nobody can have taken."""
    yield from known
    for base in _new_base():
        yield os.path.join(base, _short(root))


def _new_base() -> Iterator[str]:
    """A new folder in /tmp; none where the usual one, or an earlier new one, can serve, or none can be made.

    Of two processes that make one at the same instant both use the first by name.
    """
    if not os.path.lexists(_in_tmp()) or not _not_own(_in_tmp()) or _further_in_tmp():
        return
    from tempfile import mkdtemp

    try:
        new = mkdtemp(prefix=f"{os.path.basename(_in_tmp())}-", dir="/tmp")
    except OSError:
        return  # why is told of the usual one
    first = next(iter(_further_in_tmp()), new)
    if first != new:
        os.rmdir(new)
    yield first


def _make_base(base: str) -> str:
    """See that it is a folder, ours, and nobody else's to write; why not, or nothing. Those in /tmp are made."""
    try:
        if base.startswith("/tmp/procrun-"):
            os.makedirs(base, mode=0o700, exist_ok=True)
    except FileExistsError:
        pass  # no folder, as is told next
    except OSError as error:
        return error.strerror or str(error)
    return _not_own(base)


def own_bases(make: bool = False) -> Iterator[str]:
    """Those of these folders that are there, ours, and nobody else's to write; with `make` the one in /tmp is made."""
    for base in _bases():
        if make and base.startswith("/tmp/procrun-"):
            try:
                os.makedirs(base, mode=0o700, exist_ok=True)
            except OSError:
                continue
        if not _not_own(base):
            yield base


def _make_own(folder: str) -> str:
    """See that the folder is there, ours, and nobody else's to write; why not, or nothing.

    What holds a short one must be so too, and of those only the one in /tmp is made.
    """
    if len(os.fsencode(folder)) > LONGEST_PATH:
        return "too long a path for a socket"
    parent = os.path.dirname(folder)
    try:
        if os.path.basename(folder) != NAME:
            reason = _make_base(parent)
            if reason:
                return reason
        try:
            os.mkdir(folder, mode=0o700)  # and nothing above it: the app may have been removed
        except FileExistsError:
            pass
        reason = _not_own(folder)
        if reason:
            return reason
        os.close(_open_lock(folder))  # a disk may have room for no further file (ENOSPC, EDQUOT)
    except OSError as error:
        return error.strerror or str(error)
    _hide(os.path.join(folder, ".gitignore"))
    return ""


def _hide(path: str) -> None:
    """Have git ignore the folder; where the disk is full a later start will."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError:
        return
    try:
        if os.fstat(handle).st_size == 0:
            os.write(handle, b"*\n")
    except OSError:
        pass
    finally:
        os.close(handle)


def _free(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def _open_lock(folder: str) -> int:
    return os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _not_own(folder: str, root: str | None = None) -> str:
    """What is wrong with the folder, or nothing: a real one, a trusted owner's, is for nobody else to write."""
    try:
        found, owners = os.lstat(folder), _owners(root)
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid not in owners:
        return f"belongs to another user (uid {found.st_uid})"
    if found.st_mode & 0o022:
        return "others can write there"
    return ""


def _trusted(path: str, root: str) -> bool:
    """Whether it is a socket, and of somebody we talk to."""
    try:
        found = os.lstat(path)
        return stat.S_ISSOCK(found.st_mode) and found.st_uid in _owners(root)
    except OSError:
        return False


def _owners(root: str | None) -> set[int]:
    """Whose folders and sockets are trusted: our own; and for root, who may talk to everybody's, the app's owner's."""
    owners = {os.getuid()}
    if root is not None and os.getuid() == 0:
        try:
            owners.add(os.stat(root).st_uid)
        except OSError:
            pass  # the app was removed
    return owners


def _clear_unfinished(folder: str) -> None:
    """Take away the sockets and records that had not yet got their name when their maker was killed."""
    try:
        unfinished = [name for name in os.listdir(folder) if name.endswith((".sock~", ".run~"))]
    except OSError:
        return
    for name in unfinished:
        pid = name.partition(".")[0]
        if not pid.isdecimal() or process_table.stat(int(pid)) is None:
            remove(os.path.join(folder, name))


def _wait_for(file: BinaryIO, path: str) -> None:
    """Wait for the lock. flock(2) has no timeout, so an alarm ends it."""

    def give_up(number: int, frame: object) -> NoReturn:
        pid = file.read(32).partition(b"\n")[0].decode(errors="replace") or "unknown"
        text = f"held for {LOCK_TIMEOUT} s by another `procrun start`, pid {pid}, which may be suspended"
        raise ConfigError(f"{text}; `kill -CONT {pid}` continues it, `kill -KILL {pid}` ends it", path)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LOCK_TIMEOUT)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _born(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
