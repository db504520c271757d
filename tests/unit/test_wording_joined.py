"""Stories about two systems, and about what falls due: who says what, what to do, and how sure it is."""

import os
from typing import Any

import pytest

from receiver.domain.twin import Twin
from tests.wordings import GOLDEN, LOCALES, shown, story, words_in
from tests.wordings_joined import KINDS

ACTIVE = Twin("debitura", "main", True, "Q8OAXF3W", "Active", "Nordic Collect", ("owed", "pursued"))


@pytest.mark.parametrize("locale", ["en", "fr"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_told_as_reviewed(kind: str, locale: str) -> None:
    told = shown(story(KINDS[kind], locale=locale))

    path = GOLDEN / f"{kind}.{locale}.txt"
    if os.environ.get("CASEBELL_REWRITE_GOLDEN"):
        path.write_text(told)
    assert told == path.read_text()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_place_stays_unfilled(kind: str, locale: str) -> None:
    assert [text for text in words_in(story(KINDS[kind], locale=locale)) if "{" in text or "None" in text] == []


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
    assert line in story(locale=locale, twin=ACTIVE).facts


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
def test_a_twin_says_as_much_as_is_known_and_how_sure_that_is(twin: Twin, value: str) -> None:
    assert value in dict(story(twin=twin).facts).values()


def test_a_hostile_name_from_elsewhere_is_cleaned_and_a_masked_debtor_stays_masked() -> None:
    nasty = Twin("debitura", "main", True, "Q8\u202e\nX", "A" * 5_000, "for Jane Roe <!channel>")

    (value,) = [text for label, text in story(twin=nasty, masked=True).facts if label == "Also at Debitura"]

    assert "Jane Roe" not in value
    assert not set(value) & set("\u202e\n")
    assert len(value) <= 300


def test_the_two_sides_of_a_conflict_come_before_what_they_are_about() -> None:
    told = story(KINDS["conflict_disputed"])

    assert [label for label, _ in told.facts] == ["Getbill", "Debitura", "Reference", "Debtor", "Amount"]
    assert told.footer.startswith("Casebell · main")


def test_a_conflict_that_is_over_says_that_the_two_agree() -> None:
    ended: dict[str, Any] = {"state": "resolved", "outcome": "agreed"}

    told = story(KINDS["conflict_paid"], **ended)

    assert (told.status or "").startswith("The two systems agree again")
