"""What of a variable may be shown: secrets by their names and by their looks, and nothing else hidden."""

import re
from time import thread_time

import pytest

from procrun.core.masking import mask, without_secrets
from tests.env_examples import HARMLESS, SECRETS


def rows(text: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (line.partition("=") for line in text.strip().splitlines())]


def test_secrets_are_hidden_and_what_stands_around_them_is_not() -> None:
    wanted = {f"{name}={re.sub('«[^»]*»', '****', marked)}": (name, marked) for name, marked in rows(SECRETS)}
    assert all("«" in marked for _, marked in wanted.values())
    shown = {f"{name}={mask(name, re.sub('[«»]', '', marked))}" for name, marked in wanted.values()}
    assert sorted(shown - set(wanted)) == []


def test_harmless_values_are_shown_as_they_are() -> None:
    assert [f"{name}={mask(name, value)}" for name, value in rows(HARMLESS) if mask(name, value) != value] == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("redis://user:geheim@host/0", "redis://user:****@host/0"),
        ("redis://:geheim@host:6379", "redis://:****@host:6379"),
        ("postgres://u:ge@he:im@h/db", "postgres://u:****@h/db"),
        ("postgres://u:ge/heim@h/db", "postgres://u:****@h/db"),
        ("redis://a:x@h1,redis://b:y@h2", "redis://a:****@h1,redis://b:****@h2"),
        ("see http://u:p@h/x and more", "see http://u:****@h/x and more"),
        ("https://geheim@github.com/x", "https://****@github.com/x"),
        ("jdbc:postgresql://h/db?user=u&password=geheim&x=1", "jdbc:postgresql://h/db?user=u&password=****&x=1"),
        ("host=h password=geheim dbname=d", "host=h password=**** dbname=d"),
        ("pwd=geheim****", "pwd=****"),
        ("-----BEGIN RSA PRIVATE KEY-----\ngeheim", "****"),
        ("a -----BEGIN EC PRIVATE KEY-----\ngeheim\n-----END EC PRIVATE KEY----- b", "a **** b"),
        ('{"a":1,"token":"ge\\"heim","b":2}', '{"a":1,"token":"****","b":2}'),
        ('{"token": "geheim', '{"token": "****"'),
        ("http://localhost:3000/a?b=c@d", "http://localhost:3000/a?b=c@d"),
        ("ssh://git@github.com/x", "ssh://git@github.com/x"),
        ("mail@example.com", "mail@example.com"),
    ],
)
def test_secret_inside_a_text_is_hidden(value: str, shown: str) -> None:
    assert mask("X", value) == shown


@pytest.mark.parametrize("name", ["API_KEY", "X"])
def test_nothing_is_nothing(name: str) -> None:
    assert mask(name, "") == ""


@pytest.mark.parametrize(
    "part",
    [
        *("a", "A1", "/a", " ", ";", "; ", "; a", '"', '"a":', '"a": "', "'", "://", "://a:", "https://a", "a b "),
        *("-----BEGIN PRIVATE KEY-----", "password=", "--password ", "Bearer ", "eyJ", "eyJhbGciOi.", "sk-"),
        *("k: ", "&k=", "a."),
    ],
)
def test_time_grows_with_the_length_and_not_with_its_square(part: str) -> None:
    """Texts made of what the patterns look for; eight times the length would be 64 times the work."""

    def cost(length: int) -> float:
        text = part * (length // len(part))
        started = thread_time()
        mask("X", text)
        without_secrets(text)
        return thread_time() - started

    assert cost(32 * 1024) < 30 * max(0.001, min(cost(4 * 1024) for _ in range(3)))
