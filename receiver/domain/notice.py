"""A notice: what to tell about an item and which verbs to offer, for any channel; and the story told from it."""

from dataclasses import dataclass
from datetime import datetime

from receiver.domain.action import SOURCE_VERBS
from receiver.domain.item import Item
from receiver.domain.routing import Route


@dataclass(frozen=True, slots=True)
class Link:
    """``what``: "solution", "twin", "media", "item" or a verb; ``name`` is shown for media, a twin's is its source."""

    what: str
    url: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Everything a channel needs to draw an item as it is now. ``links`` are ready to be opened by a person."""

    item: Item
    route: Route
    verbs: tuple[str, ...]
    links: tuple[Link, ...]
    now: datetime
    may_repeat: bool = False  # an earlier post may have arrived: say so
    occasion: str = ""  # tells two mails about the same version apart, such as a fresh link asked for


@dataclass(frozen=True, slots=True)
class Story:
    """A notice in a person's language: plain text throughout, no markup, hostile characters removed."""

    headline: str  # one line a tired person understands
    sentence: str  # the whole in one sentence, for notifications and screen readers
    asked: str | None
    quote: str | None
    facts: tuple[tuple[str, str], ...]  # label, value
    conversation: tuple[tuple[str, str, str], ...]  # who, when, text
    status: str | None  # what is going on: who acts, who claimed, what came of it
    problem: str | None
    footer: str


def verbs_for(item: Item) -> tuple[str, ...]:
    """What a person may press now: nothing while the source works or once it is resolved."""
    if item.state != "open":
        return ()
    own = "release" if item.claimed_by else "claim"
    return (*(v for v in item.snapshot.verbs if v in SOURCE_VERBS and v != "reopen"), own, "note")


STILL_OPEN = "still_open"


def telling_of(item: Item) -> str:
    """What a message tells when it shows the item so: its state, or that a request came to nothing."""
    return STILL_OPEN if item.state == "open" and item.problem == STILL_OPEN else item.state


def is_alarm(shown_state: str | None, item: Item) -> bool:
    """Whether people must be rung again though nothing opened: a redrawn message notifies nobody."""
    return shown_state not in {None, STILL_OPEN} and telling_of(item) == STILL_OPEN


def is_news(shown_state: str | None, item: Item) -> bool:
    """Whether a channel that cannot be redrawn (mail) should hear of this: opened, resolved, opened again, in vain."""
    if shown_state is None:
        return item.state != "resolved"
    return is_alarm(shown_state, item) or (shown_state == "resolved") != (item.state == "resolved")
