"""Amounts are kept exactly and formatted with at least the decimals of their currency."""

from decimal import Decimal

import pytest
from babel.numbers import list_currencies
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from receiver.domain.money import Money, currency_digits, format_money, is_too_fine

LOCALES = ("en", "fr", "da", "de")


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("1500.50", "RSD", "RSD 1,500.50"),
        ("1500.5", "ALL", "ALL 1,500.50"),
        ("1500", "LBP", "LBP 1,500.00"),
        ("0.5", "MGA", "MGA 0.50"),
        ("1500.5", "IQD", "IQD 1,500.500"),
        ("1500", "KWD", "KWD 1,500.000"),
        ("1500.50", "HUF", "HUF 1,500.50"),
        ("1500", "JPY", "JP¥1,500"),
        ("1500.5", "JPY", "JP¥1,500.5"),
        ("1500.00", "ISK", "ISK 1,500"),
        ("1.23456", "CLF", "CLF 1.23456"),
        ("12.345", "EUR", "€12.345"),
        ("12.3400", "EUR", "€12.34"),
        ("12.345", None, "12.345"),
        ("12", None, "12.00"),
        ("1E+3", "EUR", "€1,000.00"),
        ("-0.001", "EUR", "-€0.001"),
    ],
)
def test_an_amount_shows_every_decimal_it_came_with(amount: str, currency: str | None, written: str) -> None:
    assert format_money(Money(Decimal(amount), currency), "en").replace("\xa0", " ") == written


@pytest.mark.parametrize(
    ("locale", "written"),
    [("en", "RSD 1,500.50"), ("fr", "1 500,50 RSD"), ("da", "1.500,50 RSD"), ("de", "1.500,50 RSD")],
)
def test_each_language_writes_it_its_own_way(locale: str, written: str) -> None:
    found = format_money(Money(Decimal("1500.5"), "RSD"), locale)

    assert found.replace("\xa0", " ").replace("\u202f", " ") == written


@given(st.decimals(-(10**12), 10**12, places=4), st.sampled_from(sorted(list_currencies())), st.sampled_from(LOCALES))
def test_no_currency_and_no_language_rounds_a_decimal_away(amount: Decimal, currency: str, locale: str) -> None:
    money = Money(amount, currency)

    written = "".join(letter for letter in format_money(money, locale).replace(currency, "") if letter.isdigit())

    assert written == f"{abs(amount):.{money.digits}f}".replace(".", "")
    assert Decimal(f"{amount:.{money.digits}f}") == amount


def test_equal_values_are_equal_however_they_are_written_and_stay_so_in_the_store() -> None:
    stored = TypeAdapter(Money)
    one, other = Money(Decimal("1500.50"), "RSD"), Money(Decimal("1500.5"), "RSD")

    assert one == other
    assert len({one, other}) == 1
    assert stored.validate_json(stored.dump_json(one)) == one
    assert stored.dump_json(Money(Decimal("12.345"))) == b'{"amount":"12.345","currency":null}'


def test_the_decimals_are_those_of_iso_4217_and_not_those_of_cash() -> None:
    digits = {currency: currency_digits(currency) for currency in ("RSD", "MGA", "MRU", "IQD", "UYW", "CLP", "XXX")}

    assert digits == {"RSD": 2, "MGA": 2, "MRU": 2, "IQD": 3, "UYW": 4, "CLP": 0, "XXX": 2}


@pytest.mark.parametrize(
    ("amount", "is_no_money"), [("1E-20", False), ("1E-21", True), ("1E-999999", True), ("1.50", False)]
)
def test_a_number_that_could_not_be_written_out_is_no_money(amount: str, is_no_money: bool) -> None:
    assert is_too_fine(Decimal(amount)) == is_no_money


def test_an_amount_of_nothing_is_not_told() -> None:
    assert not Money(Decimal("0.00"), "EUR")
    assert Money(Decimal("-0.01"))


@pytest.mark.parametrize("currency", [None, "EUR"])
@pytest.mark.parametrize("locale", ["en", "fr", "da", "de"])
def test_an_amount_with_more_decimals_than_any_source_sends_is_written_short(locale: str, currency: str | None) -> None:
    amount = Decimal("7.449314042514443168981624301974911031278118236527973598402333E-60")

    assert format_money(Money(amount, currency), locale) == "7.449E-60"
