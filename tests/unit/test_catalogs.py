"""The catalogs: everything Casebell says is said in every language, whole, and about nobody."""

import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract as extract_messages

from notifiers.i18n.translator import Translator, language_of
from tools import catalogs
from tools.catalogs import CATALOGS, LANGUAGES, extract, is_translated, messages_in, read_catalog, refresh

PLACE = re.compile(r"\{(\w+)\}")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+|Last-Translator|Language-Team|POT-Creation-Date|PO-Revision-Date")
FOUND = extract()
FORMS = {"fr": {0: 0, 1: 0, 2: 1}, "da": {0: 1, 1: 0, 2: 1}, "de": {0: 1, 1: 0, 2: 1}}  # number -> which form


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def catalog(language: str) -> Catalog:
    return read_catalog(CATALOGS / f"{language}.po", language)


def forms(message: Message) -> tuple[list[str], list[str]]:
    """English forms and translated forms."""
    english = [message.id] if isinstance(message.id, str) else list(message.id)
    return english, [message.string] if isinstance(message.string, str) else list(message.string or ())


def test_the_extraction_finds_sentences_of_every_package() -> None:
    files = {file.split("/")[1] for message in messages_in(FOUND) for file, _ in message.locations}

    assert {"slack", "email", "story", "domain", "web"} <= files
    assert FOUND.get("Validate"), "a table of labels"
    assert FOUND.get("Review and decide"), "a template"
    assert FOUND.get("{n} month"), "a plural"
    assert FOUND.get("The item is being fetched…"), "a call inside an f-string"


def test_the_extraction_finds_calls_that_babels_own_misses() -> None:
    code = b"""a = f"<b>{say(locale, 'in an f-string')}</b>"
b = say(locale, "one" if x else "other", who=say(locale, "in an argument"))
c = ngettext("one item", "items")
d = say(locale, variable)
"""

    found = extract_messages("tools.catalogs:extract_python", BytesIO(code), catalogs.KEYWORDS)

    assert sorted((line, message) for line, message, _, _ in found) == [
        (1, "in an f-string"),
        (2, "in an argument"),
        (2, "one"),
        (2, "other"),
        (3, ("one item", "items")),
    ]


def test_every_sentence_is_in_every_catalog(catalog: Catalog) -> None:
    """If this fails: make words, then translate what is empty."""
    translated = {str(message.id) for message in messages_in(catalog) if is_translated(message)}

    assert sorted({str(message.id) for message in messages_in(FOUND)} - translated) == []


def test_no_catalog_has_an_unused_sentence(catalog: Catalog) -> None:
    assert sorted({str(m.id) for m in messages_in(catalog)} - {str(m.id) for m in messages_in(FOUND)}) == []


def test_every_translation_fills_the_same_places(catalog: Catalog) -> None:
    differing = []
    for message in messages_in(catalog):
        english, translated = forms(message)
        wanted = sorted(set(PLACE.findall(english[-1])))
        differing += [text for text in translated if sorted(set(PLACE.findall(text))) != wanted]

    assert differing == []


def test_no_translation_has_lost_its_end(catalog: Catalog) -> None:
    """A sentence stays a sentence, a label a label."""
    ends = (".", "?", "…", ":", "!")
    pairs = [(english[0], text) for english, translated in map(forms, messages_in(catalog)) for text in translated]

    assert [pair for pair in pairs if pair[0].endswith(ends) != pair[1].endswith(ends)] == []
    assert [text for _, text in pairs if text != text.strip()] == []


def test_the_plural_forms_are_the_languages_own(catalog: Catalog, language: str) -> None:
    plurals = [message for message in messages_in(catalog) if not isinstance(message.id, str)]

    assert plurals
    assert {len(forms(message)[1]) for message in plurals} == {2}
    for n, form in FORMS[language].items():
        message = catalog.get("{n} month")
        assert message is not None
        assert Translator().plural(language, "{n} month", "{n} months", n) == forms(message)[1][form].replace(
            "{n}", str(n)
        )


def test_no_catalog_names_a_person_or_an_address() -> None:
    files = [*CATALOGS.glob("*.po"), CATALOGS / "casebell.pot"]

    assert len(files) == len(LANGUAGES) + 1
    assert [found for file in files for found in ADDRESS.findall(file.read_text())] == []


def test_each_language_speaks_and_an_unknown_one_is_english() -> None:
    told = {
        locale: Translator().say(locale, "Claimed by {who}", who="Ben") for locale in (*LANGUAGES, "fr-CA", "xx", "")
    }

    assert told == {
        "fr": "Pris en charge par Ben",
        "da": "Taget af Ben",
        "de": "Übernommen von Ben",
        "fr-CA": "Pris en charge par Ben",
        "xx": "Claimed by Ben",
        "": "Claimed by Ben",
    }
    assert language_of("../locale/fr") == "en"


def test_casebells_own_words_are_translated_inside_a_sentence() -> None:
    sentence = "{who} was faster: this is resolved ({outcome})."

    told = Translator().say("de", sentence, who="Anna", outcome="rejected")

    assert told == "Anna war schneller: Dies ist erledigt (abgelehnt)."


def sentences_in(folder: Path) -> dict[str, list[str]]:
    """Every file's lines in any order, but for where a sentence stands: that moves without anybody's words changing."""
    return {file.name: sorted(re.findall(r"^(?!#:).+$", file.read_text(), re.MULTILINE)) for file in folder.iterdir()}


def test_a_refresh_without_new_sentences_changes_nothing(tmp_path: Path) -> None:
    for file in CATALOGS.glob("*.po"):
        (tmp_path / file.name).write_bytes(file.read_bytes())

    counts = list(refresh(tmp_path))

    assert [(language, missing) for language, _, missing in counts] == [(language, 0) for language in LANGUAGES]
    assert sentences_in(tmp_path) == sentences_in(CATALOGS)


def test_a_renamed_table_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogs, "OPTIONS", {"slack/buttons.py": {"tables": "NO_SUCH_TABLE"}})

    with pytest.raises(LookupError, match="no table NO_SUCH_TABLE"):
        extract()


def test_the_refresh_command_can_be_imported() -> None:
    """Running it would change the catalogs of the repository."""
    shown = subprocess.run(
        [sys.executable, "-c", "import tools.catalogs as tool; print(tool.LANGUAGES)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout.strip() == str(LANGUAGES)
