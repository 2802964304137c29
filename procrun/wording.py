"""What happened, in words: durations, exits, timelines, and Heroku's own for a process that needed KILL."""

from procrun.model import Finding, Happening

NOT_FOUND, NOT_EXECUTABLE = "exit 127", "exit 126"


def finding_line(finding: Finding) -> str:
    """A finding as one line: `Procfile:7: …`, `Procfile:7: note: …`."""
    return f"{finding.where}: {'note: ' if finding.note else ''}{finding.text}"


def duration(seconds: float) -> str:
    """`0.42 s`, `12 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def exit_timeout(seconds: float) -> str:
    """Heroku's own words for a process that needed KILL (its log since 2020)."""
    limit = f"{round(seconds, 1):g}"
    return f"Error R12 (Exit timeout) -> At least one process failed to exit within {limit} seconds of SIGTERM"


def step(happening: Happening) -> str:
    """One step in a timeline, behind its time and name."""
    match happening.what:
        case "started":
            return f"started, pid {happening.pid}"
        case "signal":
            return happening.detail
        case "timeout":
            return f"{happening.detail}: {exit_timeout(happening.seconds)}"
        case "exited":
            return explain(happening.detail)
        case "gone":
            return f"gone {happening.seconds:.2f} s after its first signal" if happening.seconds else "gone"
        case "waits":
            return f"waits for {happening.detail}"
        case "quiet":
            return f"{happening.detail}: takes no new work"
        case "ready":
            return f"ready after {happening.seconds:.2f} s"
        case "unready":
            return f"gives no answer after {happening.seconds:.0f} s; what waits for it starts now"
        case "failed":
            return f"could not be started: {happening.detail}"
        case "stuck":
            return f"is not waited for: {happening.detail}"
    return happening.what


def explain(exit_: str) -> str:
    """An exit for people: a shell's 127 and 126 say what was wrong."""
    reasons = {NOT_FOUND: "command not found", NOT_EXECUTABLE: "command not executable"}
    return f"{exit_} ({reasons[exit_]})" if exit_ in reasons else exit_


class Timeline:
    """Collects the steps of each stop: `worker.1 TERM 0.00 → KILL 10.00 → gone 10.01 s (killed by KILL)`."""

    def __init__(self) -> None:
        self._steps: dict[str, list[str]] = {}

    def add(self, happening: Happening) -> str | None:
        """Note a step; the whole line once nothing is left, None before and where nothing was signalled."""
        if happening.what in ("signal", "timeout"):
            steps = self._steps.setdefault(happening.name, [])
            steps.append(f"{happening.detail} {happening.seconds:.2f}")
        if happening.what != "gone" or happening.name not in self._steps:
            return None
        steps = self._steps.pop(happening.name)
        return f"{happening.name} {' → '.join(steps)} → gone {happening.seconds:.2f} s ({happening.detail})"
