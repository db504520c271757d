"""Writes docs/configuration.md from the types of the settings: ``python -m tools.configuration_page``.

A test compares the page with what this module writes, so the page is never edited by hand.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from receiver.settings import Settings
from receiver.settings.document import INLINE, keys_of, table_in
from receiver.settings.toml_text import toml_value

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
_INTRODUCTION = """\
# Configuration

<!-- Written by `make docs` from receiver/settings; do not edit. -->

One TOML file, `casebell.toml` (or `--config PATH`, or `$CASEBELL_CONFIG`).
Copy [deploy/casebell.example.toml](../deploy/casebell.example.toml), edit it, then run `casebell check`,
which lists all errors in one run.

- A secret is never written in the file.
  `"env:NAME"` reads an environment variable and `"file:/run/secrets/name"` a file, wherever a string is expected.
  A relative path starts from the folder of the configuration file.
- Durations are written `"90s"`, `"5m"`, `"4h"` or `"2d"`.
- An unknown key is an error; the message names the nearest known key.
- The file is read once, at the start. Restart the service after a change.
"""


def render_page() -> str:
    """The whole page as Markdown."""
    return _INTRODUCTION + "".join(_section("The top of the file", Settings))


def _section(title: str, table: type[BaseModel], level: int = 2) -> Iterator[str]:
    """A heading, the docstring of the table, a row for each key, then the tables inside it."""
    yield f"\n{'#' * level} {title}\n\n{inspect.getdoc(table)}\n\n"
    yield "| key | default | what it is | example |\n|---|---|---|---|\n"
    nested: list[tuple[str, type[BaseModel]]] = []
    for key, field in keys_of(table).items():
        inner, is_list = table_in(field.annotation)
        is_section = inner is not None and table is Settings and key not in INLINE
        if not is_section:
            yield _row(key, field)
        if inner and is_section:
            nested.append((f"`[[{key}]]`" if is_list else f"`[{key}]`", inner))
        elif inner:
            nested.append((f"`{key}`" if table is Settings else f"`{key}` in {title}", inner))
    for name, inner in nested:
        yield from _section(name, inner, level if table is Settings else level + 1)


def _row(key: str, field: FieldInfo) -> str:
    example = toml_value(field.examples[0]) if field.examples else ""
    cells = (f"`{key}`", _default(field), field.description or "", f"`{key} = {example}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "**required**"
    if value is None or value in ((), {}) or isinstance(value, BaseModel):
        return "none"
    return f"`{toml_value(value)}`"


def main() -> None:
    PAGE.write_text(render_page(), encoding="utf-8")
    sys.stderr.write(f"{PAGE} written\n")


if __name__ == "__main__":
    main()
