"""The types of values in the file, each with the message for a wrong value.

A validator raises ValueError with what to write instead; it never repeats a secret.
"""

import base64
import binascii
import re
import zoneinfo
from datetime import UTC, datetime, time, timedelta
from string import Formatter
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from babel.numbers import is_currency
from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, Strict

from receiver.settings.toml_text import quoted

# As in domain.reply_template, which settings may not import; a test compares them.
REPLY_PLACEHOLDERS = ("reference", "case_reference", "debtor", "amount", "deadline")

_DURATION = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_SENDER = re.compile(r"(?:(?P<name>[^<>\"\r\n]*)<(?P<address>[^<>]+)>)|(?P<bare>[^<>]+)")
_DOMAIN = re.compile(r"@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_SLACK_USER = re.compile(r"[UW][A-Z0-9]+")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_TOKEN = re.compile(r"[!-~]+")  # what an HTTP header may hold
_SHORTEST_KEY = 16
_CRON_FIELDS = 5
_CRON_EXAMPLE = 'write "30 8 * * 1-5" for weekdays at 08:30'


class Resolved(str):  # noqa: SLOT000 - mypy knows no attribute behind empty slots of a str
    """A text read from the environment or a file; ``origin`` is the reference to it in the configuration."""

    origin: str

    def __new__(cls, value: str, origin: str) -> Self:
        text = super().__new__(cls, value)
        text.origin = origin
        return text


class Secret(SecretStr):
    """A secret with its origin, so that messages can name it without showing it."""

    def __init__(self, value: str, origin: str) -> None:
        super().__init__(value)
        self.origin = origin


def is_local(host: str | None) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"} or bool(host and host.endswith(".localhost"))


def _read_secret(value: Any) -> Secret:
    if not isinstance(value, Resolved):
        raise ValueError("literal_secret")  # noqa: TRY004 - pydantic collects ValueError; the loader writes the sentence
    return Secret(str(value), value.origin)


def _check_key_length(key: Secret) -> Secret:
    length = len(key.get_secret_value())
    if length < _SHORTEST_KEY:
        raise ValueError(
            f"a key from {key.origin} is {length} characters long, the minimum is {_SHORTEST_KEY}; "
            "make one with: casebell keys new"
        )
    return key


def _check_token(secret: Secret) -> Secret:
    """Refuse typographic quotes and spaces here; else only the first request would fail."""
    if not _TOKEN.fullmatch(secret.get_secret_value()):
        raise ValueError(f"{secret.origin} has a character that a token cannot have; copy it again")
    return secret


def _check_base64(secret: Secret) -> Secret:
    try:
        base64.b64decode(secret.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{secret.origin} is not base64; copy the secret as Debitura showed it") from None
    return secret


def _split_keys(value: Any) -> Any:
    """Split a variable that holds several keys, newest first, separated by commas."""
    if not isinstance(value, list):
        return value
    parts: list[Any] = []
    for entry in value:
        is_read = isinstance(entry, Resolved)
        parts += [Resolved(p.strip(), entry.origin) for p in entry.split(",") if p.strip()] if is_read else [entry]
    return parts


def _read_duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value  # a default
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not match or not int(match[1]):
        raise ValueError(f'{quoted(value)} is not a duration; write "90s", "5m", "4h" or "2d"')
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _check_rising(steps: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    if list(steps) != sorted(set(steps)):
        raise ValueError('each duration must be longer than the one before; write ["4h", "1d"]')
    return steps


def _read_clock(value: Any) -> Any:
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f'{quoted(value)} is not a time of day; write "08:00" or "19:30"')
    return time(int(match[1]), int(match[2]))


def check_url(url: str, *, is_whole: bool = False) -> str:
    """``url`` without a trailing slash; https, or http to this machine, without credentials.

    ``is_whole``: nothing is appended to it, so it may have a query or a fragment.
    """
    if any(c.isspace() or not c.isprintable() for c in url):
        raise ValueError(f"{quoted(url)} is not a web address")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"this is not a web address: {error}") from None
    if parts.username or parts.password:
        raise ValueError("a web address here has no user name and no password")
    if parts.scheme not in {"http", "https"} or not host or (not is_whole and (parts.query or parts.fragment)):
        raise ValueError(f"{quoted(url)} is not a web address; it looks like https://host/path")
    if parts.scheme == "http" and not is_local(host):
        raise ValueError(f"{quoted(url)} must begin with https:// (plain http only to localhost or 127.0.0.1)")
    return url.rstrip("/")


def _check_todo_url(url: str) -> str:
    if [field for _, field, _, _ in Formatter().parse(url) if field is not None] != ["id"]:
        raise ValueError(f"{quoted(url)} must hold {{id}} once, where the todo's id goes")
    check_url(url.replace("{id}", "1"), is_whole=True)
    return url


def _check_sender(sender: str) -> str:
    match = _SENDER.fullmatch(sender)
    if not match or not _ADDRESS.fullmatch((match["address"] or match["bare"]).strip()):
        raise ValueError(f'{quoted(sender)} is not a sender; write "Casebell <casebell@creditor.example>"')
    return sender


def _check_person(entry: str) -> str:
    if _SLACK_USER.fullmatch(entry):
        return entry
    if not _ADDRESS.fullmatch(entry) and not _DOMAIN.fullmatch(entry):
        raise ValueError(
            f'{quoted(entry)} is not a person; write an address "anna@creditor.example", all addresses of a domain '
            '"@creditor.example", or a Slack user id "U0123ABCD"'
        )
    return entry.lower()


def _refuse_channel_name(channel: str) -> str:
    if channel.startswith("#"):
        raise ValueError(
            f'{quoted(channel)} is a channel\'s name, which can change; write its id, like "C0123456789" '
            "(in Slack: open the channel, click its name, the id is at the end of About)"
        )
    return channel


def _matching(pattern: str, sentence: str) -> AfterValidator:
    """Accepts texts that match; refuses others with the sentence that follows the text."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{quoted(text)} {sentence}")
        return text

    return AfterValidator(check)


def _check_currency(code: str) -> str:
    upper = code.strip().upper()
    if not is_currency(upper):
        raise ValueError(f'{quoted(code)} is not an ISO 4217 currency; write "EUR", "DKK" or "USD"')
    return upper


def _check_distinct_currencies(limits: Any) -> Any:
    """Refuse two spellings of one currency: it would be unclear which limit applies."""
    seen: dict[str, str] = {}
    for code in limits if isinstance(limits, dict) else ():
        upper = str(code).strip().upper()
        if upper in seen:
            raise ValueError(f"{quoted(seen[upper])} and {quoted(code)} are one currency; keep one of the two")
        seen[upper] = str(code)
    return limits


def _check_timezone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'{quoted(name)} is not a time zone; write "Europe/Paris" or "UTC"') from None
    return name


def check_cron(expression: str) -> str:
    """``expression`` unchanged. Raises ValueError if it is not a cron expression of five fields, or is never due."""
    if len(expression.split()) != _CRON_FIELDS:
        raise ValueError(f"{quoted(expression)} is not a cron expression of five fields; {_CRON_EXAMPLE}")
    try:
        first = next(CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        why = str(error).lower()
        raise ValueError(f"{quoted(expression)} is not a cron expression ({why}); {_CRON_EXAMPLE}") from None
    if first is None:
        raise ValueError(f"{quoted(expression)} is never due; {_CRON_EXAMPLE}")
    return expression


def _check_country(code: str) -> str:
    import holidays  # slow to import, and few configurations name a country

    upper = code.strip().upper()
    if upper not in holidays.list_supported_countries(include_aliases=False):
        raise ValueError(f'{quoted(code)} is not a country with known holidays; write "FR", "DK" or "DE"')
    return upper


PLACEHOLDERS = ("ai_confidence", "reference", "theme", "severity", "rule")


def _check_template(text: str) -> str:
    try:
        fields = [(field, spec, how) for _, field, spec, how in Formatter().parse(text) if field is not None]
    except ValueError:
        fields = [("", "", None)]
    for name, spec, how in fields:
        if name.isidentifier() and name not in PLACEHOLDERS:
            placeholders = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            raise ValueError(f"{quoted(text)} has the unknown placeholder {{{name}}}; there are {placeholders}")
        if name.isidentifier() and not spec and not how:
            continue
        raise ValueError(f"{quoted(text)} has a brace that is no placeholder; write {{ai_confidence}}, or {{{{ for {{")
    return text


def _check_reply(text: str) -> str:
    rest = text
    for name in REPLY_PLACEHOLDERS:
        rest = rest.replace(f"{{{name}}}", "")
    if "{" in rest or "}" in rest:
        placeholders = ", ".join(f"{{{name}}}" for name in REPLY_PLACEHOLDERS)
        raise ValueError(f"{quoted(text)} has a brace that is no placeholder; there are {placeholders}")
    return text


AnySecret = Annotated[Secret, PlainValidator(_read_secret)]
Token = Annotated[AnySecret, AfterValidator(_check_token)]
Base64Secret = Annotated[AnySecret, AfterValidator(_check_base64)]
Keys = Annotated[
    tuple[Annotated[AnySecret, AfterValidator(_check_key_length)], ...],
    BeforeValidator(_split_keys),
    Field(min_length=1),
]
Duration = Annotated[timedelta, BeforeValidator(_read_duration)]
RisingDurations = Annotated[tuple[Duration, ...], AfterValidator(_check_rising)]
Clock = Annotated[time, BeforeValidator(_read_clock)]
ShortText = Annotated[str, Field(min_length=1, max_length=500)]
Label = Annotated[str, Field(min_length=1, max_length=75)]
ReplyText = Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_check_reply)]
Name = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9][A-Za-z0-9._~-]{0,62}", 'cannot be part of a web address; use letters, digits, "-", "_" and "."'
    ),
]
Url = Annotated[str, AfterValidator(check_url)]
TodoUrl = Annotated[str, AfterValidator(_check_todo_url)]
Address = Annotated[str, _matching(_ADDRESS.pattern, 'is not an e-mail address; write "ar@creditor.example"')]
Sender = Annotated[str, AfterValidator(_check_sender)]
PersonEntry = Annotated[str, AfterValidator(_check_person)]
LowerAddress = Annotated[Address, AfterValidator(str.lower)]
Channel = Annotated[
    str,
    AfterValidator(_refuse_channel_name),
    _matching(r"[CDG][A-Z0-9]+", 'is not a Slack channel id; it looks like "C0123456789"'),
]
Host = Annotated[
    str,
    _matching(r"[a-z0-9-]+(\.[a-z0-9-]+)*", 'is not a host name; write "files.example.com", without https:// and path'),
]
Currency = Annotated[str, AfterValidator(_check_currency)]
Cron = Annotated[str, AfterValidator(check_cron)]
Country = Annotated[str, AfterValidator(_check_country)]
Timezone = Annotated[str, AfterValidator(_check_timezone)]
Template = Annotated[ShortText, AfterValidator(_check_template)]
TeamId = Annotated[str, _matching("T[A-Z0-9]+", 'is not a Slack workspace id; it looks like "T0123456789"')]
AppId = Annotated[str, _matching("A[A-Z0-9]+", 'is not a Slack app id; it looks like "A0123456789"')]
Count = Annotated[int, Strict(), Field(ge=1)]
Percent = Annotated[int, Strict(), Field(ge=0, le=100)]
Amount = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]
Limits = Annotated[dict[Currency, Amount], BeforeValidator(_check_distinct_currencies)]
Rate = Annotated[float, Strict(), Field(gt=0, le=1000, allow_inf_nan=False)]
YesNo = Annotated[bool, Strict()]
