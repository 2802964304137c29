"""Whatever stands in a file, on the command line or on the wire: it is taken, or refused in one line that says where.

Text near each grammar (its own words and signs, and valid samples with something cut, doubled or changed) and raw
bytes. Large and nested input is read by the real command, with little memory and little time.
"""

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dotenv.main import DotEnv
from honcho.environ import parse_procfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from procrun.cli import main
from procrun.control import protocol
from procrun.core import spec, stop_sequence, values
from procrun.core.errors import ControlError, ProcrunError
from procrun.plan import bin_sh, cloud66, config, environment, foreman, policies, procfile
from procrun.plan import options as options_
from procrun.plan.layout import DEFAULTS, build
from tests.control.test_socket import answers, socket_of
from tests.harness import PROCRUN, TERM, Folder

ODD = [
    *("\0", "\ufeff", "\r", "\r\n", "\x0b", "\x85", "\u2028", "\xa0", "\u200b", "é", "٣", "\x1b[2J", "\udcff"),
    *("\U0001f600",),
]
MANY = settings(max_examples=300, deadline=20_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEW = settings(MANY, max_examples=100)


def mutated(sample: str, parts: list[str]) -> st.SearchStrategy[str]:
    """The sample with a few pieces of it cut out, doubled, or replaced by `parts` and odd signs."""

    def change(changes: list[tuple[int, int, str]]) -> str:
        text = sample
        for start, length, new in changes:
            at = start % (len(text) + 1)
            text = text[:at] + new + text[at + length :]
        return text

    piece = st.sampled_from([*parts, *ODD, "", sample])
    return st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 12), piece), max_size=6).map(change)


def near(sample: str, parts: list[str]) -> st.SearchStrategy[bytes]:
    """Bytes near a grammar: of its parts, of a changed sample, or of nothing it knows."""
    glued = st.lists(st.sampled_from([*parts, *ODD, " ", "\n"]), max_size=30).map("".join)
    text = st.one_of(glued, mutated(sample, parts), st.text(max_size=60))
    return st.one_of(
        text.map(lambda t: t.encode("utf-8", "surrogateescape" if _half(t) else "surrogatepass")), st.binary()
    )


def _half(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def refused_in_one_line(place: str) -> Iterator[None]:
    """Nothing may be raised but a fault: printable, one line, and its place first."""
    try:
        yield
    except ProcrunError as error:
        text = str(error)
        assert text.splitlines() == [text], repr(text)
        assert all(char.isprintable() or "\udc80" <= char <= "\udcff" for char in text), repr(text)
        assert re.match(place, text), text


# --- Procfile

PROCFILE = "# the app\nweb: bundle exec puma -p $PORT\nworker-2: sidekiq -t 6\n\ncss:yarn build --watch\n"
PROCFILE_PARTS = [
    *("web", ":", "web: a", "\n", "\t", "#", "\\", "- ", "---", "|", "{{ x }}", "export A=1", "//", "'", "="),
    *("b: ",),
]


@MANY
@given(data=near(PROCFILE, PROCFILE_PARTS))
@example(data=b"a: b\x85c: d\n")
@example(data=b"a: b \\\n  c\nd: e")
def test_each_line_of_a_procfile_is_an_entry_a_comment_blank_warned_of_or_a_fault(data: bytes) -> None:
    with refused_in_one_line(r"Procfile(:\d+)?: "):
        entries, findings = procfile.parse(data, "Procfile")
        lines = re.split(r"\r\n|\n|\r", data.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))
        told = {where for where, *_ in findings} | {entry.where for entry in entries}
        silent = {f"Procfile:{n}" for n, line in enumerate(lines, 1) if not line.strip() or line.lstrip()[0] == "#"}
        assert told | silent == {f"Procfile:{n}" for n in range(1, len(lines) + 1)}
        assert not silent & {entry.where for entry in entries}


@MANY
@given(st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,9}: ?[ -~]{1,20}", fullmatch=True), max_size=6).map("\n".join))
def test_entries_are_those_of_honcho(text: str) -> None:
    with refused_in_one_line(r"Procfile(:\d+)?: "):
        entries, _ = procfile.parse(text.encode(), "Procfile")
        theirs = parse_procfile(text).processes
        assert {entry.name: entry.command for entry in entries} == {
            name: command if command.rstrip(" \t").endswith("\\") else command.rstrip(" \t")
            for name, command in theirs.items()
            if command.strip()
        }


