"""Extracts the sentences people read and updates the gettext catalogs with Babel: ``python -m tools.catalogs``.

A new sentence is added without a translation, an unused one is removed. ``tests/unit/test_catalogs.py`` fails while a
translation is missing. The service reads the catalogs and never writes them.
"""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import IO

import click
from babel.core import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
CATALOGS = ROOT / "notifiers" / "i18n" / "locale"
TEMPLATE = "casebell.pot"
LANGUAGES = ("fr", "da", "de")
WIDTH = 120
FOLDERS = ("notifiers", "receiver")

METHODS = [  # Babel's extraction method of each file, by its path below a folder
    ("**.py", "tools.catalogs:extract_python"),
    ("**/templates/**.html", "jinja2"),
    ("**/templates/**.txt", "jinja2"),
]
OPTIONS = {  # tables whose strings are all sentences, so that each needs no N_()
    "slack/buttons.py": {"tables": "LABELS"},
    "email/render.py": {"tables": "_MARKS"},
}
KEYWORDS = {  # function: positions of its sentences among the arguments, from 1
    "_": (1,),
    "N_": (1,),  # marks a sentence that is translated elsewhere
    "say": (2,),  # Translator.say(locale, message)
    "plural": (2, 3),  # Translator.plural(locale, one, many)
    "words": (1,),  # the same, bound to a locale
    "gettext": (1,),
    "ngettext": (1, 2),
}

Call = tuple[int, str | None, tuple[str | None, ...], list[str]]


def extract() -> Catalog:
    """A catalog of every sentence in the code and the templates, in English."""
    messages = [
        (f"{folder}/{Path(file).as_posix()}", message)
        for folder in FOLDERS
        for file, _, message, _, _ in extract_from_dir(ROOT / folder, METHODS, OPTIONS, KEYWORDS)
    ]
    catalog = Catalog(fuzzy=False)
    for file, message in sorted(
        messages, key=lambda pair: (pair[0], pair[1] if isinstance(pair[1], str) else pair[1][0])
    ):
        catalog.add(message, locations=[(file, 0)])
    return catalog


def refresh(folder: Path = CATALOGS) -> Iterator[tuple[str, int, int]]:
    """Update the template and every catalog; yields language, number of sentences, number without a translation."""
    extracted = extract()
    _write(folder / TEMPLATE, extracted, "Template of Casebell's sentences.")
    for language in LANGUAGES:
        path = folder / f"{language}.po"
        catalog = read_catalog(path, language)
        catalog.update(extracted, no_fuzzy_matching=True)
        locale = Locale.parse(language)
        _write(path, catalog, f"Casebell's sentences in {locale.english_name}.", locale)
        yield language, len(catalog), sum(not is_translated(message) for message in messages_in(catalog))


def read_catalog(path: Path, language: str) -> Catalog:
    """The catalog in a file, or an empty one if there is no file."""
    if not path.is_file():
        return Catalog(locale=language, fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def messages_in(catalog: Catalog) -> list[Message]:
    """The catalog's messages without its header."""
    return [message for message in catalog if message.id]


def is_translated(message: Message) -> bool:
    """Whether every plural form has a translation."""
    forms = message.string if isinstance(message.string, list | tuple) else (message.string,)
    return bool(forms) and all(forms) and not message.fuzzy


def extract_python(
    file: IO[bytes], keywords: Collection[str], _comment_tags: Collection[str], options: Mapping[str, str]
) -> Iterator[Call]:
    """An extraction method for Babel: line, function, arguments, comments of each call to one of ``keywords``.

    Babel's own method reads tokens. On Python 3.11 it misses a call inside an f-string, and everywhere one of the two
    sentences of ``say(locale, "a" if x else "b")``. ``options["tables"]`` names tables whose strings are sentences.
    Raises LookupError when the file has no such table.
    """
    tree = ast.parse(file.read())
    for node in ast.walk(tree):
        name = _function_name(node)
        if isinstance(node, ast.Call) and name in keywords:
            for arguments in product(*map(_alternatives, node.args)):
                yield node.lineno, name, arguments, []
    for table in options.get("tables", "").split():
        yield from ((0, None, (sentence,), []) for sentence in _strings(_table(tree, table)))


def _function_name(node: ast.AST) -> str | None:
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)


def _alternatives(argument: ast.expr) -> list[str | None]:
    """The strings an argument can be: one, two around an ``if``, or None for anything else."""
    if isinstance(argument, ast.IfExp):
        return [*_alternatives(argument.body), *_alternatives(argument.orelse)]
    return [argument.value] if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else [None]


def _table(tree: ast.Module, name: str) -> ast.expr:
    """The value assigned to ``name`` at the top of a module."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = getattr(node, "value", None)
            if isinstance(value, ast.expr):
                return value
    raise LookupError(f"there is no table {name}")


def _strings(node: ast.expr) -> Iterable[str]:
    """The strings in a list, a tuple, or the values of a dictionary."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    inner = node.values if isinstance(node, ast.Dict) else node.elts if isinstance(node, ast.List | ast.Tuple) else []
    return [sentence for part in inner for sentence in _strings(part)]


def _write(path: Path, catalog: Catalog, title: str, locale: Locale | None = None) -> None:
    """Write a catalog with a header that has neither dates nor names, so that the file changes only with sentences."""
    body = BytesIO()
    write_po(body, catalog, width=WIDTH, omit_header=True, ignore_obsolete=True, include_lineno=False)
    headers = {
        "Language": str(locale or ""),
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": catalog.plural_forms if locale else "",
    }
    lines = [f'"{name}: {value}\\n"' for name, value in headers.items() if value]
    head = "\n".join([f"# {title}", 'msgid ""', 'msgstr ""', *lines, "", ""])
    path.write_bytes(head.encode() + body.getvalue())


if __name__ == "__main__":
    for spoken, total, missing in refresh():
        click.echo(f"{spoken}: {total} sentences, {missing} to translate")
