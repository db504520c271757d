"""The catalogs: every sentence is translated completely into every language, and no catalog has personal data."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message

from notifiers.i18n import locale_refresh
from notifiers.i18n.locale_refresh import CATALOGS, LANGUAGES, extract, is_translated, messages, read
from notifiers.i18n.translator import Translator, language_of

PLACEHOLDER = re.compile(r"\{(\w+)\}")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+|Last-Translator|Language-Team|POT-Creation-Date|PO-Revision-Date")
FOUND = extract()
# number -> index of the plural form
FORMS = {"fr": {0: 0, 1: 0, 2: 1}, "da": {0: 1, 1: 0, 2: 1}, "de": {0: 1, 1: 0, 2: 1}}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def catalog(language: str) -> Catalog:
    return read(CATALOGS / f"{language}.po", language)


def forms(message: Message) -> tuple[list[str], list[str]]:
    """English forms and translated forms."""
    english = [message.id] if isinstance(message.id, str) else list(message.id)
    return english, [message.string] if isinstance(message.string, str) else list(message.string or ())


def test_the_extraction_finds_sentences_of_every_package() -> None:
    files = {file.split("/")[1] for message in messages(FOUND) for file, _ in message.locations}

    assert {"slack", "email", "story", "domain", "web"} <= files
    assert FOUND.get("Validate"), "a table of labels"
    assert FOUND.get("Review and decide"), "a template"
    assert FOUND.get("{n} month"), "a plural"
    assert FOUND.get("The item is being fetched…"), "a call inside an f-string"


def test_every_sentence_is_in_every_catalog(catalog: Catalog) -> None:
    """If this fails: python -m notifiers.i18n.locale_refresh, then translate what is empty."""
    translated = {str(message.id) for message in messages(catalog) if is_translated(message)}

    assert sorted({str(message.id) for message in messages(FOUND)} - translated) == []


def test_no_catalog_has_an_unused_sentence(catalog: Catalog) -> None:
    assert sorted({str(m.id) for m in messages(catalog)} - {str(m.id) for m in messages(FOUND)}) == []


def test_every_translation_has_the_same_placeholders(catalog: Catalog) -> None:
    differing = []
    for message in messages(catalog):
        english, translated = forms(message)
        wanted = sorted(set(PLACEHOLDER.findall(english[-1])))
        differing += [text for text in translated if sorted(set(PLACEHOLDER.findall(text))) != wanted]

    assert differing == []


def test_every_translation_ends_with_the_same_kind_of_punctuation(catalog: Catalog) -> None:
    """A sentence has a full stop, a label has none."""
    ends = (".", "?", "…", ":", "!")
    pairs = [(english[0], text) for english, translated in map(forms, messages(catalog)) for text in translated]

    assert [pair for pair in pairs if pair[0].endswith(ends) != pair[1].endswith(ends)] == []
    assert [text for _, text in pairs if text != text.strip()] == []


def test_the_plural_forms_are_the_languages_own(catalog: Catalog, language: str) -> None:
    plurals = [message for message in messages(catalog) if not isinstance(message.id, str)]

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


def test_each_language_has_its_translation_and_an_unknown_one_gets_english() -> None:
    translations = {
        locale: Translator().say(locale, "Claimed by {who}", who="Ben") for locale in (*LANGUAGES, "fr-CA", "xx", "")
    }

    assert translations == {
        "fr": "Pris en charge par Ben",
        "da": "Taget af Ben",
        "de": "Übernommen von Ben",
        "fr-CA": "Pris en charge par Ben",
        "xx": "Claimed by Ben",
        "": "Claimed by Ben",
    }
    assert language_of("../locale/fr") == "en"


def test_verbs_and_outcomes_are_translated_inside_a_sentence() -> None:
    sentence = "{who} was faster: this is resolved ({outcome})."

    translation = Translator().say("de", sentence, who="Anna", outcome="rejected")

    assert translation == "Anna war schneller: Dies ist erledigt (abgelehnt)."


def sentences_in(folder: Path) -> dict[str, list[str]]:
    """The lines of every file in any order, without the comments that say where a sentence is used."""
    return {file.name: sorted(re.findall(r"^(?!#:).+$", file.read_text(), re.MULTILINE)) for file in folder.iterdir()}


def test_a_refresh_without_new_sentences_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale_refresh, "CATALOGS", tmp_path)
    monkeypatch.setattr(locale_refresh, "TEMPLATE", tmp_path / "casebell.pot")
    for file in CATALOGS.glob("*.po"):
        (tmp_path / file.name).write_bytes(file.read_bytes())

    counts = list(locale_refresh.refresh())

    assert [(language, missing) for language, _, missing in counts] == [(language, 0) for language in LANGUAGES]
    assert sentences_in(tmp_path) == sentences_in(CATALOGS)


def test_a_renamed_table_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale_refresh, "TABLES", (("notifiers/slack/buttons.py", "NO_SUCH_TABLE"),))

    with pytest.raises(LookupError, match="no table NO_SUCH_TABLE"):
        extract()


def test_the_refresh_command_can_be_imported() -> None:
    """Running it would change the catalogs of the repository."""
    run = subprocess.run(
        [sys.executable, "-c", "import notifiers.i18n.locale_refresh as tool; print(tool.LANGUAGES)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.strip() == str(LANGUAGES)
