"""Placeholder dates and codes in unusual spellings, in every field of both sources."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from receiver.domain.routing import Match
from receiver.domain.totals import began_at
from receiver.domain.words import BLANK, fold, trim
from receiver.upstream import lenient
from receiver.upstream.debitura import cases
from receiver.upstream.debitura import translate as debitura
from receiver.upstream.debitura import wire as debitura_wire
from receiver.upstream.getbill import inbound
from receiver.upstream.getbill import translate as getbill
from receiver.upstream.getbill import wire as getbill_wire
from tests.factories import make_item

NO_DATES = [
    "", " ", "null", "0", "-", "0000-00-00", "0000-00-00 00:00:00", "-0001-11-30T00:00:00+00:00",
    "0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00-05:00",
    "0001-01-01T00:00:00+01:00",     "1753-01-01T00:00:00", "1899-12-30", "1900-01-01T00:00:00",
    "1970-01-01", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00+01:00", "1969-12-31T19:00:00-05:00",
    "9999-12-31", "9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.997Z", "9999-12-31T23:59:59-05:00", "infinity",
    0, 1, None, True, [], {},
]  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WIRES: list[type[BaseModel]] = [
    wire
    for module in (getbill_wire, debitura_wire)
    for wire in vars(module).values()
    if isinstance(wire, type) and issubclass(wire, module.Wire)
]


def fields(*kinds: Any) -> list[Any]:
    """Each field of these types in any payload of a source, as (wire type, name in Python, name in JSON)."""
    read = [kind.__metadata__[0] for kind in kinds]
    return [
        pytest.param(wire, name, field.alias or name, id=f"{wire.__module__.split('.')[-2]}.{wire.__name__}.{name}")
        for wire in WIRES
        for name, field in wire.model_fields.items()
        if any(one in read for one in field.metadata)
    ]


DATES = fields(lenient.Instant, lenient.Day)
FLAGS = fields(lenient.Flag)
CURRENCIES = fields(lenient.CurrencyCode)
CODES = fields(lenient.Code)
NUMBERS = fields(lenient.Number)
KINDS = fields(getbill_wire.Type, getbill_wire.SubType, debitura_wire.Type)


def value(wire: type[BaseModel], name: str, told: str, written: Any) -> Any:
    return getattr(wire.model_validate({told: written}), name)


dresses = st.tuples(
    *[st.text(st.sampled_from(BLANK), max_size=3)] * 2, st.sampled_from([str.lower, str.upper, str.title])
)


def dressed(word: str, dress: tuple[str, str, Any]) -> str:
    before, behind, cased = dress
    return before + str(cased(word)) + behind


def test_every_kind_of_field_is_found_at_both_sources() -> None:
    for found in (DATES, FLAGS, CURRENCIES, CODES, KINDS):
        assert {param.values[0].__module__.split(".")[-2] for param in found} == {"getbill", "debitura"}
    assert len(DATES) >= 12


@pytest.mark.parametrize(("wire", "name", "told"), DATES)
def test_what_stands_for_no_date_is_no_date_in_every_field(wire: type[BaseModel], name: str, told: str) -> None:
    assert [written for written in NO_DATES if value(wire, name, told, written) is not None] == []


@pytest.mark.parametrize(("wire", "name", "told"), DATES)
def test_an_old_date_is_a_date(wire: type[BaseModel], name: str, told: str) -> None:
    for written in ("1965-05-17", "1969-12-30T12:00:00Z", "1970-01-03", "2099-12-31", " 2026-03-01t00:00:00z\u00a0"):
        found = value(wire, name, told, written)
        day = found.date() if isinstance(found, datetime) else found
        assert day == date.fromisoformat(trim(written)[:10])


@given(st.integers(-14 * 60, 14 * 60))
def test_the_unix_epoch_is_no_date_in_whatever_zone_it_is_written(minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))

    for at in (EPOCH.astimezone(zone), EPOCH.replace(tzinfo=zone)):
        part = getbill_wire.Installment.model_validate({"paid_at": at.isoformat(), "payment_date": at.isoformat()})
        assert (part.paid_at, part.payment_date) == (None, None)


@pytest.mark.parametrize("paid_at", ["1970-01-01T00:00:00+00:00", "0001-01-01T00:00:00", "0000-00-00 00:00:00"])
def test_an_instalment_paid_on_no_date_is_not_paid(paid_at: str) -> None:
    part = getbill_wire.Installment.model_validate({"paid_at": paid_at, "payment_date": "2026-03-01"})

    assert not getbill.is_paid(part)
    assert getbill.is_paid(part.model_copy(update={"status": "paid"}))


def test_an_item_opened_on_no_date_waits_since_it_was_first_heard_of() -> None:
    todo = getbill_wire.Todo.model_validate({"id": "1", "created_at": "0001-01-01T00:00:00"})
    task = debitura_wire.Task.model_validate({"id": "1", "dateCreated": "1970-01-01T00:00:00Z"})

    for said in (getbill.snapshot(todo, None, "main"), debitura.snapshot(task, None, [], "main")):
        waiting = make_item(said)
        assert began_at(waiting) == waiting.opened_at


@pytest.mark.parametrize(("wire", "name", "told"), CURRENCIES)
@given(dress=dresses)
def test_a_currency_is_one_however_it_is_dressed_up(wire: type[BaseModel], name: str, told: str, dress: Any) -> None:
    assert value(wire, name, told, dressed("EUR", dress)) == "EUR"


@pytest.mark.parametrize(("wire", "name", "told"), CURRENCIES)
def test_the_code_for_no_currency_is_no_currency(wire: type[BaseModel], name: str, told: str) -> None:
    assert [value(wire, name, told, written) for written in ("XXX", " xxx\u00a0", "\u20ac", 978)] == [None] * 4


@pytest.mark.parametrize(("wire", "name", "told"), NUMBERS)
def test_a_number_is_never_read_as_another_one(wire: type[BaseModel], name: str, told: str) -> None:
    long = f"1.{'0' * 40}e5"

    assert [value(wire, name, told, written) for written in (long, Decimal(long))] == [None, None]
    assert str(value(wire, name, told, Decimal("-0.0"))) == "0"


@pytest.mark.parametrize(("wire", "name", "told"), CODES)
@given(dress=dresses, word=st.sampled_from(["paid", "suggested", "solved", "urgent", "post", "yes, it is disputed"]))
def test_a_word_that_decides_is_folded(wire: type[BaseModel], name: str, told: str, dress: Any, word: str) -> None:
    assert value(wire, name, told, dressed(word, dress)) == word


@pytest.mark.parametrize(("wire", "name", "told"), FLAGS)
@given(dress=dresses, word=st.sampled_from(["true", "yes", "1", "false", "no", "0"]))
def test_a_word_for_yes_or_no_is_one(wire: type[BaseModel], name: str, told: str, dress: Any, word: str) -> None:
    assert value(wire, name, told, dressed(word, dress)) is (word in {"true", "yes", "1"})
    assert [value(wire, name, told, written) for written in (1, 0, "perhaps", 2)] == [True, False, None, None]


@given(dresses, st.sampled_from(sorted({*getbill_wire.TYPE_OF, *debitura_wire.TYPES})))
def test_a_known_kind_is_known_however_it_is_dressed_up(dress: Any, kind: str) -> None:
    written = dressed(kind, dress)
    todo = getbill_wire.Todo.model_validate({"id": "1", "sub_type": written})

    assert (getbill.kind_of(todo) if kind in getbill_wire.TYPE_OF else debitura.kind_of(written)) == kind


@given(dresses, st.sampled_from(sorted(getbill_wire.TYPES | getbill_wire.LEGACY.keys())))
def test_an_event_points_at_the_same_todo_however_its_type_is_dressed_up(dress: Any, what: str) -> None:
    todo = {"id": "enc_1", "type": dressed(what, dress)}

    assert inbound._todo_hint(todo) == inbound._todo_hint(todo | {"type": what})


def test_an_unknown_kind_stays_what_it_is() -> None:
    todo = getbill_wire.Todo.model_validate({"id": "1", "type": " Debtor_Request", "sub_type": " Bank_Change\u200b"})

    assert getbill.snapshot(todo, None, "main").kind == "Bank_Change"
    assert debitura.kind_of("\u00a0UploadKycDocument ") == "UploadKycDocument"


def test_a_dressed_up_status_closes_what_it_closes() -> None:
    todo = getbill_wire.Todo.model_validate({"id": "1", "type": "AI_Detection ", "status": " Validated\u200b"})
    task = debitura_wire.Task.model_validate({"id": "1", "status": "\u00a0SOLVED"})
    closed = {"lifecycle": "closed ", "closeCode": "PAID\u200b", "creditorReference": "INV-1"}

    assert getbill.outcome_of(todo) == "validated"
    assert not debitura.is_open(task)
    (one,) = cases.receivables("1", debitura_wire.Case.model_validate(closed), "main")
    assert one.standing == ("paid",)


@given(dresses)
def test_a_rule_matches_a_word_however_either_side_writes_it(dress: Any) -> None:
    debt = {"id": "2", "amount": 5, "currency": "EUR"}
    todo = {"id": "1", "type": "debtor_request", "sub_type": "Bank_Change", "severity": "Urgent", "debt": debt}
    said = getbill.snapshot(getbill_wire.Todo.model_validate(todo), None, "main")

    kind, severity, currency = (dressed(word, dress) for word in ("bank_change", "urgent", "eur"))
    assert Match(kind=(kind,), severity=("other", severity), currency=(currency,)).accepts(said)
    for other in (Match(kind=("other",)), Match(severity=("other",)), Match(currency=("DKK",))):
        assert not other.accepts(said)


@given(st.text(max_size=20))
def test_folding_twice_is_folding_once(word: str) -> None:
    assert fold(fold(word)) == fold(word)
    assert trim(trim(word)) == trim(word)
