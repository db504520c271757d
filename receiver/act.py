"""Step 8: a stored press becomes an action, or a word to the person why not. One transaction, no network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from receiver.apply import apply_fact
from receiver.domain.action import MAX_NOTE, MAX_REPLY, NEEDS_WORDS, SOURCE_VERBS, Click, utf16_units
from receiver.domain.fact import PersonAsked, PersonDid
from receiver.domain.item import Item
from receiver.domain.ledger import Ignored
from receiver.domain.notice import verbs_for
from receiver.domain.people import People
from receiver.domain.refusal import why_stale
from receiver.domain.routing import Route
from receiver.store import actions, items, messages, outbox


@dataclass(frozen=True, slots=True)
class Taken:
    """The press had its effect, or had it before (``is_again``)."""

    action_id: int
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """No effect. ``code`` is a key of ``refusal.SENTENCES``, ``values`` fill it."""

    code: str
    values: dict[str, str]


Outcome = Taken | Refused


def take_action(
    connection: Connection, click: Click, now: datetime, routes: Sequence[Route], people: People
) -> Outcome:
    """Check a press and let it act: known? first time? allowed? current? offered? said enough?

    Whoever loses is told why: a ``tell`` row to ``click.answer_to``, and an audit line in ``action``.
    """
    item = items.find_to_change(connection, click.item_id)
    earlier = actions.by_identity(connection, click.identity)
    if earlier is not None:
        return Taken(earlier.id, is_again=True) if earlier.state != "refused" else Refused("stale", {})
    if item is None:
        return Refused("unknown_item", {})
    _adopt(connection, item, click, now)
    refusal = _refusal(item, click, people)
    if refusal is None and click.token_id is not None and click.verb in SOURCE_VERBS:
        is_first = actions.spend_token(connection, click.token_id, click.person.label, click.verb, now)
        refusal = None if is_first else Refused("link_used", {})
    if refusal is not None:
        return _refuse(connection, item, click, refusal, now)
    return _do(connection, item, click, now, routes)


def _do(connection: Connection, item: Item, click: Click, now: datetime, routes: Sequence[Route]) -> Outcome:
    is_source_verb = click.verb in SOURCE_VERBS
    action_id = actions.add(connection, click, "asked" if is_source_verb else "done", None, now)
    if is_source_verb:
        fact: PersonAsked | PersonDid = PersonAsked(item.key, action_id, click.verb, click.person, click.via)
    else:
        fact = PersonDid(item.key, click.verb, click.person, click.via, click.note)
    decision = apply_fact(connection, fact, now, routes)
    # `_refusal` lets nothing through that the ledger would ignore
    assert not isinstance(decision, Ignored), f"{click.verb} on {item.key}: {decision.reason}"
    if is_source_verb:
        destination = f"{item.snapshot.source}:{item.snapshot.account}"
        outbox.put(connection, item.id, destination, outbox.CARRY_OUT, {"action": action_id}, now)
    return Taken(action_id)


def _refusal(item: Item, click: Click, people: People) -> Refused | None:
    # whoever has the configuration's keys at a terminal needs no further leave
    if click.via != "cli" and not people.may_resolve(click.person):
        return Refused("not_allowed", {})
    if click.version != item.version:
        return _too_late(item, click)
    if click.verb not in verbs_for(item):
        return Refused("not_offered", {})
    return _missing_words(click)


def _too_late(item: Item, click: Click) -> Refused:
    if click.verb == "claim" and item.state == "open" and item.claimed_by:
        return Refused("claimed", {"who": item.claimed_by})
    return Refused(*why_stale(item))


def _missing_words(click: Click) -> Refused | None:
    needed = NEEDS_WORDS.get(click.verb)
    if needed and not (getattr(click, needed) or "").strip():
        return Refused("needs_words", {})
    for words, most in ((click.note, MAX_NOTE), (click.text, MAX_REPLY)):
        if words and utf16_units(words) > most:
            return Refused("too_long", {"most": str(most)})
    return None


def _refuse(connection: Connection, item: Item, click: Click, refusal: Refused, now: datetime) -> Refused:
    actions.add(connection, replace(click, text=None), "refused", refusal.code, now)
    if click.answer_to:
        payload: dict[str, object] = {"code": refusal.code, "values": refusal.values, "route": _route(connection, item)}
        outbox.put(connection, item.id, click.answer_to, outbox.TELL, payload, now)
    if click.version != item.version and click.shown_at:
        destination, reference = _place(click.shown_at)
        messages.doubt(connection, item.id, destination, reference)  # whatever is written down, it does not show that
        outbox.put_show(connection, item.id, destination, _route(connection, item), now, is_urgent=True)
    return refusal


def _adopt(connection: Connection, item: Item, click: Click, now: datetime) -> None:
    """A message that was posted but never written down (killed in between) shows up when somebody presses it."""
    if click.shown_at is None:
        return
    destination, reference = _place(click.shown_at)
    known = {shown.reference for shown in messages.of_item(connection, item.id, destination)}
    if reference not in known:
        shown = messages.Shown(destination, reference, _route(connection, item), 0, None)
        messages.save(connection, item.id, shown, now)


def _place(shown_at: str) -> tuple[str, str]:
    """Destination and reference, as ``messages`` has them."""
    destination, _, name = shown_at.partition("/")
    return destination, f"{destination.partition(':')[2]}/{name}"


def _route(connection: Connection, item: Item) -> str:
    shown = messages.of_item(connection, item.id)
    return shown[0].route if shown else "default"
