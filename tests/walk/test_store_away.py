"""A store that goes away in the middle of the work is no fault of the events: they are tried again, however long."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from receiver.context import Adapters
from receiver.domain.fact import Fact, SourceReported
from receiver.domain.item import Item, Medium
from receiver.domain.notice import Notice
from receiver.domain.routing import Route
from receiver.errors import PermanentError, RetryLaterError
from receiver.observability import Metrics
from receiver.pipeline.apply import apply_fact
from receiver.pipeline.deliver.claims import deliver
from receiver.pipeline.ingest import accept, drain
from receiver.ports import ChangeHint, Delivered, Health, ReceivableBatch, SyncResult
from receiver.store import events, items, outbox
from receiver.store.database import Database
from receiver.store.events import Arrival
from tests.act_site import PlainTranslator
from tests.factories import NOW, make_rules, make_snapshot

pytestmark = pytest.mark.anyio


class Source:
    """A source that says one thing."""

    source, account, poll_every_s, max_duration_s = "getbill", "main", 60.0, 10.0

    def read(self, body: bytes) -> ChangeHint | None:
        del body
        return ChangeHint()

    def facts_from_event(self, body: bytes) -> list[Fact]:
        del body
        return []

    async def fetch(self, hints: Collection[ChangeHint], open_keys: Collection[str]) -> list[Fact]:
        del hints, open_keys
        return [SourceReported(make_snapshot(), NOW)]

    async def reconcile(
        self, open_keys: Collection[str], *, is_full: bool, versions: Mapping[str, int] | None = None
    ) -> SyncResult:
        del open_keys, is_full, versions
        return SyncResult(NOW, [])

    async def list_receivables(self) -> list[ReceivableBatch]:
        return []

    async def execute(self, order: object) -> list[Fact]:
        del order
        return []

    async def media_url(self, item: Item, medium: Medium) -> str:
        raise PermanentError("media_gone", f"{item.id} {medium.name}")

    async def health(self) -> list[Health]:
        return []

    async def close(self) -> None:
        return None


class Away:
    """A database that fulfils the port and cannot do the named work while ``is_away``."""

    def __init__(self, inner: Database, work_name: str) -> None:
        self._inner = inner
        self._work_name = work_name
        self.is_away = True
        self.dialect = inner.dialect

    async def read(self, work: Callable[..., Any], *args: Any) -> Any:
        return await self._inner.read(work, *args)

    async def write(self, work: Callable[..., Any], *args: Any) -> Any:
        if self.is_away and getattr(work, "func", work).__name__ == self._work_name:
            raise RetryLaterError("store_unavailable", "database or disk is full")
        return await self._inner.write(work, *args)

    async def write_batched(self, work: Callable[..., Any], row: Any) -> Any:
        return await self._inner.write_batched(work, row)

    def now(self) -> datetime:
        return NOW

    async def notify_replicas(self, me: str, names: Collection[str]) -> None:
        await self._inner.notify_replicas(me, names)

    async def listen(self, me: str, heard: Callable[[str], None]) -> None:
        await self._inner.listen(me, heard)

    async def close(self) -> None:
        await self._inner.close()


@pytest.mark.parametrize("work_name", ["apply_with_automations", "finish"])
async def test_an_event_outlives_a_store_that_is_away_for_long(database: Database, work_name: str) -> None:
    away = Away(database, work_name)
    adapters = Adapters(
        away,
        make_rules(routes=(Route("none"),)),
        PlainTranslator(),
        Metrics(),
        upstreams={("getbill", "main"): Source()},
        now=lambda: NOW,
    )
    await accept(adapters, Arrival("getbill", "main", "e1", {}, b"{}", NOW))

    for _ in range(events.MAX_ATTEMPTS + 2):
        with pytest.raises(RetryLaterError):
            await drain(adapters, "getbill", "main")
    away.is_away = False
    await drain(adapters, "getbill", "main")

    assert await database.read(events.counts) == {"done": 1}
    assert await database.read(items.find_by_key, make_snapshot().key) is not None


class Channel:
    """A notifier that posts at once."""

    def __init__(self) -> None:
        self.posted = 0
        self.max_duration_s = 4.0  # a busy machine needs a while to come as far as the post

    async def deliver(self, notice: Notice, address: str, reference: str | None, state: str | None) -> Delivered:
        del notice, address, state
        self.posted += reference is None
        return Delivered("1.1")


async def test_a_store_that_is_away_for_longer_than_a_delivery_may_take_does_not_make_it_two(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.context.STORE_RETRY_S", 0.1)
    routes, channel, away = (Route("all", slack=("C1",)),), Channel(), Away(database, "_finish")
    adapters = Adapters(
        away,
        make_rules(routes=routes, channels=frozenset({"slack"})),
        PlainTranslator(),
        Metrics(),
        notifiers={"slack": channel},  # type: ignore[dict-item]  # all that a show needs
        now=lambda: NOW,
    )
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, routes)
    (row,) = await database.write(outbox.claim, NOW, "c1", 5, (), 4)

    delivering = asyncio.create_task(deliver(adapters, row, "c1"))
    await asyncio.sleep(1.2 * channel.max_duration_s)
    away.is_away = False

    assert (await delivering).result == "done"
    assert channel.posted == 1
    assert await database.write(outbox.claim, NOW + timedelta(hours=1), "c2", 5, (), 4) == []
