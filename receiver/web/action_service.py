"""What the pages behind links need of the store and the sources: the item of a link, clicks, new links, files."""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection
from starlette.requests import Request

from receiver.context import OUTBOX_WAKEUP, Adapters
from receiver.domain.action import Click
from receiver.domain.item import Item, Medium
from receiver.domain.notice import Notice
from receiver.domain.people import Person
from receiver.errors import PermanentError
from receiver.pipeline.notices import SIGNED_IN, notice_of
from receiver.store import actions, items, outbox, payloads
from receiver.store.payloads import FreshLink
from receiver.web.sessions import session_of
from receiver.web.submit_action import submit_action

NEW_LINK_INTERVAL = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class LinkUse:
    """The decision that a link was used for, by whom and when."""

    by: str
    at: datetime
    verb: str


@dataclass(frozen=True, slots=True)
class ActionTarget:
    """The item that a page shows, as it is now, and the right to decide about it.

    ``address``: the person who decides. ``version_when_sent``: the item's version when the link was mailed.
    """

    item: Item
    notice: Notice
    address: str
    version_when_sent: int
    expires_at: datetime
    link_use: LinkUse | None


class ActionService:
    """Every method raises CasebellError while the store is unavailable."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters
        self.tokens = adapters.rules.tokens
        self.translator = adapters.translator
        self.public_url = adapters.rules.public_url

    def now(self) -> datetime:
        return self._adapters.now()

    async def find_target(self, token_id: str) -> ActionTarget | None:
        """The item of a link. None if the link does not exist or [people] no longer names its address."""
        token, item = await self._adapters.database.read(_token_and_item, token_id)
        if token is None or item is None or not self._may_resolve(token):
            return None
        route = self._adapters.rules.route_for(token.route, f"mail:{token.address}", item.snapshot)
        notice = notice_of(self._adapters, item, route, reader=token.id)
        link_use = None
        if token.used_at is not None:
            link_use = LinkUse(token.used_by or "", token.used_at, token.used_verb or "")
        return ActionTarget(item, notice, token.address, token.version, token.expires_at, link_use)

    async def submit_click(self, click: Click, locale: str) -> str | None:
        """Store the click and wait up to three seconds for its result: None, or the reason why it was refused."""
        return await submit_action(self._adapters, click, locale)

    async def send_new_link(self, token_id: str) -> None:
        """Mail a new link to the address of the old one, at most once in five minutes."""
        adapters = self._adapters
        token, item = await adapters.database.read(_token_and_item, token_id)
        if token is None or item is None:
            return
        new_token = replace(
            token,
            id=secrets.token_hex(12),
            version=item.version,
            created_at=adapters.now(),
            expires_at=adapters.now() + (token.expires_at - token.created_at),
            used_at=None,
            used_by=None,
            used_verb=None,
        )
        await adapters.database.write(_enqueue_new_link, new_token, adapters.now())
        adapters.wakeups.notify(OUTBOX_WAKEUP)

    async def may_open_file(self, request: Request, reader: str) -> bool:
        """Whether the reader of a file's link may still decide here. ``reader``: SIGNED_IN or the id of a token."""
        if reader == SIGNED_IN:
            return await session_of(self._adapters, request) is not None
        token, _ = await self._adapters.database.read(_token_and_item, reader)
        return token is not None and self._may_resolve(token)

    async def find_item(self, item_id: str) -> Item | None:
        return await self._adapters.database.read(items.find, item_id)

    async def media_url(self, item: Item, medium: Medium) -> str:
        """A link that the source signs now. Raises DeliveryError."""
        upstream = self._adapters.upstreams.get((item.snapshot.source, item.snapshot.account))
        if upstream is None:
            raise PermanentError("unknown_account")
        return await upstream.media_url(item, medium)

    def _may_resolve(self, token: actions.Token) -> bool:
        return self._adapters.rules.people.may_resolve(Person(email=token.address))


def _token_and_item(connection: Connection, token_id: str) -> tuple[actions.Token | None, Item | None]:
    token = actions.find_token(connection, token_id)
    return token, items.find(connection, token.item_id) if token else None


def _enqueue_new_link(connection: Connection, token: actions.Token, now: datetime) -> None:
    destination, since = f"mail:{token.address}", token.created_at - NEW_LINK_INTERVAL
    if outbox.was_enqueued(connection, token.item_id, destination, payloads.FRESH_LINK, since):
        return
    actions.add_token_once(connection, token)
    outbox.enqueue(connection, token.item_id, destination, FreshLink(token.route, token.id), now)
