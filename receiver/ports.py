"""The protocols between the packages: what a source, a channel and a translator must implement.

The pipeline knows only these; ``receiver.app`` passes the implementations. Their async methods raise only
``DeliveryError`` unless they say otherwise.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from receiver.domain.action import Click, SourceCommand
from receiver.domain.burst import Burst
from receiver.domain.digest import Edition, SourceFigures
from receiver.domain.fact import Fact
from receiver.domain.item import Item, Medium
from receiver.domain.notice import Notice, Reminder, Story
from receiver.domain.overview import Overview
from receiver.domain.people import Person
from receiver.domain.twin import Receivable

Verify = Callable[[bytes, Mapping[str, str], datetime], str]
"""Raw body, lower-case headers, now -> the event's identity: its id, else the body's SHA-256. Raises RejectedError."""


@dataclass(frozen=True, slots=True)
class ChangeHint:
    """What to read from the source because of an event.

    ``what`` and ``id`` name one item, ``debt_id`` all items of a debt. All None: reconcile the account.
    """

    what: str | None = None
    id: str | None = None
    debt_id: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """One row of ``casebell doctor``. ``cure``: what to do if it is not well."""

    name: str
    is_well: bool
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class ReceivableBatch:
    """The receivables that one reading of an account returned; ``said_at``: when it started.

    ``is_complete``: it ends a sync of all records that are read regularly. ``listed``: the keys of all records that
    exist, None if unknown. ``gone``: keys of records that certainly do not exist any more.
    """

    said_at: datetime
    receivables: tuple[Receivable, ...] = ()
    is_complete: bool = False
    listed: frozenset[str] | None = None
    gone: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The result of one sync of an account; its data is not older than ``said_at``.

    ``facts``: what may be new; an iterator, which can be read once. ``unread``: the open keys whose state this sync
    could not determine.
    """

    said_at: datetime
    facts: Iterable[Fact]
    unread: frozenset[str] = frozenset()


class Upstream(Protocol):
    """One account of a source. Methods raise only DeliveryError."""

    source: str
    account: str
    poll_every_s: float
    max_duration_s: float  # upper limit for ``execute``, all attempts included

    def read(self, body: bytes) -> ChangeHint | None:
        """What to read because of a stored event; None if nothing. Raises ValueError for a malformed body."""

    def facts_from_event(self, body: bytes) -> list[Fact]:
        """The facts that a stored event contains itself; they are used while the source cannot be read."""

    async def fetch(self, hints: Collection[ChangeHint], open_keys: Collection[str]) -> list[Fact]:
        """Read from the source what the hints name; ``open_keys``: the account's open items."""

    async def reconcile(
        self, open_keys: Collection[str], *, is_full: bool, versions: Mapping[str, int] | None = None
    ) -> SyncResult:
        """Read the account: facts about every item that the source lists, and every open key that it does not.

        ``is_full``: read everything, not only recent changes. ``versions``: item versions by open key, if all facts of
        the last sync were applied. A fact may be left out if neither the source's data nor the version has changed
        since; version 0 means that it must not be left out.
        """

    async def list_receivables(self) -> list[ReceivableBatch]:
        """The receivables read since the last call, oldest batch first. Reads more from the source if that is due."""

    async def execute(self, command: SourceCommand) -> list[Fact]:
        """Execute the command and return its result. PermanentError: refused; its message is shown to people."""

    async def media_url(self, item: Item, medium: Medium) -> str:
        """A new https link to a recording or file. PermanentError if it is gone or its host is not allowed."""

    async def health(self) -> list[Health]: ...

    async def close(self) -> None: ...


@runtime_checkable
class HasStatistics(Protocol):
    """An account whose source has statistics of its own."""

    async def figures(self) -> SourceFigures:
        """The source's current counts. Raises DeliveryError, also if the rate limit is kept for people's actions."""