# --- .env

ENV = "# keys\nexport A=1\nB='two words' # c\nC=\"x${A}y\\n${D:-d}\"\nREDIS_PROVIDER=R_URL\nR_URL=redis://h\n\nE=\n"
ENV_PARTS = [
    *("A", "=", "A=1", "export ", "'", '"', "#", "\\", "\n", "${A}", "${", "}", ":-", "$", "B=${A:-x}", "'A'="),
    *("B",),
]


def is_kept(name: str) -> bool:
    return re.fullmatch(r"[\w.-]+", name) is not None and not bin_sh.dropped_by(name)


@MANY
@given(data=near(ENV, ENV_PARTS))
@example(data=b"A='x\n'\r\nB")
def test_kept_lines_of_an_env_file_are_read_as_by_python_dotenv(data: bytes, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(data)
    shell = dict(os.environ)
    with refused_in_one_line(r"\.env:\d+: "):
        found = environment.load([".env"], shell, str(tmp_path), required=True)
        with (tmp_path / ".env").open(encoding="utf-8-sig") as file:
            theirs = DotEnv(None, stream=file, override=True).dict()
        ours = {name: value for name, (value, source) in found.variables.items() if source != "shell"}
        # Ignored here, and told as a finding: `A` alone, what is no name, and the rest of a value without quotes.
        told = {name for name, value in theirs.items() if value is None or not is_kept(name)}
        split = any(finding.code == "split-value" for finding in found.findings)
        if not split and (not told or b"$" not in data):  # there it hides the default of a `${A:-d}`
            assert {k: v for k, v in ours.items() if k not in told} == {
                k: v for k, v in theirs.items() if k not in told
            }
        with refused_in_one_line(r"\.env:\d+: "):
            environment.resolve_providers(found, sidekiq=True)


@FEW
@given(data=near(ENV, ENV_PARTS))
@example(data=b"'\n'")
@example(data=b"'\x1b=\n'=1")
def test_what_an_env_file_loses_is_told_with_its_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(data)
    with refused_in_one_line(r"\.env:\d+: "):
        found = environment.load([".env"], {}, str(tmp_path), required=True)
        for where, text, *_ in found.findings:
            line = int(re.fullmatch(r"\.env:(\d+)", where)[1])  # type: ignore[index]
            assert 1 <= line <= len(re.split(r"\r\n|\r|\n", data.decode()))
            assert len(text.splitlines()) == 1


# --- procrun.toml, the manifest, .foreman

TOML = """platform = "server"
restart_budget = 10.5
formation = "web=2,worker=1"
metadata = ".cloud66/manifest.yml"
environment = "production"
[process.worker]
profile = "sidekiq"
stop_sequence = "tstp, 120, term, 30, kill"
restart_on_deploy = false
after = ["web"]
[process.web]
restart_signal = "usr1"
stop_sequence = ["term", 5, "kill"]
"""
TOML_PARTS = [
    *("\n", "=", '"', "'", "[", "]", ".", ",", "{", "}", "#", "true", "nan", "-inf", "1e400"),
    *("0x" + "f" * 4000, "9" * 5000, "[process.web]\n", "[[process]]\n", "no_kill = true\n"),
    *('after = ["worker"]\n', "1979-05-27", '"\\u0000"', "10", "kill"),
]
MANIFEST = """production:
  rails:
    configuration: &base
      ruby_version: 3.3
    procfile_metadata: &all
      worker: {stop_sequence: "tstp, 120, term, 30, kill", restart_on_deploy: no}
      web:
        <<: *all
        restart_signal: usr1
procfile_metadata:
  custom_web:
    web_server_stop_signals: [term, 5, kill]
"""
MANIFEST_PARTS = [
    *("\n", "  ", "\t", "- ", ": ", "[", "]", "{", "}", "&a ", "*a", "<<: ", "*all", "? ", "|", ">", "!!int "),
    *("!!set ", "%YAML 9.9", "---\n", "...", "#", "'", '"', '"\\0"', "~", "2001-99-99", "procfile_metadata:\n"),
    *("production:\n", "stop_sequence: "),
]
FOREMAN = "procfile: Procfile.dev\nport: 7000\nformation: web=2,worker=1\ntimeout: 8\nenv: .env\nroot: .\n"
FOREMAN_PARTS = [
    *MANIFEST_PARTS,
    "port: ",
    "9" * 5000,
    "0x" + "f" * 5000,
    "-1",
    ".nan",
    "!!python/object:os.system ",
    "12:30:45",
]
FILES: dict[str, tuple[str, list[str], Callable[[Path], object]]] = {
    "procrun.toml": (TOML, TOML_PARTS, lambda folder: _sequences(config.load(str(folder)).processes)),
    "manifest.yml": (
        MANIFEST,
        MANIFEST_PARTS,
        lambda folder: _sequences(cloud66.load(str(folder / "manifest.yml"), "production")),
    ),
    ".foreman": (FOREMAN, FOREMAN_PARTS, lambda folder: foreman.defaults(str(folder / ".foreman"))),
}


def _sequences(processes: Any) -> None:
    for process in processes.values():
        with refused_in_one_line(r"(procrun\.toml|manifest\.yml): "):
            policies.configured_sequence(process)
        with refused_in_one_line(r"(procrun\.toml|manifest\.yml): "):
            policies.configured_restart_signal(process)


@pytest.mark.parametrize("name", FILES)
@MANY
@given(data=st.data())
def test_a_file_of_settings_is_read_or_refused_in_one_line(name: str, data: st.DataObject, tmp_path: Path) -> None:
    sample, parts, read = FILES[name]
    (tmp_path / name).write_bytes(data.draw(near(sample, parts)))
    with contextlib.chdir(tmp_path), refused_in_one_line(rf"(.*/)?{re.escape(name)}(:\d+:\d+)?: "):
        read(tmp_path)


@FEW
@given(
    app=near(PROCFILE, PROCFILE_PARTS),
    env=near(ENV, ENV_PARTS),
    toml=near(TOML, TOML_PARTS),
    options=near(FOREMAN, FOREMAN_PARTS),
)
def test_a_whole_app_is_planned_or_refused_in_one_line(
    folder: Folder, app: bytes, env: bytes, toml: bytes, options: bytes
) -> None:
    for name, data in {"Procfile": app, ".env": env, "procrun.toml": toml, ".foreman": options}.items():
        folder.write(name, data)
    folder.write(".cloud66/manifest.yml", MANIFEST)
    with refused_in_one_line(r"\S[^:]*(:\d+)*: "):
        build(options_.Wishes(defaults=DEFAULTS), os.environ)


# --- small grammars


SEQUENCE_WORDS = st.sampled_from(
    [
        *("term", "SIGTERM", ":tstp", "kill", "usr1", "cont", "stop", "15", "0", "5", "0.5", "1e3", "-1"),
        *("nan", "²", "", " ", "sig", "64"),
    ]
)


@MANY
@given(st.one_of(st.lists(SEQUENCE_WORDS, max_size=7).map(",".join), st.text(max_size=20)), st.booleans())
def test_a_stop_sequence_is_read_or_refused_and_reads_again_as_it_is_written(text: str, no_kill: bool) -> None:
    with refused_in_one_line("HERE: "):
        steps = stop_sequence.parse_sequence(text, "HERE", no_kill)
        assert steps
        assert all(0 <= wait <= spec.LONGEST_WAIT for _, wait in steps)
        assert no_kill or steps[-1].signal == 9
        again = stop_sequence.parse_sequence(stop_sequence.format_sequence(steps), "HERE", no_kill)
        assert [signal for signal, _ in again] == [signal for signal, _ in steps]
        assert [wait for _, wait in again] == pytest.approx([wait for _, wait in steps], abs=1e-9)


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=1),
)  # fmt: skip


