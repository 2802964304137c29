"""One line on stderr, in procrun's name, that can never hold anything up."""

import os
import stat


def tell(text: str) -> None:
    """Write the line if it can be written now: a paused terminal, a full pipe or a closed one is no fault here.

    Through a description of its own: O_NONBLOCK on the shared one would change the parent shell's. Not for a regular
    file: that never blocks, and what the shell writes behind us begins where the shared description stands.
    """
    line = f"procrun: {text}\n".encode(errors="surrogateescape")
    own = -1
    try:
        if not stat.S_ISREG(os.fstat(2).st_mode):
            own = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:  # a socket, or another user's
        pass
    try:
        os.write(own if own >= 0 else 2, line)
    except OSError:
        pass
    finally:
        if own >= 0:
            os.close(own)
