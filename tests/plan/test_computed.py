"""Settings that a program's own file computes: the plain idioms are read, and nothing else is guessed."""

from collections.abc import Mapping
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrun.plan.layout import build
from procrun.plan.options import Wishes
from procrun.plan.programs import computed
from procrun.plan.programs.computed import UNREAD, UnclearError, Value
from procrun.plan.programs.grace_period import Wait, patience
from procrun.plan.programs.recognise import recognise
from procrun.plan.stop_budget import nesting

VARIABLES = {"SEVEN": "7", "RAILS_ENV": "production"}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        *[
            ("30", 30),
            ("60_000", 60000),
            ("30.seconds", 30),
            ("2.minutes", 120),
            ("5 * 60 - 1", 299),
            (":forever", inf),
        ],
        # Ruby
        ('ENV.fetch("T", 30)', 30),
        ("ENV.fetch('T', '30').to_i", 30),
        ('ENV.fetch("T") { 30 }', 30),
        ('ENV.fetch("SEVEN") { Concurrent.processor_count }', 7),
        ('Integer(ENV.fetch("T", "30"))', 30),
        ('ENV["T"] || 30', 30),
        ('(ENV["SEVEN"] || 30).to_i', 7),
        ('ENV["T"].to_i', 0),
        ('ENV.fetch("T", 25).to_i.seconds', 25),
        ('ENV["T"].presence || 8', 8),
        ('ENV.fetch("A") { ENV.fetch("SEVEN", 3) }.to_i', 7),
        # Python
        ('int(os.environ.get("T", 30))', 30),
        ('int(os.getenv("SEVEN", "30"))', 7),
        ('float(os.environ["SEVEN"])', 7),
        ('int(os.environ.get("T") or 30)', 30),
        # JavaScript
        ("process.env.T || 1600", 1600),
        ('parseInt(process.env.SEVEN || "1600", 10)', 7),
        ("Number(process.env.T ?? 1600)", 1600),
        # tests
        ('ENV["RAILS_ENV"] == "production"', True),
        ("Rails.env.production?", True),
        ('ENV.fetch("RACK_ENV", "development") != "production" && 2 > 1', True),
    ],
)
def test_plain_idiom_is_read(expression: str, expected: Value) -> None:
    found = computed.value(expression, VARIABLES)
    assert (float(found) if isinstance(found, str) else found) == expected


@pytest.mark.parametrize(
    "expression",
    ["Etc.nprocessors", "ENV", "foo(3)", '"#{x}"', 'ENV.fetch("T") { Etc.nprocessors }', "1 +", "(1", "1 / 0", "x", ""],
)
def test_what_is_not_plain_is_unclear(expression: str) -> None:
    with pytest.raises(UnclearError):
        computed.number(computed.value(expression, VARIABLES))


@given(st.text(st.sampled_from("ENV.fetch(\"T\", 3) { } [] || && not 1 - * / 'x' :a") | st.characters(), max_size=40))
def test_no_expression_makes_it_raise_anything_else(text: str) -> None:
    computed.in_file("workers", f"workers {text}\nif {text}\nworkers 1\nend", VARIABLES)


RAILS = """
if ENV["RAILS_ENV"] == "production"
  require "concurrent-ruby"
  worker_count = Integer(ENV.fetch("WEB_CONCURRENCY") { Concurrent.physical_processor_count })
  workers worker_count if worker_count > 1
end
worker_timeout 3600 if ENV.fetch("RAILS_ENV", "development") == "development"
"""

PUMA = [
    ('workers ENV.fetch("WEB_CONCURRENCY", 0)', {}, False),
    ('workers ENV.fetch("WEB_CONCURRENCY", 0)', {"WEB_CONCURRENCY": "2"}, True),
    ('workers Integer(ENV["WEB_CONCURRENCY"] || 2)', {}, True),
    ('n = Integer(ENV.fetch("WEB_CONCURRENCY", 1))\nworkers n if n > 1', {}, False),
    ('n = Integer(ENV.fetch("WEB_CONCURRENCY", 3))\nworkers n if n > 1', {}, True),
    ("workers 2 unless ENV['RAILS_ENV'] == 'development'", {"RAILS_ENV": "development"}, False),
    (RAILS, {}, False),
    (RAILS, {"RAILS_ENV": "production"}, True),  # how many is not known, that there are some is
    (RAILS, {"RAILS_ENV": "production", "WEB_CONCURRENCY": "2"}, True),
    ("if Rails.env.production?\n  workers 2\nelse\n  workers 0\nend", {}, False),
    ("# workers 2\nthreads 5, 5", {}, False),
    ("workers 0", {}, False),
]


@pytest.mark.parametrize(("text", "variables", "cluster"), PUMA)
def test_puma_is_a_cluster_where_it_would_be_one(
    tmp_path: Path, text: str, variables: Mapping[str, str], cluster: bool
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/puma.rb").write_text(text)
    found = recognise("puma", variables, str(tmp_path))
    assert found is not None
    assert patience(found, str(tmp_path)) == Wait(30 if cluster else inf, "its default")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timeout 15\ntimeout 30", [30]),
        ("timeout 15 if foo", [UNREAD]),
        ("if foo\n  timeout 15\nelse\n  timeout 30\nend", [UNREAD]),
        ("if ENV['SEVEN']\n  timeout 15\nelse\n  timeout 30\nend", [15]),
        ("unless ENV['SEVEN']\n  timeout 15\nelsif true\n  timeout 30\nend", [30]),
        ("before_fork do |server|\n  x\nend\ntimeout 30", [30]),
        ("def a\n  timeout 15\nend", [UNREAD]),
        ("timeout(ENV.fetch('T', 9).to_i) # seconds", [9]),
        ("import os\nif os.environ.get('T'):\n    timeout = 5\nelse:\n    timeout = 8\nbind = 'x'", [8]),
        ("threads 5", []),
    ],
)
def test_blocks_and_tests_decide_what_a_file_sets(text: str, expected: list[Value]) -> None:
    assert computed.in_file("timeout", text, VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "variables", "wait"),
    [
        (':timeout: <%= ENV.fetch("JOB_TIMEOUT", 120).to_i %>\n', {}, 120),
        (':timeout: <%= ENV.fetch("JOB_TIMEOUT", 120).to_i %>\n', {"JOB_TIMEOUT": "6"}, 6),
        ("production:\n  :timeout: <%= (ENV['T'] || 20).to_i -%>\n", {"RAILS_ENV": "production"}, 20),
        (":timeout: <%= Settings.timeout %>\n", {}, None),
    ],
)
def test_sidekiqs_computed_timeout_is_read_or_said_not_to_be(
    tmp_path: Path, text: str, variables: Mapping[str, str], wait: float | None
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/sidekiq.yml").write_text(text)
    (tmp_path / "Procfile").write_text("worker: sidekiq\n")
    made = build(Wishes(app_root=str(tmp_path)), variables)
    found = [finding.text for finding in nesting(made, made.types[0])]
    if wait is None:
        assert "cannot be read (config/sidekiq.yml); if that is more than 7 s, KILL comes at 10 s" in found[0]
    elif wait > 7:
        assert f"sidekiq waits {wait} s for its jobs after TERM (config/sidekiq.yml)" in found[0]
    else:
        assert found == []
