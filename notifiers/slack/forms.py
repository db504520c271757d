"""The fields of the forms (step 8), and what was filled in: one table from a verb to what Slack asks for it. Pure.

What is typed is checked here only so that the person hears of it in the form; whether it counts is decided later, with
the item as it then is (``receiver/pipeline/actions.py``).
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from slack_sdk.models.blocks import (
    Block,
    DatePickerElement,
    InputBlock,
    Option,
    PlainTextInputElement,
    PlainTextObject,
    RadioButtonsElement,
    UserSelectElement,
)

from notifiers.slack import escaping, wire
from notifiers.slack.buttons import source_name, voice_of
from notifiers.story.sentences import ACCEPTED_KINDS
from notifiers.text import one_line
from receiver.domain import plan
from receiver.domain.action import MAX_NOTE, NEEDS_WORDS, ActionInput, Plan, PlanWish, utf16_units
from receiver.domain.business_time import Calendar
from receiver.domain.notice import Notice
from receiver.domain.people import Person
from receiver.domain.refusal import N_
from receiver.domain.snooze import CHOICES, snooze_until

MAX_INPUT = 3_000  # Slack's plain_text_input takes no more
MAX_TYPED = {
    "reject": MAX_NOTE,
    "note": MAX_NOTE,
    "reopen": MAX_NOTE,
    "reply": MAX_INPUT,
}  # in UTF-16 units
WITH_FORM = frozenset({*MAX_TYPED, "snooze", "assign", "update_plan"})
UNTIL, DAY, TO = "until", "day", "to"
MONTHS, STARTS_ON, FIRST_PAYMENT = "months", "starts_on", "first_payment"
MAX_SHORT = 40

# verb -> label and hint of its one text; keys of translations.
_WORDS = {
    "reject": (N_("Why is this rejected?"), N_("{source} keeps this note with its decision.")),
    "decline": (N_("Why is this declined?"), N_("{source} keeps this note with its decision.")),
    "reopen": (N_("Why is this opened again?"), N_("{source} keeps this note with its decision.")),
    "reply": (N_("Your reply"), N_("{source} passes it on as you write it.")),
    "note": (N_("Your note"), N_("It stays in Casebell; {source} does not see it.")),
}
_UNTIL = {
    "1h": N_("An hour: {moment}"),
    "4h": N_("Four hours: {moment}"),
    "tomorrow": N_("Tomorrow: {moment}"),
    "monday": N_("Next Monday: {moment}"),
}

LocalSay = partial[str]


@dataclass(frozen=True, slots=True)
class Filled:
    """What a form brought: ``faults`` by block, each a code of ``refusal.SENTENCES`` with its values."""

    faults: dict[str, tuple[str, dict[str, str]]]
    note: str | None = None
    text: str | None = None
    terms: ActionInput = field(default_factory=ActionInput)


def fields(verb: str, notice: Notice, words: LocalSay) -> list[Block]:
    """What the form of a verb asks for."""
    match verb:
        case "snooze":
            return _snooze(notice, words)
        case "assign":
            hint = words("They see it in the message, and are told once.")
            return [_input(TO, words("Who should look after it?"), UserSelectElement(action_id=TO), hint)]
        case "update_plan":
            return _plan(notice, words)
        case _:
            is_declined = verb == "reject" and notice.item.kind in ACCEPTED_KINDS
            label, hint = _WORDS["decline" if is_declined else verb]
            typed = PlainTextInputElement(
                action_id=wire.WORDS, multiline=True, min_length=1, max_length=MAX_TYPED[verb], focus_on_load=True
            )
            return [_input(wire.WORDS, words(label), typed, words(hint, source=source_name(notice.item)))]


def read(verb: str, view: wire.Json, now: datetime) -> Filled:
    """What was filled in, and what is wrong with it. Raises ValueError for a verb without a form."""
    filled, held = wire.filled(view), wire.held(view)
    match verb:
        case "snooze":
            wish = filled.get(DAY) or filled.get(UNTIL, "")
            wrong = snooze_until(wish, now, Calendar(held.timezone)) is None
            return Filled(
                {DAY if filled.get(DAY) else UNTIL: ("bad_until", {})} if wrong else {}, terms=ActionInput(wish)
            )
        case "assign":
            to = filled.get(TO, "")
            return Filled({} if to else {TO: ("nobody", {})}, terms=ActionInput(to=Person(slack_id=to)))
        case "update_plan":
            wanted = PlanWish(*(filled.get(name, "")[:MAX_SHORT] for name in (MONTHS, STARTS_ON, FIRST_PAYMENT)))
            today = Calendar(held.timezone).today(now)
            found = plan.faults(wanted, held.owed, _as_it_is(held.plan), today)
            return Filled(
                {fault.field: (fault.code, dict(fault.values)) for fault in found}, terms=ActionInput(plan=wanted)
            )
        case _ if verb in MAX_TYPED:
            return _words_of(verb, filled.get(wire.WORDS, ""))
        case _:
            raise ValueError("no form of ours asks for this verb")


def _words_of(verb: str, typed: str) -> Filled:
    words = escaping.storable(typed)
    if not one_line(typed):
        return Filled({wire.WORDS: ("needs_words", {})})
    if utf16_units(words) > MAX_TYPED[verb]:
        return Filled({wire.WORDS: ("too_long", {"most": str(MAX_TYPED[verb])})})
    return Filled({}, text=words) if NEEDS_WORDS[verb] == "text" else Filled({}, note=words)


def _as_it_is(wish: PlanWish | None) -> Plan | None:
    try:
        return plan.read(wish) if wish else None
    except ValueError:
        return None


def _snooze(notice: Notice, words: LocalSay) -> list[Block]:
    voice, calendar = voice_of(notice), notice.route.calendar
    choices = []
    for wish in CHOICES:
        until = snooze_until(wish, notice.now, calendar)
        label = words(_UNTIL[wish], moment=voice.moment(until) if until else "")
        choices.append(Option(value=wish, text=_plain(label, 75)))
    radio = RadioButtonsElement(action_id=UNTIL, options=choices, initial_option=choices[0])
    hint = words("No reminders until then; the message stays where it is.")
    day = InputBlock(
        block_id=DAY,
        label=_plain(words("Or until a day"), 200),
        element=DatePickerElement(action_id=DAY, placeholder=_plain(words("Choose a day"), 75)),
        optional=True,
    )
    return [_input(UNTIL, words("For how long?"), radio, hint), day]


def _plan(notice: Notice, words: LocalSay) -> list[Block]:
    said, voice = notice.item.snapshot, voice_of(notice)
    now = plan.as_typed(plan.current(said))
    owed = words("Owed in all: {amount}", amount=voice.money(said.amount)) if said.amount else None
    start = DatePickerElement(action_id=STARTS_ON, initial_date=now.starts_on or None)
    return [
        _input(MONTHS, words("Months of the plan"), _short(MONTHS, now.months)),
        _input(STARTS_ON, words("Start of the plan"), start),
        _input(FIRST_PAYMENT, words("First payment"), _short(FIRST_PAYMENT, now.first_payment), owed),
    ]


def _short(name: str, value: str) -> PlainTextInputElement:
    return PlainTextInputElement(action_id=name, initial_value=value or None, max_length=MAX_SHORT)


def _input(
    name: str,
    label: str,
    element: PlainTextInputElement | RadioButtonsElement | DatePickerElement | UserSelectElement,
    hint: str | None = None,
) -> Block:
    shown = _plain(hint, 300) if hint else None
    return InputBlock(block_id=name, label=_plain(label, 200), hint=shown, element=element)


def _plain(text: str, most: int) -> PlainTextObject:
    return PlainTextObject(text=escaping.cut(one_line(text), most) or "?", emoji=False)
