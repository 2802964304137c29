"""Starts a shell line in a session of its own, whatever the disk does that its folder is on."""

import subprocess
from collections.abc import Mapping

from procrun.system import limits
from procrun.system.host import may_stand_still


def spawn(line: str, folder: str, env: Mapping[str, str], stdin: int, stdout: int, stderr: int) -> int:
    """Have /bin/sh run `line` in `folder` (absolute); the pid. Who calls reaps it.

    The parent waits until its child has executed a program (vfork(2)). Where the disk of the folder may stand still
    the child goes there later, as the shell: a deadline of another instance would have to wait with us otherwise.
    Raises OSError.
    """
    later = may_stand_still(folder)
    popen = subprocess.Popen(
        limits.shell(line, folder if later else ""),
        cwd="/" if later else folder,
        env=env,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    popen.returncode = 0  # Popen need not wait for it
    return popen.pid
