"""Writes numbered lines to stdout in pieces of random sizes, pausing now and then: pieces.py SEED LINES."""

import os
import random
import sys
import time

rng = random.Random(sys.argv[1])
text = "".join(f"{number} {'x' * rng.randrange(60)}.\n" for number in range(int(sys.argv[2]))).encode()
while text:
    size = rng.choice((1, 2, 7, 100, 5000))
    os.write(1, text[:size])
    text = text[size:]
    if rng.random() < 0.05:
        time.sleep(rng.random() / 200)
