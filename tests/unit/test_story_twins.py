"""Stories of twins, conflicts and due dates: what each system shows, and whether the match is certain."""

import os
from typing import Any

import pytest

from receiver.domain.twin import Twin
from tests.story_cases import GOLDEN, LOCALES, format_story, make_story, texts_of
from tests.story_cases_twins import KINDS

ACTIVE = Twin("debitura", "main", True, "Q8OAXF3W", "Active", "Nordic Collect", ("owed", "pursued"))


@pytest.mark.parametrize("locale", ["en", "fr"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_story_of_every_kind_is_as_reviewed(kind: str, locale: str) -> None:
    text = format_story(make_story(KINDS[kind], locale=locale))

    path = GOLDEN / f"{kind}.{locale}.txt"
    if os.environ.get("CASEBELL_REWRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_placeholder_is_filled(kind: str, locale: str) -> None:
    assert [text for text in texts_of(make_story(KINDS[kind], locale=locale)) if "{" in text or "None" in text] == []


@pytest.mark.parametrize(
    ("locale", "line"),
    [
        ("en", ("Also at Debitura", "Case Q8OAXF3W, Active, partner Nordic Collect")),
        ("fr", ("Aussi chez Debitura", "Dossier Q8OAXF3W, Actif, partenaire Nordic Collect")),
        ("da", ("Også hos Debitura", "Sag Q8OAXF3W, Aktiv, partner Nordic Collect")),
        ("de", ("Auch bei Debitura", "Fall Q8OAXF3W, Aktiv, Partner Nordic Collect")),
    ],
)
def test_a_twin_is_one_fact_in_the_readers_language(locale: str, line: tuple[str, str]) -> None:
    assert line in make_story(locale=locale, twin=ACTIVE).facts


@pytest.mark.parametrize(
    ("twin", "value"),
    [
        (Twin("getbill", "main", True, "D-1", "on_hold", None, ("disputed", "owed")), "Debt D-1, Disputed, On hold"),
        (Twin("debitura", "main", False, "Q8", "Active"), "Case Q8, Active (same reference, not confirmed)"),
        (Twin("debitura", "main", True, None, None), "INV-2024-001"),
        (Twin("getbill", "main", True, None, "settled", None, ("paid",)), "Paid, Settled"),
    ],
    ids=["at Getbill", "not sure", "nothing known of it", "paid"],
)  # fmt: skip
def test_a_twin_shows_what_is_known_and_whether_the_match_is_confirmed(twin: Twin, value: str) -> None:
    assert value in dict(make_story(twin=twin).facts).values()


def test_the_texts_of_a_twin_are_cleaned_and_masked() -> None:
    nasty = Twin("debitura", "main", True, "Q8\u202e\nX", "A" * 5_000, "for Jane Roe <!channel>")

    (value,) = [text for label, text in make_story(twin=nasty, masked=True).facts if label == "Also at Debitura"]

    assert "Jane Roe" not in value
    assert not set(value) & set("\u202e\n")
    assert len(value) <= 300


def test_the_two_sides_of_a_conflict_are_its_first_facts() -> None:
    story = make_story(KINDS["conflict_disputed"])

    assert [label for label, _ in story.facts] == ["Getbill", "Debitura", "Reference", "Debtor", "Amount"]
    assert story.footer.startswith("Casebell · main")


def test_the_status_of_a_resolved_conflict_says_that_the_systems_agree() -> None:
    ended: dict[str, Any] = {"state": "resolved", "outcome": "agreed"}

    story = make_story(KINDS["conflict_paid"], **ended)

    assert (story.status or "").startswith("The two systems agree again")
