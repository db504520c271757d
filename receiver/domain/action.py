"""Verbs a person can press, and the press itself."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from receiver.domain.people import Person

SOURCE_VERBS = frozenset({"validate", "reject", "reopen", "undo", "reply", "update_plan"})
OWN_VERBS = frozenset({"claim", "release", "assign", "snooze", "wake", "note", "confirm", "withdraw"})
VERBS = SOURCE_VERBS | OWN_VERBS
REOPENING = frozenset({"reopen", "undo"})  # what takes a decision back
DECIDED_BY_LINK = SOURCE_VERBS | {"confirm"}  # what a mail carries a link for
DECIDING = SOURCE_VERBS - REOPENING  # what a second person must confirm above [people] four_eyes_above
NEEDS_WORDS = {"reject": "note", "reply": "text", "note": "note", "reopen": "note"}  # verb -> what must come with it
MAX_NOTE = 2_000  # UTF-16 units; Getbill names no limit for admin_notes, a person needs one
MAX_REPLY = 10_000  # UTF-16 units: Debitura's own limit (debitura.md, Chats)

_OUTCOMES = {"validate": "validated", "reject": "rejected", "reply": "solved"}


def outcome_of(verb: str) -> str | None:
    """The outcome a source shows when it has done this verb."""
    return _OUTCOMES.get(verb)


def utf16_units(text: str) -> int:
    """Length as .NET and JavaScript count it: an emoji beyond the first plane counts two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class PlanWish:
    """A payment plan as somebody typed it; ``plan.py`` reads it."""

    months: str = ""
    starts_on: str = ""
    first_payment: str = ""


@dataclass(frozen=True, slots=True)
class ActionInput:
    """What else came with a press: snooze ``until`` (``snooze.py``), assign ``to``, change to a ``plan``.

    ``undo_for``: how long it can be undone, when it is not the usual time.
    """

    until: str | None = None
    to: Person | None = None
    plan: PlanWish | None = None
    undo_for: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A payment plan that was checked. ``first_payment`` in major units of the debt's currency."""

    months: int
    starts_on: date
    first_payment: Decimal


@dataclass(frozen=True, slots=True)
class Click:
    """A verb pressed on an item at a version, by whoever says so; nothing in it is trusted but its signature."""

    item_id: str
    version: int
    verb: str
    person: Person
    via: str  # slack, mail, web, cli, automation
    identity: str  # the same press carries the same identity, however often it arrives
    note: str | None = None
    text: str | None = None
    answer_to: str | None = None  # destination that reads what came of it, e.g. "slack:C1/U1"
    shown_at: str | None = None  # destination and reference of the message that was pressed, e.g. "slack:C1/171.2"
    token_id: str | None = None  # single-use link that was spent
    terms: ActionInput = ActionInput()


@dataclass(frozen=True, slots=True)
class SourceCommand:
    """What a source is asked to do for a person. ``maybe_duplicate``: an earlier try may have reached the source."""

    action_id: int
    key: str
    verb: str
    person: Person
    note: str | None
    text: str | None
    asked_at_us: int  # microseconds since 1970, UTC
    maybe_duplicate: bool = False
    case_id: str | None = None
    plan: Plan | None = None
    confirmed_by: str | None = None  # the second person, where four eyes decided
