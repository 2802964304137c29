"""What the lines of a `.env` file set, and that no message about it shows more of it than a name."""

import os
import subprocess
from pathlib import Path

import pytest

from procrun.core.errors import ConfigError, Finding
from procrun.plan import bin_sh
from procrun.plan.check import lint
from procrun.plan.env_file import Setting, is_name, parse
from procrun.plan.environment import load
from procrun.plan.findings import lines
from procrun.plan.layout import build
from procrun.plan.options import Wishes
from tests.harness import Folder, child

LINE = "MIIEpAIBAAKCAQEAx3c9vX0aGVsbG8gd29ybGQhIHRoaXMgaXMgbm90IGEga2V5"
TAIL = "q2Vf+s9/Lw=="
HEAD, FOOT = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
BODY = f"{LINE}\n{LINE[::-1]}\n{TAIL}"
KEY = f"{HEAD}\n{BODY}\n{FOOT}"
PIECES = [LINE[:12], LINE[::-1][:12], TAIL[:6]]
CERTIFICATE = KEY.replace("RSA PRIVATE KEY", "CERTIFICATE")
JSON = '{\n  "type": "service_account",\n  "url":"https://x?a=b",\n  "list": ["}"]\n}'


def items(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """What the text sets, and what is said, each with its place."""
    found = list(parse(text, ".env"))
    settings = {item.name: item.raw for item in found if isinstance(item, Setting)}
    return settings, [(item.where, item.text) for item in found if isinstance(item, Finding)]


# --- a value over several lines


@pytest.mark.parametrize(
    ("value", "last"),
    [
        (KEY, 6),
        (f"{HEAD}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,AA=\n\n{BODY}\n{FOOT}", 9),
        (f"{HEAD}\n{BODY}", 5),
        (CERTIFICATE, 6),
        (f"{CERTIFICATE}\n{CERTIFICATE}", 11),
        (KEY.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"), 6),
        (JSON, 6),
        (f"{LINE}\n{LINE[::-1]}\n{TAIL}", 4),
        ("one\\\n  two\\\n  three", 4),
    ],
)
def test_value_over_several_lines_is_one_finding_with_their_numbers(value: str, last: int) -> None:
    settings, said = items(f"A=1\nVALUE={value}\nB=2\n")
    text = f"lines 3 to {last} are ignored: they look like the rest of this value; quote the whole value: VALUE='…'"
    assert said == [(".env:2", text)]
    assert settings == {"A": "1", "VALUE": value.split("\n")[0], "B": "2"}


def test_value_whose_quote_is_not_closed_is_one_finding() -> None:
    settings, said = items(f'A=1\nVALUE="{KEY}\nB=2\n')
    why = "the quote at the beginning of the value is not closed; quote the whole value: VALUE='…'"
    assert said == [(".env:2", f"lines 2 to 6 are ignored: {why}")]
    assert settings == {"A": "1", "B": "2"}


def test_value_without_a_name_is_one_finding() -> None:
    settings, said = items(f"A=1\n{KEY}\nB=2\n")
    why = "they look like a value without a name; quote the whole value: NAME='…'"
    assert said == [(".env:2", f"lines 2 to 6 are ignored: {why}")]
    assert settings == {"A": "1", "B": "2"}


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("value", [KEY, CERTIFICATE])
def test_value_in_quotes_is_whole(quote: str, value: str) -> None:
    assert items(f"VALUE={quote}{value}{quote}\nB=2\n") == ({"VALUE": value, "B": "2"}, [])


def test_key_in_one_line_is_whole() -> None:
    line = KEY.replace("\n", "\\n")
    assert items(f"VALUE={line}\nB=2\n") == ({"VALUE": line, "B": "2"}, [])


@pytest.mark.parametrize("value", ["C:\\", "[a-z", "{{ x }}", "-----BEGIN X-----", LINE, "{"])
def test_next_variable_is_none_of_the_value(value: str) -> None:
    assert items(f"A={value}\nB=2\n") == ({"A": value, "B": "2"}, [])


# --- what is quoted of the file


@pytest.mark.parametrize(
    "name",
    ["oops", "FOO", "AWS_SECRET", "S3_BUCKET", "my-var", "spring.datasource.url", "2FA_KEY", "I18N", "_APP_KEY_V1"],
)
def test_name_may_be_quoted(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "text",
    [
        *(LINE, LINE[:20], TAIL, "abc+def", "a/b", "aGVsbG8gd29ybGQ", "x7Kq9aB2", "", "_", '"type":'),
        *("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "a" * 41, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "A\x1bB"),
    ],
)
def test_what_may_be_a_piece_of_a_secret_is_not(text: str) -> None:
    assert not is_name(text)


TORN = [
    *(KEY, f"KEY={KEY}", f"KEY='{KEY}", f'KEY="{KEY}', BODY, LINE, TAIL, f"{TAIL}\n{TAIL}", f"KEY={TAIL}\n{TAIL}"),
    *(f"KEY = {KEY}", f"export KEY={KEY}", f"KEY: {KEY}", f"'{LINE}'='x", f"{LINE} = 'x", f"  {BODY}", f"- {LINE}="),
    *(f"{LINE}='x' y", f'"{LINE}"="{LINE}"', f"KEY={{{LINE}", f'{{"key": "{LINE}",\n"b":"{TAIL}"', f"PORT={LINE}"),
    *(f"REDIS_PROVIDER={LINE}:", f"A=${{{LINE}}}", f"A=\\${{{TAIL}}}", f"A=${LINE}"),
]


@pytest.mark.parametrize("text", TORN, ids=range(len(TORN)))
def test_nothing_said_of_a_torn_key_shows_a_piece_of_it(text: str, folder: Folder) -> None:
    folder.procfile("web: true")
    folder.write(".env", f"A=1\n{text}\nB=2\n")
    try:
        said = "\n".join(lines(lint(build(Wishes(app_root=str(folder.path)), {}))))
    except ConfigError as error:
        said = str(error)
    assert not [piece for piece in PIECES if piece in said], said


@pytest.mark.parametrize("command", [["check"], ["env"], ["env", "web"], ["run", "true"], ["start"]], ids=" ".join)
def test_no_command_shows_a_piece_of_a_torn_key(folder: Folder, command: list[str]) -> None:
    folder.procfile("web: true")
    closed = [text for text in TORN if not text.startswith(("PORT", "KEY='", 'KEY="'))]
    folder.write(".env", "".join(f"A=1\n{text}\n\n" for text in closed))
    made = folder.procrun(*command)
    assert "lines 2 to 6 are ignored" in made.stderr
    assert not [piece for piece in PIECES if piece in made.stdout + made.stderr], made.stdout + made.stderr


def test_reload_shows_no_piece_of_a_torn_key(folder: Folder) -> None:
    folder.procfile(f"web: {child('idle.py')}")
    run = folder.start()
    run.wait_for("web.1 *.* started")
    folder.write(".env", f"KEY={KEY}\n{LINE}\n'{LINE}'='x\n")
    made = folder.procrun("reload")
    run.finish(15)
    assert not [piece for piece in PIECES if piece in made.stdout + made.stderr + run.output]


# --- references


def findings(text: str, shell: dict[str, str] | None = None, tmp_path: Path | None = None) -> list[str]:
    assert tmp_path is not None
    (tmp_path / ".env").write_text(text)
    return [f"{f.where}: {f.text} [{f.code}]" for f in load([".env"], shell or {}, str(tmp_path), True).findings]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PATH=/opt/x:$PATH", "$PATH stays as written, only ${…} is expanded; write ${PATH}"),
        ('A="$HOME/x"', "$HOME stays as written, only ${…} is expanded; write ${HOME}"),
        ("URL=postgres://$DB_HOST/x", "$DB_HOST stays as written, only ${…} is expanded; write ${DB_HOST}"),
        ("A=$HOME:$PATH", "$HOME and $PATH stay as written, only ${…} is expanded; write ${HOME} and ${PATH}"),
    ],
)
def test_reference_that_is_not_expanded_is_told_with_the_cure(text: str, said: str, tmp_path: Path) -> None:
    meant = ", or put the value in single quotes where it is meant so [literal-dollar]"
    assert findings(f"X=1\n{text}\n", {"PATH": "/bin", "HOME": "/h"}, tmp_path) == [f".env:2: {said}{meant}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=${NOPE}", "${NOPE} is not set and becomes nothing; set NOPE above, or give a default: ${NOPE:-…}"),
        ("A='${NOPE}'", "${NOPE} is not set and becomes nothing; set NOPE above, or give a default: ${NOPE:-…}"),
        ("A=${NOPE}\nNOPE=1", "${NOPE} is not set and becomes nothing; set NOPE above, or give a default: ${NOPE:-…}"),
        ("A=${x + y}", "a ${…} in it is not set and becomes nothing; give a default: ${NAME:-…}"),
    ],
)
def test_reference_to_nothing_is_told(text: str, said: str, tmp_path: Path) -> None:
    assert findings(text, {}, tmp_path) == [f".env:1: {said} [unset-reference]"]


