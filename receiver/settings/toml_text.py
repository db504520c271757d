"""Writes values as TOML: for messages, for ``casebell check`` and for docs/configuration.md."""

import json
import re
from collections.abc import Mapping
from datetime import time, timedelta
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_LONGEST_ECHO = 60


def quoted(value: object) -> str:
    """A value as it stands in the file, shortened if it is long."""
    text = toml_value(value)
    return text if len(text) <= _LONGEST_ECHO else text[: _LONGEST_ECHO - 1] + "…"


def toml_key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def duration(length: timedelta) -> str:
    """In the largest unit that is exact: 90s, 5m, 4h, 2d."""
    seconds = int(length.total_seconds())
    size, unit = next((step for step in _STEPS if seconds % step[0] == 0), _STEPS[-1])
    return f"{seconds // size}{unit}"


def toml_value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return f"{value:.0f}" if value.is_integer() else repr(value)
        case timedelta():
            return f'"{duration(value)}"'
        case time():
            return f'"{value:%H:%M}"'
        case Mapping():
            inside = ", ".join(f"{toml_key(str(key))} = {toml_value(entry)}" for key, entry in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list() | tuple():
            return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(str(value), ensure_ascii=False)
