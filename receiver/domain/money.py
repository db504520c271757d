"""Amounts of money: exact decimals in major units with a currency, which may be unknown, and their format."""

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import cast

from babel import Locale
from babel.numbers import format_currency, format_decimal, is_currency

# Currencies whose minor unit has not two decimals: ISO 4217, list one of 2026-01-01 (six-group.com). CLDR's digits are
# those of cash: they are 0 for RSD, ALL or IQD, whose amounts have 2 and 3.
_DEFAULT_DIGITS = 2
_OTHER_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS = {currency: digits for digits, currencies in _OTHER_DIGITS.items() for currency in currencies.split()}
_MAX_PLAIN_DIGITS = 15
_MAX_DIGITS = 20
_PRECISION = 60
_ENGLISH = "en_GB"  # writes US$ and not $, which would be ambiguous beside other dollars
# CLDR's currency spacing, which Babel does not apply: "DKK 12,450.50", but "€1,500.00" and "US$1,500.00".
_LETTER_BEFORE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)")


@dataclass(frozen=True, slots=True)
class Money:
    """``amount`` in major units; ``currency`` is None if the source gave none (docs/vendors/getbill.md#todos).

    Equality ignores trailing zeros. An amount of zero is false, like a number.
    """

    amount: Decimal
    currency: str | None = None

    def __bool__(self) -> bool:
        return bool(self.amount)

    @property
    def digits(self) -> int:
        """How many decimals to show: those of the currency, or more if the amount has more."""
        decimals = f"{self.amount:f}".partition(".")[2].rstrip("0")
        return max(currency_digits(self.currency), len(decimals))

    @property
    def plain_amount(self) -> str:
        """The amount with these decimals and without grouping, such as "1500.50"."""
        return f"{self.amount:.{self.digits}f}"


@lru_cache(maxsize=256)
def is_known_currency(currency: str | None) -> bool:
    """Whether this is a code of ISO 4217."""
    return currency is not None and is_currency(currency)


def is_too_fine(amount: Decimal) -> bool:
    """Whether this has more decimals than Casebell formats."""
    return -cast("int", amount.normalize().as_tuple().exponent) > _MAX_DIGITS


def currency_digits(currency: str | None) -> int:
    """How many decimals the currency's minor unit has; 2 if the currency is unknown."""
    return _DIGITS.get(currency or "", _DEFAULT_DIGITS)


def format_money(money: Money, locale: str) -> str:
    """The amount with its currency in the language's format; a number alone if the currency is unknown."""
    if money.amount.adjusted() > _MAX_PLAIN_DIGITS or is_too_fine(money.amount):
        return f"{money.amount:.3E}"
    locale = _ENGLISH if locale == "en" else locale
    zeros = f"{0:.{money.digits}f}"
    with localcontext(prec=_PRECISION):  # Babel rounds in the current context, whose 28 digits are too few
        if money.currency is None or not is_known_currency(money.currency):
            return str(format_decimal(money.amount, f"#,##{zeros}", locale=locale))
        pattern = Locale.parse(locale).currency_formats["standard"].pattern.replace("0.00", zeros)
        text = format_currency(money.amount, money.currency, pattern, locale=locale, currency_digits=False)
    return _LETTER_BEFORE_DIGIT.sub("\N{NO-BREAK SPACE}", str(text))
