"""What Slack sends when somebody presses a button or submits a form (step 8), in its own words. Pure; trusts nothing.

Any field may be missing or of another type (contract C7); what is not understood is None. Verified elsewhere.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from urllib.parse import parse_qs

from receiver.domain.action import VERBS, PlanWish
from receiver.domain.money import Money

Json = dict[str, Any]

OPEN = "open"  # action id of the link button; Slack reports a press of it too (contract A9)
MORE = "more"  # action id of the overflow menu
WORDS = "words"  # callback, block and action id of the form that takes a note or a reply

MAX_VALUE = 150  # of an overflow option; a button would take 2,000 (contract A1)
MAX_TURN = 5  # digits
MAX_CHECK = 4_096  # bytes of what is no interaction
_VALUE = re.compile(r"([\w-]{1,100})\.(\d{1,9})\.([a-z_]{1,24})", re.ASCII)
_CHANNEL = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_TS = re.compile(r"\d{1,12}\.\d{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Press:
    """A verb on an item at a version; ``channel`` and ``ts`` are the message it was pressed on, where Slack says."""

    item_id: str
    version: int
    verb: str
    channel: str | None = None
    ts: str | None = None

    @property
    def value(self) -> str:
        return f"{self.item_id}.{self.version}.{self.verb}"


@dataclass(frozen=True, slots=True)
class FormMetadata:
    """What a form remembers beside the press: the route's language and zone, and the figures a plan is checked by."""

    locale: str = "en"
    timezone: str = "UTC"
    owed: Money | None = None
    plan: PlanWish | None = None


def payload_of(body: bytes) -> Json:
    """The interaction in a form body. Raises ValueError for anything else."""
    try:
        fields = parse_qs(body.decode("utf-8"), max_num_fields=20, strict_parsing=True)
        (payload,) = fields.get("payload", [""])
        parsed = part({"payload": json.loads(payload)}, "payload")
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not parsed:
        raise ValueError("no payload object")
    return parsed


def is_ssl_check(body: bytes) -> bool:
    """Slack's periodic question whether the certificate is good; it carries no payload."""
    words = body[:MAX_CHECK].split(b"&")
    return b"ssl_check=1" in words and not any(word.startswith(b"payload=") for word in words)


def challenge_of(body: bytes) -> str | None:
    """The word that Slack wants back when an address is entered on the app's page; None for anything else."""
    if not body.startswith(b"{") or len(body) > MAX_CHECK:
        return None
    try:
        told = part({"told": json.loads(body)}, "told")
    except (ValueError, RecursionError):
        return None
    return text(told, "challenge") if told.get("type") == "url_verification" else None


