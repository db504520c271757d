"""The story of an item: headline, sentence, facts and status, in every language."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from receiver.domain.item import Attempt, Detail, Line
from receiver.domain.money import Money
from receiver.domain.routing import Route
from tests.factories import NOW, make_notice, make_snapshot
from tests.story_cases import (
    GOLDEN,
    KINDS,
    LOCALES,
    TRANSLATOR,
    euros,
    format_story,
    make_story,
    task,
    texts_of,
)


@pytest.mark.parametrize("locale", ["en", "fr"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_story_of_every_kind_is_as_reviewed(kind: str, locale: str) -> None:
    text = format_story(make_story(KINDS[kind], locale=locale))

    path = GOLDEN / f"{kind}.{locale}.txt"
    if os.environ.get("CASEBELL_REWRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_placeholder_is_filled(kind: str, locale: str) -> None:
    assert not [text for text in texts_of(make_story(KINDS[kind], locale=locale)) if "{" in text]


@pytest.mark.parametrize(
    ("money", "locale", "expected"),
    [
        (euros(150_000), "en", "€1,500.00"),
        (euros(150_000), "fr", "1\u202f500,00\xa0€"),
        (euros(150_000), "da", "1.500,00\xa0€"),
        (euros(150_000), "de", "1.500,00\xa0€"),
        (Money(Decimal(1500), "DKK"), "da", "1.500,00\xa0kr."),
        (Money(Decimal(1500), "DKK"), "en", "DKK\xa01,500.00"),
        (Money(Decimal(-1500), "SEK"), "en", "-SEK\xa01,500.00"),
        (Money(Decimal(1500), "JPY"), "en", "JP¥1,500"),
        (Money(Decimal(1500), None), "en", "1,500.00"),
        (Money(Decimal(1500), "XQQ"), "en", "1,500.00"),
        (Money(Decimal(-1500), "<B>"), "en", "-1,500.00"),
        (Money(Decimal(10**38), "EUR"), "en", "1.000E+38"),
    ],
)
def test_an_amount_has_its_locales_format_and_no_guessed_currency(money: Money, locale: str, expected: str) -> None:
    assert expected in make_story(make_snapshot(amount=money), locale=locale).headline


@pytest.mark.parametrize("money", [Money(Decimal(0), "JPY"), Money(Decimal("0.00"), "EUR"), Money(Decimal(0))])
def test_an_amount_of_zero_is_not_shown(money: Money) -> None:
    story = make_story(make_snapshot(amount=money))

    assert story.headline == make_story(make_snapshot(amount=None)).headline
    assert "Amount" not in dict(story.facts)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"claimed_by": "Ben"}, "Claimed by Ben"),
        (
            {"state": "acting", "attempt": Attempt(7, "validate", "Anna", "slack", NOW)},
            "Anna asked Getbill to validate this; waiting for its confirmation",
        ),
        (
            {"state": "acting", "attempt": Attempt(7, "settle", "Anna", "slack", NOW)},
            "Anna asked Getbill; waiting for its confirmation",
        ),
        ({"state": "acting"}, "Getbill is being asked; waiting for its confirmation"),
        (
            {"state": "resolved", "resolved_at": NOW, "outcome": "validated", "resolved_by": "Anna"}
            | {"resolved_via": "slack"},
            "Validated by Anna via Slack, Mon 2 Mar, 10:00",
        ),
        (
            {"state": "resolved", "resolved_at": NOW, "outcome": "settled"},
            "Resolved at Getbill by somebody else, Mon 2 Mar, 10:00",
        ),
        ({"state": "resolved", "resolved_at": NOW, "outcome": "gone"}, "No longer open at Getbill, Mon 2 Mar, 10:00"),
    ],
)
def test_the_status_names_who_acts_or_decided(changes: dict[str, Any], expected: str | None) -> None:
    assert make_story(**changes).status == expected


def test_the_status_distinguishes_a_requested_an_accepted_and_an_answered_reply() -> None:
    chat, attempt = KINDS["ReplyToChat"], Attempt(7, "reply", "Anna", "slack", NOW)

    asked = make_story(chat, state="acting", attempt=attempt)
    accepted = make_story(chat, state="acting", attempt=replace(attempt, is_accepted=True))
    solved = make_story(chat, state="resolved", resolved_at=NOW, outcome="solved")

    assert asked.status == "Anna's reply is on its way to Debitura"
    assert accepted.status == "Anna's reply was sent; waiting for Debitura"
    assert solved.status == "Solved at Debitura, Mon 2 Mar, 10:00"


def test_the_sentence_of_a_resolved_item_begins_with_the_decision() -> None:
    story = make_story(state="resolved", resolved_at=NOW, outcome="rejected", resolved_by="Anna", resolved_via="mail")

    assert story.sentence.startswith("Rejected by Anna via e-mail, Mon 2 Mar, 10:00. Dispute: Payment Already Made")


def test_a_refusal_shows_the_sources_reason() -> None:
    story = make_story(problem="This dispute was closed.\u202e")

    assert story.problem == "Getbill refused: This dispute was closed."
    assert story.sentence.startswith(f"{story.problem} Jane Roe disputes invoice INV-2024-001")


def test_an_item_that_a_reply_did_not_close_shows_a_problem() -> None:
    story = make_story(KINDS["ReplyToChat"], problem="still_open")

    assert story.problem == "Debitura took the request, but this is still open there. Please look at it again."


def test_a_deadline_shows_the_remaining_time_or_since_when_it_is_overdue() -> None:
    coming = task("SignContract", "Sign contract", deadline_at=datetime(2026, 3, 4, 9, 0, tzinfo=UTC))
    past = replace(coming, deadline_at=datetime(2025, 12, 30, 9, 0, tzinfo=UTC))

    assert dict(make_story(coming).facts)["Deadline"] == "Wed 4 Mar, 10:00 (in 2 days)"
    assert make_story(coming).sentence.endswith("; due Wed 4 Mar, 10:00.")
    assert dict(make_story(past).facts)["Deadline"] == "overdue since Tue 30 Dec 2025, 10:00"
    assert make_story(past).sentence.endswith("; overdue since Tue 30 Dec 2025, 10:00.")


def test_installments_are_one_line() -> None:
    facts = dict(make_story(KINDS["agreement"]).facts)

    assert facts["Installments"] == "3 of 6 paid, next 15 Apr €250.00, 1 overdue"


def test_a_masked_debtor_is_masked_in_every_text_of_the_source() -> None:
    snapshot = replace(
        KINDS["ReplyToChat"],
        title="Reply to chat: JANE ROE",
        question="Jane\u200b Roe's lawyer wrote.",
        quote="I am Jane  Roe.",
        conversation=(Line("partner", "Jane Roe", "Jane Roe again", None),),
        details=(Detail("admin_notes", text="jane roe called"),),
    )

    story = make_story(snapshot, masked=True, problem="Jane Roe is blocked", note="ask Jane Roe")

    assert "roe" not in format_story(story).lower()
    assert dict(story.facts)["Debtor"] == "J. R."
    assert "I am J. R.." in format_story(story)


def test_a_short_name_is_not_masked_inside_other_words() -> None:
    story = make_story(make_snapshot(debtor="Al", quote="Al also already paid"), masked=True)

    assert story.quote == "Al also already paid"
    assert dict(story.facts)["Debtor"] == "A."


def test_a_question_that_the_conversation_shows_is_not_repeated() -> None:
    chat = KINDS["ReplyToChat"]

    assert make_story(chat).question == "The collection partner is waiting for your answer."
    assert "Send it." in str(make_story(replace(chat, question="Send it.")).question)


def test_without_verbs_the_story_leads_to_the_source() -> None:
    assert str(make_story(make_snapshot(verbs=())).question).startswith(
        "Is the dispute justified? Validate it or reject it. Please do so at Getbill."
    )


def test_the_story_shows_the_newest_five_messages_with_author_and_time() -> None:
    lines = tuple(Line("partner" if n % 2 else "creditor", f"P{n}", f"Message {n}", NOW) for n in range(8))
    unnamed = (Line("system", None, "Case paused", None), Line("elsewhere", "Partner", "Hello", None))

    story = make_story(replace(KINDS["ReplyToChat"], conversation=(*lines, *unnamed)))

    assert story.conversation == (
        ("P5 (collection partner)", "Mon 2 Mar, 10:00", "Message 5"),
        ("P6 (your side)", "Mon 2 Mar, 10:00", "Message 6"),
        ("P7 (collection partner)", "Mon 2 Mar, 10:00", "Message 7"),
        ("System", "", "Case paused"),
        ("Partner (system)", "", "Hello"),
    )


def test_an_unknown_detail_has_its_humanized_name_as_label() -> None:
    story = make_story(make_snapshot(details=(Detail("court_fee_paid", flag=True), Detail("x", text=None))))

    assert dict(story.facts)["Court fee paid"] == "Yes"
    assert "X" not in dict(story.facts)


def test_a_long_title_is_cut_and_reference_and_amount_are_not() -> None:
    story = make_story(make_snapshot(title="Already paid " * 40))

    assert len(story.headline) <= 140
    assert story.headline.endswith("… · INV-2024-001 · €1,500.00")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "Europe/Paris\x00"])
def test_an_unknown_timezone_or_language_falls_back_to_utc_and_english(zone: str) -> None:
    story = TRANSLATOR.story(make_notice(route=Route("r", locale="xx/../fr", timezone=zone)))

    assert story.headline == make_story().headline
    assert "Mon 2 Mar, 06:00" in story.footer


def test_placeholders_in_values_are_not_filled() -> None:
    assert TRANSLATOR.say("en", "{who.__class__} {0} { {who}", who="{verb}", verb="x") == "{who.__class__} {0} { {verb}"
    assert TRANSLATOR.say("fr", "") == ""


def test_the_plural_form_follows_the_number() -> None:
    sentences = [TRANSLATOR.plural("en", "{n} month", "{n} months", n) for n in (0, 1, 2)]

    assert sentences == ["0 months", "1 month", "2 months"]
