"""Workers below a supervisor, a wrapper or a shell: a stop loses none of their work, local or on a server."""

import pytest

from tests.apps.cases import PARENTS, WRAPPERS, Case
from tests.apps.trial import Trial
from tests.played import BOTH, PATIENT, expect, named, on_a_dyno, played

__all__ = ["played"]

CASES = (*PARENTS, *WRAPPERS)
pytestmark = PATIENT


@pytest.mark.parametrize("case", CASES, ids=named)
@pytest.mark.parametrize("platform", BOTH)
def test_no_work_is_lost_that_could_be_saved(case: Case, platform: str, played: Trial) -> None:
    expect(case, platform, played)


@pytest.mark.parametrize("case", on_a_dyno(CASES), ids=named)
@pytest.mark.parametrize("platform", ["heroku"])
def test_on_heroku_it_goes_as_on_a_dyno(case: Case, platform: str, played: Trial) -> None:
    expect(case, platform, played)