def form_of(body: bytes) -> dict[str, str]:
    """The fields of a form, the first of each name. Raises ValueError for anything else."""
    fields = parse_qs(body.decode("utf-8"), max_num_fields=40, keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def event_of(body: bytes) -> Json:
    """The envelope of an event. Raises ValueError for anything else."""
    try:
        return part({"event": json.loads(body)}, "event")
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def part(value: object, *names: str) -> Json:
    """The object at the end of a path of names; empty when it is not there."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return cast(Json, value) if isinstance(value, dict) else {}


def text(holder: Json, name: str) -> str | None:
    """A non-empty string of an object, else None."""
    value = holder.get(name)
    return value if isinstance(value, str) and value else None


def action_of(payload: Json) -> Json:
    """The one action of a block_actions payload."""
    actions = payload.get("actions")
    return part({"first": actions[0]}, "first") if isinstance(actions, list) and actions else {}


def is_link(action: Json) -> bool:
    """Whether the browser has done all there is to do."""
    name = text(action, "action_id") or ""
    return name.startswith((OPEN, "media"))


def is_whispered(payload: Json) -> bool:
    """Whether only the person who pressed sees what was pressed."""
    return part(payload, "container").get("is_ephemeral") is True


def press_of(payload: Json) -> Press:
    """The press in a block_actions payload. Raises ValueError when it is none of ours."""
    action = action_of(payload)
    name = (text(action, "action_id") or "").partition(".")[0]  # in a list each row has its number behind the dot
    value = text(part(action, "selected_option") if name == MORE else action, "value")
    press = _press(value, *_place(payload))
    if name not in {MORE, press.verb}:
        raise ValueError("the button and its value disagree")
    return press


def pack(press: Press, held: FormMetadata) -> str:
    """A form's private_metadata: what it is about, and what is needed to tell what is wrong with it."""
    owed, plan = held.owed, held.plan
    told: Json = {"i": press.item_id, "v": press.version, "verb": press.verb, "c": press.channel, "t": press.ts}
    told |= {"l": held.locale, "z": held.timezone}
    told |= {"owed": [str(owed.amount), owed.currency]} if owed else {}
    told |= {"plan": [plan.months, plan.starts_on, plan.first_payment]} if plan else {}
    return json.dumps(told, separators=(",", ":"))


def unpack(view: Json) -> Press:
    """The press a submitted form holds. Raises ValueError when it is none of ours."""
    told = _metadata(view)
    place = _checked(told.get("c"), _CHANNEL), _checked(told.get("t"), _TS)
    return _press(f"{text(told, 'i') or ''}.{told.get('v')}.{told.get('verb')}", *place)


def held(view: Json) -> FormMetadata:
    """What a submitted form remembers. Raises ValueError when it is none of ours."""
    told = _metadata(view)
    owed, plan = None, None
    match told.get("owed"):
        case [str(amount), str() | None as currency]:
            owed = Money(_decimal(amount), currency)
    match told.get("plan"):
        case [str(months), str(starts_on), str(first)]:
            plan = PlanWish(months, starts_on, first)
    return FormMetadata(text(told, "l") or "en", text(told, "z") or "UTC", owed, plan)


def _decimal(written: str) -> Decimal:
    try:
        return Decimal(written)
    except InvalidOperation as error:
        raise ValueError("no amount") from error


def block_of(view: Json, name: str) -> str:
    """The id of the block with this name: Slack keeps what was typed in a block, so a refilled one gets a new id."""
    return next((str(one) for one in part(view, "state", "values") if str(one).partition(".")[0] == name), name)


def turn_of(view: Json) -> int:
    """How often the text of a form was filled in."""
    turn = block_of(view, WORDS).partition(".")[2]
    return int(turn) if turn.isascii() and turn.isdecimal() and len(turn) < MAX_TURN else 0


def filled(view: Json) -> dict[str, str]:
    """What was typed or chosen, by the name of its block; only what is there."""
    found: dict[str, str] = {}
    for name, given in part(view, "state", "values").items():
        element = part({"one": given}, "one")
        inner = next(iter(element.values()), None)
        one = part({"one": inner}, "one")
        value = text(one, "value") or text(one, "selected_date") or text(one, "selected_user")
        value = value or text(part(one, "selected_option"), "value")
        if value:
            found[str(name).partition(".")[0]] = value
    return found


def _metadata(view: Json) -> Json:
    try:
        return part({"held": json.loads(text(view, "private_metadata") or "")}, "held")
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _press(value: str | None, channel: str | None, ts: str | None) -> Press:
    match = _VALUE.fullmatch(value or "")
    if match is None or match[3] not in VERBS:
        raise ValueError("not the value of a button of ours")
    return Press(match[1], int(match[2]), match[3], channel, ts)


def _place(payload: Json) -> tuple[str | None, str | None]:
    container = part(payload, "container")
    if container.get("type") == "view":  # their own page: what is to be said goes to themselves
        return _checked(part(payload, "user").get("id"), _CHANNEL), None
    if is_whispered(payload):  # no message that could be redrawn
        container = {"channel_id": container.get("channel_id")}
        payload = {"channel": payload.get("channel")}
    channel = container.get("channel_id") or part(payload, "channel").get("id")
    ts = container.get("message_ts") or part(payload, "message").get("ts")
    return _checked(channel, _CHANNEL), _checked(ts, _TS)


def _checked(value: object, shape: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and shape.fullmatch(value) else None
