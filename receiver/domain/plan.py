"""A payment plan that somebody typed, checked before a source is asked: in Slack, on a page, in a terminal. Pure.

Getbill names no limits for a plan (getbill.md, Todos); these are what a plan must be to make sense.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from receiver.domain.action import Plan, PlanWish
from receiver.domain.item import Snapshot
from receiver.domain.money import Money, currency_digits

MOST_MONTHS = 120
LATEST = timedelta(days=2 * 366)
MAX_TYPED = 40  # characters looked at of any field
_WHOLE = re.compile(r"[0-9]{1,4}", re.ASCII)
_GROUPED = re.compile(r"[0-9]{1,3}(?:(?P<mark>[.,])[0-9]{3})(?:(?P=mark)[0-9]{3})*", re.ASCII)
_PLAIN = re.compile(r"[0-9]{1,12}", re.ASCII)
_BETWEEN = re.compile(r"[\s'’\u00a0\u202f]")


@dataclass(frozen=True, slots=True)
class Fault:
    """``field`` of a PlanWish; ``code`` is a key of ``refusal.SENTENCES``, ``values`` fill it."""

    field: str
    code: str
    values: tuple[tuple[str, str], ...] = ()


def faults(wish: PlanWish, owed: Money | None, now: Plan | None, today: date) -> list[Fault]:
    """What is wrong with the plan, field by field; nothing when it may be sent. ``now``: the plan as it is."""
    found = [*_months(wish), *_start(wish, now, today), *_payment(wish, owed)]
    return found or ([Fault("months", "plan_same")] if read(wish) == now else [])


def read(wish: PlanWish) -> Plan:
    """The plan as figures. Raises ValueError for what ``faults`` would name."""
    months, day, amount = whole(wish.months), day_of(wish.starts_on), amount_of(wish.first_payment)
    if months is None or day is None or amount is None:
        raise ValueError("this is no payment plan")
    return Plan(months, day, amount)


def current(said: Snapshot) -> Plan | None:
    """The plan as the source shows it; None when it does not show the whole."""
    known = {detail.name: detail for detail in said.details}
    months, day, first = (known.get(name) for name in ("plan_months", "plan_start_date", "first_payment_amount"))
    if not (months and months.number and day and day.day and first and first.money):
        return None
    return Plan(months.number, day.day, Decimal(first.money.figures))


def as_typed(plan: Plan | None) -> PlanWish:
    """The fields of a plan, to be changed; empty ones when it is not known."""
    if plan is None:
        return PlanWish()
    return PlanWish(str(plan.months), plan.starts_on.isoformat(), f"{plan.first_payment:f}")


def whole(typed: str) -> int | None:
    clean = typed[:MAX_TYPED].strip()
    return int(clean) if _WHOLE.fullmatch(clean) else None


def day_of(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed[:MAX_TYPED].strip())
    except ValueError:
        return None


def amount_of(typed: str) -> Decimal | None:
    """An amount as people write it: 1500, 1 500,50, 1,500.50, 1.500,50. None for "1,500", which is read both ways."""
    clean = _BETWEEN.sub("", typed[:MAX_TYPED])
    head, mark, tail = _last_mark(clean)
    if not mark:
        return Decimal(clean) if _PLAIN.fullmatch(clean) else None
    if len(tail) == 3 and _GROUPED.fullmatch(clean) and clean.count(mark) > 1:  # noqa: PLR2004 - thousands come in threes
        return Decimal(clean.replace(mark, ""))
    grouped = _GROUPED.fullmatch(head)
    is_head = _PLAIN.fullmatch(head) or (grouped and grouped["mark"] != mark)
    if not is_head or not re.fullmatch(r"[0-9]{1,2}|[0-9]{4,6}", tail, re.ASCII):
        return None
    return Decimal(f"{re.sub('[.,]', '', head)}.{tail}")


def digits_of(owed: Money | None) -> int:
    """How many decimals a part of this amount may have."""
    return currency_digits(None) if owed is None else owed.digits


def _last_mark(typed: str) -> tuple[str, str, str]:
    at = max(typed.rfind("."), typed.rfind(","))
    return (typed, "", "") if at < 0 else (typed[:at], typed[at], typed[at + 1 :])


def _months(wish: PlanWish) -> Iterator[Fault]:
    months = whole(wish.months)
    if months is None or not 1 <= months <= MOST_MONTHS:
        yield Fault("months", "plan_months", (("most", str(MOST_MONTHS)),))


def _start(wish: PlanWish, now: Plan | None, today: date) -> Iterator[Fault]:
    """A plan that runs already may keep its first day."""
    day = day_of(wish.starts_on)
    if now and day == now.starts_on:
        return
    if day is None:
        yield Fault("starts_on", "plan_date")
    elif day < today:
        yield Fault("starts_on", "plan_date_past")
    elif day > today + LATEST:
        yield Fault("starts_on", "plan_date_far")


def _payment(wish: PlanWish, owed: Money | None) -> Iterator[Fault]:
    first = amount_of(wish.first_payment)
    if first is None or first <= 0:
        yield Fault("first_payment", "plan_amount")
        return
    digits = digits_of(owed)
    if first != round(first, digits):
        yield Fault("first_payment", "plan_amount_too_fine", (("digits", str(digits)),))
    elif owed and owed.amount > 0:
        yield from _share(first, owed.amount, whole(wish.months))


def _share(first: Decimal, owed: Decimal, months: int | None) -> Iterator[Fault]:
    if months == 1 and first != owed:
        yield Fault("first_payment", "plan_one_payment")
    elif first > owed:
        yield Fault("first_payment", "plan_amount_over")
    elif months != 1 and first == owed:
        yield Fault("first_payment", "plan_nothing_left")
