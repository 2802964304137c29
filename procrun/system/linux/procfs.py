"""All knowledge of /proc: who is alive, whose child, in which session, listening where (proc(5), Linux).

Where descriptors or memory have run out everything here raises OSError: who sees nobody does not know that nobody is
there.
"""

import os
import re
import stat as stat_
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from procrun.system import bounded
from procrun.system.limits import EXHAUSTED
from procrun.system.types import Masks, Stat

_PF_EXITING, _PF_KTHREAD = 0x4, 0x200000  # include/linux/sched.h
_DEAD = (b"Z", b"X")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

TITLE_HEAD, TITLE_TAIL = 29, 50
"""Characters of a long command line that people are shown of its beginning (the interpreter) and end (the script)."""


PLACE = "/proc"
"""Where processes are shown."""


def unusable() -> str:
    """Why /proc does not show the processes of our own pid namespace, with the cure; empty where it does.

    Nothing else tells which processes are alive.
    """
    cure = "`mount -t proc proc /proc`"
    try:
        shown = os.readlink("/proc/self")
    except OSError:
        if not os.path.ismount("/proc"):
            return f"no proc file system is mounted, and nothing else tells which processes are alive; try {cure}"
        shown = "unknown"
    if shown != str(os.getpid()) or len(_own_pids()) > 1:
        text = f"belongs to another pid namespace: this process has pid {os.getpid()} here and is {shown} there"
        return f"{text}; try {cure}, or `unshare --mount-proc`"
    return ""


def _own_pids() -> list[bytes]:
    """The pids of this process from the pid namespace of /proc down to its own (NSpid, since Linux 4.1)."""
    lines = _read("/proc/self/status").splitlines()
    return next((line.split()[1:] for line in lines if line.startswith(b"NSpid:")), [])


def stat(pid: int) -> Stat | None:
    """The process `pid` as it is now, or None where there is none."""
    fields = _fields(f"/proc/{pid}")
    if not fields:
        return None
    living = _survivor(pid, fields)
    shown = living[1] if living else fields
    return Stat(
        pid=pid,
        state=shown[0].decode(),
        ppid=int(fields[1]),
        pgid=int(fields[2]),
        sid=int(fields[3]),
        flags=int(shown[6]),
        started=int(fields[19]),
        cpu=int(fields[11]) + int(fields[12]),
        terminal=int(fields[4]),
    )


def _fields(folder: str) -> list[bytes]:
    """The fields of the stat file in `folder`, the state first (the third in proc(5)); empty when it is gone.

    The name in brackets may hold blanks and brackets of its own: the last one ends it.
    """
    text = _read(f"{folder}/stat")
    return text[text.rindex(b")") + 2 :].split() if text else []


def _survivor(pid: int, fields: Sequence[bytes]) -> tuple[str, list[bytes]] | None:
    """The folder and the fields of a thread that has outlived the main thread of `pid`, whose own are `fields`.

    The kernel shows a process as its main thread shows itself, so as a zombie without memory and files once that one
    has called pthread_exit(3). Its end is reported to the parent with its last thread's only (kernel/exit.c,
    delay_group_leader).
    """
    if fields[0] not in _DEAD or fields[17] == b"1":  # num_threads
        return None
    shown = ((folder, _fields(folder)) for folder in _threads(pid))
    return next(((folder, living) for folder, living in shown if living and living[0] not in _DEAD), None)


def _threads(pid: int) -> list[str]:
    """The folders of the threads of `pid`, with its main one's; none when it is gone."""
    try:
        return [f"/proc/{pid}/task/{thread}" for thread in os.listdir(f"/proc/{pid}/task")]
    except OSError as error:
        _refuse_to_guess(error)
        return []


def entry(pid: int) -> str:
    """The folder in /proc that shows the memory and files of `pid`: its own, or that of a thread that lives on."""
    own = f"/proc/{pid}"
    fields = _fields(own)
    living = _survivor(pid, fields) if fields else None
    return living[0] if living else own


