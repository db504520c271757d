"""The protocols between the packages: what a source, a channel and a translator promise."""

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
"""Raw body, lower-case headers, now -> the event's identity (its id, else the body's SHA-256). Raises RejectedError."""


@dataclass(frozen=True, slots=True)
class ChangeHint:
    """What an event says to look at; all None: sweep. ``what``/``id`` name one item, ``debt_id`` a debt's items."""

    what: str | None = None
    id: str | None = None
    debt_id: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """One row of ``casebell doctor``. ``cure`` says what to do when it is not well."""

    name: str
    is_well: bool
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class ReceivableBatch:
    """What an account said of its receivables, in one reading that began at ``said_at``.

    ``is_pass``: with it the account was heard out, as far as it is read regularly. ``listed``: keys of all the records
    there are; None when that is not known. ``gone``: keys of records that are surely not there any more.
    """

    said_at: datetime
    said: tuple[Receivable, ...] = ()
    is_pass: bool = False
    listed: frozenset[str] | None = None
    gone: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class SyncPass:
    """What one pass over an account found, all of it as it was at ``said_at`` or later.

    ``facts``: what is or may be news; to be read once, for they are made on the way. ``unheard``: those of the open
    keys that nothing is known of this time.
    """

    said_at: datetime
    facts: Iterable[Fact]
    unheard: frozenset[str] = frozenset()


class Upstream(Protocol):
    """One account of a source. Methods raise only DeliveryError."""

    source: str
    account: str
    poll_every_s: float
    longest_s: float  # what carrying out an order may take altogether

    def read(self, body: bytes) -> ChangeHint | None:
        """What a stored, verified event points at; None when it points at nothing. Raises ValueError for rubbish."""

    def facts_from_event(self, body: bytes) -> list[Fact]:
        """What a stored, verified event says by itself, for as long as its source cannot be asked."""

    async def fetch(self, hints: Collection[ChangeHint], open_keys: Collection[str]) -> list[Fact]:
        """What the source says now about what the events point at."""

    async def reconcile(
        self, open_keys: Collection[str], *, is_full: bool, versions: Mapping[str, int] | None = None
    ) -> SyncPass:
        """One reconciliation pass: facts about everything found, and about every open key that was not.

        ``versions``: of the open items, where all facts of the last pass were applied; what the source says as it did
        then, and whose version is the same, need not be said again. 0: to be said in any case.
        """

    async def list_receivables(self) -> list[ReceivableBatch]:
        """What was read of receivables since the last call, oldest reading first; it may read more when that is due."""

    async def execute(self, order: SourceCommand) -> list[Fact]:
        """Do it at the source and say what came of it. PermanentError: refused, its message is shown to people."""

    async def media_url(self, item: Item, medium: Medium) -> str:
        """A fresh https link to a recording or file. PermanentError when it is gone or its host is not allowed."""

    async def health(self) -> list[Health]: ...

    async def close(self) -> None: ...


@runtime_checkable
class KeepsFigures(Protocol):
    """An account whose source counts for itself."""

    async def figures(self) -> SourceFigures:
        """What the source counts now. Raises DeliveryError, also when its allowance is needed for people."""


