"""What each kind of delivery carries besides its item: one type per kind, stored as JSON in ``outbox.payload``.

Absent keys and nulls read as the field's default, so rows of older versions stay readable.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from pydantic import TypeAdapter

from receiver.domain import notice

SHOW = "show"
REPLY = "reply"
COMMAND = "command"
FRESH_LINK = "fresh_link"
DIGEST = "digest"
REMINDER = "reminder"
GROUPED = "grouped"
UNDO_OFFER = "undo_offer"
ADMIN_ALERT = "admin_alert"
BURST = "burst"


@dataclass(frozen=True, slots=True)
class Payload:
    """What all have in common. ``kind`` is the value of ``outbox.what``."""

    kind: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Routed(Payload):
    """A payload that names a route: its language, time zone and masking. Any of them can be read as this."""

    route: str = ""


@dataclass(frozen=True, slots=True)
class Show(Routed):
    """The destination shows the item as it is when it is rendered. ``below``: the message whose thread it goes to."""

    kind: ClassVar[str] = SHOW
    below: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder(Routed):
    """A reminder in the thread of the item's message."""

    kind: ClassVar[str] = REMINDER
    reminder: notice.Reminder


@dataclass(frozen=True, slots=True)
class Grouped(Routed):
    """One message for several new items that quiet hours deferred, by id."""

    kind: ClassVar[str] = GROUPED
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Burst(Routed):
    """The one message of an alert group."""

    kind: ClassVar[str] = BURST
    group_id: int = 0


@dataclass(frozen=True, slots=True)
class FreshLink(Routed):
    """A mail with a new link to decide by. ``token`` None: a source refused, and the mail gets a token of its own."""

    kind: ClassVar[str] = FRESH_LINK
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Reply(Payload):
    """A sentence to one person: a key of ``refusal.SENTENCES`` and the values that fill it."""

    kind: ClassVar[str] = REPLY
    code: str = ""
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UndoOffer(Payload):
    """The button to undo, to the person who decided."""

    kind: ClassVar[str] = UNDO_OFFER


@dataclass(frozen=True, slots=True)
class AdminAlert(Payload):
    """A sentence to an admin: a key of ``admin_alert.SENTENCES`` and its values. ``mark``: the same for each retry."""

    kind: ClassVar[str] = ADMIN_ALERT
    code: str = ""
    values: dict[str, str] = field(default_factory=dict)
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Command(Payload):
    """What a source is asked to do: the id of the action that a person decided."""

    kind: ClassVar[str] = COMMAND
    action_id: int = 0


@dataclass(frozen=True, slots=True)
class Digest(Payload):
    """A digest, complete, as JSON in ``document``. ``since``: the time from which on it covers changes."""

    kind: ClassVar[str] = DIGEST
    name: str
    since: datetime
    document: str


P = TypeVar("P", bound=Payload)


def encode(payload: Payload) -> str:
    """The payload as the table holds it."""
    values = _ADAPTERS[type(payload)].dump_python(payload, mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(values)


def decode(kind: type[P], text: str) -> P:
    """What ``encode`` wrote. Raises ValueError, or AttributeError for JSON that is no object."""
    values = {name: value for name, value in json.loads(text).items() if value is not None}
    decoded: P = _ADAPTERS[kind].validate_python(values)
    return decoded


_ADAPTERS: Mapping[type[Payload], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind)
    for kind in (Routed, Show, Reminder, Grouped, Burst, FreshLink, Reply, UndoOffer, AdminAlert, Command, Digest)
}
