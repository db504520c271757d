"""Placeholders of a reply template are filled in once, and a chosen template can be edited."""

from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from notifiers.slack import wire
from notifiers.slack.templates import fill_in
from receiver.domain.money import Money
from receiver.domain.reply_template import PLACEHOLDERS, ReplyTemplate
from receiver.settings.values import REPLY_PLACEHOLDERS, ReplyText
from tests.factories import make_item, make_notice, make_snapshot


def test_the_settings_know_the_same_placeholders() -> None:
    assert REPLY_PLACEHOLDERS == PLACEHOLDERS


def test_what_is_known_is_filled_in_and_what_is_not_is_a_hole_to_be_seen() -> None:
    notice = make_notice(
        make_item(make_snapshot(reference="INV-7", debtor=None, amount=Money(Decimal("1250.50"), "EUR")))
    )
    template = ReplyTemplate("x", "{reference}: {amount} of {debtor}", "de")

    assert fill_in(template, notice).replace("\xa0", " ") == "INV-7: 1.250,50 € of …"


def test_a_debtor_called_like_a_placeholder_stays_what_they_are_called() -> None:
    notice = make_notice(make_item(make_snapshot(debtor="{reference} <!channel>")))

    assert fill_in(ReplyTemplate("x", "Dear {debtor}"), notice) == "Dear {reference} <!channel>"


@pytest.mark.parametrize(("block", "turn"), [("words", 0), ("words.3", 3), ("words.x", 0), ("words." + "9" * 30, 0)])
def test_a_form_knows_how_often_it_was_filled_in(block: str, turn: int) -> None:
    view = {"state": {"values": {block: {"words": {"value": "typed"}}}}}

    assert (wire.refill_count(view), wire.block_id_of(view, "words"), wire.input_values(view)) == (
        turn,
        block,
        {"words": "typed"},
    )


@pytest.mark.parametrize("text", ["Dear {name}", "Dear {debtor", "{}", "{debtor.__class__}", "{amount:>9}"])
def test_a_placeholder_that_does_not_exist_is_a_fault_that_names_those_that_do(text: str) -> None:
    with pytest.raises(ValidationError, match=r"no placeholder; there are \{reference\}, "):
        TypeAdapter(ReplyText).validate_python(text)