@runtime_checkable
class KeepsDetails(Protocol):
    """An account whose items are read in parts: a list, and beside it what takes a request for each."""

    def recall(self, keys: Collection[str], heard_at: datetime | None) -> None:
        """Before a look or a sweep: items of which the store has every part, and when one was last heard of."""

    def key_of(self, hint: ChangeHint) -> str | None:
        """Key of the one item that the hint names; None when it names none."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """``reference`` finds the message again (Slack: "C1/171.2", mail: Message-ID); None: nothing had to be said.

    ``is_gone``: what stood there is out of reach for good, and nothing was put in its place.
    """

    reference: str | None
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class GroupedDelivery:
    """One message that tells of several items. ``references``: those that are shown with it, by item id; the others
    are to be shown ``below`` it."""

    below: str | None = None
    references: Mapping[str, str] = field(default_factory=dict)


class Notifier(Protocol):
    """One channel: "slack" or "mail". Methods raise only DeliveryError."""

    channel: str
    longest_s: float  # what a delivery may take altogether

    async def deliver(self, notice: Notice, address: str, reference: str | None, shown_state: str | None) -> Delivered:
        """Make ``address`` show the notice: a new message, or the one at ``reference`` redrawn or followed up."""

    async def remind(self, notice: Notice, address: str, reference: str, reminder: Reminder) -> None:
        """A word below what ``reference`` shows: a reminder, an assignment. At most once, rather than twice."""

    async def offer_undo(self, notice: Notice, address: str) -> None:
        """To the one person who decided: how to take it back while that is possible."""

    async def deliver_grouped(self, notices: Sequence[Notice], address: str) -> GroupedDelivery:
        """One message that tells of several new items."""

    async def reply(self, address: str, text: str) -> None:
        """A word to one person about what came of their click."""

    async def send_admin_alert(self, address: str, text: str, mark: str, now: datetime) -> None:
        """A word to an admin about Casebell itself. ``mark``: the same at every try."""

    async def health(self) -> list[Health]: ...

    async def close(self) -> None: ...


@runtime_checkable
class DigestNotifier(Protocol):
    """A channel that takes digests too."""

    async def deliver_digest(self, edition: Edition, address: str) -> None:
        """Send it. Raises only DeliveryError."""


@runtime_checkable
class BurstNotifier(Protocol):
    """A channel that can tell of many alerts in one message and redraw it."""

    async def deliver_burst(self, storm: Burst, address: str, reference: str | None) -> Delivered:
        """Make ``address`` show it: a new message, or the one at ``reference`` redrawn."""


@dataclass(frozen=True, slots=True)
class Received:
    """What a verified interaction needs at once. ``answer``: JSON for the 200 (None: empty body).

    ``is_click``: store it before answering. ``after``: work that may start only when the answer is on its way, such as
    opening a modal within its three seconds; it changes no state.
    """

    is_click: bool
    answer: dict[str, object] | None = None
    after: Callable[[], Awaitable[None]] | None = None


class Clicks(Protocol):
    """A channel through which people press verbs (Slack's interactions)."""

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        """The press's identity, the same however often it is sent. Raises RejectedError, and nothing else, ever."""

    def receive(self, body: bytes) -> Received:
        """What to do at once with a verified body; never raises: rubbish is stored for the quarantine."""

    def read(self, body: bytes) -> Click | None:
        """The click in a stored payload; None when its acknowledgement was all. Raises ValueError for rubbish."""

    async def who(self, person: Person) -> Person:
        """The person with name and the address the channel vouches for; guests, bots and deleted people without any
        identity that [people] could name. Raises DeliveryError when the channel does not answer."""


class Queries(Protocol):
    """What a channel's own pages and commands may ask of the store, and do there."""

    def may_look(self, person: Person) -> bool:
        """Whether they may see every item: who may decide, and nobody else."""

    async def notice(self, item_id: str, place: str) -> Notice | None:
        """One item, as ``place`` ("slack:C1") is told of it."""

    async def find(self, words: str, place: str) -> list[Notice]:
        """What is about a reference that begins so; a few."""

    async def overview(self, person: Person, place: str) -> Overview: ...

    async def press(self, click: Click, locale: str) -> str | None:
        """A verb that was typed, by the rules of a pressed one; None once it is done, else why not."""

    async def opened(self, user: str) -> None:
        """They look at their page of the channel: draw it, and go on drawing it as things change."""


class Surfaces(Protocol):
    """A channel's own pages and commands (Slack's App Home, its slash command)."""

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> None:
        """Raises RejectedError for what is not the channel's, and nothing else, ever."""

    def command(self, body: bytes) -> Received:
        """What to answer to a typed command; never raises."""

    def event(self, body: bytes) -> Received:
        """What to answer to an event; never raises."""

    async def draw_home(self, user: str, mark: str | None) -> str:
        """Make their page show what there is now, unless ``mark`` says that it does; the mark of what it shows.

        Raises DeliveryError.
        """


class Translator(Protocol):
    """Turns a notice into plain words in a language."""

    def story(self, notice: Notice) -> Story: ...

    def say(self, locale: str, message: str, **values: object) -> str:
        """One translated sentence or label; ``{name}`` placeholders are filled from ``values``."""
