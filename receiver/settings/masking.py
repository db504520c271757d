"""Writes the settings in force as TOML with every secret masked."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from receiver.settings.document import INLINE, Settings, keys_of
from receiver.settings.toml_text import toml_key, toml_value
from receiver.settings.values import Secret

MASK = "••••"
_QUERY_PASSWORD = re.compile(r"([?&](?:ssl)?password=)[^&]*")


def to_masked_toml(settings: Settings) -> str:
    """All settings as TOML, defaults included; a secret becomes ``"•••• (env:NAME)"``."""
    return "\n".join(_lines(settings)) + "\n"


def _lines(settings: Settings) -> Iterator[str]:
    sections: list[tuple[str, Any]] = []
    for key, value in _entries(settings):
        if isinstance(value, BaseModel) and key not in INLINE:
            sections.append((f"[{key}]", value))
        elif isinstance(value, tuple) and any(isinstance(entry, BaseModel) for entry in value):
            sections += [(f"[[{key}]]", entry) for entry in value]
        elif value != () or key == "secret_keys":
            yield f"{toml_key(key)} = {toml_value(_mask(value))}"
    for header, table in sections:
        yield ""
        yield header
        for key, value in _entries(table):
            yield f"{toml_key(key)} = {toml_value(_mask(value))}"


def _entries(table: BaseModel) -> Iterator[tuple[str, Any]]:
    """Keys and values of a table, without those that are not set."""
    for (key, _), name in zip(keys_of(type(table)).items(), type(table).model_fields, strict=True):
        value = getattr(table, name)
        if value is not None:
            yield key, _without_password(value) if key in {"database_url", "smtp_url"} else value


def _mask(value: Any) -> Any:
    """The value for TOML: tables become dictionaries, secrets become masks."""
    match value:
        case Secret():
            return f"{MASK} ({value.origin})"
        case BaseModel():
            return {key: _mask(entry) for key, entry in _entries(value) if entry != ()}
        case tuple():
            return [_mask(entry) for entry in value]
    return value


def _without_password(url: str) -> str:
    url = _QUERY_PASSWORD.sub(rf"\g<1>{MASK}", url)
    password = urlsplit(url).password
    if not password:
        return url
    for spelled in {password, quote(password, safe="")}:
        url = url.replace(f":{spelled}@", f":{MASK}@")
    return url
