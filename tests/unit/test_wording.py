"""Stories: a tired person knows from the headline what to do, in their language, whatever a stranger wrote."""

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
from tests.wordings import (
    GOLDEN,
    KINDS,
    LOCALES,
    TRANSLATOR,
    euros,
    shown,
    story,
    task,
    words_in,
)


@pytest.mark.parametrize("locale", ["en", "fr"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_told_as_reviewed(kind: str, locale: str) -> None:
    told = shown(story(KINDS[kind], locale=locale))

    path = GOLDEN / f"{kind}.{locale}.txt"
    if os.environ.get("CASEBELL_REWRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(told)
    assert told == path.read_text()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_place_stays_unfilled(kind: str, locale: str) -> None:
    assert not [text for text in words_in(story(KINDS[kind], locale=locale)) if "{" in text]


@pytest.mark.parametrize(
    ("money", "locale", "written"),
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
def test_an_amount_is_written_as_its_readers_do_and_a_currency_never_guessed(
    money: Money, locale: str, written: str
) -> None:
    assert written in story(make_snapshot(amount=money), locale=locale).headline


@pytest.mark.parametrize("money", [Money(Decimal(0), "JPY"), Money(Decimal("0.00"), "EUR"), Money(Decimal(0))])
def test_an_amount_of_nothing_is_told_nowhere(money: Money) -> None:
    told = story(make_snapshot(amount=money))

    assert told.headline == story(make_snapshot(amount=None)).headline
    assert "Amount" not in dict(told.facts)


@pytest.mark.parametrize(
    ("changes", "told"),
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
def test_the_status_says_what_is_going_on(changes: dict[str, Any], told: str | None) -> None:
    assert story(**changes).status == told


def test_a_reply_on_its_way_and_a_reply_that_arrived_read_differently() -> None:
    chat, attempt = KINDS["ReplyToChat"], Attempt(7, "reply", "Anna", "slack", NOW)

    asked = story(chat, state="acting", attempt=attempt)
    accepted = story(chat, state="acting", attempt=replace(attempt, is_accepted=True))
    solved = story(chat, state="resolved", resolved_at=NOW, outcome="solved")

    assert asked.status == "Anna's reply is on its way to Debitura"
    assert accepted.status == "Anna's reply was sent; waiting for Debitura"
    assert solved.status == "Solved at Debitura, Mon 2 Mar, 10:00"


def test_what_came_of_it_is_the_first_thing_a_screen_reader_says() -> None:
    told = story(state="resolved", resolved_at=NOW, outcome="rejected", resolved_by="Anna", resolved_via="mail")

    assert told.sentence.startswith("Rejected by Anna via e-mail, Mon 2 Mar, 10:00. Dispute: Payment Already Made")


def test_a_refusal_is_told_with_the_sources_reason() -> None:
    told = story(problem="This dispute was closed.\u202e")

    assert told.problem == "Getbill refused: This dispute was closed."
    assert told.sentence.startswith(f"{told.problem} Jane Roe disputes invoice INV-2024-001")


def test_a_reply_that_changed_nothing_asks_for_another_look() -> None:
    told = story(KINDS["ReplyToChat"], problem="still_open")

    assert told.problem == "Debitura took the request, but this is still open there. Please look at it again."


def test_a_deadline_says_how_long_and_then_since_when() -> None:
    coming = task("SignContract", "Sign contract", deadline_at=datetime(2026, 3, 4, 9, 0, tzinfo=UTC))
    past = replace(coming, deadline_at=datetime(2025, 12, 30, 9, 0, tzinfo=UTC))

    assert dict(story(coming).facts)["Deadline"] == "Wed 4 Mar, 10:00 (in 2 days)"
    assert story(coming).sentence.endswith("; due Wed 4 Mar, 10:00.")
    assert dict(story(past).facts)["Deadline"] == "overdue since Tue 30 Dec 2025, 10:00"
    assert story(past).sentence.endswith("; overdue since Tue 30 Dec 2025, 10:00.")


def test_installments_are_summed_up_in_one_line() -> None:
    facts = dict(story(KINDS["agreement"]).facts)

    assert facts["Installments"] == "3 of 6 paid, next 15 Apr €250.00, 1 overdue"


def test_a_masked_debtor_is_masked_wherever_a_source_names_them() -> None:
    said = replace(
        KINDS["ReplyToChat"],
        title="Reply to chat: JANE ROE",
        question="Jane\u200b Roe's lawyer wrote.",
        quote="I am Jane  Roe.",
        conversation=(Line("partner", "Jane Roe", "Jane Roe again", None),),
        details=(Detail("admin_notes", text="jane roe called"),),
    )

    told = story(said, masked=True, problem="Jane Roe is blocked", note="ask Jane Roe")

    assert "roe" not in shown(told).lower()
    assert dict(told.facts)["Debtor"] == "J. R."
    assert "I am J. R.." in shown(told)


def test_a_short_name_does_not_tear_other_words_apart() -> None:
    told = story(make_snapshot(debtor="Al", quote="Al also already paid"), masked=True)

    assert told.quote == "Al also already paid"
    assert dict(told.facts)["Debtor"] == "A."


def test_what_the_conversation_shows_is_not_asked_twice() -> None:
    chat = KINDS["ReplyToChat"]

    assert story(chat).asked == "The collection partner is waiting for your answer."
    assert "Send it." in str(story(replace(chat, question="Send it.")).asked)


def test_whoever_cannot_decide_here_is_told_where() -> None:
    assert str(story(make_snapshot(verbs=())).asked).startswith(
        "Is the dispute justified? Validate it or reject it. Please do so at Getbill."
    )


def test_the_newest_five_messages_are_shown_with_who_and_when() -> None:
    lines = tuple(Line("partner" if n % 2 else "creditor", f"P{n}", f"Message {n}", NOW) for n in range(8))
    unnamed = (Line("system", None, "Case paused", None), Line("elsewhere", "Partner", "Hello", None))

    told = story(replace(KINDS["ReplyToChat"], conversation=(*lines, *unnamed)))

    assert told.conversation == (
        ("P5 (collection partner)", "Mon 2 Mar, 10:00", "Message 5"),
        ("P6 (your side)", "Mon 2 Mar, 10:00", "Message 6"),
        ("P7 (collection partner)", "Mon 2 Mar, 10:00", "Message 7"),
        ("System", "", "Case paused"),
        ("Partner (system)", "", "Hello"),
    )


def test_an_unknown_detail_appears_under_its_own_name() -> None:
    told = story(make_snapshot(details=(Detail("court_fee_paid", flag=True), Detail("x", text=None))))

    assert dict(told.facts)["Court fee paid"] == "Yes"
    assert "X" not in dict(told.facts)


def test_a_long_title_gives_way_to_reference_and_amount() -> None:
    told = story(make_snapshot(title="Already paid " * 40))

    assert len(told.headline) <= 140
    assert told.headline.endswith("… · INV-2024-001 · €1,500.00")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "Europe/Paris\x00"])
def test_an_unknown_timezone_or_language_still_gets_its_story(zone: str) -> None:
    told = TRANSLATOR.story(make_notice(route=Route("r", locale="xx/../fr", timezone=zone)))

    assert told.headline == story().headline
    assert "Mon 2 Mar, 06:00" in told.footer


def test_a_strangers_sentence_is_no_template() -> None:
    assert TRANSLATOR.say("en", "{who.__class__} {0} { {who}", who="{verb}", verb="x") == "{who.__class__} {0} { {verb}"
    assert TRANSLATOR.say("fr", "") == ""


def test_the_form_follows_the_number() -> None:
    told = [TRANSLATOR.plural("en", "{n} month", "{n} months", n) for n in (0, 1, 2)]

    assert told == ["0 months", "1 month", "2 months"]
