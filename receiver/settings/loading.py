"""Reads the configuration file: parses it, fills in the secrets, checks it, and reports every fault at once.

The only reader of the environment and of secret files.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from receiver.errors import ConfigError
from receiver.settings.checks import Fault, find_cross_faults, find_warnings, nearest
from receiver.settings.document import Location, Settings, field_at, keys_of, table_at
from receiver.settings.toml_text import quoted, toml_key, toml_value
from receiver.settings.values import Resolved, Url

_BIGGEST_SECRET = 65_536
_WRONG_TYPES = {
    "string_type": "is not a text in quotes",
    "int_type": "is not a whole number",
    "float_type": "is not a number",
    "bool_type": "is neither true nor false",
    "tuple_type": "is not a list",
    "dict_type": "is not a table",
    "too_short": "is empty",
    "string_too_short": "is empty",
}


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of the file at ``path``. Raises ConfigError with every fault, one a line."""
    path = Path(path)
    return parse(_read_text(path), str(path), environ, folder=path.parent)


def load_public_url(path: str | Path) -> str:
    """Only ``public_url``: ``casebell slack manifest`` runs before there are secrets. Raises ConfigError."""
    file = str(path)
    raw = _read_toml(_read_text(Path(path)), file)
    if "public_url" not in raw:
        raise ConfigError(f"{file}: public_url: is missing{_correction(('public_url',))}")
    try:
        return TypeAdapter(Url).validate_python(raw["public_url"])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{file}: public_url: {_describe(('public_url',), first)}") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file; copy deploy/casebell.example.toml to {path} and fill it in, "
            "or see it work without any: casebell demo"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def parse(text: str, file: str, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """The settings in ``text``. ``file`` is named in faults; relative paths of secrets are below ``folder``.

    Raises ConfigError.
    """
    raw = _read_toml(text, file)
    faults: list[Fault] = []
    filled = _SecretReader(os.environ if environ is None else environ, folder or Path(), faults).fill(raw, ())
    settings = _validate(filled, faults)
    faults += find_cross_faults(filled)
    if faults or settings is None:
        faults.sort(key=lambda fault: _file_order(fault[0], list(raw)))
        lines = dict.fromkeys(f"{file}: {_format_location(at)}{message}" for at, message in faults)
        raise ConfigError("\n".join(lines))
    settings._warnings = tuple(find_warnings(settings, filled))  # noqa: SLF001 - the loader alone sets it
    return settings


def _read_toml(text: str, file: str) -> dict[str, Any]:
    try:
        return tomli.loads(text)  # tomllib has no TOML 1.1 (tables over several lines) and no error positions
    except tomli.TOMLDecodeError as error:
        raise ConfigError(f"{file}: line {error.lineno}, column {error.colno}: not TOML: {error.msg}") from None


def _validate(filled: Mapping[str, Any], faults: list[Fault]) -> Settings | None:
    reported = [at for at, _ in faults]
    try:
        return Settings.model_validate(filled)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            at = tuple(part for part in detail["loc"] if part != "[key]")
            is_reported_below = detail["type"] == "too_short" and any(other[: len(at)] == at for other in reported)
            if not is_reported_below and not any(at[: len(other)] == other for other in reported):
                faults.append((at, _describe(at, detail)))
    return None


def _file_order(at: Location, order: list[str]) -> tuple[int, int]:
    """Sorts faults as the file is ordered; what is missing at the top comes first."""
    section = order.index(str(at[0])) if at and at[0] in order else -1
    return section, next((part for part in at if isinstance(part, int)), -1)


def _format_location(at: Location) -> str:
    words = ""
    for part in at:
        words += f"[{part}]" if isinstance(part, int) else f"{'.' if words else ''}{toml_key(part)}"
    return f"{words}: " if words else ""


def _describe(at: Location, detail: ErrorDetails) -> str:
    match kind := detail["type"]:
        case "extra_forbidden":
            return _describe_unknown_key(at)
        case "missing":
            return f"is missing{_correction(at)}"
        case "model_type" | "model_attributes_type":
            header = str(at[0])
            is_listed = len(at) == 1 and isinstance(detail["input"], list)
            return f"write [{header}] with single brackets, once" if is_listed else f"is not a table{_correction(at)}"
        case "tuple_type" if isinstance(detail["input"], Mapping):
            return f"write [[{at[-1]}]] with double brackets, once for each"
        case "value_error":
            error = str(detail["ctx"]["error"])
            is_literal = error == "literal_secret"
            return f"a secret is never written in this file{_correction(at)}" if is_literal else error
        case "literal_error":
            return f"{quoted(detail['input'])} is not one of {detail['ctx']['expected'].replace(chr(39), chr(34))}"
    if kind in _WRONG_TYPES:
        shown = "" if "short" in kind else f"{quoted(detail['input'])} "
        return f"{shown}{_WRONG_TYPES[kind]}{_correction(at)}"
    return f"{quoted(detail['input'])}: {detail['msg'][:1].lower()}{detail['msg'][1:]}{_correction(at)}"


def _describe_unknown_key(at: Location) -> str:
    key, table = str(at[-1]), table_at(at[:-1])
    if table is not Settings and key in keys_of(Settings):
        return "unknown key here; it belongs at the top of the file, before the first [section]"
    return f'unknown key; the nearest known one is "{nearest(key, list(keys_of(table)))}"'


def _correction(at: Location) -> str:
    """What to write instead, from the field's example; empty if there is none."""
    field, key = field_at(at), next((part for part in reversed(at) if isinstance(part, str)), "")
    if field is None or not field.examples:
        return ""
    return f"; write {toml_key(key)} = {toml_value(field.examples[0])}"


class _SecretReader:
    """Replaces every "env:NAME" and "file:/path" by its value; adds what cannot be read to ``faults``."""

    def __init__(self, environ: Mapping[str, str], folder: Path, faults: list[Fault]) -> None:
        self._environ, self._folder, self._faults = environ, folder, faults

    def fill(self, value: Any, at: Location) -> Any:
        if isinstance(value, dict):
            return {key: self.fill(entry, (*at, key)) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.fill(entry, (*at, index)) for index, entry in enumerate(value)]
        if isinstance(value, str) and value.startswith(("env:", "file:")):
            return self._resolve(value, at)
        return value

    def _resolve(self, origin: str, at: Location) -> str:
        scheme, _, name = origin.partition(":")
        try:
            text = self._variable(name) if scheme == "env" else self._file(name)
        except ValueError as fault:
            self._faults.append((at, str(fault)))
            return origin
        return Resolved(text, origin)

    def _variable(self, name: str) -> str:
        if not name:
            raise ValueError('"env:" names no variable; write "env:NAME"')
        text = self._environ.get(name)
        if text is None:
            raise ValueError(f"the environment variable {name} is not set")
        if not text.strip():
            raise ValueError(f"the environment variable {name} is empty")
        return text.strip()

    def _file(self, name: str) -> str:
        try:
            with (self._folder / name).open("rb") as opened:
                content = opened.read(_BIGGEST_SECRET + 1)
        except OSError as error:
            raise ValueError(f"the file {name or '(no name)'} cannot be read: {error.strerror}") from None
        if len(content) > _BIGGEST_SECRET:
            raise ValueError(f"the file {name} is too large for a secret")
        try:
            text = content.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise ValueError(f"the file {name} is not UTF-8 text") from None
        if not text:
            raise ValueError(f"the file {name} is empty")
        return text