def _from_memory(pid: int, name: str) -> bytes:
    """The file `name` of `pid` that the kernel reads out of the memory of that process: empty where it cannot be read.

    For those files (cmdline, environ, maps, smaps) it takes the lock of the memory map. A process may hold that lock
    for as long as a dead disk stands still: one thread writes to a mapped file, and another one forks, or unmaps it.
    What is not answered in time counts as unreadable; `is_held_up` tells.
    """
    (found,) = _all_from_memory([pid], name)
    return found


def _all_from_memory(pids: Sequence[int], name: str, patience: float = bounded.PATIENCE) -> list[bytes]:
    def read(pid: int) -> bytes:
        return _read(f"/proc/{pid}/{name}") or _read(f"{entry(pid)}/{name}")

    asked = [pid for pid in pids if not (bounded.any_late() and _waits_for_a_disk(pid))]
    answers = bounded.each([(pid, partial(read, pid)) for pid in asked], patience)
    found = dict(zip(asked, answers, strict=True))
    return [found.get(pid) or b"" for pid in pids]


def _waits_for_a_disk(pid: int) -> bool:
    """Whether a thread of `pid` is in state D: where one process is held up, it is likely to be held up as well."""
    return any(fields[:1] == [b"D"] for fields in map(_fields, _threads(pid)))


def is_held_up(pid: int) -> bool:
    """Whether the memory of `pid` cannot be looked into just now, as far as is known."""
    return bounded.late(pid) > 0 or (bounded.any_late() and _waits_for_a_disk(pid))


def held_up_for(pid: int) -> float:
    """For how many seconds what was asked of the memory of `pid` is not answered; 0 where no answer is waited for."""
    return bounded.late(pid)


def is_ending(row: Stat) -> bool:
    """Whether the process of `row` has gone or is on its way: then its memory, with the environment, is gone first."""
    now = stat(row.pid)
    return now is None or now.started != row.started or not now.alive or bool(now.flags & _PF_EXITING)


def is_kernels(row: Stat) -> bool:
    """Whether `row` is a thread of the kernel. Session 0 does not tell: one from outside of a container is 0 too."""
    return bool(row.flags & _PF_KTHREAD)


