"""Words a source uses as values, as far as they are known (step 6); others are prettified. Pure."""

import re

from notifiers.i18n.formats import Formats
from notifiers.text import pretty
from receiver.domain.words import fold

MAX_VALUE = 300


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translate this later"
    return message


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
    # stages of a Debitura case, by the label it returns (debitura.md, Lifecycle)
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


def value_of(voice: Formats, word: str | None) -> str:
    """A source's own word as people write it, translated when it is one of those known."""
    code = fold(word)
    if months := _MONTHS.fullmatch(code):
        return voice.numbered("{n} month", "{n} months", int(months[1]))
    known = VALUES.get(code)
    return voice.words(known) if known else pretty((word or "")[: MAX_VALUE * 2])
