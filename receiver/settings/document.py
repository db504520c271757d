"""The whole file as one type, and its structure as data: the keys of each table and the tables inside it."""

import types
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr
from pydantic.fields import FieldInfo

from receiver.settings.rules import Automation, Digest, ReplyTemplate, Retention, Route
from receiver.settings.sections import Debitura, Email, Getbill, People, Section, Slack, option
from receiver.settings.toml_text import quoted
from receiver.settings.values import Duration, Keys, Secret, Url

Location = tuple[str | int, ...]
INLINE = frozenset({"retention"})  # written on one line at the top of the file


def _check_database_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if scheme.partition("+")[0] == "postgres":
        raise ValueError('the scheme is "postgresql://", not "postgres://"')
    if not separator or scheme.partition("+")[0] not in {"sqlite", "postgresql"}:
        raise ValueError('this is not a database address; write "sqlite:///casebell.db" or "postgresql://user@host/db"')
    if scheme.startswith("sqlite") and not rest.startswith("/"):
        raise ValueError(f'{quoted(url)} needs a third slash; write "sqlite:///casebell.db"')
    return url


class Settings(Section):
    """The keys at the top of the file, before the first `[section]`."""

    public_url: Url = option(
        "Public address of this service; https, or http on localhost. Links and webhook URLs begin with it.",
        "https://casebell.example.com",
    )
    database_url: Annotated[str, AfterValidator(_check_database_url)] = option(
        "`sqlite:///file`, or `postgresql://user@host/db`; `env:DATABASE_URL` if it contains a password.",
        default="sqlite:///casebell.db",
    )
    secret_keys: Keys = option(
        "Keys that sign links, newest first; a comma separates several in one variable. Each has at least 16 "
        "characters; `casebell keys new` makes one (secret).",
        ["env:CASEBELL_SECRET_KEYS"],
    )
    drain_grace: Duration = option(
        "How long a stopping service waits for running work. Unfinished work continues at the next start.",
        default=timedelta(seconds=20),
    )
    log_level: Literal["debug", "info", "warning", "error"] = option(
        "`debug`, `info`, `warning` or `error`.", default="info"
    )
    log_format: Literal["auto", "json", "console"] = option(
        "`json`, `console`, or `auto`: JSON unless stderr is a terminal.", default="auto"
    )
    retention: Retention = option(
        "How long finished data is kept.", {"events": "90d", "items": "400d"}, default=Retention()
    )
    getbill: tuple[Getbill, ...] = Field(default=(), description="Getbill accounts.")
    debitura: tuple[Debitura, ...] = Field(default=(), description="Debitura accounts.")
    slack: Slack | None = Field(default=None, description="The Slack workspace.")
    email: Email | None = Field(default=None, description="The mail server.")
    people: People = Field(default=People(), description="Who may decide.")
    routes: tuple[Route, ...] = Field(default=(), description="Which destinations get which items.")
    digests: tuple[Digest, ...] = Field(default=(), description="Regular summaries.")
    reply_templates: tuple[ReplyTemplate, ...] = Field(default=(), description="Prepared replies in Slack's form.")
    automations: tuple[Automation, ...] = Field(default=(), description="Rules that decide by themselves.")

    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each thing that is valid but probably a mistake."""
        return self._warnings

    def secrets(self) -> frozenset[str]:
        """Every secret value, for the redaction of logs."""
        password = urlsplit(self.database_url).password or ""
        values = {secret.get_secret_value() for secret in _secrets_in(self)}
        return frozenset(values | {password, unquote(password)} - {""})


def _secrets_in(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
    elif isinstance(value, tuple):
        for entry in value:
            yield from _secrets_in(entry)


def keys_of(table: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a table by their keys in the file."""
    return {field.alias or name: field for name, field in table.model_fields.items()}


def table_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The table type inside a field's type, if any, and whether the field is a list of tables."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if get_origin(annotation) is tuple:
        return table_in(get_args(annotation)[0])[0], True
    if get_origin(annotation) in {Union, types.UnionType}:
        return next((inner for arm in get_args(annotation) if (inner := table_in(arm))[0]), (None, False))
    return None, False


def field_at(location: Sequence[str | int]) -> FieldInfo | None:
    """The field at a location of the file; positions in lists are skipped."""
    table: type[BaseModel] | None = Settings
    field = None
    for key in (part for part in location if isinstance(part, str)):
        field = keys_of(table).get(key) if table else None
        if field is None:
            return None
        table = table_in(field.annotation)[0]
    return field


def table_at(location: Sequence[str | int]) -> type[BaseModel]:
    """The table type at a location; ``Settings`` if there is none."""
    field = field_at(location)
    return (table_in(field.annotation)[0] if field else None) or Settings
