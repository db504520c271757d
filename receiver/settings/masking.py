"""The settings as they came out, written back as TOML with every secret hidden."""

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


def masked(settings: Settings) -> str:
    """Everything that is in force, defaults included, as TOML; a secret reads ``"•••• (env:NAME)"``."""
    return "\n".join(_lines(settings)) + "\n"


def _lines(settings: Settings) -> Iterator[str]:
    sections: list[tuple[str, Any]] = []
    for key, value in _pairs(settings):
        if isinstance(value, BaseModel) and key not in INLINE:
            sections.append((f"[{key}]", value))
        elif isinstance(value, tuple) and any(isinstance(entry, BaseModel) for entry in value):
            sections += [(f"[[{key}]]", entry) for entry in value]
        elif value != () or key == "secret_keys":
            yield f"{toml_key(key)} = {toml_value(_plain(value))}"
    for header, table in sections:
        yield ""
        yield header
        for key, value in _pairs(table):
            yield f"{toml_key(key)} = {toml_value(_plain(value))}"


def _pairs(table: BaseModel) -> Iterator[tuple[str, Any]]:
    """Keys of the file and values in force; what is not set is not there."""
    for (key, _), name in zip(keys_of(type(table)).items(), type(table).model_fields, strict=True):
        value = getattr(table, name)
        if value is not None:
            yield key, _without_password(value) if key in {"database_url", "smtp_url"} else value


def _plain(value: Any) -> Any:
    """Tables as dictionaries, secrets as masks."""
    match value:
        case Secret():
            return f"{MASK} ({value.origin})"
        case BaseModel():
            return {key: _plain(held) for key, held in _pairs(value) if held != ()}
        case tuple():
            return [_plain(held) for held in value]
    return value


def _without_password(url: str) -> str:
    url = _QUERY_PASSWORD.sub(rf"\g<1>{MASK}", url)
    password = urlsplit(url).password
    if not password:
        return url
    for spelled in {password, quote(password, safe="")}:
        url = url.replace(f":{spelled}@", f":{MASK}@")
    return url
