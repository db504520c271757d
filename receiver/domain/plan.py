"""Decides whether a payment plan that a person typed is valid, before it is sent to the source. Pure.

The same checks serve Slack, web pages and commands. Getbill documents no limits for a plan, so these are Casebell's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from receiver.domain.action import Plan, PlanInput
from receiver.domain.item import Snapshot
from receiver.domain.money import Money, currency_digits

MAX_MONTHS = 120
MAX_DAYS_AHEAD = timedelta(days=2 * 366)
MAX_TYPED = 40  # characters; the rest of a field is ignored
_WHOLE = re.compile(r"[0-9]{1,4}", re.ASCII)
_GROUPED = re.compile(r"[0-9]{1,3}(?:(?P<mark>[.,])[0-9]{3})(?:(?P=mark)[0-9]{3})*", re.ASCII)
_PLAIN = re.compile(r"[0-9]{1,12}", re.ASCII)
_SPACES = re.compile(r"[\s'’\u00a0\u202f]")


@dataclass(frozen=True, slots=True)
class Fault:
    """An error in one ``field`` of a PlanInput. ``code``: a key of ``refusal.SENTENCES``; ``values`` fill it."""

    field: str
    code: str
    values: tuple[tuple[str, str], ...] = ()


def find_faults(entered: PlanInput, owed: Money | None, current: Plan | None, today: date) -> list[Fault]:
    """The errors of a plan, field by field; empty if it is valid and differs from the ``current`` one."""
    faults = [*_months_faults(entered), *_start_faults(entered, current, today), *_payment_faults(entered, owed)]
    return faults or ([Fault("months", "plan_same")] if parse_plan(entered) == current else [])


def parse_plan(entered: PlanInput) -> Plan:
    """The plan with parsed values. Raises ValueError if a field cannot be parsed."""
    months = parse_months(entered.months)
    day, amount = parse_day(entered.starts_on), parse_amount(entered.first_payment)
    if months is None or day is None or amount is None:
        raise ValueError("not a payment plan")
    return Plan(months, day, amount)


def current_plan(snapshot: Snapshot) -> Plan | None:
    """The plan that the source shows; None if a part of it is unknown."""
    known = {detail.name: detail for detail in snapshot.details}
    months, day, first = (known.get(name) for name in ("plan_months", "plan_start_date", "first_payment_amount"))
    if not (months and months.number and day and day.day and first and first.money):
        return None
    return Plan(months.number, day.day, Decimal(first.money.plain_amount))


def as_input(plan: Plan | None) -> PlanInput:
    """The values of a plan as initial texts of a form; empty texts for None."""
    if plan is None:
        return PlanInput()
    return PlanInput(str(plan.months), plan.starts_on.isoformat(), f"{plan.first_payment:f}")


def parse_months(typed: str) -> int | None:
    clean = typed[:MAX_TYPED].strip()
    return int(clean) if _WHOLE.fullmatch(clean) else None


def parse_day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed[:MAX_TYPED].strip())
    except ValueError:
        return None


def parse_amount(typed: str) -> Decimal | None:
    """An amount as people write it: 1500, 1 500,50, 1,500.50, 1.500,50. None for "1,500", which is ambiguous."""
    clean = _SPACES.sub("", typed[:MAX_TYPED])
    at = max(clean.rfind("."), clean.rfind(","))
    if at < 0:
        return Decimal(clean) if _PLAIN.fullmatch(clean) else None
    head, mark, tail = clean[:at], clean[at], clean[at + 1 :]
    if len(tail) == 3 and _GROUPED.fullmatch(clean) and clean.count(mark) > 1:  # noqa: PLR2004 - thousands come in threes
        return Decimal(clean.replace(mark, ""))
    grouped = _GROUPED.fullmatch(head)
    is_head = _PLAIN.fullmatch(head) or (grouped and grouped["mark"] != mark)
    if not is_head or not re.fullmatch(r"[0-9]{1,2}|[0-9]{4,6}", tail, re.ASCII):
        return None
    return Decimal(f"{re.sub('[.,]', '', head)}.{tail}")


def payment_digits(owed: Money | None) -> int:
    """How many decimals a payment of this amount may have."""
    return currency_digits(None) if owed is None else owed.digits


def _months_faults(entered: PlanInput) -> Iterator[Fault]:
    months = parse_months(entered.months)
    if months is None or not 1 <= months <= MAX_MONTHS:
        yield Fault("months", "plan_months", (("most", str(MAX_MONTHS)),))


def _start_faults(entered: PlanInput, current: Plan | None, today: date) -> Iterator[Fault]:
    """A running plan may keep its first day, although it is in the past."""
    day = parse_day(entered.starts_on)
    if current and day == current.starts_on:
        return
    if day is None:
        yield Fault("starts_on", "plan_date")
    elif day < today:
        yield Fault("starts_on", "plan_date_past")
    elif day > today + MAX_DAYS_AHEAD:
        yield Fault("starts_on", "plan_date_far")


def _payment_faults(entered: PlanInput, owed: Money | None) -> Iterator[Fault]:
    first, months = parse_amount(entered.first_payment), parse_months(entered.months)
    if first is None or first <= 0:
        yield Fault("first_payment", "plan_amount")
        return
    digits = payment_digits(owed)
    if first != round(first, digits):
        yield Fault("first_payment", "plan_amount_too_fine", (("digits", str(digits)),))
    elif owed is None or owed.amount <= 0:
        return
    elif months == 1 and first != owed.amount:
        yield Fault("first_payment", "plan_one_payment")
    elif first > owed.amount:
        yield Fault("first_payment", "plan_amount_over")
    elif months != 1 and first == owed.amount:
        yield Fault("first_payment", "plan_nothing_left")
