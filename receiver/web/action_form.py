"""Step 8 by mail: the form of the page behind a link, and the proof that a person looked before pressing.

A page carries a signed nonce that belongs to a cookie, one for all tabs of a browser. Scanners open links, send HEAD,
and submit forms they find (contract B2); none of that brings both, a choice, and the time it takes to read.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs

from receiver.domain import plan
from receiver.domain.action import MAX_NOTE, MAX_REPLY, NEEDS_WORDS, ActionInput, PlanWish, utf16_units
from receiver.domain.business_time import Calendar
from receiver.domain.item import Snapshot
from receiver.domain.people import Person
from receiver.domain.refusal import N_, SENTENCES
from receiver.domain.snooze import snooze_until
from receiver.domain.token import Tokens
from receiver.errors import RefusedError

BYTES_A_UNIT: Final = 9  # %E6%97%A5: what a browser makes of a character that counts one
MOST_BYTES: Final = (MAX_NOTE + MAX_REPLY) * BYTES_A_UNIT + 4 * 1024
SLOWEST_S: Final = 10.0
PAGE_LIVES_S: Final = 3600
TOO_QUICK_S: Final = 2.0
MOST_FIELDS: Final = 20
OFFERED: Final = (  # in the order of the page
    *("confirm", "withdraw", "validate", "reject", "reply", "update_plan", "undo", "reopen"),
    *("claim", "assign", "snooze", "wake"),
)

STATUS: Final = {"other_page": 403, "page_too_old": 403, "page_too_young": 403}  # the others: 422
WHY: Final = {
    "other_page": N_(
        "This page was opened again somewhere else, or this browser keeps no cookies. Please choose again."
    ),
    "page_too_old": N_("This page was open for more than an hour. Please look again, then choose."),
    "page_too_young": N_("That was quicker than anybody reads. Please look, then choose again."),
    "no_choice": N_("Please choose what should happen."),
}
MOST_OF_A_FIELD: Final = 200
_FIELDS: Final = ("until", "day", "to", "months", "starts_on", "first_payment")
_WITH_WORDS: Final = frozenset({"validate", "reject", "reopen", "reply", "note"})
_ADDRESS = re.compile(r"[^\s@]{1,64}@[^\s@]{1,250}")
_BROWSER = re.compile(r"[\w-]{32}", re.ASCII)
_NOT_STORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class FaultyFormError(RefusedError):
    """What was filled in will not do; ``values`` fill the message."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(code, SENTENCES[code])
        self.values = values


@dataclass(frozen=True, slots=True)
class Form:
    """What came with a POST; a field that came twice counts as missing."""

    nonce: str = ""
    verb: str = ""
    note: str = ""
    text: str = ""
    until: str = ""
    day: str = ""
    to: str = ""
    months: str = ""
    starts_on: str = ""
    first_payment: str = ""
    is_for_fresh_link: bool = False

    @classmethod
    def read(cls, body: bytes) -> "Form":
        """The fields of a URL-encoded body; rubbish is an empty form."""
        try:
            fields = parse_qs(body.decode("ascii", "replace"), errors="replace", max_num_fields=MOST_FIELDS)
        except ValueError:
            return cls()
        one = {name: values[0] for name, values in fields.items() if len(values) == 1}
        return cls(
            nonce=one.get("nonce", ""),
            verb=one.get("verb", ""),
            note=_storable(one.get("note", "")),
            text=_storable(one.get("text", "")),
            is_for_fresh_link="fresh" in one,
            **{name: _storable(one.get(name, ""))[:MOST_OF_A_FIELD] for name in _FIELDS},
        )

    def words(self) -> tuple[str | None, str | None]:
        """Note and text as the chosen verb takes them. Raises FaultyFormError: needs_words, too_long."""
        name, most = ("text", MAX_REPLY) if self.verb == "reply" else ("note", MAX_NOTE)
        if self.verb not in _WITH_WORDS:
            return None, None
        said = self.text if name == "text" else self.note
        if not said and NEEDS_WORDS.get(self.verb) == name:
            raise FaultyFormError("needs_words")
        if utf16_units(said) > most:
            raise FaultyFormError("too_long", most=str(most))
        return (None, said) if name == "text" else (said or None, None)

    def terms(self, said: Snapshot, calendar: Calendar, now: datetime) -> ActionInput:
        """What else the chosen verb takes. Raises FaultyFormError with the first thing that is wrong."""
        match self.verb:
            case "snooze":
                wish = self.day or self.until
                if snooze_until(wish, now, calendar) is None:
                    raise FaultyFormError("bad_until")
                return ActionInput(until=wish)
            case "assign":
                if not _ADDRESS.fullmatch(self.to):
                    raise FaultyFormError("nobody")
                return ActionInput(to=Person(email=self.to.lower()))
            case "update_plan":
                wanted = PlanWish(self.months, self.starts_on, self.first_payment)
                found = plan.faults(wanted, said.amount, plan.current(said), calendar.today(now))
                if found:
                    raise FaultyFormError(found[0].code, **dict(found[0].values))
                return ActionInput(plan=wanted)
            case _:
                return ActionInput()

    def choice(self, offered: tuple[str, ...]) -> str:
        """The verb that was chosen. Raises RefusedError: no_choice, not_offered."""
        if not self.verb:
            raise RefusedError("no_choice", WHY["no_choice"])
        if self.verb not in offered:
            raise RefusedError("not_offered", SENTENCES["not_offered"])
        return self.verb


@dataclass(frozen=True, slots=True)
class Shown:
    """The page a person looked at. ``press_id`` is the press's identity, however often the form is sent."""

    version: int
    press_id: str


def browser_of(cookie: str) -> str:
    """What tells this browser from others: its cookie, or a fresh one."""
    return cookie if _BROWSER.fullmatch(cookie) else secrets.token_urlsafe(24)


def make_nonce(tokens: Tokens, token_id: str, version: int, now: datetime, browser: str) -> str:
    return tokens.make("nonce.v1", [token_id, version, _ms(now), secrets.token_hex(8), _mark(browser)])


def open_nonce(tokens: Tokens, token_id: str, nonce: str, cookie: str, now: datetime) -> Shown:
    """The page this press comes from. Raises RefusedError: other_page, page_too_old, page_too_young."""
    try:
        payload = tokens.open("nonce.v1", nonce, PAGE_LIVES_S)
    except RefusedError as error:
        code = "page_too_old" if error.code == "expired_link" else "other_page"
        raise RefusedError(code, WHY[code]) from None
    match payload:
        case [str(id_), int(version), int(shown_ms), str(press_id), str(mark)] if id_ == token_id:
            if not hmac.compare_digest(mark, _mark(cookie)):
                raise RefusedError("other_page", WHY["other_page"])
            if _ms(now) - shown_ms < TOO_QUICK_S * 1000:
                raise RefusedError("page_too_young", WHY["page_too_young"])
            return Shown(version, press_id)
        case _:
            raise RefusedError("other_page", WHY["other_page"])


def limits() -> Mapping[str, int]:
    """How much may be written, for the page."""
    return {"note": MAX_NOTE, "text": MAX_REPLY}


def _mark(browser: str) -> str:
    return hashlib.sha256(browser.encode("utf-8", "replace")).hexdigest()


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _storable(text: str) -> str:
    return _NOT_STORABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
