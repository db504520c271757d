"""The state of Slack's stand-in: channels, people, messages, open modals, and the trigger ids that open them.

Another thread may call it: every change is one operation on a dict or list.
"""

import itertools
import json
import secrets
from dataclasses import dataclass

from casebell_sandbox.faults import Clock, Json
from casebell_sandbox.slack_limits import SlackLimits
from casebell_sandbox.slack_payloads import APP_ID, BOT_ID, BOT_USER, TEAM, NotClickableError

TICKET_S = 3.0  # the life of a trigger_id: docs/vendors/slack.md#timing
RESPONSE_URL_S = 30 * 60.0
_NAMED = frozenset(
    {"button", "overflow", "static_select", "radio_buttons", "plain_text_input", "datepicker", "users_select"}
)


@dataclass(slots=True)
class Message:
    """A message of a channel. ``edits`` counts updates; ``ephemeral_to``: the only person who sees it."""

    channel: str
    ts: str
    text: str
    blocks: list[Json]
    edits: int = 0
    thread_ts: str | None = None
    ephemeral_to: str | None = None
    is_broadcast: bool = False  # a reply in a thread that the channel shows as well
    author: str | None = None  # a person; None: the bot

    def as_json(self) -> Json:
        """The message as in Slack's answers and payloads."""
        data: Json = {"type": "message", "subtype": "bot_message", "ts": self.ts, "text": self.text}
        data |= {"user": BOT_USER, "bot_id": BOT_ID, "app_id": APP_ID, "blocks": self.blocks}
        data |= {"thread_ts": self.thread_ts} if self.thread_ts else {}
        data |= {"subtype": "thread_broadcast"} if self.is_broadcast else {}
        return data | ({"edited": {"user": BOT_USER, "ts": self.ts}} if self.edits else {})


@dataclass(slots=True)
class Ticket:
    """A trigger_id: who clicked, until when it is valid, whether a modal was opened with it."""

    user: str
    until_s: float
    is_used: bool = False


@dataclass(slots=True)
class ResponseUrl:
    """A response_url: it answers a click or a command (which has no message) five times within half an hour."""

    message: Message | None
    channel: str
    user: str
    until_s: float
    left: int = 5


