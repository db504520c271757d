"""What Slack sends when somebody presses a button or submits a form (step 8), in its own words. Pure; trusts nothing.

Any field may be missing or of another type (contract C7); what is not understood is None. Verified elsewhere.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qs

from receiver.domain.action import VERBS

Json = dict[str, Any]

OPEN = "open"  # action id of the link button; Slack reports a press of it too (contract A9)
MORE = "more"  # action id of the overflow menu
WORDS = "words"  # callback, block and action id of the form that takes a note or a reply

MAX_VALUE = 150  # of an overflow option; a button would take 2,000 (contract A1)
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
    return body.startswith(b"ssl_check=1") and b"payload=" not in body


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


def press_of(payload: Json) -> Press:
    """The press in a block_actions payload. Raises ValueError when it is none of ours."""
    action = action_of(payload)
    name = text(action, "action_id")
    value = text(part(action, "selected_option") if name == MORE else action, "value")
    press = _press(value, *_place(payload))
    if name not in {MORE, press.verb}:
        raise ValueError("the button and its value disagree")
    return press


def pack(press: Press, locale: str) -> str:
    """A form's private_metadata: what it is about, and its language for telling what is wrong with the words."""
    held = {"i": press.item_id, "v": press.version, "verb": press.verb, "c": press.channel, "t": press.ts, "l": locale}
    return json.dumps(held, separators=(",", ":"))


def unpack(view: Json) -> tuple[Press, str]:
    """The press and the language a submitted form holds. Raises ValueError when it is none of ours."""
    try:
        held = part({"held": json.loads(text(view, "private_metadata") or "")}, "held")
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    place = _checked(held.get("c"), _CHANNEL), _checked(held.get("t"), _TS)
    return _press(f"{text(held, 'i') or ''}.{held.get('v')}.{held.get('verb')}", *place), text(held, "l") or "en"


def typed(view: Json) -> str:
    """What was typed into the form; empty when nothing was."""
    return text(part(view, "state", "values", WORDS, WORDS), "value") or ""


def _press(value: str | None, channel: str | None, ts: str | None) -> Press:
    match = _VALUE.fullmatch(value or "")
    if match is None or match[3] not in VERBS:
        raise ValueError("not the value of a button of ours")
    return Press(match[1], int(match[2]), match[3], channel, ts)


def _place(payload: Json) -> tuple[str | None, str | None]:
    container = part(payload, "container")
    channel = container.get("channel_id") or part(payload, "channel").get("id")
    ts = container.get("message_ts") or part(payload, "message").get("ts")
    return _checked(channel, _CHANNEL), _checked(ts, _TS)


def _checked(value: object, shape: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and shape.fullmatch(value) else None
