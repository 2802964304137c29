"""The Procfile: which lines are entries, and what is said of the others."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrun.core.errors import ConfigError
from procrun.plan.options import Entry
from procrun.plan.procfile import parse


def entries(data: bytes | str) -> list[tuple[str, str]]:
    found, _ = parse(data if isinstance(data, bytes) else data.encode(), "Procfile")
    return [(entry.name, entry.command) for entry in found]


def findings(text: str) -> list[tuple[str, str]]:
    return [(finding.where, finding.text) for finding in parse(text.encode(), "Procfile")[1]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("web: puma", [("web", "puma")]),
        ("web: puma\nworker: sidekiq\n", [("web", "puma"), ("worker", "sidekiq")]),
        ("web:puma", [("web", "puma")]),
        ("web:\tpuma", [("web", "puma")]),
        ("web:      puma -p 1", [("web", "puma -p 1")]),
        ("web: puma  \t", [("web", "puma")]),
        ("web: a\\ ", [("web", "a\\ ")]),
        ("web: a: b", [("web", "a: b")]),
        ("web: a # b", [("web", "a # b")]),
        ("web: a\r\nb: c\r\n", [("web", "a"), ("b", "c")]),
        ("web: a\rb: c\r", [("web", "a"), ("b", "c")]),
        ("\ufeffweb: a", [("web", "a")]),
        ("\n\n  \n# c: d\n   # e: f\n#g: h\nweb: a\n\n", [("web", "a")]),
        ("A-b_9: x", [("A-b_9", "x")]),
        ("-: x", [("-", "x")]),
        ("web: a\x0bb\x0cc\x85d\u2028e\u2029f\x1cg", [("web", "a\x0bb\x0cc\x85d\u2028e\u2029f\x1cg")]),
        (b"web: caf\xe9 \xff", [("web", "caf\udce9 \udcff")]),
        ("web: café", [("web", "café")]),
        ("web: {{ x }}", [("web", "{{ x }}")]),
        ("css: |", [("css", "|")]),
        ("http://x", [("http", "//x")]),
    ],
)
def test_entry_is_read_by_the_grammar_of_honcho(data: bytes | str, expected: list[tuple[str, str]]) -> None:
    assert entries(data) == expected


def test_entry_has_its_place() -> None:
    assert parse(b"# c\r\n\r\nweb: a\rjs: b", "x/Procfile.dev")[0] == (
        Entry("web", "a", "x/Procfile.dev:3"),
        Entry("js", "b", "x/Procfile.dev:4"),
    )


def test_plain_file_gives_no_finding() -> None:
    assert findings("# c\n\nredis: redis-server\nworker: bundle exec sidekiq -t 6 # long\n") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("web: a\njs: b\nweb: c", 'Procfile:3: "web" is in Procfile:1 already; rename one of the two'),
        ("web:\njs: b", 'Procfile:1: no command after "web:"; write one, or remove the line'),
        ("js: b\nweb:  \t ", 'Procfile:2: no command after "web:"; write one, or remove the line'),
        ("web: # puma", 'Procfile:1: no command after "web:"; write one, or remove the line'),
        ("a: b\nwe.b: c", 'Procfile:2: "we.b" is no name: letters, digits, `_` and `-` make one; "we-b" would do'),
        ("we.b:c", 'Procfile:1: "we.b" is no name: letters, digits, `_` and `-` make one; "we-b" would do'),
        ("wörk: c", 'Procfile:1: "wörk" is no name: letters, digits, `_` and `-` make one; "w-rk" would do'),
        ('"web": c', 'Procfile:1: ""web"" is no name: letters, digits, `_` and `-` make one; "web" would do'),
        ("!: c", 'Procfile:1: "!" is no name: letters, digits, `_` and `-` make one'),
        (": c", "Procfile:1: no name before the colon; write one, as in `web: bin/server`"),
        ("web : c", 'Procfile:1: a blank stands before the colon; write "web:"'),
        (
            "gem install mailcatcherweb: bundle exec rails server",
            'Procfile:1: "gem install mailcatcherweb" is no name: letters, digits, `_` and `-` make one;'
            ' is a newline lost before "web:"?',
        ),
        (
            "bundlemailcatcher web: bundle exec rails server",
            'Procfile:1: "bundlemailcatcher web" is no name: letters, digits, `_` and `-` make one;'
            ' did you mean "web", and is a newline lost before it?',
        ),
        ("a: b\n<<<<<<< HEAD\nweb: c", "Procfile:2: a merge conflict is left here; resolve it"),
        (
            "worker_{{ worker_name }}: x",
            'Procfile:1: "worker_{{ worker_name }}" is template markup, no name; render the template first',
        ),
        ("a: b\n  web: c", 'Procfile:2: an entry begins in the first column; remove the blanks before "web"'),
        ("a: b\n\tweb:", 'Procfile:2: an entry begins in the first column; remove the blanks before "web"'),
        ("a: b\n\ufeffweb: c", 'Procfile:2: "<U+FEFF>web" is no name: letters, digits, `_` and `-` make one;'),
        ("a: b\nc: d\0", "Procfile:2: a NUL character is in this line; save the file as plain UTF-8"),
        ("", "Procfile: the file is empty; write a line like `web: bin/server`"),
        (" \n\t\n", "Procfile: the file is empty; write a line like `web: bin/server`"),
        ("# web: a\n", "Procfile: the file holds only comments; write a line like `web: bin/server`"),
        (
            "# c\nweb java -Dserver.port=$PORT -jar x.jar",
            'Procfile:2: no colon after "web"; write "web:", or begin a comment with `#`',
        ),
        (
            "# c\noops",
            "Procfile:2: no entry in the whole file; this line is ignored: not `name: command`;"
            ' missing colon after "oops"?',
        ),
    ],
)
def test_fault_says_where_and_what_to_do(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        entries(text)
    assert str(caught.value).startswith(message)
    assert message.startswith(f"{caught.value.where}: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('app: postal\nroot: "/opt/postal/app"\nenv:\n  RAILS_ENV: production\nuser: postal\n', 3),
        ("web:\n  command: puma\n", 1),
        ("web: # the server\n\n  # c\n  command: puma\n", 1),
        ("web: |\n  puma\n", 1),
        ("processes:\n- web\n", 1),
        ("# c\n---\nweb: puma\n", 2),
    ],
)
def test_yaml_is_refused_at_its_heading(text: str, line: int) -> None:
    with pytest.raises(ConfigError, match=rf"^Procfile:{line}: this is YAML, not a Procfile"):
        entries(text)


def test_utf_16_is_refused() -> None:
    with pytest.raises(ConfigError, match="save the file as plain UTF-8"):
        entries("web: puma".encode("utf-16"))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("mailcatcher -f --http-ip=0.0.0.0", 'ignored: not `name: command`; missing name before "mailcatcher"?'),
        ("bundle exec puma", 'ignored: not `name: command`; missing name before "bundle"?'),
        ("This file is generated", 'ignored: not `name: command`; missing colon after "This"?'),
        ("web, worker and clock", 'ignored: not `name: command`; missing name before "web,"?'),
        ("web", 'ignored: not `name: command`; missing colon after "web"?'),
        ("bin/web start", 'ignored: not `name: command`; missing name before "bin/web"?'),
        ("  -p 3000", 'ignored: not `name: command`; missing name before "-p"?'),
        ("{% if celery %}", "ignored: not `name: command`; template markup? render the template first"),
        ("// a comment", "ignored: not `name: command`; a comment begins with `#`"),
        ("; web: off", "ignored: not `name: command`; a comment begins with `#`"),
        ("RAILS_ENV=production", "ignored: not `name: command`; variables are set in .env"),
        ("TITLE = My App", "ignored: not `name: command`; variables are set in .env"),
        ("web=1", "ignored: not `name: command`; variables are set in .env"),
        ("title=My App", "ignored: not `name: command`; variables are set in .env"),
        ("export A=http://x", "ignored: not `name: command`; variables are set in .env"),
    ],
)
def test_line_that_is_no_entry_is_a_finding(line: str, text: str) -> None:
    assert findings(f"web: a\n{line}\njs: b\n") == [("Procfile:2", text)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("web; rails s", '";" stands where the colon belongs; write "web:"'),
        ("web;rails s", '";" stands where the colon belongs; write "web:"'),
        ("web = rails s", '"=" stands where the colon belongs; write "web:"'),
        ("web=rails s", '"=" stands where the colon belongs; write "web:"'),
        ("mailer=bin/mailer", '"=" stands where the colon belongs; write "mailer:"'),
        ("web => puma", '"=>" stands where the colon belongs; write "web:"'),
        ("web -> puma", '"->" stands where the colon belongs; write "web:"'),
        ("worker2 | bin/x", '"|" stands where the colon belongs; write "worker2:"'),
        ("web  rails s", 'no colon after "web"; write "web:", or begin a comment with `#`'),
        ("web\trails s", 'no colon after "web"; write "web:", or begin a comment with `#`'),
        ("worker bundle exec sidekiq", 'no colon after "worker"; write "worker:", or begin a comment with `#`'),
        ("mail bundle exec sidekiq -q m", 'no colon after "mail"; write "mail:", or begin a comment with `#`'),
        ("sidekiq bundle exec sidekiq", 'no colon after "sidekiq"; write "sidekiq:", or begin a comment with `#`'),
        ("web java -cp a:b x", 'no colon after "web"; write "web:", or begin a comment with `#`'),
        ('web curl -H "Host: x"', 'no colon after "web"; write "web:", or begin a comment with `#`'),
    ],
)
def test_line_that_is_surely_an_entry_is_a_fault_beside_a_good_one(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape('Procfile:2: ' + message)}$"):
        entries(f"good: a\n{line}\n")


def test_all_duplicates_are_named_in_one_fault() -> None:
    with pytest.raises(ConfigError) as caught:
        entries("web: a\nweb: b\nworker: c\n\nworker: d\njs: e")
    assert str(caught.value) == (
        'Procfile:2: "web" is in Procfile:1 already, "worker" in Procfile:3 and Procfile:5; rename all but one of each'
    )


@pytest.mark.parametrize(
    ("command", "lost"),
    [
        ("bundle exec rails sworker: bundle exec sidekiq", ["worker"]),
        ("puma worker: sidekiq", ["worker"]),
        ("echo 'run web: now'", []),
        ("curl -H Host: x", []),
        ("scp a web:b", []),
    ],
)
def test_command_that_holds_the_next_entry_is_a_finding(command: str, lost: list[str]) -> None:
    assert findings(f"a: {command}") == [("Procfile:1", f'is a newline lost before "{name}:"?') for name in lost]


def test_trailing_backslash_and_the_lines_after_it_are_findings() -> None:
    assert findings("web: puma \\\n  -b tcp://x \\ \n  redis://x\njs: b") == [
        ("Procfile:1", "the `\\` at its end does not continue the line; write the command in one line"),
        ("Procfile:2", "ignored: the line above cannot go on here; make it one line"),
        ("Procfile:3", "ignored: the line above cannot go on here; make it one line"),
    ]


def test_entry_after_a_trailing_backslash_is_an_entry() -> None:
    assert entries("web: puma \\\njs: b") == [("web", "puma \\"), ("js", "b")]


def test_escaped_backslash_at_the_end_is_no_finding() -> None:
    assert findings("web: echo a\\\\") == []


@pytest.mark.parametrize("char", "\x0b\x0c\x1c\x1d\x1e\x85\xa0\u200b\u2028\u2029\ufeff")
def test_odd_separator_in_a_command_is_a_finding(char: str) -> None:
    text = f"the command holds U+{ord(char):04X}, which is no blank to the shell; it is left there"
    assert findings(f"web: a{char}b{char}") == [("Procfile:1", text)]


def test_name_with_the_name_of_the_file_before_it_is_a_finding() -> None:
    assert findings("js: a\nProcfileweb: b") == [
        ("Procfile:2", 'is the name meant to be "web"? there is no "web" in the file')
    ]


def test_name_with_the_name_of_the_file_is_fine_beside_a_web() -> None:
    assert findings("web: a\nProcfileweb: b") == []


FILE_TEXT = st.text(st.sampled_from("web:  \t\n\r#\\-._{%|>\"'=/\0\ufeff\x85\u2028é") | st.characters(), max_size=60)


@given(FILE_TEXT.map(lambda text: text.encode("utf-8", "replace")) | st.binary(max_size=30))
def test_any_file_is_read_or_is_a_configuration_error(data: bytes) -> None:
    try:
        found, odd = parse(data, "Procfile")
    except ConfigError as error:
        assert (error.where or "").startswith("Procfile") and str(error).isprintable()
    else:
        assert found and all(finding.text.isprintable() for finding in odd)
        assert all(entry.command.strip() for entry in found)


NAMES = st.text("abz_-09AZ", min_size=1, max_size=8)
COMMANDS = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=30).map(
    lambda text: f"x{text}x"
)


@given(
    st.dictionaries(NAMES, COMMANDS, min_size=1),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([": ", ":", ":\t  "]),
)
def test_what_is_written_is_read_back(wanted: dict[str, str], end: str, colon: str) -> None:
    assert dict(entries("".join(f"{name}{colon}{command}{end}" for name, command in wanted.items()))) == wanted
