"""The workflows of docs/ci.md are what GitHub and GitLab take, and what procrun takes."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from procrun.cli.main import procrun
from procrun.run.smoke import result as verdict
from tests.harness import PYTHON
from tests.programs import need_module

PAGE = (Path(__file__).parents[2] / "docs/ci.md").read_text()
GITHUB, GITLAB = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def commands(text: str) -> list[str]:
    """The lines that the workflow runs."""
    found: dict[str, Any] = yaml.safe_load(text)
    job = found["jobs"]["smoke"] if "jobs" in found else found["smoke"]
    return list(job["script"]) if "script" in job else [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize(
    ("text", "schema"), [(GITHUB, "vendor.github-workflows"), (GITLAB, "vendor.gitlab-ci")], ids=["github", "gitlab"]
)
def test_each_workflow_is_valid_by_the_schema_of_its_maker(text: str, schema: str, tmp_path: Path) -> None:
    need_module("check_jsonschema")
    (tmp_path / "ci.yml").write_text(text)
    command = [PYTHON, "-m", "check_jsonschema", "--builtin-schema", schema, str(tmp_path / "ci.yml")]

    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("text", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_each_command_of_a_workflow_is_one_that_procrun_has(text: str) -> None:
    ours = [shlex.split(line) for line in commands(text) if line.startswith("procrun ")]

    assert [words[1] for words in ours] == ["check", "smoke"]
    for _, name, *arguments in ours:
        command = procrun.get_command(click.Context(procrun), name)
        assert command is not None
        command.make_context(name, arguments)


def test_each_status_has_its_row() -> None:
    told = {int(status) for status in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}

    assert {0, 1, 2, *verdict.STATUSES.values()} == told


@pytest.mark.parametrize("option", re.findall(r"^\| .* \| `(--fail-on-log .*)` \|$", PAGE, re.MULTILINE))
def test_each_pattern_is_a_regular_expression(option: str) -> None:
    words = shlex.split(option.replace("\\|", "|"))

    assert words[::2] == ["--fail-on-log"] * len(words[::2])
    for pattern in words[1::2]:
        re.compile(pattern)
