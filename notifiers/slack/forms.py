"""The input fields of each form, and how a submitted form is read. Pure.

Input is checked here so that the form can show errors; whether the action is allowed is decided later, on the present
state of the item (``receiver/pipeline/actions.py``).
"""

from dataclasses import dataclass, field
from datetime import datetime

from slack_sdk.models import blocks as kit

from notifiers.slack import block_kit, escaping, wire
from notifiers.slack.buttons import Gettext, formats_for, source_name
from notifiers.story.sentences import ACCEPTED_KINDS
from notifiers.text import one_line
from receiver.domain import plan
from receiver.domain.action import MAX_NOTE, REQUIRED_TEXTS, ActionInput, Plan, PlanInput, utf16_units
from receiver.domain.business_time import Calendar
from receiver.domain.notice import Notice
from receiver.domain.people import Person
from receiver.domain.refusal import N_
from receiver.domain.snooze import CHOICES, snooze_until

MAX_INPUT = 3_000  # of a plain_text_input (docs/vendors/slack.md#limits-of-messages-and-forms)
MAX_TEXT = {"reject": MAX_NOTE, "note": MAX_NOTE, "reopen": MAX_NOTE, "reply": MAX_INPUT}  # UTF-16 units
WITH_FORM = frozenset({*MAX_TEXT, "snooze", "assign", "update_plan"})
UNTIL, DAY, TO = "until", "day", "to"
MONTHS, STARTS_ON, FIRST_PAYMENT = "months", "starts_on", "first_payment"
MAX_SHORT = 40

