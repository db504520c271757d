"""The verbs that people can choose, a click that chooses one, and the command that a source gets for it."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from receiver.domain.people import Person

SOURCE_VERBS = frozenset({"validate", "reject", "reopen", "undo", "reply", "update_plan"})
OWN_VERBS = frozenset({"claim", "release", "assign", "snooze", "wake", "note", "confirm", "withdraw"})
VERBS = SOURCE_VERBS | OWN_VERBS
REOPENING_VERBS = frozenset({"reopen", "undo"})
LINK_VERBS = SOURCE_VERBS | {"confirm"}  # a mail has links for these
DECIDING_VERBS = SOURCE_VERBS - REOPENING_VERBS  # above [people] four_eyes_above a second person must confirm these
REQUIRED_TEXTS = {"reject": "note", "reply": "text", "note": "note", "reopen": "note"}  # verb -> attribute of Click
MAX_NOTE = 2_000  # UTF-16 units; Getbill documents no limit for admin_notes
MAX_REPLY = 10_000  # UTF-16 units; docs/vendors/debitura.md#chats

_OUTCOMES = {"validate": "validated", "reject": "rejected", "reply": "solved"}


def outcome_of(verb: str) -> str | None:
    """The outcome that a source shows after it executed this verb."""
    return _OUTCOMES.get(verb)


def utf16_units(text: str) -> int:
    """Length in UTF-16 units, as .NET and JavaScript count: most emojis count as two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class PlanInput:
    """A payment plan as typed by a person; ``plan.py`` parses it."""

    months: str = ""
    starts_on: str = ""
    first_payment: str = ""


@dataclass(frozen=True, slots=True)
class ActionInput:
    """What else a click carries: snooze ``until`` (see ``snooze.py``), assign ``to``, update to a ``plan``.

    ``undo_for``: how long it can be undone, if not the default.
    """

    until: str | None = None
    to: Person | None = None
    plan: PlanInput | None = None
    undo_for: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A valid payment plan. ``first_payment`` in major units of the debt's currency."""

    months: int
    starts_on: date
    first_payment: Decimal


@dataclass(frozen=True, slots=True)
class Click:
    """A verb that somebody chose for one version of an item. Only its signature was verified; all else is untrusted."""

    item_id: str
    version: int
    verb: str
    person: Person
    via: str  # slack, mail, web, cli, automation
    identity: str  # the same at every delivery of the same click
    note: str | None = None
    text: str | None = None
    answer_to: str | None = None  # destination of the reply, such as "slack:C1/U1"
    shown_at: str | None = None  # destination and reference of the clicked message, such as "slack:C1/171.2"
    token_id: str | None = None  # the single-use link that was used
    terms: ActionInput = ActionInput()


@dataclass(frozen=True, slots=True)
class SourceCommand:
    """A request to a source for a person. ``maybe_duplicate``: an earlier attempt may have reached the source."""

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
    confirmed_by: str | None = None  # the second person, if the decision needed two
