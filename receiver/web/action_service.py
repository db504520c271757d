"""What the pages behind mail links need of the store: find a link, take its press, send a fresh one."""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection
from starlette.requests import Request

from receiver.context import OUTBOX_WAKEUP, Adapters
from receiver.domain.action import Click
from receiver.domain.item import Item, Medium
from receiver.domain.people import Person
from receiver.domain.routing import Route
from receiver.errors import PermanentError
from receiver.pipeline.notices import SIGNED_IN, notice_of
from receiver.store import actions, items, outbox, payloads
from receiver.store.payloads import FreshLink
from receiver.web.action_pages import Found, Used
from receiver.web.sessions import session_of
from receiver.web.submit_action import submit_action

FRESH_LINK_EVERY = timedelta(minutes=5)


class LinkActionService:
    """Fulfils ``links.ActionService`` and ``media.MediaService`` over the store."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters
        self.tokens = adapters.rules.tokens
        self.translator = adapters.translator
        self.public_url = adapters.rules.public_url
        self.now = adapters.now

    async def find(self, token_id: str) -> Found | None:
        """The link and its item as it is now; None as soon as [people] does not name the link's address any more."""
        token, item = await self._adapters.database.read(_token_and_item, token_id)
        if token is None or item is None or not self._adapters.rules.people.may_resolve(Person(email=token.address)):
            return None
        notice = notice_of(self._adapters, item, self._route(token, item), reader=token.id)
        used = None
        if token.used_at is not None:
            used = Used(token.used_by or "", token.used_at, token.used_verb or "")
        return Found(item, notice, token.address, token.version, token.expires_at, used)

    async def press(self, click: Click, locale: str) -> str | None:
        """Store the choice and wait a moment for it; None, or the sentence that says why not."""
        return await submit_action(self._adapters, click, locale)

    async def resend(self, token_id: str) -> None:
        """Mail a fresh link to the address the old one went to, and to no other; at most one in five minutes."""
        adapters = self._adapters
        token, item = await adapters.database.read(_token_and_item, token_id)
        if token is None or item is None:
            return
        fresh = replace(
            token,
            id=secrets.token_hex(12),
            version=item.version,
            created_at=adapters.now(),
            expires_at=adapters.now() + (token.expires_at - token.created_at),
            used_at=None,
            used_by=None,
            used_verb=None,
        )
        await adapters.database.write(_queue_fresh, fresh, adapters.now())
        adapters.wakeups.notify(OUTBOX_WAKEUP)

    async def may_open(self, request: Request, reader: str) -> bool:
        if reader == SIGNED_IN:
            return await session_of(self._adapters, request) is not None
        token, _ = await self._adapters.database.read(_token_and_item, reader)
        return token is not None and self._adapters.rules.people.may_resolve(Person(email=token.address))

    async def find_item(self, item_id: str) -> Item | None:
        return await self._adapters.database.read(items.find, item_id)

    async def media_url(self, item: Item, medium: Medium) -> str:
        """A fresh link from the source. Raises DeliveryError."""
        upstream = self._adapters.upstreams.get((item.snapshot.source, item.snapshot.account))
        if upstream is None:
            raise PermanentError("unknown_account")
        return await upstream.media_url(item, medium)

    def _route(self, token: actions.Token, item: Item) -> Route:
        return self._adapters.rules.route_for(token.route, f"mail:{token.address}", item.snapshot)


def _token_and_item(connection: Connection, token_id: str) -> tuple[actions.Token | None, Item | None]:
    token = actions.find_token(connection, token_id)
    return token, items.find(connection, token.item_id) if token else None


def _queue_fresh(connection: Connection, fresh: actions.Token, now: datetime) -> None:
    to, since = f"mail:{fresh.address}", fresh.created_at - FRESH_LINK_EVERY
    if outbox.was_enqueued(connection, fresh.item_id, to, payloads.FRESH_LINK, since):
        return
    actions.add_token_once(connection, fresh)
    outbox.enqueue(connection, fresh.item_id, to, FreshLink(fresh.route, fresh.id), now)
