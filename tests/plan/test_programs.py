"""A test that needs a right is left out where the right is missing, with the reason, and fails in CI."""

import json
import os
import subprocess

import pytest

from tests import programs
from tests.harness import PYTHON
from tests.programs import LEFT_OUT, need, need_namespace, need_right

TRY_ALL = """
import json
from tests.programs import RIGHTS
print(json.dumps([name for name, has in RIGHTS.items() if has()]))
"""


def test_root_without_capabilities_has_none_of_the_rights() -> None:
    """As in a container: the user id says nothing about the rights (capabilities(7))."""
    dropped = [need("setpriv"), "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []

    tried = subprocess.check_output([*dropped, PYTHON, "-c", TRY_ALL], text=True)

    # Any user may mount by FUSE where fusermount is set-uid, and open a terminal where there is a devpts.
    assert set(json.loads(tried)) <= {"mount a file system by FUSE", "open a terminal"}


@pytest.mark.parametrize("ci", [False, True])
def test_a_missing_right_is_named(monkeypatch: pytest.MonkeyPatch, ci: bool) -> None:
    monkeypatch.setitem(programs.RIGHTS, "fly", lambda: False)
    monkeypatch.setenv("CI", str(ci).lower())

    with pytest.raises(pytest.fail.Exception if ci else pytest.skip.Exception) as told:
        need_right("fly")

    assert str(told.value).removeprefix(LEFT_OUT) == "this user has no right to fly here"


def test_a_namespace_that_is_refused_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="this user has no right to run `unshare --map-user=x` here"):
        need_namespace("--map-user=x")
