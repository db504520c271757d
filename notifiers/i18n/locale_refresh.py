"""Collects every sentence people can read into the catalogs: ``python -m notifiers.i18n.locale_refresh``.

For whoever writes or translates a sentence; the service never runs it. New sentences come out empty, for a translator;
sentences that nothing says any more are dropped. A test fails while one is empty.
"""

import ast
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import click
from babel.core import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[2]
CATALOGS = Path(__file__).parent / "locale"
TEMPLATE = CATALOGS / "casebell.pot"
LANGUAGES = ("fr", "da", "de")
WIDTH = 120
FOLDERS = ("notifiers", "receiver")

TEMPLATES = [("**/templates/**.html", "jinja2"), ("**/templates/**.txt", "jinja2")]
# Where the sentences stand among a call's arguments, counted from one.
KEYWORDS = {
    "_": (1,),
    "N_": (1,),  # a table whose words are translated where they are shown
    "say": (2,),  # Translator.say(locale, message)
    "plural": (2, 3),  # Translator.plural(locale, one, many)
    "words": (1,),  # the same, bound to a locale
    "gettext": (1,),
    "ngettext": (1, 2),
}
# Tables whose values, or all of whose strings, are sentences without an N_ around each.
TABLES = (
    ("notifiers/slack/buttons.py", "LABELS"),
    ("notifiers/email/render.py", "_MARKS"),
)

Found = tuple[str | tuple[str, ...], str]  # msgid, and the file it stands in


def extract() -> Catalog:
    """All that the code and the templates say today, in English."""
    catalog = Catalog(fuzzy=False)
    for message, file in sorted(
        [*_in_code(), *_in_templates(), *_tables()], key=lambda found: (found[1], _first(found[0]))
    ):
        catalog.add(message, locations=[(file, 0)])
    return catalog


def refresh() -> Iterator[tuple[str, int, int]]:
    """Writes the template and every catalog anew; language, sentences, and how many of them wait for a translator."""
    found = extract()
    TEMPLATE.write_bytes(_written(found, "Template of Casebell's sentences."))
    for language in LANGUAGES:
        path = CATALOGS / f"{language}.po"
        catalog = read(path, language)
        catalog.update(found, no_fuzzy_matching=True)
        locale = Locale.parse(language)
        path.write_bytes(_written(catalog, f"Casebell's sentences in {locale.english_name}.", locale))
        yield language, len(catalog), sum(not is_translated(message) for message in messages(catalog))


def read(path: Path, language: str) -> Catalog:
    """A catalog file; an empty catalog when there is none yet."""
    if not path.is_file():
        return Catalog(locale=language, fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def messages(catalog: Catalog) -> list[Message]:
    """The catalog's messages without its header."""
    return [message for message in catalog if message.id]


def is_translated(message: Message) -> bool:
    """Whether every form is there."""
    forms = message.string if isinstance(message.string, list | tuple) else (message.string,)
    return bool(forms) and all(forms) and not message.fuzzy


def _in_templates() -> Iterator[Found]:
    for folder in FOLDERS:
        for file, _, message, _, _ in extract_from_dir(ROOT / folder, TEMPLATES, keywords=KEYWORDS):
            yield message if isinstance(message, str) else tuple(message), f"{folder}/{Path(file).as_posix()}"


def _in_code() -> Iterator[Found]:
    """By the syntax tree, since a call may stand inside an f-string."""
    for path in (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield from ((found, path.relative_to(ROOT).as_posix()) for found in _said(node))


def _said(call: ast.Call) -> Iterable[str | tuple[str, ...]]:
    """The sentences in a call to one of the keywords; of a plural both forms together."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    places = KEYWORDS.get(name, ())
    given = [_literals(call.args[place - 1]) for place in places if place <= len(call.args)]
    if len(places) > 1:
        return [tuple(sentences[0] for sentences in given)] if len(given) == len(places) and all(given) else []
    return given[0] if given else []


def _literals(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return [*_literals(node.body), *_literals(node.orelse)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value else []


def _tables() -> Iterator[Found]:
    for file, name in TABLES:
        yield from ((sentence, file) for sentence in _strings(_table(file, name)))


def _table(file: str, name: str) -> ast.expr:
    """What is assigned to ``name``. Raises LookupError, so that a renamed table is not lost."""
    for node in ast.parse((ROOT / file).read_text()).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node.value
    raise LookupError(f"{file} has no table {name}")


def _strings(node: ast.expr) -> Iterable[str]:
    """The strings of a list or tuple, or of a dict's values."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    inner = node.values if isinstance(node, ast.Dict) else node.elts if isinstance(node, ast.List | ast.Tuple) else []
    return [sentence for part in inner for sentence in _strings(part)]


def _written(catalog: Catalog, title: str, locale: Locale | None = None) -> bytes:
    """The file without dates and names: it changes only with its sentences."""
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
    return head.encode() + body.getvalue()


def _first(message: str | tuple[str, ...]) -> str:
    return message if isinstance(message, str) else message[0]


if __name__ == "__main__":
    for spoken, total, missing in refresh():
        click.echo(f"{spoken}: {total} sentences, {missing} to translate")
