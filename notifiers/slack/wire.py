"""Parses the payloads of Slack's interactions, slash commands and events. Pure; signatures are checked elsewhere.

No field is trusted: any may be missing or have another type. Values that do not match are None or raise ValueError.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from urllib.parse import parse_qs

from receiver.domain.action import VERBS, PlanInput
from receiver.domain.money import Money

Json = dict[str, Any]

OPEN = "open"  # action_id of link buttons, whose clicks Slack reports too (docs/vendors/slack.md#buttons)
MORE = "more"  # action_id of the overflow menu
TEXT_INPUT = "words"  # callback_id of every form; block_id and action_id of the text in a note or a reply

MAX_VALUE = 150  # of an overflow option (docs/vendors/slack.md#limits-of-messages-and-forms)
MAX_REFILL_DIGITS = 5
MAX_CHECK = 4_096  # bytes of an ssl_check or url_verification request
_VALUE = re.compile(r"([\w-]{1,100})\.(\d{1,9})\.([a-z_]{1,24})", re.ASCII)
_CHANNEL = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_TS = re.compile(r"\d{1,12}\.\d{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ItemAction:
    """A verb on one version of an item. ``channel`` and ``ts``: the message whose button was clicked, if known."""

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
    """What a form needs for its own checks: language and time zone of the route, and the figures of a plan."""

    locale: str = "en"
    timezone: str = "UTC"
    owed: Money | None = None
    plan: PlanInput | None = None


def interaction_payload(body: bytes) -> Json:
    """The payload of an interaction. Raises ValueError for any other body."""
    fields = parse_qs(body.decode("utf-8"), max_num_fields=20, strict_parsing=True)
    (payload,) = fields.get("payload", [""])
    parsed = parse_object(payload)
    if not parsed:
        raise ValueError("no payload object")
    return parsed


def is_ssl_check(body: bytes) -> bool:
    """Whether this is Slack's periodic certificate check, which carries no payload."""
    fields = body[:MAX_CHECK].split(b"&")
    return b"ssl_check=1" in fields and not any(field.startswith(b"payload=") for field in fields)


def challenge_of(body: bytes) -> str | None:
    """The challenge of a ``url_verification`` request; None for any other body."""
    if not body.startswith(b"{") or len(body) > MAX_CHECK:
        return None
    try:
        event = parse_object(body)
    except ValueError:
        return None
    return string_at(event, "challenge") if event.get("type") == "url_verification" else None


