"""A reply that Debitura took and that solves nothing: after half an hour people are rung again, once."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from casebell_sandbox.server import Sandbox, SandboxThread
from notifiers.email.client import SmtpClient
from notifiers.email.notifier import MailNotifier
from notifiers.i18n.translator import Translator
from notifiers.slack.client import SlackClient
from notifiers.slack.notifier import SlackNotifier
from receiver.context import Adapters
from receiver.domain.action import Click
from receiver.domain.item import Item
from receiver.domain.people import People, Person
from receiver.domain.routing import Route
from receiver.domain.token import Tokens
from receiver.observability import Metrics
from receiver.pipeline.actions import Taken, take_action
from receiver.pipeline.deliver.claims import Dispatcher
from receiver.settings.sections import Email
from receiver.store import items
from receiver.store.database import Database, open_database
from receiver.sync.reconcile import reconcile
from receiver.upstream.debitura.client import Debitura
from tests.factories import make_rules

pytestmark = pytest.mark.anyio

ANNA = Person(email="anna@creditor.example", name="Anna")
PEOPLE = People(resolvers=frozenset({"@creditor.example"}))
ROUTE = Route("all", slack=("C0TASKS",), email=("ar@creditor.example",))


@dataclass
class Here:
    adapters: Adapters
    upstream: Debitura
    sandbox: Sandbox
    at: datetime

    async def settle(self) -> None:
        """Reconcile, then deliver until nothing is due."""
        await reconcile(self.adapters, self.upstream)
        dispatcher = Dispatcher(self.adapters)
        while await dispatcher.dispatch_due():
            await dispatcher.drain(10)

    async def item(self) -> Item:
        (found,) = await self.adapters.database.read(lambda connection: list(items.list_items(connection)))
        return found

    def loud(self) -> list[str]:
        return [post.text for post in self.sandbox.slack.posts("C0TASKS") if post.is_broadcast]

    def mails(self) -> list[str]:
        return [str(mail.message["Message-ID"]) for mail in self.sandbox.mail.messages]


@pytest.fixture
def stand_ins() -> Iterator[SandboxThread]:
    with SandboxThread() as thread:
        thread.sandbox.debitura.solve_after_s = float("inf")
        yield thread


@pytest.fixture
async def here(stand_ins: SandboxThread, tmp_path: Path) -> AsyncIterator[Here]:
    database: Database = open_database(f"sqlite:///{tmp_path / 'casebell.db'}")
    made: list[Here] = []

    def now() -> datetime:
        return made[0].at if made else datetime.now(UTC)

    debitura = Debitura(
        "main",
        f"{stand_ins.url}/debitura",
        "debitura-key",
        poll_every_s=60,
        people=PEOPLE,
        reply_as="ar@creditor.example",
        now=now,
        settle_s=0,
    )
    adapters = Adapters(
        database,
        make_rules(people=PEOPLE, tokens=Tokens(["k" * 32]), public_url="http://127.0.0.1", routes=(ROUTE,)),
        Translator(),
        Metrics(),
        now=now,
    )
    smtp = Email(smtp_url=f"smtp://127.0.0.1:{stand_ins.smtp_port}", sender="Casebell <casebell@creditor.example>")
    mail = MailNotifier(SmtpClient(smtp.smtp_url, None), Translator(), sender=smtp.sender, host="127.0.0.1")
    slack = SlackNotifier(SlackClient(f"{stand_ins.url}/slack/api/", "xoxb-sandbox"), Translator())
    adapters.notifiers, adapters.upstreams = {"slack": slack, "mail": mail}, {("debitura", "main"): debitura}
    made.append(Here(adapters, debitura, stand_ins.sandbox, datetime.now(UTC)))
    yield made[0]
    for closing in (debitura, slack, database):
        await closing.close()


async def test_people_are_rung_again_when_a_reply_solves_nothing_in_half_an_hour(here: Here) -> None:
    here.sandbox.debitura.add_task("ReplyToChat")
    await here.settle()
    item = await here.item()
    click = Click(item.id, item.version, "reply", ANNA, "mail", "p1", text="It was not credited.")
    assert isinstance(await here.adapters.database.write(take_action, click, here.at, (ROUTE,), PEOPLE), Taken)
    await here.settle()
    here.at += timedelta(minutes=29)
    await here.settle()
    before, quiet = here.mails(), here.loud()

    here.at += timedelta(minutes=2)
    await here.settle()
    rung = (here.loud(), here.mails())
    await here.settle()
    item = await here.item()

    assert (len(before), quiet) == (1, [])
    assert len(rung[0]) == 1
    assert "Debitura took the request, but this is still open there." in rung[0][0]
    assert len(rung[1]) == 2
    assert (here.loud(), here.mails()) == rung
    assert (item.state, item.problem, "reply" in item.snapshot.verbs) == ("open", "still_open", True)
