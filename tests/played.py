"""The cases of tests/apps/cases.py under procrun: those of a file side by side, once for each platform."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.apps import trial
from tests.apps.bed import Store
from tests.apps.cases import Case
from tests.apps.loads import Place
from tests.apps.trial import Trial
from tests.harness import PROCRUN, free_port
from tests.programs import leave_out

AT_ONCE = 6
"""Cases that are played side by side: most of the time each of them waits for its jobs."""

PLENTY = 40.0
"""Seconds of budget where the work is to end by itself: no machine is so slow that KILL comes first."""

SERVER_LIMIT = 100.0
"""Seconds to TERM, wait and KILL of the longest sequence on a server."""

LOST = "lost"

BOTH = ("local", "server")

PATIENT = pytest.mark.timeout(900)
"""The first test of a file waits for all of its cases, on a slow machine too."""

_played: dict[tuple[str, str], dict[str, "Future[Trial]"]] = {}


@pytest.fixture
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, case: Case, platform: str
) -> Trial:
    """How `case` went on `platform`; the first who asks has all of the file's cases that are wanted on it played."""
    if not trial.allowed(case):
        pytest.skip("only root may play it")
    if program := trial.missing(case):
        leave_out(f"{program} is not installed (make test names the line)")
    key = (request.node.path.name, platform)
    if key not in _played:
        _played[key] = _play(list(_wanted(request, platform)), platform, tmp_path_factory.mktemp(platform))
    return _played[key][case.name].result()


def _wanted(request: pytest.FixtureRequest, platform: str) -> Iterator[Case]:
    """The cases of the tests that pytest has chosen from this file."""
    for item in request.session.items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and item.path == request.node.path and callspec.params.get("platform") == platform:
            case = callspec.params["case"]
            if trial.allowed(case) and not trial.missing(case):
                yield case


def _play(cases: Sequence[Case], platform: str, folder: Path) -> dict[str, "Future[Trial]"]:
    store = Store(folder, databases=len(cases))
    with closing(store):
        store.open()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return {
                case.name: pool.submit(_one, case, platform, folder / f"app{number}", store.database(number))
                for number, case in enumerate(cases)
            }


def _one(case: Case, platform: str, folder: Path, url: str) -> Trial:
    budget = PLENTY if case.budget is None else case.budget
    command = [*PROCRUN, "start", "--platform", platform, *(["-t", f"{budget:g}"] if platform != "server" else [])]
    with trial.made(case, folder, url, free_port()) as place:
        said = case.said if wanted(case, platform) == LOST and not _checked(case, platform, place) else ""
        return trial.play(case, place, command, budget + SERVER_LIMIT, said)


def _checked(case: Case, platform: str, place: Place) -> bool:
    """Whether `procrun check` says it: what costs no more than a request is not said at a start."""
    command = [*PROCRUN, "check", "--platform", platform]
    check = subprocess.run(command, cwd=place.folder, env=place.env, capture_output=True, text=True, check=False)
    return re.search(case.said, check.stderr) is not None


def wanted(case: Case, platform: str) -> str:
    """What must become of the work on this platform."""
    return {"server": case.on_server, "heroku": case.on_heroku}.get(platform) or case.wanted


def expect(case: Case, platform: str, played: Trial) -> None:
    """The work has become what was wanted, and what is queued behind it still is.

    Where it is lost, `played` has seen procrun say so beforehand.
    """
    done, again, lost = played.outcome
    again -= case.queued
    kinds = {"done": done, "again": again, "kept": done + again, LOST: lost}
    told = f"{case.entry}\n{played.outcome}, wanted: {case.jobs} {wanted(case, platform)}\n{played.output}"
    assert kinds[wanted(case, platform)] == case.jobs, told
    assert played.seconds is not None, f"the run did not end: {told}"


def named(case: Case) -> str:
    """Its name, for the name of the test."""
    return case.name


def on_a_dyno(cases: Sequence[Case]) -> list[Case]:
    """Those of which it is known what a dyno leaves."""
    return [case for case in cases if case.on_heroku]