def form_fields(body: bytes) -> dict[str, str]:
    """The fields of a URL-encoded body, the first value of each. Raises ValueError for any other body."""
    fields = parse_qs(body.decode("utf-8"), max_num_fields=40, keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def parse_object(body: bytes | str) -> Json:
    """A JSON object; empty for other JSON. Raises ValueError if it cannot be parsed."""
    try:
        return object_at(json.loads(body))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def object_at(value: object, *path: str) -> Json:
    """The object at the end of a path of keys; empty if it is missing or no object."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return cast(Json, value) if isinstance(value, dict) else {}


def string_at(source: Json, key: str) -> str | None:
    """The non-empty string at a key, else None."""
    value = source.get(key)
    return value if isinstance(value, str) and value else None


def find_element(payload: Json) -> Json:
    """The element that was clicked, from a ``block_actions`` payload; empty if there is none."""
    actions = payload.get("actions")
    return object_at(actions[0]) if isinstance(actions, list) and actions else {}


def is_link(element: Json) -> bool:
    """Whether the click only opened a URL."""
    action_id = string_at(element, "action_id") or ""
    return action_id.startswith((OPEN, "media"))


def is_ephemeral(payload: Json) -> bool:
    """Whether the clicked message is ephemeral: only one user sees it."""
    return object_at(payload, "container").get("is_ephemeral") is True


def parse_click(payload: Json) -> ItemAction:
    """The action of a ``block_actions`` payload. Raises ValueError if it is not one of Casebell's buttons."""
    element = find_element(payload)
    action_id = (string_at(element, "action_id") or "").partition(".")[0]  # the rows of a list add ".number"
    option = object_at(element, "selected_option") if action_id == MORE else element
    action = _parse_value(string_at(option, "value"), *_message_of(payload))
    if action_id not in {MORE, action.verb}:
        raise ValueError("action_id and value name different verbs")
    return action


def pack_metadata(action: ItemAction, metadata: FormMetadata) -> str:
    """The ``private_metadata`` of a form."""
    owed, plan = metadata.owed, metadata.plan
    packed: Json = {"i": action.item_id, "v": action.version, "verb": action.verb, "c": action.channel, "t": action.ts}
    packed |= {"l": metadata.locale, "z": metadata.timezone}
    packed |= {"owed": [str(owed.amount), owed.currency]} if owed else {}
    packed |= {"plan": [plan.months, plan.starts_on, plan.first_payment]} if plan else {}
    return json.dumps(packed, separators=(",", ":"))


def form_action(view: Json) -> ItemAction:
    """The action of a submitted form. Raises ValueError if it is not one of Casebell's forms."""
    packed = parse_object(string_at(view, "private_metadata") or "")
    message = _match_or_none(packed.get("c"), _CHANNEL), _match_or_none(packed.get("t"), _TS)
    return _parse_value(f"{string_at(packed, 'i') or ''}.{packed.get('v')}.{packed.get('verb')}", *message)


def form_metadata(view: Json) -> FormMetadata:
    """The metadata of a submitted form. Raises ValueError if it is not one of Casebell's forms."""
    packed = parse_object(string_at(view, "private_metadata") or "")
    owed, plan = None, None
    match packed.get("owed"):
        case [str(amount), str() | None as currency]:
            owed = Money(_decimal(amount), currency)
    match packed.get("plan"):
        case [str(months), str(starts_on), str(first)]:
            plan = PlanInput(months, starts_on, first)
    return FormMetadata(string_at(packed, "l") or "en", string_at(packed, "z") or "UTC", owed, plan)


def block_id_of(view: Json, name: str) -> str:
    """The block_id of an input: ``name``, or "name.number" after a template replaced the input's text."""
    block_ids = (str(block_id) for block_id in object_at(view, "state", "values"))
    return next((block_id for block_id in block_ids if block_id.partition(".")[0] == name), name)


def refill_count(view: Json) -> int:
    """How often a template has replaced the text of a form."""
    count = block_id_of(view, TEXT_INPUT).partition(".")[2]
    return int(count) if count.isascii() and count.isdecimal() and len(count) < MAX_REFILL_DIGITS else 0


def input_values(view: Json) -> dict[str, str]:
    """What was typed or chosen, by input name; empty inputs are missing."""
    values: dict[str, str] = {}
    for block_id, block in object_at(view, "state", "values").items():
        element = object_at(next(iter(object_at(block).values()), None))
        typed = [string_at(element, key) for key in ("value", "selected_date", "selected_user")]
        chosen = string_at(object_at(element, "selected_option"), "value")
        if value := next(filter(None, (*typed, chosen)), None):
            values[str(block_id).partition(".")[0]] = value
    return values


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError("no amount") from error


def _parse_value(value: str | None, channel: str | None, ts: str | None) -> ItemAction:
    match = _VALUE.fullmatch(value or "")
    if match is None or match[3] not in VERBS:
        raise ValueError("not the value of a Casebell button")
    return ItemAction(match[1], int(match[2]), match[3], channel, ts)


def _message_of(payload: Json) -> tuple[str | None, str | None]:
    """Channel and ts of the clicked message; replies to a click in the Home tab go to the user's own channel."""
    container = object_at(payload, "container")
    if container.get("type") == "view":
        return _match_or_none(object_at(payload, "user").get("id"), _CHANNEL), None
    if is_ephemeral(payload):  # an ephemeral message cannot be updated by its ts
        container = {"channel_id": container.get("channel_id")}
        payload = {"channel": payload.get("channel")}
    channel = container.get("channel_id") or object_at(payload, "channel").get("id")
    ts = container.get("message_ts") or object_at(payload, "message").get("ts")
    return _match_or_none(channel, _CHANNEL), _match_or_none(ts, _TS)


def _match_or_none(value: object, pattern: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