@runtime_checkable
class ReadsDetails(Protocol):
    """An account whose items need one request each besides the list."""

    def restore_details(self, keys: Collection[str], last_said_at: datetime | None) -> None:
        """Called before ``fetch`` and ``reconcile``: ``keys`` of items whose details are stored already.

        ``last_said_at``: the newest ``said_at`` of the account's open items.
        """

    def key_of(self, hint: ChangeHint) -> str | None:
        """Key of the one item that the hint names; None if it names none."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """``reference`` identifies the message (Slack: "C1/171.2", mail: Message-ID); None: nothing had to be sent.

    ``is_gone``: the earlier message cannot be updated any more and was not replaced.
    """

    reference: str | None
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class GroupedDelivery:
    """One message for several items.

    ``references``: message references by item id, for the items that it shows itself. The messages of the other items
    belong into the thread of ``below``.
    """

    below: str | None = None
    references: Mapping[str, str] = field(default_factory=dict)


class Notifier(Protocol):
    """One channel: "slack" or "mail". Methods raise only DeliveryError."""

    channel: str
    max_duration_s: float  # upper limit for one delivery, all attempts included

    async def deliver(self, notice: Notice, address: str, reference: str | None, shown_state: str | None) -> Delivered:
        """Send the notice to ``address``, or update the message at ``reference``, which announced ``shown_state``."""

    async def remind(self, notice: Notice, address: str, reference: str, reminder: Reminder) -> None:
        """Send a reminder into the thread of ``reference``. It is sent at most once."""

    async def offer_undo(self, notice: Notice, address: str) -> None:
        """Offer the person who decided to undo it."""

    async def deliver_grouped(self, notices: Sequence[Notice], address: str) -> GroupedDelivery:
        """Send one message about several new items."""

    async def reply(self, address: str, text: str) -> None:
        """Tell one person the result of their click."""

    async def send_admin_alert(self, address: str, text: str, mark: str, now: datetime) -> None:
        """Send an admin alert. ``mark``: the same at every attempt, to recognise a duplicate."""

    async def health(self) -> list[Health]: ...

    async def close(self) -> None: ...


@runtime_checkable
class DigestNotifier(Protocol):
    """A channel that can also deliver digests."""

    async def deliver_digest(self, edition: Edition, address: str) -> None:
        """Send the digest. Raises only DeliveryError."""


@runtime_checkable
class BurstNotifier(Protocol):
    """A channel that can show many alerts in one message and update it."""

    async def deliver_burst(self, burst: Burst, address: str, reference: str | None) -> Delivered:
        """Send the burst to ``address``, or update the message at ``reference``."""


@dataclass(frozen=True, slots=True)
class InteractionResponse:
    """The immediate response to a verified interaction. ``answer``: JSON for the 200 (None: empty body).

    ``is_click``: store the body before answering. ``after``: work to start after the answer was sent, such as opening
    a modal; it changes no state.
    """

    is_click: bool
    answer: dict[str, object] | None = None
    after: Callable[[], Awaitable[None]] | None = None


class Clicks(Protocol):
    """A channel in which people click verbs (Slack's interactions)."""

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        """The click's identity, the same at every delivery. Raises only RejectedError."""

    def respond(self, body: bytes) -> InteractionResponse:
        """The immediate response to a verified body. Never raises; a malformed body is stored and quarantined."""

    def read(self, body: bytes) -> Click | None:
        """The click of a stored body; None if it needs no processing. Raises ValueError for a malformed body."""

    async def identify(self, person: Person) -> Person:
        """The person with name and verified address; without any identity for guests, bots and deleted users.

        Raises DeliveryError if the channel does not answer.
        """


class Queries(Protocol):
    """What a channel's own pages and commands may read from the store and do with it."""

    def may_view(self, person: Person) -> bool:
        """Whether the person may see all items: only those who may decide."""

    async def find_notice(self, item_id: str, destination: str) -> Notice | None:
        """One item, with the route of ``destination`` ("slack:C1"); None if it is unknown."""

    async def search(self, text: str, destination: str) -> list[Notice]:
        """A few items whose reference starts with ``text``."""

    async def overview(self, person: Person, destination: str) -> Overview:
        """The person's overview, with the route of ``destination``."""

    async def submit_action(self, click: Click, locale: str) -> str | None:
        """Apply a verb that was typed, by the rules of a clicked one; None if done, else the reason for the refusal."""

    async def home_opened(self, user: str) -> None:
        """The user opened their Home tab: publish it, and update it from now on."""


class Surfaces(Protocol):
    """A channel's own pages and commands (Slack's Home tab and slash command)."""

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> None:
        """Raises only RejectedError, if the request is not from the channel."""

    def respond_to_command(self, body: bytes) -> InteractionResponse:
        """The response to a slash command; never raises."""

    def respond_to_event(self, body: bytes) -> InteractionResponse:
        """The response to an event; never raises."""

    async def publish_home(self, user: str, mark: str | None) -> str:
        """Update the user's Home tab unless its content still has this ``mark``; the mark of the current content.

        Raises DeliveryError.
        """


class Translator(Protocol):
    """Turns a notice into sentences of a language."""

    def story(self, notice: Notice) -> Story:
        """The notice in the language of its route."""

    def say(self, locale: str, message: str, **values: object) -> str:
        """One translated sentence or label, with its ``{name}`` placeholders replaced by ``values``."""