def snapshot() -> dict[int, Stat]:
    """Every process of this machine (or container) by pid; about 8 µs each."""
    found = (stat(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {row.pid: row for row in found if row is not None}


def children() -> set[int]:
    """The pids of this process's own children, adopted ones included."""
    if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):  # a kernel without CONFIG_PROC_CHILDREN
        return {row.pid for row in snapshot().values() if row.ppid == os.getpid()}
    listed = b" ".join(_read(f"/proc/self/task/{task}/children") for task in os.listdir("/proc/self/task"))
    return {int(pid) for pid in listed.split()}


def descendants(root: int, table: Mapping[int, Stat]) -> list[Stat]:
    """Everything alive below `root`, parents before children; zombies are dead and left out."""
    below: dict[int, list[Stat]] = {}
    for row in table.values():
        below.setdefault(row.ppid, []).append(row)
    found = list(below.get(root, ()))
    for row in found:  # grows while it is walked
        found.extend(below.get(row.pid, ()))
    return [row for row in found if row.alive]


def _send_all(numbers: Iterable[int], row: Stat, send_one: Callable[[int], None]) -> bool:
    sent = False
    try:
        for number in numbers if is_same(row) else ():
            send_one(number)
            sent = True
    except ProcessLookupError:
        pass
    return sent


def is_same(row: Stat) -> bool:
    """Whether the pid of `row` is that process still, alive or a zombie."""
    now = stat(row.pid)
    return now is not None and now.started == row.started


def lives(row: Stat) -> bool:
    """Whether the process of `row` is alive still."""
    now = stat(row.pid)
    return now is not None and now.started == row.started and now.alive


def mark(pid: int, name: str) -> str | None:
    """The value of `name` in the environment `pid` was started with; None when unreadable or rewritten."""
    return marks([pid], name).get(pid)


def marks(pids: Sequence[int], name: str, patience: float = bounded.PATIENCE) -> dict[int, str]:
    """The same of many; each has so many seconds to answer."""
    found: dict[int, str] = {}
    wanted = name.encode() + b"="
    for pid, text in zip(pids, _all_from_memory(pids, "environ", patience), strict=True):
        for item in text.split(b"\0"):
            if item.startswith(wanted):
                found.setdefault(pid, os.fsdecode(item[len(wanted) :]))
    return found


def title(pid: int) -> str:
    """The command line of `pid` for people: blanks between the words; of a long one the middle is left out.

    A zombie, and a process whose memory is held up, has its name alone; what ended meanwhile is `ended`.
    """
    (found,) = _titles([pid])
    return found


def _titles(pids: Sequence[int]) -> list[str]:
    return [_title(pid, _in_a_line(line)) for pid, line in zip(pids, _all_from_memory(pids, "cmdline"), strict=True)]


def _title(pid: int, line: str) -> str:
    whole = line or os.fsdecode(_read(f"/proc/{pid}/comm")).strip() or "ended"
    short = len(whole) <= TITLE_HEAD + 1 + TITLE_TAIL
    return whole if short else f"{whole[:TITLE_HEAD]}…{whole[-TITLE_TAIL:]}"


def named(rows: Sequence[Stat], most: int = 3) -> str:
    """These processes for people: `pid 12 (sleep 600), pid 13 (ruby app.rb) and 4 more`."""
    pids = [row.pid for row in rows[:most]]
    text = ", ".join(f"pid {pid} ({found})" for pid, found in zip(pids, _titles(pids), strict=True))
    return text + (f" and {len(rows) - most} more" if len(rows) > most else "")


def command_line(pid: int) -> str:
    """The whole command line of `pid`, or the title it has put in its place; empty when it is gone."""
    return _in_a_line(_from_memory(pid, "cmdline"))


def _in_a_line(words: bytes) -> str:
    return os.fsdecode(words.replace(b"\0", b" ").strip())


def arguments(pid: int) -> list[str]:
    """The words that `pid` was started with, or its title as one word; empty when it is gone."""
    return os.fsdecode(_from_memory(pid, "cmdline").rstrip(b"\0")).split("\0")


def environment(pid: int) -> dict[str, str]:
    """The environment that `pid` was started with; empty when it is unreadable or rewritten."""
    items = os.fsdecode(_from_memory(pid, "environ")).split("\0")
    return dict(item.split("=", 1) for item in items if "=" in item)


def identity(pid: int) -> str:
    """`PID-STARTTICKS`: names a process so that no later one with its pid is taken for it; ticks 0 when it is gone."""
    row = stat(pid)
    return f"{pid}-{row.started if row is not None else 0}"


def file_system(path: str) -> str:
    """The type of the file system that `path` is on (`ext4`, `nfs4`, `fuse.sshfs`), by the table of mounts (proc(5)).

    The table of a chroot lacks what the chroot itself is on; then the system is asked, which tells a few types only.
    Empty where neither tells it. The real path is looked up, which may block.
    """
    real = os.fsencode(os.path.realpath(path)) + b"/"
    found, longest = b"", -1
    for line in _read("/proc/self/mountinfo").splitlines():
        mount, _, about = line.partition(b" - ")
        place = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), mount.split(b" ")[4])
        if len(place) >= longest and real.startswith(place.rstrip(b"/") + b"/"):
            found, longest = about.split(b" ")[0], len(place)  # of two at one place the later hides the other
    return os.fsdecode(found) if longest >= 0 else _KINDS.get(_kind(real), "")


