"""A mail whose end was never confirmed: sent again and saying so, but only so often."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from notifiers.email.notifier import MailNotifier
from notifiers.i18n.translator import Translator
from receiver.context import Adapters
from receiver.domain.fact import SourceReported
from receiver.domain.routing import Route
from receiver.observability import Metrics
from receiver.pipeline.apply import apply_fact
from receiver.pipeline.deliver.attempt import MOST_COPIES, Outcome
from receiver.pipeline.deliver.claims import deliver
from receiver.store import outbox
from receiver.store.database import Database
from receiver.store.schema import outbox as outbox_table
from tests.adapters.mail_server import HANG_UP, SENDER, Mailbox, client, mail_server
from tests.factories import NOW, make_rules, make_snapshot

pytestmark = pytest.mark.anyio
ROUTES = (Route("disputes", email=("ar@creditor.example",)),)


@asynccontextmanager
async def adapters_of(database: Database, mailbox: Mailbox) -> AsyncIterator[Adapters]:
    async with mail_server(mailbox):
        adapters = Adapters(database, make_rules(routes=ROUTES), Translator(), Metrics())
        adapters.notifiers = {"mail": MailNotifier(client(mailbox), Translator(), sender=SENDER, host="x")}
        yield adapters


async def tried(adapters: Adapters, n: int) -> Outcome:
    """The one delivery there is, as often as it came due."""
    later = NOW + timedelta(hours=n)
    adapters.now = lambda: later
    (row,) = await adapters.database.write(outbox.claim, later, f"c{n}", 5, (), 4)
    return await deliver(adapters, row, f"c{n}")


async def test_an_alert_that_was_never_confirmed_goes_again_and_says_so(database: Database) -> None:
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, ROUTES)
    mailbox = Mailbox(answers={"DATA": HANG_UP})
    async with adapters_of(database, mailbox) as adapters:
        first = await tried(adapters, 0)
        mailbox.answers = {}
        second = await tried(adapters, 1)

    assert (first.result, second.result) == ("uncertain", "done")
    (mail,) = mailbox.taken
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            assert "This may reach you twice" in " ".join(part.get_content().split())


async def test_an_alert_that_arrived_says_nothing_of_the_kind(database: Database) -> None:
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, ROUTES)
    mailbox = Mailbox()
    async with adapters_of(database, mailbox) as adapters:
        await tried(adapters, 0)

    assert "twice" not in str(mailbox.taken[0])


async def test_after_three_copies_that_nobody_confirmed_it_is_given_up_with_the_reason(database: Database) -> None:
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, ROUTES)
    async with adapters_of(database, Mailbox(answers={"DATA": HANG_UP})) as adapters:
        words = [(await tried(adapters, n)).result for n in range(MOST_COPIES)]

    def look(connection: Connection) -> Any:
        return connection.execute(select(outbox_table.c.state, outbox_table.c.reason)).one()

    row = await database.read(look)
    assert words == ["uncertain", "uncertain", "dead"]
    assert (row.state, "perhaps sent 3 times" in row.reason) == ("dead", True)


async def test_tries_that_surely_did_not_arrive_are_no_copies(database: Database) -> None:
    await database.write(apply_fact, SourceReported(make_snapshot(), NOW), NOW, ROUTES)
    mailbox = Mailbox(answers={"RCPT": "451 greylisted"})
    async with adapters_of(database, mailbox) as adapters:
        for n in range(MOST_COPIES):
            await tried(adapters, n)
        mailbox.answers = {"DATA": HANG_UP}
        doubted = await tried(adapters, MOST_COPIES)
        mailbox.answers = {}
        done = await tried(adapters, MOST_COPIES + 1)

    assert (doubted.result, done.result, len(mailbox.taken)) == ("uncertain", "done", 1)
