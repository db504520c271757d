"""Translates the values that sources use, such as "self_employed"; an unknown value is humanized. Pure."""

import re

from notifiers.i18n.formats import Formats
from notifiers.text import humanize
from receiver.domain.refusal import N_
from receiver.domain.words import fold

MAX_VALUE = 300


VALUES = {
    "urgent": N_("Urgent"),
    "review": N_("To review"),
    "portal": N_("Debtor portal"),
    "ai_detection": N_("AI, on a call"),
    "employed": N_("Employed"),
    "self_employed": N_("Self-employed"),
    "unemployed": N_("Unemployed"),
    "retired": N_("Retired"),
    "student": N_("Student"),
    "pending": N_("Pending"),
    "in_progress": N_("In progress"),
    "active": N_("Active"),
    "on_hold": N_("On hold"),
    "settled": N_("Settled"),
    "wants_callback": N_("Wants to be called back"),
    # stages of a Debitura case, by their label: docs/vendors/debitura.md#cases
    "pending contract signing": N_("Pending contract signing"),
    "pending verification": N_("Pending verification"),
    "pending verification internal": N_("Pending verification at Debitura"),
    "more info required": N_("More information required"),
    "collecting quotes": N_("Collecting quotes"),
    "pending quote by partner": N_("Collecting quotes"),
    "pending quote selection": N_("Pending your choice of a quote"),
    "quote given by partner": N_("Pending your choice of a quote"),
    "paused": N_("Paused"),
    "closed": N_("Closed"),
    "merged": N_("Merged with another case"),
}
_MONTHS = re.compile(r"([0-9]{1,3})[_ ]?months?")


def value_of(formats: Formats, value: str | None) -> str:
    """A source's value in words, translated when it is known."""
    code = fold(value)
    if months := _MONTHS.fullmatch(code):
        return formats.ngettext("{n} month", "{n} months", int(months[1]))
    known = VALUES.get(code)
    return formats.gettext(known) if known else humanize((value or "")[: MAX_VALUE * 2])