_KINDS = {
    0xEF53: "ext4",  # ext2 and ext3 have the same
    0x01021994: "tmpfs",
    0x2FC12FC1: "zfs",
    0x58465342: "xfs",
    0x73717368: "squashfs",
    0x794C7630: "overlay",
    0x858458F6: "ramfs",
    0x9123683E: "btrfs",
    0xCA451A4E: "bcachefs",
    0xF2F52010: "f2fs",
}
"""Types that the root of a chroot may be on, by their numbers (statfs(2))."""


def _kind(path: bytes) -> int:
    """The number of the type of file system that `path`, or what there is above it, is on; 0 where none is told."""
    import ctypes  # 6 ms, and only in a chroot

    fields = (ctypes.c_long * 64)()  # four times as large as struct statfs, which begins with the number
    statfs = ctypes.CDLL(None).statfs
    while statfs(ctypes.c_char_p(path), ctypes.byref(fields)):
        if path == b"/":
            return 0
        path = os.path.dirname(path.rstrip(b"/"))
    return fields[0] & 0xFFFFFFFF


def machine() -> str:
    """What pids mean something in: the boot, and the pid namespace (a container has its own)."""
    boot = os.fsdecode(_read("/proc/sys/kernel/random/boot_id")).strip()
    return f"{boot}/{namespace(os.getpid())}"


def namespace(pid: int) -> int:
    """The pid namespace of `pid` by its inode; 0 where that is not ours to see."""
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return 0


def owner(pid: int) -> int:
    """The user whose process `pid` is; -1 when it is gone."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return -1


def users(pid: int) -> set[int]:
    """The real, effective, saved and file system uid of `pid` (proc(5)); empty when it is gone.

    The owner of /proc/PID is not enough to say whose process it is: that is root for a program with the set-uid bit
    and for one that its user cannot read, whoever started it and chose its environment.
    """
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith(b"Uid:"):
            return set(map(int, line.split()[1:]))
    return set()


def folder(pid: int) -> str:
    """The folder that `pid` works in; empty when it is gone or not ours to see."""
    return _link(pid, "cwd")


def program(pid: int) -> str:
    """The name of the file that `pid` executes, or what it calls itself where that is not ours to see."""
    return os.path.basename(_link(pid, "exe")) or os.fsdecode(_read(f"/proc/{pid}/comm")).strip()


def memory(pid: int) -> int:
    """The resident memory of `pid` in bytes, 0 when it is gone."""
    fields = _read(f"/proc/{pid}/statm").split()
    if fields[:1] == [b"0"]:  # the main thread has none, so it has ended
        fields = _read(f"{entry(pid)}/statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def held(pid: int) -> int:
    """The bytes that `pid` holds in memory or swap and nowhere else: its own, and its part of what it shares.

    A page that several processes share is counted once, divided among them, as a cgroup counts it; files (programs,
    libraries) are cache and are not counted. Another user's process is asked for what anybody may see, as is any on a
    kernel before 5.4: there a shared page counts for each. 0 when it is gone.
    """
    shares = _from_memory(pid, "smaps_rollup")
    return held_in(shares if b"Pss_Anon:" in shares else _read(f"{entry(pid)}/status"))


_HELD = (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:", b"RssAnon:", b"RssShmem:", b"VmSwap:")


def held_in(text: bytes) -> int:
    """The bytes that /proc/PID/smaps_rollup or /proc/PID/status (proc(5)) tell, where the unit is the KiB."""
    rows = (line.split() for line in text.splitlines())
    return 1024 * sum(int(row[1]) for row in rows if len(row) >= 2 and row[0] in _HELD)


def peak_memory(pid: int) -> int:
    """The most resident memory that `pid` ever had, in bytes (VmHWM, proc(5)); 0 when it is gone."""
    for line in _read(f"{entry(pid)}/status").splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def seconds(ticks: int) -> float:
    """Clock ticks as seconds."""
    return ticks / _TICKS


def clock(ticks: int) -> float:
    """When it was that many clock ticks after the boot, as seconds since the epoch."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + seconds(ticks)


