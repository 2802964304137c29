"""Holds the lock of its own memory map for as long as a disk stands still, so that nobody can read its command line.

held.py FILE GO     maps FILE; once GO is there, one thread writes to the mapped page and the other one unmaps it
"""

import ctypes
import mmap
import os
import sys
import threading
import time
from pathlib import Path

libc = ctypes.CDLL(None)
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
with open(sys.argv[1], "r+b") as file:
    page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
assert page[0] == 0  # it is in memory, and a write to it is the file system's to allow
address = ctypes.addressof(ctypes.c_char.from_buffer(page))


def write() -> None:
    ctypes.memset(address, 1, 1)


print(f"ready pid={os.getpid()}", flush=True)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
thread = threading.Thread(target=write)
thread.start()
while " D " not in Path(f"/proc/self/task/{thread.native_id}/stat").read_text():
    time.sleep(0.01)
libc.munmap(address, mmap.PAGESIZE)
time.sleep(600)
