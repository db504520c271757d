"""A desk over a real store, with Slack and a mail server on real sockets, and a clock in the hand of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from casebell_sandbox.demo import write_configuration
from casebell_sandbox.mailbox import MailStand
from casebell_sandbox.server import SandboxThread
from casebell_sandbox.slack import SlackStand
from casebell_sandbox.slack_workspace import Message
from receiver.app import open_adapters
from receiver.context import Adapters
from receiver.domain.fact import SourceReported
from receiver.domain.item import Item, Snapshot
from receiver.jobs.reminders import remind_due
from receiver.pipeline.apply import apply_fact
from receiver.pipeline.deliver.claims import Dispatcher
from receiver.settings import load
from receiver.store import items, outbox
from tests import sqlite_file
from tests.factories import NOW, make_snapshot

ROUTE = """
[[routes]]
name     = "disputes"
slack    = ["C0DISPUTES"]
timezone = "Europe/Paris"
"""


@dataclass
class Office:
    adapters: Adapters
    slack: SlackStand
    mail: MailStand
    at: datetime = NOW

    async def say(self, reference: str, **changes: Any) -> Item:
        """The source shows an item."""
        key = f"getbill:main:debtor_request:{reference}"
        return await self.show(make_snapshot(key=key, reference=reference, **changes))

    async def show(self, snapshot: Snapshot) -> Item:
        await self.adapters.database.write(
            apply_fact, SourceReported(snapshot, self.at), self.at, self.adapters.rules.routes
        )
        await self.settle()
        return await self.item(snapshot.key)

    async def item(self, key: str) -> Item:
        found = await self.adapters.database.read(items.find_by_key, key)
        assert found is not None
        return found

    async def wait(self, **by: float) -> None:
        """Time passes, and what it brings about happens."""
        self.at += timedelta(**by)
        await self.settle()

    async def until(self, moment: str) -> None:
        self.at = datetime.fromisoformat(moment)
        await self.settle()

    async def settle(self) -> None:
        """Let the clock strike and everything leave."""
        dispatcher = Dispatcher(self.adapters)
        for _ in range(50):
            done = await remind_due(self.adapters)
            done += await dispatcher.dispatch_due()
            await dispatcher.drain(30)
            due, _ = await self.adapters.database.read(outbox.due_backlog, self.at)
            if not done and not due:
                return
        raise AssertionError("the outbox never comes to rest")

    def posts(self, channel: str = "C0DISPUTES") -> list[Message]:
        """What rings in the channel: messages that are no replies."""
        return [message for message in self.slack.posts(channel) if message.thread_ts is None]

    def replies(self, channel: str = "C0DISPUTES") -> list[Message]:
        return [message for message in self.slack.posts(channel) if message.thread_ts is not None]

    def subjects(self) -> list[str]:
        return [str(mail.message["subject"]) for mail in self.mail.messages]


def text_of(mail: EmailMessage) -> str:
    """The plain words of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    content: str = body.get_content()
    return content


@asynccontextmanager
async def office(folder: Path, routes: str = ROUTE, at: datetime = NOW) -> AsyncIterator[Office]:
    """An office with these ``[[routes]]``."""
    with SandboxThread(casebell_url="http://127.0.0.1:9") as stand_ins:
        config = write_configuration(
            folder, public_url="http://127.0.0.1:9", sandbox_url=stand_ins.url, smtp_port=stand_ins.smtp_port
        )
        sqlite_file.lay(folder)
        config.write_text(config.read_text().partition("[[routes]]")[0] + routes)
        async with open_adapters(load(config)) as adapters:
            made = Office(adapters, stand_ins.sandbox.slack, stand_ins.sandbox.mail, at)
            adapters.now = lambda: made.at
            yield made
