"""Amounts of money as whole minor units, with a currency that may be unknown."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from babel.numbers import get_currency_precision

UNKNOWN_CURRENCY_DIGITS = 2


@lru_cache(maxsize=256)
def _digits(currency: str | None) -> int:
    return UNKNOWN_CURRENCY_DIGITS if currency is None else get_currency_precision(currency)


@dataclass(frozen=True, slots=True)
class Money:
    """``minor`` units (cents) of an ISO 4217 ``currency``; None when the source did not say (getbill.md, Todos)."""

    minor: int
    currency: str | None = None

    @classmethod
    def of(cls, amount: Decimal, currency: str | None) -> "Money":
        """Money from an amount in major units, rounded half up to the currency's own precision."""
        currency = currency.upper() if currency else None
        scaled = amount.scaleb(_digits(currency)).quantize(Decimal(1), rounding=ROUND_HALF_UP)
        return cls(int(scaled), currency)

    @property
    def amount(self) -> Decimal:
        """The amount in major units."""
        return Decimal(self.minor).scaleb(-_digits(self.currency))