# verb -> label and hint of its text input; keys of the translations
_TEXT_INPUTS = {
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


@dataclass(frozen=True, slots=True)
class FormInput:
    """The input of a submitted form. ``errors``: by input name, a code of ``refusal.SENTENCES`` and its values."""

    errors: dict[str, tuple[str, dict[str, str]]]
    note: str | None = None
    text: str | None = None
    terms: ActionInput = field(default_factory=ActionInput)


def fields(verb: str, notice: Notice, gettext: Gettext) -> list[kit.Block]:
    """The input blocks of a verb's form."""
    match verb:
        case "snooze":
            return _snooze_fields(notice, gettext)
        case "assign":
            hint = gettext("They see it in the message, and are told once.")
            return [_input(TO, gettext("Who should look after it?"), kit.UserSelectElement(action_id=TO), hint)]
        case "update_plan":
            return _plan_fields(notice, gettext)
        case _:
            return [_text_field(verb, notice, gettext)]


def read(verb: str, view: wire.Json, now: datetime) -> FormInput:
    """The input of a submitted form with its errors. Raises ValueError for a verb without a form."""
    values, metadata = wire.input_values(view), wire.form_metadata(view)
    match verb:
        case "snooze":
            return _read_snooze(values, Calendar(metadata.timezone), now)
        case "assign":
            slack_id = values.get(TO, "")
            return FormInput({} if slack_id else {TO: ("nobody", {})}, terms=ActionInput(to=Person(slack_id=slack_id)))
        case "update_plan":
            return _read_plan(values, metadata, now)
        case _ if verb in MAX_TEXT:
            return _read_text(verb, values.get(wire.TEXT_INPUT, ""))
        case _:
            raise ValueError("no form for this verb")


def _read_snooze(values: dict[str, str], calendar: Calendar, now: datetime) -> FormInput:
    choice = values.get(DAY) or values.get(UNTIL, "")
    is_valid = snooze_until(choice, now, calendar) is not None
    name = DAY if values.get(DAY) else UNTIL
    return FormInput({} if is_valid else {name: ("bad_until", {})}, terms=ActionInput(choice))


def _read_plan(values: dict[str, str], metadata: wire.FormMetadata, now: datetime) -> FormInput:
    wish = PlanInput(*(values.get(name, "")[:MAX_SHORT] for name in (MONTHS, STARTS_ON, FIRST_PAYMENT)))
    today = Calendar(metadata.timezone).local_date(now)
    faults = plan.find_faults(wish, metadata.owed, _parse_plan(metadata.plan), today)
    return FormInput({fault.field: (fault.code, dict(fault.values)) for fault in faults}, terms=ActionInput(plan=wish))


def _parse_plan(wish: PlanInput | None) -> Plan | None:
    try:
        return plan.parse_plan(wish) if wish else None
    except ValueError:
        return None


def _read_text(verb: str, value: str) -> FormInput:
    text = escaping.strip_unstorable(value)
    if not one_line(value):
        return FormInput({wire.TEXT_INPUT: ("needs_words", {})})
    if utf16_units(text) > MAX_TEXT[verb]:
        return FormInput({wire.TEXT_INPUT: ("too_long", {"most": str(MAX_TEXT[verb])})})
    return FormInput({}, text=text) if REQUIRED_TEXTS[verb] == "text" else FormInput({}, note=text)


def _text_field(verb: str, notice: Notice, gettext: Gettext) -> kit.Block:
    is_declined = verb == "reject" and notice.item.kind in ACCEPTED_KINDS
    label, hint = _TEXT_INPUTS["decline" if is_declined else verb]
    element = kit.PlainTextInputElement(
        action_id=wire.TEXT_INPUT, multiline=True, min_length=1, max_length=MAX_TEXT[verb], focus_on_load=True
    )
    return _input(wire.TEXT_INPUT, gettext(label), element, gettext(hint, source=source_name(notice.item)))


def _snooze_fields(notice: Notice, gettext: Gettext) -> list[kit.Block]:
    formats, calendar = formats_for(notice), notice.route.calendar
    options = []
    for choice in CHOICES:
        until = snooze_until(choice, notice.now, calendar)
        label = gettext(_UNTIL[choice], moment=formats.moment(until) if until else "")
        options.append(kit.Option(value=choice, text=block_kit.plain(label, 75)))
    radio = kit.RadioButtonsElement(action_id=UNTIL, options=options, initial_option=options[0])
    hint = gettext("No reminders until then; the message stays where it is.")
    day = kit.InputBlock(
        block_id=DAY,
        label=block_kit.plain(gettext("Or until a day"), 200),
        element=kit.DatePickerElement(action_id=DAY, placeholder=block_kit.plain(gettext("Choose a day"), 75)),
        optional=True,
    )
    return [_input(UNTIL, gettext("For how long?"), radio, hint), day]


def _plan_fields(notice: Notice, gettext: Gettext) -> list[kit.Block]:
    snapshot, formats = notice.item.snapshot, formats_for(notice)
    present = plan.as_input(plan.current_plan(snapshot))
    owed = gettext("Owed in all: {amount}", amount=formats.money(snapshot.amount)) if snapshot.amount else None
    start = kit.DatePickerElement(action_id=STARTS_ON, initial_date=present.starts_on or None)
    return [
        _input(MONTHS, gettext("Months of the plan"), _short_text(MONTHS, present.months)),
        _input(STARTS_ON, gettext("Start of the plan"), start),
        _input(FIRST_PAYMENT, gettext("First payment"), _short_text(FIRST_PAYMENT, present.first_payment), owed),
    ]


def _short_text(name: str, value: str) -> kit.PlainTextInputElement:
    return kit.PlainTextInputElement(action_id=name, initial_value=value or None, max_length=MAX_SHORT)


def _input(
    name: str,
    label: str,
    element: kit.PlainTextInputElement | kit.RadioButtonsElement | kit.DatePickerElement | kit.UserSelectElement,
    hint: str | None = None,
) -> kit.Block:
    hint_text = block_kit.plain(hint, 300) if hint else None
    return kit.InputBlock(block_id=name, label=block_kit.plain(label, 200), hint=hint_text, element=element)