def test_backslash_before_a_reference_is_told_with_what_keeps_it(tmp_path: Path) -> None:
    said = "the backslash does not keep ${HOME} from being expanded; write ${X:-$}{…}, with no X set [escaped-dollar]"
    assert findings("A=\\${HOME}", {"HOME": "/h"}, tmp_path) == [f".env:1: {said}"]


@pytest.mark.parametrize(
    "value",
    [
        *("${HOME}/x", "${NOPE:-}", "${NOPE:-x}", "'$HOME'", "$1", "$", "a$", "5$", "$$", "$(pwd)"),
        *(
            "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
            "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        ),
        *("pa$word", "${X:-$}{HOME}", "${:-$}{HOME}", "${X:-$}HOME"),
    ],
)
def test_other_dollars_are_left_alone(value: str, tmp_path: Path) -> None:
    assert findings(f"A={value}", {"HOME": "/h", "_": "/x"}, tmp_path) == []


def test_escape_keeps_a_reference_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=${X:-$}{HOME}/x\n")
    assert load([".env"], {"HOME": "/h"}, str(tmp_path), True).variables["A"].value == "${HOME}/x"


def test_check_does_not_look_for_programs_in_a_path_that_was_not_expanded(folder: Folder) -> None:
    folder.procfile("web: ls")
    folder.write(".env", "PATH=/opt/x:$PATH\n")
    said = folder.procrun("check").stderr.splitlines()[1:]
    assert len(said) == 1
    assert said[0].startswith(".env:1: $PATH stays as written")


# --- names that /bin/sh drops

ODD = ("spring.datasource.url", "my-var", "2FA_KEY")


def test_shell_here_drops_what_it_is_said_to_drop() -> None:
    given = dict.fromkeys((*ODD, "OK"), "1")
    kept = subprocess.run(["/bin/sh", "-c", "exec env"], env={**given, "PATH": os.environ["PATH"]}, capture_output=True)
    names = [line.partition("=")[0] for line in kept.stdout.decode().splitlines()]
    assert {name for name in given if bin_sh.dropped_by(name)} == {name for name in given if name not in names}


def test_env_run_and_start_have_the_same_odd_names(folder: Folder) -> None:
    folder.procfile("web: env -0 > got")
    folder.write(".env", "".join(f"{name}=1\n" for name in (*ODD, "OK_1")))
    wanted = {name for name in (*ODD, "OK_1") if not bin_sh.dropped_by(name)}
    shown = {line.partition("=")[0] for line in folder.procrun("env", "web").stdout.splitlines()}
    assert shown & {*ODD, "OK_1"} == wanted
    folder.procrun("start")
    assert names(folder.path.joinpath("got").read_text()) & {*ODD, "OK_1"} == wanted
    assert names(folder.procrun("run", "env", "-0").stdout) & {*ODD, "OK_1"} == wanted


def names(text: str) -> set[str]:
    return {item.partition("=")[0] for item in text.split("\0")}


def test_name_that_the_shell_drops_is_told_with_a_name_that_it_takes(folder: Folder) -> None:
    folder.procfile("web: true")
    folder.write(".env", "my-var=1\nspring.datasource.url=2\n")
    said = folder.procrun("check").stderr.splitlines()[1:]
    shell = bin_sh.dropped_by("my-var")
    why = f"reaches no process: /bin/sh ({shell}) drops what is no name of a shell's variable"
    assert said == (
        [
            f".env:1: my-var {why}; rename it [dropped-name]",
            f".env:2: spring.datasource.url {why}; Spring reads SPRING_DATASOURCE_URL for it [dropped-name]",
        ]
        if shell
        else []
    )
