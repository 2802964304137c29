"""What prctl(2) sets for this process: orphans come to it, and it ends with its parent."""

import signal

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # prctl(2)


def become_subreaper() -> None:
    """Orphans below this process become its children, double-forked daemons included (prctl(2)).

    Raises OSError where the kernel refuses.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> None:
    """From here on this process gets TERM when its parent ends. Raises OSError where the kernel refuses."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    import ctypes  # 6 ms, so not before the first child

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
