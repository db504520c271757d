"""A notice: the data from which any channel renders an item, and the story that a translator makes of it.

Decides which verbs are offered, and whether a change is worth a new message.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from receiver.domain.action import DECIDING_VERBS
from receiver.domain.automation import VIA
from receiver.domain.item import Item
from receiver.domain.people import Person
from receiver.domain.routing import Route

STILL_OPEN = "still_open"


@dataclass(frozen=True, slots=True)
class Link:
    """``what``: "solution", "twin", "media", "item", "inbox" or a verb.

    ``name``: the label of media, or the source of a twin.
    """

    what: str
    url: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Everything a channel needs to render the current state of an item. ``links`` are complete URLs."""

    item: Item
    route: Route
    verbs: tuple[str, ...]
    links: tuple[Link, ...]
    now: datetime
    maybe_duplicate: bool = False  # the message may exist already, and says so
    is_redelivery: bool = False  # an earlier attempt of this delivery may have arrived; new posts say so
    below: str | None = None  # reference of the message in whose thread it is posted
    occasion: str = ""  # distinguishes mails about the same version, such as one with a new link


@dataclass(frozen=True, slots=True)
class Reminder:
    """A short message in the thread of an item's message. ``what``: a key of the channel's sentences.

    ``to``: the person who is mentioned. ``by``: the label of the person who assigned it.
    """

    what: Literal["reminder", "assigned", "woken"]
    to: Person | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """A notice as sentences in a language: plain text without markup, with hostile characters removed."""

    headline: str  # one line
    sentence: str  # a summary for notifications and screen readers
    question: str | None
    quote: str | None
    facts: tuple[tuple[str, str], ...]  # label, value
    conversation: tuple[tuple[str, str, str], ...]  # author, time, text
    status: str | None  # who claimed it, who acts, or the outcome
    problem: str | None
    footer: str
    proposal: str | None = None  # what a second person must confirm, with its note or reply


def verbs_for(item: Item, now: datetime | None = None) -> tuple[str, ...]:
    """The verbs to offer: none while a request is on its way, at most undo and reopen once the item is resolved.

    With ``now``, an undo is offered only until ``undo_until``.
    """
    if item.state == "resolved":
        reopening = ("reopen",) if "reopen" in item.snapshot.verbs else ()
        can_undo = item.undo_until is not None and (now is None or now < item.undo_until)
        return ("undo", *reopening) if can_undo and reopening else reopening
    if item.state != "open":
        return ()
    deciding = ("confirm", "withdraw") if item.proposal else (v for v in item.snapshot.verbs if v in DECIDING_VERBS)
    claiming = "release" if item.claimed_by else "claim"
    return (*deciding, claiming, "assign", "wake" if item.snoozed_until else "snooze", "note")


def announcement_of(item: Item) -> str:
    """What a message about the item announces: its state, a proposal, or STILL_OPEN after a failed request."""
    if item.proposal:
        return f"proposed.{item.proposal.action_id}"
    return STILL_OPEN if item.state == "open" and item.problem == STILL_OPEN else item.state


def needs_new_post(shown_state: str | None, item: Item) -> bool:
    """Whether a message must be posted again: a request failed, and an updated message notifies nobody."""
    return shown_state not in {None, STILL_OPEN} and announcement_of(item) == STILL_OPEN


def is_worth_first_message(item: Item) -> bool:
    """Whether a destination without a message about the item needs one: not if it is resolved, except by a rule."""
    return item.state != "resolved" or item.resolved_via == VIA


def is_worth_new_mail(shown_state: str | None, item: Item) -> bool:
    """Whether a channel without updates (mail) sends a message: opened, proposed, failed, resolved or reopened."""
    if shown_state is None:
        return is_worth_first_message(item)
    if item.proposal and shown_state != announcement_of(item):
        return True
    return needs_new_post(shown_state, item) or (shown_state == "resolved") != (item.state == "resolved")
