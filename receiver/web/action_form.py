"""The form with which a person decides on a page: its fields, its checks, and the nonce that protects it.

The nonce is signed and bound to a browser. Mail scanners open links, send HEAD, and submit forms
(docs/vendors/mail.md#links-that-decide); none of them sends a nonce of its own browser, a chosen verb, and waits the
time that a person needs to read.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs

from receiver.domain import plan
from receiver.domain.action import MAX_NOTE, MAX_REPLY, REQUIRED_TEXTS, ActionInput, PlanInput, utf16_units
from receiver.domain.business_time import Calendar
from receiver.domain.item import Snapshot
from receiver.domain.people import Person
from receiver.domain.refusal import N_, SENTENCES
from receiver.domain.snooze import snooze_until
from receiver.domain.token import Tokens
from receiver.errors import RefusedError

BYTES_PER_UNIT: Final = 9  # %E6%97%A5: one UTF-16 unit, URL-encoded
MAX_FORM_BYTES: Final = (MAX_NOTE + MAX_REPLY) * BYTES_PER_UNIT + 4 * 1024
FORM_TIMEOUT_S: Final = 10.0
PAGE_LIFETIME_S: Final = 3600
MIN_READING_S: Final = 2.0
MAX_FIELDS: Final = 20
MAX_SHORT_FIELD: Final = 200  # characters of every field but note and text
MAX_LENGTHS: Final = {"note": MAX_NOTE, "text": MAX_REPLY}
LINK_VERBS: Final = (  # in the order of the page
    *("confirm", "withdraw", "validate", "reject", "reply", "update_plan", "undo", "reopen"),
    *("claim", "assign", "snooze", "wake"),
)

STATUS_OF_ERROR: Final = {"other_page": 403, "page_too_old": 403, "page_too_young": 403}  # all others: 422
MESSAGES: Final = {
    "other_page": N_(
        "This page was opened again somewhere else, or this browser keeps no cookies. Please choose again."
    ),
    "page_too_old": N_("This page was open for more than an hour. Please look again, then choose."),
    "page_too_young": N_("That was quicker than anybody reads. Please look, then choose again."),
    "no_choice": N_("Please choose what should happen."),
}
_SHORT_FIELDS: Final = ("until", "day", "to", "months", "starts_on", "first_payment")
_VERBS_WITH_TEXT: Final = frozenset({"validate", "reject", "reopen", "reply", "note"})
_ADDRESS = re.compile(r"[^\s@]{1,64}@[^\s@]{1,250}")
_BROWSER_ID = re.compile(r"[\w-]{32}", re.ASCII)
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class InvalidFormError(RefusedError):
    """A field is missing or invalid. ``values`` fill the placeholders of the message."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(code, SENTENCES[code])
        self.values = values


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a POST. A field that was sent twice counts as missing."""

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
    asks_for_new_link: bool = False

    @classmethod
    def parse(cls, body: bytes) -> "Form":
        """Parse a URL-encoded body. An invalid body is an empty form."""
        try:
            fields = parse_qs(body.decode("ascii", "replace"), errors="replace", max_num_fields=MAX_FIELDS)
        except ValueError:
            return cls()
        single = {name: values[0] for name, values in fields.items() if len(values) == 1}
        return cls(
            nonce=single.get("nonce", ""),
            verb=single.get("verb", ""),
            note=_clean_text(single.get("note", "")),
            text=_clean_text(single.get("text", "")),
            asks_for_new_link="fresh" in single,
            **{name: _clean_text(single.get(name, ""))[:MAX_SHORT_FIELD] for name in _SHORT_FIELDS},
        )

    def chosen_verb(self, offered_verbs: tuple[str, ...]) -> str:
        """The verb that was chosen. Raises RefusedError: no_choice, not_offered."""
        if not self.verb:
            raise RefusedError("no_choice", MESSAGES["no_choice"])
        if self.verb not in offered_verbs:
            raise RefusedError("not_offered", SENTENCES["not_offered"])
        return self.verb

    def note_and_text(self) -> tuple[str | None, str | None]:
        """Note and text, as far as the chosen verb takes them. Raises InvalidFormError: needs_words, too_long."""
        if self.verb not in _VERBS_WITH_TEXT:
            return None, None
        name = "text" if self.verb == "reply" else "note"
        content = self.text if name == "text" else self.note
        if not content and REQUIRED_TEXTS.get(self.verb) == name:
            raise InvalidFormError("needs_words")
        if utf16_units(content) > MAX_LENGTHS[name]:
            raise InvalidFormError("too_long", most=str(MAX_LENGTHS[name]))
        return (None, content) if name == "text" else (content or None, None)

    def action_input(self, snapshot: Snapshot, calendar: Calendar, now: datetime) -> ActionInput:
        """The other fields of the chosen verb. Raises InvalidFormError with the first invalid field."""
        match self.verb:
            case "snooze":
                wish = self.day or self.until
                if snooze_until(wish, now, calendar) is None:
                    raise InvalidFormError("bad_until")
                return ActionInput(until=wish)
            case "assign":
                if not _ADDRESS.fullmatch(self.to):
                    raise InvalidFormError("nobody")
                return ActionInput(to=Person(email=self.to.lower()))
            case "update_plan":
                plan_wish = PlanInput(self.months, self.starts_on, self.first_payment)
                current = plan.current_plan(snapshot)
                faults = plan.find_faults(plan_wish, snapshot.amount, current, calendar.local_date(now))
                if faults:
                    raise InvalidFormError(faults[0].code, **dict(faults[0].values))
                return ActionInput(plan=plan_wish)
            case _:
                return ActionInput()


@dataclass(frozen=True, slots=True)
class PageNonce:
    """The version of the item on the page. ``click_id`` is the same however often the form is sent."""

    version: int
    click_id: str


def browser_id_of(cookie: str) -> str:
    """The browser's id: its cookie if that is valid, else a new one."""
    return cookie if _BROWSER_ID.fullmatch(cookie) else secrets.token_urlsafe(24)


def make_nonce(tokens: Tokens, token_id: str, version: int, now: datetime, browser_id: str) -> str:
    payload: list[str | int] = [token_id, version, _unix_ms(now), secrets.token_hex(8), _digest(browser_id)]
    return tokens.make("nonce.v1", payload)


def open_nonce(tokens: Tokens, token_id: str, nonce: str, browser_id: str, now: datetime) -> PageNonce:
    """Check the nonce of a form. Raises RefusedError: other_page, page_too_old, page_too_young."""
    try:
        payload = tokens.open("nonce.v1", nonce, PAGE_LIFETIME_S)
    except RefusedError as error:
        code = "page_too_old" if error.code == "expired_link" else "other_page"
        raise RefusedError(code, MESSAGES[code]) from None
    match payload:
        case [str(id_), int(version), int(rendered_ms), str(click_id), str(digest)] if id_ == token_id:
            if not hmac.compare_digest(digest, _digest(browser_id)):
                raise RefusedError("other_page", MESSAGES["other_page"])
            if _unix_ms(now) - rendered_ms < MIN_READING_S * 1000:
                raise RefusedError("page_too_young", MESSAGES["page_too_young"])
            return PageNonce(version, click_id)
        case _:
            raise RefusedError("other_page", MESSAGES["other_page"])


def _digest(browser_id: str) -> str:
    return hashlib.sha256(browser_id.encode("utf-8", "replace")).hexdigest()


def _unix_ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _clean_text(text: str) -> str:
    """Normalise line ends, and remove control characters and surrogates, which the database cannot store."""
    return _CONTROL_CHARACTERS.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
