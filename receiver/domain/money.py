"""Amounts of money exactly as a source gave them, with a currency that may be unknown, and how they are written."""

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import cast

from babel import Locale
from babel.numbers import format_currency, format_decimal, is_currency

# Decimals of a currency, where there are not two: ISO 4217, list one of 2026-01-01 (six-group.com). Not CLDR's digits,
# which are those of cash: they are 0 for RSD, ALL or IQD, whose amounts have 2 and 3.
_USUAL_DIGITS = 2
_OTHER_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS = {currency: digits for digits, currencies in _OTHER_DIGITS.items() for currency in currencies.split()}
_MOST_PLAIN_DIGITS = 15
_MOST_DIGITS = 20
_MOST_PRECISION = 60
_ENGLISH = "en_GB"  # English figures as Europe reads them: US$ beside €
# Unicode's currency spacing, which Babel leaves out: "DKK 12,450.50", yet "€1,500.00" and "US$1,500.00".
_LETTER_BEFORE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)")


@dataclass(frozen=True, slots=True)
class Money:
    """``amount`` in major units; ``currency`` is None when the source did not say (getbill.md, Todos).

    Equal values are equal, however many zeros they end in. An amount of zero is false, as the number is.
    """

    amount: Decimal
    currency: str | None = None

    def __bool__(self) -> bool:
        return bool(self.amount)

    @property
    def digits(self) -> int:
        """How many decimals are shown: as many as the currency has, or as the amount needs."""
        written = f"{self.amount:f}".partition(".")[2].rstrip("0")
        return max(currency_digits(self.currency), len(written))

    @property
    def figures(self) -> str:
        """The amount with these decimals, such as "1500.50"."""
        return f"{self.amount:.{self.digits}f}"


@lru_cache(maxsize=256)
def is_known(currency: str | None) -> bool:
    """Whether this is a currency, and not only three letters that a source wrote."""
    return currency is not None and is_currency(currency)


def is_too_fine(amount: Decimal) -> bool:
    """Whether this has more decimals than an amount of money can have: such a number could not be written out."""
    return -cast("int", amount.normalize().as_tuple().exponent) > _MOST_DIGITS


def currency_digits(currency: str | None) -> int:
    """How many decimals amounts in this currency have."""
    return _DIGITS.get(currency or "", _USUAL_DIGITS)


def format_money(money: Money, locale: str) -> str:
    """The amount with its currency as the language writes it; a bare number when that is unknown or invented."""
    if money.amount.adjusted() > _MOST_PLAIN_DIGITS:
        return f"{money.amount:.3E}"
    locale = _ENGLISH if locale == "en" else locale
    figures = f"{0:.{money.digits}f}"
    with localcontext(prec=_MOST_PRECISION):  # Babel rounds in the context, which has too few digits for some amounts
        if money.currency is None or not is_known(money.currency):
            return str(format_decimal(money.amount, f"#,##{figures}", locale=locale))
        pattern = Locale.parse(locale).currency_formats["standard"].pattern.replace("0.00", figures)
        written = format_currency(money.amount, money.currency, pattern, locale=locale, currency_digits=False)
    return _LETTER_BEFORE_DIGIT.sub("\N{NO-BREAK SPACE}", str(written))