_MASKS = (b"SigCgt:", b"SigIgn:", b"SigPnd:", b"ShdPnd:", b"SigBlk:")


def masks(pid: int) -> Masks:
    """The signal masks of `pid` (/proc/PID/status, proc(5)); all empty when it is gone."""
    rows = (line.split() for line in _read(f"/proc/{pid}/status").splitlines())
    found = {row[0]: int(row[1], 16) for row in rows if row and row[0] in _MASKS}
    caught, ignored, own, shared, blocked = (found.get(name, 0) for name in _MASKS)
    return Masks(caught, ignored, own | shared, blocked)


def awaited(pid: int) -> int:
    """The signals that `pid` reads from a descriptor (signalfd(2)) as a mask; all of them while it is in sigwait(3)."""
    if b"sigtimedwait" in _read(f"/proc/{pid}/wchan"):
        return -1
    found = 0
    for fd in _names(f"/proc/{pid}/fd"):
        if _link(pid, f"fd/{fd}") == "anon_inode:[signalfd]":
            for line in _read(f"/proc/{pid}/fdinfo/{fd}").splitlines():
                found |= int(line.split()[1], 16) if line.startswith(b"sigmask:") else 0
    return found


def name(pid: int) -> str:
    """The name of the program that `pid` was started as, at most 15 characters of it; a program may change it."""
    return os.fsdecode(_read(f"/proc/{pid}/comm")).strip()


def opened(pid: int, fd: int) -> str:
    """What descriptor `fd` of `pid` leads to: a path, or `pipe:[INODE]`; empty when it has none, or none we may see."""
    return _link(pid, f"fd/{fd}")


def written(pid: int) -> frozenset[str]:
    """The pipes that `pid` can write to, as `pipe:[INODE]`; empty when it is gone or not ours to see."""
    folder, found = f"/proc/{pid}/fd", set()
    for fd in _names(folder):
        try:
            if os.lstat(f"{folder}/{fd}").st_mode & stat_.S_IWUSR:  # how it was opened, proc(5)
                found.add(os.readlink(f"{folder}/{fd}"))
        except OSError:
            continue
    return frozenset(link for link in found if link.startswith("pipe:["))


def _link(pid: int, name: str) -> str:
    """Where the link `name` of the process `pid` leads; empty when it is gone or not ours to see."""
    for folder in (f"/proc/{pid}", entry(pid)):
        try:
            return os.readlink(f"{folder}/{name}")
        except OSError:
            continue
    return ""


def _descriptors(pid: int) -> set[str]:
    """Where the descriptors of `pid` lead."""
    return _links(f"/proc/{pid}/fd") or _links(f"{entry(pid)}/fd")


def _links(folder: str) -> set[str]:
    """Where the links of a folder lead; empty when it is gone or another user's. One link may go while it is read."""
    found: set[str] = set()
    for name in _names(folder):
        try:
            found.add(os.readlink(f"{folder}/{name}"))
        except OSError:
            continue
    return found


def _names(folder: str) -> list[str]:
    """What is in a folder; nothing when it is gone or another user's."""
    try:
        return os.listdir(folder)
    except OSError as error:
        _refuse_to_guess(error)
        return []


def _read(path: str) -> bytes:
    """The whole file, empty when it cannot be read: a process may go at any moment."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        _refuse_to_guess(error)
        return b""
    try:
        parts = []
        while part := os.read(handle, 65536):
            parts.append(part)
        return b"".join(parts)
    except OSError as error:
        _refuse_to_guess(error)
        return b""
    finally:
        os.close(handle)


def _refuse_to_guess(error: OSError) -> None:
    """Raise it where it tells of this process, and nothing of the one that was looked at."""
    if error.errno in EXHAUSTED:
        raise error
