"""The message for a burst keeps Slack's limits in every language, for any text of a debtor."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casebell_sandbox.slack_rules import violations
from notifiers.i18n.translator import Translator
from notifiers.slack.burst import render
from notifiers.slack.render import Message
from receiver.domain.burst import Burst
from receiver.domain.item import Item
from receiver.domain.money import Money
from receiver.domain.routing import Route
from tests.factories import NOW, make_item, make_snapshot
from tests.faults.much import times
from tests.hostile import HOSTILE
from tests.slack_cases import LOCALES, chat_item, judge, resolved, texts

ROUTE = Route("disputes", slack=("C1",), timezone="Europe/Paris")
INBOX = "https://casebell.example.com/"


def of(*items: Item, route: Route = ROUTE, maybe_duplicate: bool = False, inbox: str = INBOX) -> Burst:
    return Burst(items, route, NOW, NOW, inbox, maybe_duplicate)


def worth(minor: int, currency: str | None = "EUR", **changes: object) -> Item:
    amount = Money(Decimal(minor) / 100, currency)
    return make_item(make_snapshot(reference=f"INV-{minor}", debt_id=f"d{minor}", amount=amount, **changes))


def drawn(storm: Burst) -> Message:
    return render(storm, Translator())


def told(storm: Burst) -> str:
    return json.dumps(drawn(storm).blocks, ensure_ascii=False)


@given(words=HOSTILE, n=st.sampled_from([1, 6]), is_repeated=st.booleans(), locale=st.sampled_from(LOCALES))
@settings(max_examples=times(5, 400))
def test_no_words_however_hostile_break_a_limit(words: str, n: int, is_repeated: bool, locale: str) -> None:
    item = make_item(make_snapshot(reference=words, debtor=words, title=words, quote=words, question=words))
    message = drawn(of(*[item] * n, route=replace(ROUTE, locale=locale), maybe_duplicate=is_repeated))

    assert judge(message) == []
    assert violations(message.blocks, message.text) == []
    assert not re.search("[\x00\u202e\u200b\ud800-\udfff]", json.dumps(message.blocks, ensure_ascii=False))


@pytest.mark.parametrize("locale", LOCALES)
def test_thousands_of_alerts_are_one_short_message(locale: str) -> None:
    message = drawn(of(*(worth(n) for n in range(3_000)), route=replace(ROUTE, locale=locale)))

    assert violations(message.blocks, message.text) == []
    assert len(message.blocks) < 10


def test_the_worst_five_are_named_and_the_rest_is_counted() -> None:
    words = told(of(*(worth(n) for n in range(1_000, 9_000, 1_000))))

    assert [f"INV-{n}000" in words for n in range(1, 9)] == [False] * 3 + [True] * 5
    assert "and 3 more" in words


def test_amounts_are_added_for_each_currency_of_what_is_open() -> None:
    words = told(of(worth(150_000), worth(50_000), worth(70_000, "DKK"), resolved()))

    assert "€2,000.00" in words
    assert "DKK" in words
    assert "3 of 4 still to decide" in words


def test_what_is_snoozed_holds_nothing_up_and_is_not_at_risk() -> None:
    asleep = replace(worth(90_000), snoozed_until=NOW + timedelta(hours=1))
    words = told(of(worth(10_000), worth(30_000), asleep))

    assert "2 decisions hold up collection" in words
    assert "€400.00" in words


def test_what_is_decided_is_not_named_any_more() -> None:
    words = told(of(resolved(), resolved()))

    assert "All of them are decided" in words
    assert "with its buttons" not in words
    assert "INV-2024-001" not in words


def test_a_debtor_is_masked_where_the_route_asks_for_it() -> None:
    item = chat_item()
    named = replace(item, snapshot=replace(item.snapshot, debtor="Jane Roe"))

    assert "Jane Roe" in told(of(named))
    assert "Jane Roe" not in told(of(named, route=replace(ROUTE, mask_debtor=True)))


def test_an_address_no_button_can_lead_to_costs_only_the_button() -> None:
    assert "Open the inbox" in told(of(worth(1)))
    assert "Open the inbox" not in told(of(worth(1), inbox="https://x/" + "y" * 2_000))


def test_a_first_copy_that_was_not_confirmed_is_owned_up_to() -> None:
    assert any("may appear twice" in text for text in texts(drawn(of(worth(1), maybe_duplicate=True)).blocks))
