"""Breaks one line of the core at a time, and shows which test catches it.

`python tests/mutations.py` works on a copy of the checkout; a mutation that no test catches is a failure. With numbers
it tries these alone.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutation(NamedTuple):
    """What goes wrong, where, by which change, and the test that must see it."""

    what: str
    file: str
    line: str
    broken: str
    test: str


MUTATIONS = (
    Mutation(
        "TERM is not sent",
        "system/signalling.py",
        "            return process_signals.send(number, row, *behind)",
        "            return number == 0 or number == signal.SIGKILL or True",
        "tests/supervise/test_stop.py",
    ),
    Mutation(
        "KILL comes late",
        "core/stop_sequence.py",
        "    return (Step(first, budget), Step(signal.SIGKILL, UNKILLABLE_AFTER))",
        "    return (Step(first, budget + 5), Step(signal.SIGKILL, UNKILLABLE_AFTER))",
        "tests/core/test_stopping.py",
    ),
    Mutation(
        "a store is not stopped last",
        "supervise/dependencies.py",
        "            if not any(user.status.stopping or self.is_held(user) for user in users):",
        "            if True or users:",
        "tests/real/test_stores.py",
    ),
    Mutation(
        "the record is not written",
        "recovery/run_record.py",
        "                os.ftruncate(self._file, os.pwrite(self._file, text, 0))",
        "                pass",
        "tests/recovery/test_ledger.py",
    ),
    Mutation(
        "who ignores a signal is not passed over",
        "system/audience.py",
        "        if bearing is Bearing.IGNORES or aside:",
        "        if aside:",
        "tests/system/test_audience.py",
    ),
    Mutation(
        "a parent does not answer for its children",
        "system/audience.py",
        "        answers = blocks or bearing is Bearing.CATCHES",
        "        answers = False",
        "tests/system/test_audience.py",
    ),
    Mutation(
        "nobody remembers who was told",
        "system/signalling.py",
        "            self._told[key(call.row)] = call.answers",
        "            pass",
        "tests/system/test_responsible.py",
    ),
    Mutation(
        "a reader is told with its writer",
        "system/audience.py",
        "        if facts.is_fed(row, family.beside(row)):",
        "        if False:",
        "tests/system/test_audience.py",
    ),
    Mutation(
        "a crash loop knows no limit",
        "supervise/restart_policy.py",
        "            if len(self._restarts) >= policy.limit.restarts:",
        "            if False:",
        "tests/supervise/test_backoff.py",
    ),
    Mutation(
        "on-failure restarts what ended well",
        "supervise/restart_policy.py",
        "        return end.status != 0 and end.signal not in CLEAN_SIGNALS",
        "        return True",
        "tests/supervise/test_policy.py",
    ),
    Mutation(
        "a step is not followed by the next one",
        "supervise/state_machine.py",
        "    (_S, Trigger.STEP): (_S, Action.NEXT),",
        "    (_S, Trigger.STEP): (_S, Action.NOTHING),",
        "tests/supervise/test_stop.py",
    ),
    Mutation(
        "anybody may write to the socket",
        "control/server.py",
        "        os.fchmod(listener.fileno(), 0o600)",
        "        os.fchmod(listener.fileno(), 0o666)",
        "tests/control/test_control.py",
    ),
    Mutation(
        "what something comes after is not waited for",
        "supervise/dependencies.py",
        "            if not other.status.unblocks or other.spec.name in self._held",
        "            if other.spec.name in self._held",
        "tests/health/test_ready.py",
    ),
    Mutation(
        "a due deadline is not called",
        "eventloop/loop.py",
        "            if callback is not None:\n                callback()\n\n    def _dispatch",
        "            if callback is None:\n                pass\n\n    def _dispatch",
        "tests/supervise/test_stop.py",
    ),
    Mutation(
        "a line is cut at the wrong place",
        "output/line_buffer.py",
        'cut = data.rfind(b"\\n") + 1',
        'cut = data.find(b"\\n") + 1',
        "tests/output/test_stream.py",
    ),
    Mutation(
        "what a full output lost is not counted",
        "output/stdout_writer.py",
        "self._untold.plus(lost), self.dropped.plus(lost)",
        "self._untold, self.dropped",
        "tests/output/test_sink.py",
    ),
    Mutation(
        "a control character reaches a terminal",
        "core/text.py",
        '    return text if text.isprintable() else "".join(map(_spelt, text))',
        "    return text",
        "tests/core/test_clean.py",
    ),
    Mutation(
        "a budget keeps the program's own first signal from being sent",
        "core/stop_sequence.py",
        "    return dyno_sequence(budget, ending_step(steps).signal)",
        "    return dyno_sequence(budget)",
        "tests/core/test_stopping.py",
    ),
    Mutation(
        "the guardian tells again who was told",
        "recovery/orphans.py",
        "        begun = self._signalled.get(dyno.name)",
        "        begun = None",
        "tests/recovery/test_killed.py",
    ),
    Mutation(
        "a provider is not resolved",
        "plan/environment.py",
        '        actual = variables.setdefault(f"{prefix}_URL", wanted)',
        "        actual = wanted",
        "tests/plan/test_environment.py",
    ),
)


LEFT_OUT = (".venv", ".git", "node_modules", "build", ".mypy_cache", ".hypothesis", ".procrun")
"""What a copy of the checkout does without."""


def breaks(mutation: Mutation, folder: Path) -> bool:
    """Whether a test fails on a copy with that line broken. Raises SystemExit where the line is not there once."""
    shutil.copytree(ROOT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    path = folder / "procrun" / mutation.file
    text = path.read_text()
    if text.count(mutation.line) != 1:
        raise SystemExit(f"{mutation.file}: the line stands there {text.count(mutation.line)} times: {mutation.line}")
    path.write_text(text.replace(mutation.line, mutation.broken))
    env = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", mutation.test]
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    failed = [line for line in result.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    print(f"  {failed[0].split(' - ')[0] if failed else 'nothing fails'}", flush=True)
    return result.returncode == 1


def main() -> int:
    """Try all, or those of the given numbers; 1 where one is not caught."""
    wanted = [int(number) for number in sys.argv[1:]] or range(1, len(MUTATIONS) + 1)
    missed = 0
    for number in wanted:
        mutation = MUTATIONS[number - 1]
        print(f"{number}. {mutation.what} ({mutation.file})", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            missed += not breaks(mutation, Path(folder))
    print(f"{len(wanted) - missed} of {len(wanted)} caught")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