@MANY
@given(st.lists(st.one_of(SEQUENCE_WORDS, JUNK), max_size=5), st.booleans())
def test_a_stop_sequence_as_a_list_may_hold_anything(items: list[object], no_kill: bool) -> None:
    with refused_in_one_line("HERE: "):
        stop_sequence.parse_sequence(tuple(items), "HERE", no_kill)


@MANY
@given(st.one_of(st.from_regex(r"(web|all|x|)=?[0-9]{0,7}(,(web|worker)=\d+)*"), st.text(max_size=20)))
def test_values_of_options_are_read_or_refused_in_one_line(text: str) -> None:
    for read in (values.port, values.seconds, values.platform, lambda text: values.formation(text, ["web", "worker"])):
        try:
            found = read(text)
        except ValueError as error:
            assert str(error).splitlines() == [str(error)], repr(str(error))
        else:
            assert found is not None


# --- the wire

TEXT = st.text(max_size=12)
SECONDS = st.floats(allow_nan=False, allow_infinity=False)


def built(kind: type) -> st.SearchStrategy[Any]:
    """Any message of this kind."""
    known: dict[str, st.SearchStrategy[Any]] = {
        "formation": st.dictionaries(TEXT, st.integers(0, 65535), max_size=3),
        "rows": st.lists(st.deferred(lambda: built(protocol.Row)), max_size=2),
        "pid": st.integers(0, 2**22),
    }

    def field_of(field: Any) -> st.SearchStrategy[Any]:
        metas = [meta for meta in getattr(field.type, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
        if metas:  # Annotated[int, Meta(ge=…, le=…)]
            return st.integers(int(metas[0].ge or 0), int(metas[0].le or 0))
        return known[field.name] if field.name in known else st.from_type(field.type).filter(_is_json)

    return st.builds(kind, **{field.name: field_of(field) for field in msgspec.structs.fields(kind)})


def _is_json(value: object) -> bool:
    """Neither nan nor inf, nor text that is none."""
    return not isinstance(value, float) or value - value == 0


REQUESTS = list(protocol.Request.__args__)
ANSWERS = [protocol.Progress, protocol.Go, protocol.Welcome, protocol.Status, protocol.Done, protocol.Refused]


@FEW
@given(st.one_of(*map(built, REQUESTS)))
def test_a_request_comes_over_the_wire_as_it_was(request: protocol.Request) -> None:
    line = protocol.encode(request)
    assert line.count(b"\n") == 1
    assert protocol.decode_request(line) == request


@FEW
@given(st.one_of(*map(built, ANSWERS)))
def test_an_answer_comes_over_the_wire_as_it_was(answer: protocol.Answer) -> None:
    line = protocol.encode(answer)
    assert line.count(b"\n") == 1
    assert protocol.decode_answer(line) == answer


WIRE = '{"type":"restart","names":["web","worker.2"],"timeout":1.5,"rolling":false}'
WIRE_PARTS = [
    *("{", "}", "[", "]", '"', ",", ":", "null", "-1", "1e999", '"type":"scale"', '"\\ud800"', '"names":"x"'),
    *("true", "[" * 50_000),
]


@MANY
@given(near(WIRE, WIRE_PARTS))
@example(b'{"type":"ps","deep":' + b"[" * 60_000)
@example(b'{"type":"scale","formation":{"web":-1}}')
def test_bytes_on_the_socket_are_a_request_or_not_understood(data: bytes) -> None:
    for decode in (protocol.decode_request, protocol.decode_answer):
        with contextlib.suppress(ControlError):
            assert isinstance(decode(data), msgspec.Struct)


def test_a_request_nested_too_deep_is_refused_and_the_run_goes_on(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    run = folder.start()

    [answer] = answers(socket_of(folder), b'{"type":"ps","deep":' + b"[" * 60_000 + b"\n")

    assert "not understood" in str(answer["text"])
    assert folder.procrun("ps").returncode == 0
    run.finish(TERM)


def test_a_command_that_is_no_utf8_is_shown_by_ps_and_the_run_goes_on(folder: Folder) -> None:
    folder.write("Procfile", b"web: sleep 60 # caf\xe9\n")
    run = folder.start()
    socket_of(folder)

    made = folder.procrun("ps", "--json")

    assert (made.returncode, made.stderr) == (0, "")
    assert '"sleep 60 # caf?"' in made.stdout
    run.finish(TERM)


def test_a_name_that_is_no_utf8_is_refused_in_one_line(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    run = folder.start()
    socket_of(folder)

    made = folder.procrun("stop", "caf\udce9")

    assert (made.returncode, made.stderr.count("\n")) == (2, 1)
    run.finish(TERM)


# --- the command line

ARGUMENTS = st.one_of(
    st.sampled_from(
        [
            *main.COMMANDS,
            *("-f", "-e", "-d", "-p", "-m", "-c", "-t", "-x", "-q", "--json", "--strict", "--reveal", "--"),
            *("-", "web", "web=2", "5000", "0.5", "Procfile", ".", "/", "--platform=heroku", "--no-order"),
            *("--help", "-", "", "\0"),
            *ODD,
        ]
    ),
    st.text(max_size=6),
)


@FEW
@given(
    command=st.sampled_from(["check", "env", "ps", "stop", "scale", "quiet", "signal"]),
    arguments=st.lists(ARGUMENTS, max_size=5),
)
def test_a_command_line_is_obeyed_or_refused_in_one_line(
    folder: Folder, command: str, arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    folder.write("Procfile", PROCFILE)
    (folder.path / "sub").mkdir(exist_ok=True)
    capfd.readouterr()
    words = [word for word in arguments if word not in ("start", "run", "release", "export", "deploy")]
    with pytest.MonkeyPatch.context() as patch, open(os.devnull) as nothing:
        patch.setattr("sys.argv", ["procrun", command, *words])
        patch.setattr("sys.stdin", nothing)  # `-f -`
        status = main.run()
    said = capfd.readouterr().err
    assert status in (0, 1, 2)
    assert status != 2 or re.fullmatch(r"procrun: .+\n", said), (status, said)


# --- large and deep

MEMORY = 2_000_000
"""KiB that the command may have: forty times the largest file."""


def bomb(section: str) -> str:
    """Ten levels, each with ten times the one before: ten thousand million values for who copies them."""
    levels = ["a0: &a0 {x: y}"] + [
        f"a{n}: &a{n} {{{', '.join(f'k{k}: *a{n - 1}' for k in range(10))}}}" for n in range(1, 11)
    ]
    return "\n".join(levels) + f"\n{section}: *a10\n"


MERGES = "\n".join(
    ["a0: &a0 {x: y}", *(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 11))]
)

LARGE: dict[str, tuple[dict[str, str], int, str]] = {
    "a line of 50 MB in .env": ({".env": "A=" + "x" * 50_000_000}, 2, r"\.env: has more than 8388608 bytes"),
    "a quoted value of 8 MB in .env": ({".env": 'A="' + "x\n" * 4_000_000 + '"\n'}, 0, ""),
    "a quote that never ends in .env": ({".env": "A='" + "x\n" * 30_000}, 0, r"\.env:1: ignored"),
    "100,000 variables": ({".env": "".join(f"A{n}={n}\n" for n in range(100_000))}, 0, ""),
    "a command of 50 MB": ({"Procfile": "web: true " + "x" * 50_000_000}, 2, "Procfile: has more than 8388608 bytes"),
    "a command of 5 MB": ({"Procfile": "web: true " + "x" * 5_000_000}, 2, "Procfile:1: the command has 5000005 "),
    "a procrun.toml of 50 MB": ({"procrun.toml": "#" * 50_000_000}, 2, r"procrun\.toml: has more than 2097152 bytes"),
    "a manifest of 50 MB": ({"manifest.yml": "#" * 50_000_000}, 2, r"manifest\.yml: has more than 2097152 bytes"),
    "a .foreman of 50 MB": ({".foreman": "#" * 50_000_000}, 2, r"\.foreman: has more than 2097152 bytes"),
    "20,000 entries": (
        {"Procfile": "".join(f"p{n}: true\n" for n in range(20_000))},
        2,
        r"Procfile:\d+: .* port",
    ),
    "1 MB of blanks in a line": ({"Procfile": "web: true\na:" + " " * 1_000_000 + "x\n b"}, 0, "Procfile:3: "),
    "100,000 backslashes": ({"Procfile": "web: true " + "\\" * 100_001 + "\nx"}, 0, "Procfile:1: "),
    "40,000 dollars": ({"Procfile": "web: sidekiq " + "${A" * 40_000}, 0, ""),
    "TOML nested 100,000 deep": ({"procrun.toml": "x = " + "[" * 100_000}, 2, r"procrun\.toml:1:\d+: is no TOML"),
    "a TOML key of 5,000 parts": ({"procrun.toml": ".".join("a" * 5000) + " = 1"}, 2, r"procrun\.toml: a: unknown key"),
    "100,000 process types in TOML": (
        {"procrun.toml": "".join(f"[process.p{n}]\n" for n in range(100_000))},
        2,
        r"procrun\.toml: process\.p0: no such process type",
    ),
    "a stop sequence of 100,000 steps": (
        {"procrun.toml": f'[process.web]\nstop_sequence = "{"hup, 1, " * 100_000}kill"'},
        0,
        "",
    ),
    "a number of 100,000 digits in TOML": ({"procrun.toml": "restart_budget = " + "9" * 100_000}, 2, r"procrun\.toml"),
    "aliases in the manifest": ({"manifest.yml": bomb("procfile_metadata")}, 2, r"manifest\.yml: .*unknown key"),
    "merge keys in the manifest": (
        {"manifest.yml": f"{MERGES}\nprocfile_metadata: {{web: *a10}}\n"},
        2,
        r"manifest\.yml: procfile_metadata\.web\.x: unknown key",
    ),
    "a manifest nested 100,000 deep": ({"manifest.yml": "[" * 100_000}, 2, r"manifest\.yml.*: is no YAML"),
    "aliases in .foreman": ({".foreman": bomb("port")}, 2, r"\.foreman: port: takes one plain value"),
    "merge keys in .foreman": ({".foreman": f"{MERGES}\nport: 7000\n"}, 0, ""),
    ".foreman nested 100,000 deep": ({".foreman": "[" * 100_000}, 2, r"\.foreman: is no YAML"),
    "a number of 100,000 digits in .foreman": ({".foreman": "port: " + "9" * 100_000}, 2, r"\.foreman: "),
}


def limited(folder: Folder, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The real command with little memory, and 30 seconds of a processor."""
    line = f'ulimit -v {MEMORY}; ulimit -t 30; exec "$@"'
    return subprocess.run(
        ["sh", "-c", line, "sh", *PROCRUN, *arguments],
        cwd=folder.path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("files", "status", "said"), LARGE.values(), ids=LARGE)
def test_large_and_deep_input_costs_neither_time_nor_memory(
    folder: Folder, files: dict[str, str], status: int, said: str
) -> None:
    folder.procfile("web: true")
    if "manifest.yml" in files:
        folder.write("procrun.toml", 'metadata = "manifest.yml"\n')
    for name, text in files.items():
        folder.write(name, text)

    made = limited(folder, "check")

    assert made.returncode == status, made.stderr[-2000:]
    assert "Traceback" not in made.stderr
    assert re.search(rf"(?m)^(procrun: )?{said}", made.stderr), made.stderr[-2000:]
    assert status != 2 or made.stderr.count("\n") == 1
    assert max(map(len, made.stderr.splitlines())) < 1000


# --- no file at all


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def itself(path: Path) -> None:
    path.symlink_to(path.name)


def a_folder(path: Path) -> None:
    path.mkdir()


PLAIN = ["procrun.toml", "manifest.yml", "app.json", "Gemfile.lock", "puma.rb", "sidekiq.yml"]


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_no_plain_file_is_refused_or_left_out_at_once(folder: Folder, name: str) -> None:
    """Whoever reads it would be held up for ever, or out of memory."""
    folder.procfile("web: bundle exec puma -C puma.rb", "worker: bundle exec sidekiq -C sidekiq.yml")
    if name != "procrun.toml":
        folder.write("procrun.toml", 'metadata = "manifest.yml"\n')
    if name != "manifest.yml":
        folder.write("manifest.yml", "")
    for made in (a_fifo, a_socket, endless, itself, a_folder):
        path = folder.path / name
        made(path)

        told = limited(folder, "check", "--platform", "heroku")

        assert told.returncode == (2 if name in PLAIN[:3] else 0), told.stderr
        assert "Traceback" not in told.stderr
        assert told.returncode == 0 or re.fullmatch(rf"procrun: {re.escape(name)}: .+\n", told.stderr), told.stderr
        path.rmdir() if made is a_folder else path.unlink()


@pytest.mark.parametrize("option", ["-f", "-e"])
def test_a_device_without_end_is_read_no_further_than_a_file_may_be_long(folder: Folder, option: str) -> None:
    folder.procfile("web: true")

    told = limited(folder, "check", option, "/dev/zero")

    assert told.returncode == 2
    assert told.stderr == "procrun: /dev/zero: has more than 8388608 bytes; name another file\n"