class Workspace:
    """One workspace with one bot. ``views``: open modals by user; ``troubles``: warnings by message or view."""

    def __init__(self, limits: SlackLimits, clock: Clock) -> None:
        self.limits = limits
        self.public_url = "http://slack.sandbox"
        self.scopes = "chat:write,users:read,users:read.email"
        named = {"C0DISPUTES": "disputes", "C0TASKS": "tasks", "C0ESCALATE": "escalations"}
        self.channels = {channel_id: _channel(channel_id, name) for channel_id, name in named.items()}
        self.users = {one["id"]: one for one in _people()}
        self.messages: dict[tuple[str, str], Message] = {}
        self.ephemerals: list[Message] = []
        self.views: dict[str, Json] = {}
        self.homes: dict[str, Json] = {}  # the Home tab of each user
        self.is_home_enabled = True
        self.shared_links: dict[str, str] = {}  # posted links by unfurl id
        self.previews: dict[str, Json] = {}  # by link
        self.view_errors: dict[str, dict[str, str]] = {}
        self.troubles: dict[str, str] = {}
        self.tickets: dict[str, Ticket] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self._clock = clock
        self._count = itertools.count(1)

    def now_s(self) -> float:
        return self._clock().timestamp()

    def posts(self, channel: str) -> list[Message]:
        """The messages that everybody in the channel sees, in order, replies in threads included."""
        return [message for message in list(self.messages.values()) if message.channel == channel]

    def roots(self, channel: str) -> list[Message]:
        """The messages outside threads, and the replies that were also sent to the channel."""
        return [post for post in self.posts(channel) if post.thread_ts is None or post.is_broadcast]

    def find(self, channel: str, ts: str) -> Message:
        """A message, visible to everybody or ephemeral. Raises NotClickableError if there is none."""
        if (channel, ts) in self.messages:
            return self.messages[channel, ts]
        for message in list(self.ephemerals):
            if (message.channel, message.ts) == (channel, ts):
                return message
        raise NotClickableError(f"no message {ts} in {channel}")

    def new_message(
        self,
        channel: str,
        text: str,
        blocks: list[Json],
        *,
        thread_ts: str | None = None,
        ephemeral_to: str | None = None,
        author: str | None = None,
    ) -> Message:
        """Add a message. Its ts is unique and increasing, as Slack's are within a channel."""
        ts = f"{int(self.now_s())}.{next(self._count):06d}"
        message = Message(
            channel, ts, text, with_ids(blocks), thread_ts=thread_ts, ephemeral_to=ephemeral_to, author=author
        )
        if ephemeral_to is None:
            self.messages[channel, ts] = message
        else:
            self.ephemerals.append(message)
        return message

    def direct_channel(self, user: str) -> Json:
        """The bot's direct-message channel with one person, created when first needed; its id begins with D."""
        channel_id = f"D{user[1:]}"
        fresh = _channel(channel_id, self.users[user]["real_name"]) | {"is_im": True, "user": user}
        return self.channels.setdefault(channel_id, fresh)

    def show_view(self, user: str, view: Json, view_id: str | None = None) -> Json:
        """Open a modal for a user, or replace the open one; returns the view as Slack returns it."""
        data: Json = {"submit": None, "close": None, "callback_id": "", "private_metadata": "", "external_id": ""}
        data |= self._with_identity(view, view_id)
        self.views[user] = data
        self.view_errors.pop(user, None)
        return data

    def show_home(self, user: str, view: Json) -> Json:
        """Set the user's Home tab; returns the view as Slack returns it."""
        data = self._with_identity(view)
        self.homes[user] = data
        return data

    def _with_identity(self, view: Json, view_id: str | None = None) -> Json:
        return view | {
            "id": view_id or f"V0{next(self._count):08d}",
            "team_id": TEAM["id"],
            "app_id": APP_ID,
            "bot_id": BOT_ID,
            "blocks": with_ids(view["blocks"]),
            "state": {"values": {}},
            "hash": f"{int(self.now_s())}.{secrets.token_hex(4)}",
        }

    def close_view(self, user: str) -> None:
        """The user closes their modal. No view_closed is sent, because the modals do not ask for it."""
        view = self.views.pop(user, None)
        self.view_errors.pop(user, None)
        self.troubles.pop(view["id"] if view else "", None)

    def new_ticket(self, user: str) -> str:
        """A trigger_id for an interaction of this user."""
        trigger_id = f"{next(self._count)}.{secrets.token_hex(8)}"
        self.tickets[trigger_id] = Ticket(user, self.now_s() + TICKET_S)
        return trigger_id

    def new_response_url(self, message: Message | None, channel: str, user: str) -> str:
        key = secrets.token_urlsafe(16)
        self.response_urls[key] = ResponseUrl(message, channel, user, self.now_s() + RESPONSE_URL_S)
        return f"{self.public_url}/response/{key}"


def with_ids(blocks: list[Json]) -> list[Json]:
    """A copy in which every block and element has an id; Slack adds missing ones."""
    copied: list[Json] = json.loads(json.dumps(blocks))
    for block in copied:
        block.setdefault("block_id", secrets.token_urlsafe(4))
        for element in [*block.get("elements", []), block.get("accessory"), block.get("element")]:
            if isinstance(element, dict) and element.get("type") in _NAMED:
                element.setdefault("action_id", secrets.token_urlsafe(4))
    return copied


def _channel(channel_id: str, name: str) -> Json:
    return {"id": channel_id, "name": name, "is_im": False, "is_member": True, "is_archived": False}


def _person(user_id: str, name: str, real_name: str, email: str | None, **flags: bool) -> Json:
    return {
        "id": user_id,
        "team_id": TEAM["id"],
        "name": name,
        "real_name": real_name,
        "profile": {"real_name": real_name, "display_name": name, "email": email},
        "is_email_confirmed": email is not None,
        "is_bot": False,
        "deleted": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_stranger": False,
    } | flags


def _people() -> list[Json]:
    return [
        _person("U0ANNA", "anna", "Anna Krogh", "anna@creditor.example"),
        _person("U0BEN", "ben", "Ben Holm", "ben@creditor.example"),
        _person("U0GUEST", "gil", "Gil Guest", "gil@creditor.example", is_restricted=True),
        _person("U0BOT", "reportbot", "Report Bot", None, is_bot=True),
        _person("U0GONE", "dora", "Dora Gone", "dora@creditor.example", deleted=True),
    ]
