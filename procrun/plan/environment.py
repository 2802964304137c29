"""The app's environment: the shell's variables and the `.env` files, read in python-dotenv's dialect."""

import os
import re  # compiles a pattern when it is first used, most of them never
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from procrun.core.errors import ConfigError, Finding
from procrun.plan import textfile
from procrun.plan.options import Variable
from procrun.plan.textfile import Pipes

OF_A_SERVICE_MANAGER = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
)
"""What systemd tells procrun itself (sd_notify(3), sd_listen_fds(3)): a process's READY=1 would be taken for ours."""

_UPPER_CASE_NAME = r"[A-Z][A-Z0-9_]*"
_URL_NAME = r"[A-Z][A-Z0-9_]*_(?:URL|URI|DSN)"


class Environment(NamedTuple):
    """Every variable with its place, and what was odd in the files."""

    variables: Mapping[str, Variable]
    findings: tuple[Finding, ...]


def load(
    files: Sequence[str], shell: Mapping[str, str], root: str, required: bool, pipes: Pipes = Pipes.READ
) -> Environment:
    """Read `files` (paths from `root`) over `shell`; a later file wins over an earlier, each over the shell.

    `required` says that they were named with `-e` and must exist; others may be missing. A secret manager may have put
    a FIFO in the place of a file, of which `pipes` says what becomes. Raises ConfigError
    for what cannot be read or cannot be in an environment. A line that the dialect drops is a finding.
    """
    variables = {name: Variable(value, "shell") for name, value in shell.items()}
    findings: list[Finding] = []
    for name in files:
        data = _read(name, root, required, pipes)
        if data is not None:
            findings += _merge(_decoded(data, name), name, variables)
    return Environment(variables, tuple(findings))


def resolve_providers(environment: Environment, sidekiq: bool) -> Environment:
    """Set `X_URL` where `X_PROVIDER` names the variable that holds the URL, for programs without providers.

    An `X_URL` that is set already stays. Other values (`LLM_PROVIDER=openai`) mean nothing here. Raises
    ConfigError for a REDIS_PROVIDER that names a URL variable which is not set, and for one that is a URL
    where `sidekiq` says that a Sidekiq is in the plan: it refuses to boot (its `redis_connection.rb`).
    """
    given = environment.variables
    variables = dict(given)
    findings = list(environment.findings)
    for provider, (value, where) in given.items():
        prefix = provider.removesuffix("_PROVIDER")
        if not prefix or prefix == provider or value == provider:
            continue
        if value not in given or not re.compile(_UPPER_CASE_NAME).fullmatch(value):
            findings += _unresolved(provider, value, where, sidekiq)
            continue
        wanted = Variable(given[value].value, f"{provider}={value} ({where})")
        actual = variables.setdefault(f"{prefix}_URL", wanted)
        if actual.value != wanted.value and (prefix == "REDIS" or re.compile(_URL_NAME).fullmatch(value)):
            text = f"{provider} names {value}, but {prefix}_URL ({actual.source}) differs from it and is kept"
            findings.append(Finding(where, text, "provider-differs"))
    return Environment(variables, tuple(findings))


def _read(name: str, root: str, required: bool, pipes: Pipes) -> bytes | None:
    """The file's bytes; None for one that is missing and need not be there."""
    path = os.path.join(root, name)
    try:
        return textfile.read(path, name, pipes)
    except FileNotFoundError:
        if required:
            raise ConfigError(f"{name} does not exist (looked for {os.path.abspath(path)})", "-e") from None
        return None
    except IsADirectoryError:
        if not required and os.path.exists(os.path.join(path, "pyvenv.cfg")):
            return None  # a virtualenv called .env, a custom older than the file
        text = "is a directory, not a file of variables; name the right one with -e"
    except (OSError, ValueError) as error:
        text = f"cannot be read ({getattr(error, 'strerror', None) or error}); -e names another file"
    raise ConfigError(text, name)


def _decoded(data: bytes, name: str) -> str:
    """The text with plain newlines, as a text file is read, and without a byte order mark."""
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = "UTF-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else f"byte 0x{data[error.start]:02x}"
        raise ConfigError(f"this is not UTF-8 ({what}); save the file as UTF-8", f"{name}:{line}") from None


def _merge(text: str, name: str, variables: dict[str, Variable]) -> list[Finding]:
    """Put a file's variables over those that are there, and return what its lines lost."""
    from procrun.plan.env_file import dotenv, parse  # where there is a file

    parse_variables = dotenv("variables").parse_variables
    findings: list[Finding] = []
    values = {key: variable.value for key, variable in variables.items()}
    for item in parse(text, name):
        if isinstance(item, Finding):
            findings.append(item)
            continue
        if "$" in item.raw:
            from procrun.plan import references  # where there are some

            findings += references.findings(item, values)
        values[item.name] = "".join(atom.resolve(values) for atom in parse_variables(item.raw))
        value = _possible(item.name, values[item.name], item.where)
        why = "" if item.name.isascii() and item.name.isidentifier() else _why_not_passed_on(item.name)
        if why:
            findings.append(Finding(item.where, why, "dropped-name"))
        else:
            variables[item.name] = Variable(value, item.where)
    return findings


def _possible(key: str, value: str, where: str) -> str:
    """The value; raises ConfigError where the system cannot hold it in an environment."""
    if "\0" in key + value:
        raise ConfigError("a NUL character cannot be in an environment; remove it", where)
    if "=" in key:
        raise ConfigError("a name cannot hold a `=`; remove the quotes around it", where)
    return value


def _why_not_passed_on(name: str) -> str:
    """Of a variable that would be lost on its way through /bin/sh, as foreman's and honcho's are; else nothing."""
    from procrun.plan.bin_sh import dropped_by  # where a name is an odd one
    from procrun.plan.env_file import is_name

    shell = dropped_by(name)
    if not shell:
        return ""
    who = name if is_name(name) else "this variable"
    cure = f"Spring reads {re.sub('[^A-Za-z0-9]', '_', name).upper()} for it" if "." in who else "rename it"
    return f"{who} reaches no process: /bin/sh ({shell}) drops what is no name of a shell's variable; {cure}"


def _unresolved(provider: str, value: str, where: str, sidekiq: bool) -> list[Finding]:
    """What to say of a provider that names no variable; raises ConfigError where a program would not boot."""
    redis = provider == "REDIS_PROVIDER"
    if redis and ":" in value:
        fatal, code = sidekiq, "provider-is-url"
        text = f"{provider} must name the variable that holds the URL, but is a URL; put it in REDIS_URL"
        text += ", without this Sidekiq refuses to boot" if sidekiq else " (Sidekiq would refuse to boot)"
    elif re.compile(_URL_NAME).fullmatch(value):
        fatal, code = redis, "provider-unset"
        text = f"{provider} names {value}, which is not set; set {value} or remove {provider}"
    else:
        return []
    if fatal:
        raise ConfigError(text, where)
    return [Finding(where, text, code)]
