"""Which items a rule takes, what it writes, and what it leaves to people."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from notifiers.i18n.translator import Translator
from receiver.domain.automation import Automation, is_untouched, may_resume
from receiver.domain.item import Foreseen
from receiver.domain.money import Money
from receiver.domain.notice import is_worth_new_mail
from receiver.domain.people import People, Person
from receiver.domain.routing import Match
from receiver.settings.values import PLACEHOLDERS
from tests.factories import NOW, make_item, make_notice, make_snapshot

SURE = Automation("sure", "validate", Match(kind=("ai_dispute",), max_amount=500), min_confidence=90)


@pytest.mark.parametrize(
    ("changes", "is_taken"),
    [
        ({}, True),
        ({"confidence": 89}, False),
        ({"confidence": None}, False),
        ({"kind": "objection"}, False),
        ({"amount": Money(Decimal("500.01"), "EUR")}, False),
        ({"amount": None}, False),
    ],
)
def test_a_rule_takes_what_a_route_would_and_only_with_the_confidence_it_asks_for(
    changes: dict[str, object], is_taken: bool
) -> None:
    said = make_snapshot(**{"kind": "ai_dispute", "confidence": 90, "amount": Money(Decimal(500), "EUR"), **changes})

    assert SURE.accepts(said) is is_taken


def test_a_rule_that_asks_for_no_confidence_takes_what_has_none() -> None:
    assert Automation("any", "validate").accepts(make_snapshot(confidence=None))


def test_every_placeholder_the_settings_allow_is_filled_in() -> None:
    note = " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    rule = Automation("sure", "reject", note=note)

    assert rule.note_for(make_snapshot(confidence=93)) == "93 INV-2024-001 Payment Issues urgent sure"
    assert rule.note_for(make_snapshot(confidence=None, reference=None)) == "? ? Payment Issues urgent sure"


def test_a_note_keeps_what_strangers_wrote_as_words() -> None:
    rule = Automation("sure", "reject", note="{theme}")

    assert rule.note_for(make_snapshot(theme="{rule.person} %s")) == "{rule.person} %s"


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "acting"},
        {"state": "resolved"},
        {"claimed_by": "Anna"},
        {"snoozed_until": NOW},
        {"note": "I look at it"},
        {"waiting_since": NOW},
        {"problem": "refused"},
    ],
)
def test_what_somebody_has_begun_with_or_opened_again_is_left_to_people(changes: dict[str, Any]) -> None:
    assert is_untouched(make_item())
    assert not is_untouched(make_item(**changes))


def test_above_the_limit_of_four_eyes_and_where_it_cannot_be_judged_no_rule_decides() -> None:
    people = People(four_eyes_above={"EUR": 500.0})
    judged = (
        Money(Decimal(500), "EUR"),
        Money(Decimal("500.01"), "EUR"),
        Money(Decimal("0.01"), "SEK"),
        Money(Decimal("0.01"), None),
        None,
        Money(Decimal("-500.01"), "EUR"),
    )

    assert [people.may_decide_alone(money) for money in judged] == [True, *[False] * 5]
    assert People().may_decide_alone(None)


def test_a_stop_lasts_an_hour() -> None:
    assert not may_resume(NOW, NOW + timedelta(minutes=59))
    assert may_resume(NOW, NOW + timedelta(hours=1))


def test_a_message_says_which_rule_it_was_and_until_when_that_can_be_undone() -> None:
    until = NOW + timedelta(minutes=30)
    closed = make_snapshot(is_open=False, outcome="validated", verbs=("reopen",))
    by_rule = {"resolved_by": "automation:sure", "resolved_via": "automation", "outcome": "validated"}
    item = make_item(closed, state="resolved", resolved_at=NOW, undo_until=until, **by_rule)

    told = Translator().story(make_notice(item)).status or ""

    assert told.startswith("Validated automatically by rule sure, ")
    assert "It can be undone until " in told


def test_a_message_says_what_a_dry_run_would_have_done() -> None:
    told = Translator().story(make_notice(make_item(foreseen=Foreseen("sure", "validate")))).status

    assert told == "Dry run: rule sure would have validated this"


def test_what_a_rule_decided_is_told_although_it_is_over_and_what_a_person_decided_is_not() -> None:
    by_rule = make_item(state="resolved", resolved_by="automation:sure", resolved_via="automation")
    by_person = make_item(state="resolved", resolved_by="Anna", resolved_via="slack")

    assert [is_worth_new_mail(None, item) for item in (by_rule, by_person)] == [True, False]
    assert not is_worth_new_mail("resolved", by_rule)


def test_who_acted_is_told_apart_from_every_person() -> None:
    assert not People(resolvers=frozenset({"@creditor.example"})).may_resolve(SURE.person)
    assert SURE.person == Person(name="automation:sure")
