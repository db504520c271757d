"""Builds a Notice from an item and a route, with links for the people who may read its destination."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from receiver.context import Adapters
from receiver.domain.action import LINK_VERBS
from receiver.domain.item import Item
from receiver.domain.notice import Link, Notice, verbs_for
from receiver.domain.people import Person
from receiver.domain.routing import Route
from receiver.store import actions

MOST_MEDIA_LINKS = 5
DECIDE_LINK_LASTS = timedelta(days=14)
SIGNED_IN = "signed-in"  # never the id of a token


def notice_of(
    adapters: Adapters, item: Item, route: Route, *, maybe_duplicate: bool = False, reader: str | None = None
) -> Notice:
    """The item as it is now, with links to its media, its solution and its page.

    ``reader``: who may open the links to media, checked at every request: SIGNED_IN, or the id of a token (an
    address). None: everybody who can read the channel.
    """
    links = _media_links(adapters, item, reader)
    if item.snapshot.solution_url:
        links.append(Link("solution", item.snapshot.solution_url))
    links += [*twin_links(item), Link("item", f"{adapters.rules.public_url}/items/{item.id}")]
    return Notice(item, route, verbs_for(item, adapters.now()), tuple(links), adapters.now(), maybe_duplicate)


def _media_links(adapters: Adapters, item: Item, reader: str | None) -> list[Link]:
    owner: list[str | int] = [] if reader is None else [reader]
    return [
        Link(
            "media",
            f"{adapters.rules.public_url}/media/{adapters.rules.tokens.make('media.v1', [item.id, n, *owner])}",
            medium.name,
        )
        for n, medium in enumerate(item.snapshot.media[:MOST_MEDIA_LINKS])
    ]


def twin_links(item: Item) -> list[Link]:
    """Links to the same receivable in the other system; for a conflict, to both sides."""
    sides = item.snapshot.sides or ((item.twin,) if item.twin else ())
    return [Link("twin", side.url, side.source) for side in sides if side.url]


async def notice_for_mail(
    adapters: Adapters, item: Item, route: Route, address: str, token_id: str | None = None
) -> Notice:
    """``notice_of`` with a link to decide, which belongs to this address and is good for one decision.

    An address that [people] does not name gets neither that link nor those to media: both would refuse it.
    ``token_id``: the token of a fresh link that the person has requested.
    """
    if not adapters.rules.people.may_resolve(Person(email=address)):
        notice = notice_of(adapters, item, route)
        return replace(notice, links=tuple(link for link in notice.links if link.what != "media"))
    occasion = token_id or ""
    can_decide = bool(LINK_VERBS & set(verbs_for(item, adapters.now())))
    if token_id is None and (can_decide or item.snapshot.media):
        token = decide_token(item, route, address, adapters.now())
        await adapters.database.write(actions.add_token_once, token)
        token_id = token.id
    notice = notice_of(adapters, item, route, reader=token_id)
    notice = replace(notice, links=(*notice.links, Link("inbox", f"{adapters.rules.public_url}/")))
    if token_id is None or not can_decide:
        return notice
    link = Link("decide", f"{adapters.rules.public_url}/act/{adapters.rules.tokens.make('act.v1', token_id)}")
    return replace(notice, links=(link, *notice.links), occasion=occasion)


def decide_token(item: Item, route: Route, address: str, now: datetime) -> actions.Token:
    """The token of a link to decide, the same for an item, version, address and day.

    So a mail that is sent again after a crash has the same link, and one that is sent weeks later a fresh one.
    """
    name = f"{item.id}.{item.version}.{address}.{now:%Y-%m-%d}"
    id_ = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
    return actions.Token(id_, item.id, item.version, address, route.name, now, now + DECIDE_LINK_LASTS)
