"""Reads 40,000 pieces, most of them short, from a hundred pipes as procrun does, and tells what the heap then takes.

The last 16 MiB are kept. Prints two numbers of KiB: what the heap has from the kernel, and what of it is in use
(mallinfo2(3)).
"""

import ctypes
import os
import random

from procrun.eventloop.loop import Loop
from procrun.output.backlog import Backlog
from procrun.output.reader import Intake


class Heap(ctypes.Structure):
    """struct mallinfo2."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks")),
        *((name, ctypes.c_size_t) for name in ("fsmblks", "uordblks", "fordblks", "keepcost")),
    ]


class Keeper:
    """An output that only keeps."""

    def __init__(self) -> None:
        self.backlog = Backlog()

    def holds(self, *_: object) -> bool:
        return False

    def emit(self, name: str, lines: bytes, stream: str) -> None:
        self.backlog.add(name, lines, 0.0, stream)

    def preview(self, *_: object) -> None:
        pass


loop, output, pick = Loop(), Keeper(), random.Random(1)
pairs = []
for number in range(100):
    reader, writer = os.pipe()
    intake = Intake(f"web.{number}", loop, output, lambda: False, "output", False, ())
    intake.open(reader)
    pairs.append((intake, writer))
for step in range(40_000):
    intake, writer = pick.choice(pairs)
    size = 20_000 if step < 1_000 else pick.choice([80, 200, 400, 900, 2000, 4000])  # all have flooded once
    os.write(writer, b"x" * size + (b"\n" if pick.random() < 0.8 else b"\nunfinished"))
    intake.drain()
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Heap
heap = libc.mallinfo2()
print(heap.arena >> 10, heap.uordblks >> 10)
