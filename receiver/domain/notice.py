"""A notice: what to tell about an item and which verbs to offer, for any channel; and the story told from it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from receiver.domain.action import DECIDING
from receiver.domain.automation import VIA
from receiver.domain.item import Item
from receiver.domain.people import Person
from receiver.domain.routing import Route

STILL_OPEN = "still_open"


@dataclass(frozen=True, slots=True)
class Link:
    """``what``: "solution", "twin", "media", "item", "inbox" or a verb.

    ``name`` is shown for media, a twin's is its source.
    """

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
    maybe_duplicate: bool = False  # an earlier post may have arrived: say so
    is_redelivery: bool = False  # an earlier try of this delivery may have arrived: say so of whatever is posted anew
    below: str | None = None  # reference of the message in whose thread it belongs
    occasion: str = ""  # tells two mails about the same version apart, such as a fresh link asked for


@dataclass(frozen=True, slots=True)
class Reminder:
    """A word below what is shown already: a reminder, an assignment. ``what`` is a key of the channel's sentences.

    ``to``: the one person who is mentioned.
    """

    what: Literal["reminder", "assigned", "woken"]
    to: Person | None = None
    by: str | None = None


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
    proposal: str | None = None  # what one person proposes and a second must confirm, with its words


def verbs_for(item: Item, now: datetime | None = None) -> tuple[str, ...]:
    """What a person may press: nothing while the source works, at most to take it back once it is resolved.

    ``now`` given: an undo only as long as it is offered.
    """
    if item.state == "resolved":
        again = ("reopen",) if "reopen" in item.snapshot.verbs else ()
        is_fresh = item.undo_until is not None and (now is None or now < item.undo_until)
        return ("undo", *again) if is_fresh and again else again
    if item.state != "open":
        return ()
    deciding = ("confirm", "withdraw") if item.proposal else (v for v in item.snapshot.verbs if v in DECIDING)
    claiming = "release" if item.claimed_by else "claim"
    return (*deciding, claiming, "assign", "wake" if item.snoozed_until else "snooze", "note")


def announcement_of(item: Item) -> str:
    """What a message tells when it shows the item so: its state, a proposal, or that a request came to nothing."""
    if item.proposal:
        return f"proposed.{item.proposal.action_id}"
    return STILL_OPEN if item.state == "open" and item.problem == STILL_OPEN else item.state


def is_alarm(shown_state: str | None, item: Item) -> bool:
    """Whether people must be rung again though nothing opened: a redrawn message notifies nobody."""
    return shown_state not in {None, STILL_OPEN} and announcement_of(item) == STILL_OPEN


def is_worth_announcing(item: Item) -> bool:
    """Whether somebody who has not heard of it yet should: what is over need nobody know, unless a rule decided it."""
    return item.state != "resolved" or item.resolved_via == VIA


def is_news(shown_state: str | None, item: Item) -> bool:
    """Whether a channel that cannot be redrawn (mail) should hear of this: opened, resolved, opened again, in vain,
    proposed."""
    if shown_state is None:
        return is_worth_announcing(item)
    if item.proposal and shown_state != announcement_of(item):
        return True
    return is_alarm(shown_state, item) or (shown_state == "resolved") != (item.state == "resolved")
