"""Is a variable, field or option of this name a secret? And what says that it only describes one (`TOKEN_TTL`)?

Names are read as words: `AccountKey`, `account-key` and `ACCOUNT_KEY` are the same two. The lists were measured on the
variables of real `.env.example` files (tests/env_examples.py): what is missing in them is a secret on a screen, and
what is too much in them hides a harmless value.
"""

import re

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ANYWHERE = ("SECRET", "PASSW", "PASSPHRASE", "PASSCODE", "CREDENTIAL", "MNEMONIC", "APIKEY", "SEEDPHRASE", "CONTRASEN")
"""What makes a word a secret's wherever it stands in it: `PGPASSWORD`, `CLIENTSECRET`, `PASSWORT`."""

_ENDINGS = ("TOKEN", "TOKENS", "KEY", "KEYS", "PASS", "PWD", "PW", "SALT")
"""What a word of a secret's name ends in, alone or joined: `REDISTOKEN`, `DBPASS`."""

_NO_SECRETS = _set(
    "MONKEY SURVEYMONKEY TURKEY DONKEY HOCKEY JOCKEY WHISKEY HOTKEY HOTKEYS COMPASS BYPASS TRESPASS SURPASS ENCOMPASS "
    "OVERPASS UNDERPASS OLDPWD BASALT"
)
"""Words that end so and mean something else."""

_WHOLE = _set("AUTHORIZATION CREDS CRED PAT SK PEPPER BEARER SENHA KENNWORT OTP TOTP")
"""Words that are a secret's where they stand alone in the name: `GITHUB_PAT`, `STRIPE_SK`."""

_TOGETHER = re.compile(
    r"\b(?:SEED|RECOVERY|BACKUP|WALLET) (?:PHRASE|SEED|WORDS)\b|^(?:X (?:AMZ|GOOG|MS) )?(?:SIG|SIGNATURE)$"
)
"""Words that are a secret's name in this order alone: `WALLET_SEED`, `?sig=`."""

_LAST = _set("AUTH COOKIE PRIVATE")
"""Words that are a secret's at the end of the name alone: `REDISCLI_AUTH`, but not `AUTH_DOMAIN`."""

_ABOUT = _set(
    "ALG ALGO ALGORITHM AUD AUDIENCE BACKEND BUCKET CHECK CLASS CLAIM DIR DIRECTORY DISABLED DOMAIN DRIVER EMAIL "
    "ENABLED ENDPOINT EXPIRED FILE FILENAME FIELD FLOW FORMAT HEADER HOST HOSTNAME HTTPONLY ISS ISSUER LOCATION LOGIN "
    "METHOD MODE MODEL NAME PATH POLICY PORT PREFIX PROVIDER REALM REGION REQUIRED SAMESITE SCHEME SCOPE SCOPES SECURE "
    "SERVER SERVICE SOCK SOCKET STORAGE STORE STRATEGY SUFFIX TYPE URI URL USER USERNAME VALIDATION VERSION"
)
"""Last words of names that tell something about a secret, and not what it is: `AUTH_TOKEN_URL`, `KEY_PREFIX`."""

_PUBLIC = re.compile(r"(?:PUBLIC|PUBLISHABLE|SITE) (?:ACCESS )?(?:KEY|TOKEN)S?\b")
"""Keys that are meant to be seen: `VAPID_PUBLIC_KEY`, `STRIPE_PUBLISHABLE_KEY`, `RECAPTCHA_SITE_KEY`."""

_MEASURES = _set(
    "AGE ATTEMPTS BUDGET COST COUNT DAYS DURATION EXP EXPIRATION EXPIRE EXPIRES EXPIRY HOURS INTERVAL ITERATIONS "
    "LEEWAY LEN LENGTH LIFESPAN LIFETIME LIMIT MAX MILLISECONDS MIN MINUTES MS NUM PER PERIOD RATE ROUNDS SECONDS SIZE "
    "TIMEOUT TTL VALIDITY WINDOW"
)
_SWITCHES = _set("ALLOW DISABLE ENABLE FORCE HAS IS NO REQUIRE SHOW SKIP USE VERIFY WITH")
_NUMBER = re.compile(r"-?\d[\d_.,]*\s?(?:ms|[smhdwyM]|min|sec|days?|hours?|minutes?|seconds?)?")
_WORDS_OF_CHOICE = _set(
    "0 1 true false yes no on off enabled disabled none null nil undefined plain login basic digest cram_md5 oauth "
    "oauth2 oidc saml ldap jwt bearer token apikey negotiate local optional required"
)
_IDENTIFIERS = _set("ID IDS SHA HASH COMMIT REVISION REV DIGEST CHECKSUM FINGERPRINT")
_MOST = 200
"""Letters of a name that are looked at."""


def is_secret(name: str, value: str = "") -> bool:
    """Whether what has this name is a secret; with its `value`, as `MAX_TOKENS=4096` is none."""
    words = [word.upper() for word in _WORDS.findall(name[:_MOST])]
    if not words or words[-1] in _ABOUT or _is_setting(words, value):
        return False
    together = " ".join(words)
    if any(_is_of_a_secret(word) for word in words):
        return not _PUBLIC.search(together) or "SECRET" in together
    return words[-1] in _LAST or _TOGETHER.search(together) is not None


def names_webhook(name: str) -> bool:
    """Whether it is the address of a webhook, as `SLACK_WEBHOOK_URL`: who knows that can post there."""
    words = [word.upper() for word in _WORDS.findall(name[:_MOST])]
    if words[-1:] and words[-1] in ("URL", "URI", "ENDPOINT"):
        del words[-1]
    return any(word.startswith("WEBHOOK") for word in words[-1:])


def names_identifier(name: str) -> bool:
    """Whether what has this name may look random and is no secret: a commit's hash, an identifier, a public key."""
    words = [word.upper() for word in _WORDS.findall(name[:_MOST])]
    return bool(_IDENTIFIERS & set(words)) or _PUBLIC.search(" ".join(words)) is not None


def _is_of_a_secret(word: str) -> bool:
    joined = word.endswith(_ENDINGS) and word not in _NO_SECRETS
    return joined or word in _WHOLE or any(part in word for part in _ANYWHERE)


def _is_setting(words: list[str], value: str) -> bool:
    """Whether the value is one of a switch, of a choice, or an amount: `TOKEN_TTL=3600`, `SMTP_AUTH=plain`."""
    bare = value.strip().lower()
    if bare in ("0", "1"):
        return bool(_SWITCHES & set(words)) or bool(_MEASURES & set(words))
    return bare in _WORDS_OF_CHOICE or (bool(_MEASURES & set(words)) and _NUMBER.fullmatch(value.strip()) is not None)
