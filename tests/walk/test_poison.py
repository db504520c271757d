"""Step 4 with one event that never works: the others of its account go their way."""

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from casebell_sandbox.getbill import GetbillStand
from notifiers.i18n.translator import Translator
from receiver.context import Adapters
from receiver.domain.routing import Route
from receiver.domain.token import Tokens
from receiver.observability import Metrics
from receiver.pipeline.ingest import drain
from receiver.store import events, items
from receiver.store.database import Database
from receiver.store.events import Arrival
from receiver.sync.reconcile import reconcile, try_reconcile
from receiver.upstream.getbill.client import Getbill
from tests.factories import NOW, make_rules
from tests.getbill_side import Watch, client_of

pytestmark = pytest.mark.anyio


def adapters_of(database: Database, upstream: Getbill, watch: Watch) -> Adapters:
    tokens, upstreams = Tokens(["0123456789abcdef"]), {("getbill", "main"): upstream}
    return Adapters(
        database,
        make_rules(tokens=tokens, routes=(Route("all"),)),
        Translator(),
        Metrics(),
        upstreams=upstreams,
        now=watch,
    )


async def test_an_event_whose_todo_always_fails_at_getbill_holds_up_no_other(database: Database) -> None:
    stand, watch = GetbillStand(clock=lambda: watch.at), Watch()
    todos = [stand.add("portal_dispute", reference=f"INV-{n}") for n in range(4)]
    bad = todos[0]["id"]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = Response("boom", 500) if bad in scope["path"] else stand.app
        await answer(scope, receive, send)

    upstream = client_of(app, watch)  # type: ignore[arg-type]
    adapters = adapters_of(database, upstream, watch)
    for n, todo in enumerate(todos):
        arrival = Arrival("getbill", "main", f"e{n}", {}, stand.event(todo), NOW)
        await database.write(events.append, [arrival])

    for _ in range(20):
        await drain(adapters, "getbill", "main")
        watch.move(seconds=60)

    states = [await database.read(events.find_state, "getbill", f"e{n}") for n in range(4)]
    await upstream.close()
    assert [state and state[0] for state in states] == ["new", "done", "done", "done"]
    assert len(await database.read(items.list_open_keys, "getbill", "main")) == 3


@pytest.mark.parametrize("broken", [1, 12])
async def test_a_todo_that_getbill_cannot_show_keeps_its_state_and_holds_up_no_other(
    database: Database, broken: int
) -> None:
    """One of them is that todo's own trouble; when many break, the source does, and nothing is concluded."""
    stand, watch = GetbillStand(clock=lambda: watch.at), Watch()
    todos = [stand.add("hardship", reference=f"INV-{n}") for n in range(15)]
    bad: set[str] = set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = Response("boom", 500) if any(one in scope["path"] for one in bad) else stand.app
        await answer(scope, receive, send)

    upstream = client_of(app, watch)  # type: ignore[arg-type]
    adapters = adapters_of(database, upstream, watch)
    await reconcile(adapters, upstream, is_full=True)
    bad |= {todo["id"] for todo in todos[:broken]}
    todos.append(stand.add("hardship", reference="INV-NEW"))
    bad.add(todos[-1]["id"])
    todos.append(stand.add("hardship", reference="INV-NEWER"))
    watch.move(hours=2)
    is_heard = await try_reconcile(adapters, upstream, is_full=True)
    while_broken = len(await database.read(items.list_open_keys, "getbill", "main"))
    bad.clear()
    watch.move(hours=2)
    await reconcile(adapters, upstream, is_full=True)
    healed = len(await database.read(items.list_open_keys, "getbill", "main"))
    await upstream.close()

    assert (is_heard, while_broken, healed) == ((True, 16, 17) if broken == 1 else (False, 15, 17))
