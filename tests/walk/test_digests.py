"""Digests over a real store and a real mail server: one a slot, none lost, and none to who wants or gets no more."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from casebell_sandbox.mailbox import Mail, MailStand
from notifiers.email.client import SmtpClient
from notifiers.email.notifier import MailNotifier
from notifiers.i18n.translator import Translator
from receiver.context import Adapters
from receiver.domain.digest import DigestRule, SourceFigures
from receiver.domain.fact import SourceGone, SourceReported
from receiver.domain.people import People
from receiver.domain.routing import Route
from receiver.domain.schedule import Schedule
from receiver.errors import DeliveryError, PermanentError, RetryLaterError
from receiver.observability import Metrics
from receiver.operations.digests import make_if_due, make_now
from receiver.pipeline.apply import apply_fact
from receiver.pipeline.deliver.claims import deliver
from receiver.pipeline.deliver.digests import subscription_id
from receiver.store import accounts, outbox, payloads, suppression
from receiver.store.database import Database
from receiver.web.app import build_app
from tests.factories import make_rules, make_snapshot

pytestmark = pytest.mark.anyio

CFO, COO = "cfo@creditor.example", "coo@creditor.example"
DAILY = DigestRule("daily", Schedule("30 8 * * *", "UTC"), to=(CFO,))
MONDAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@dataclass
class Source:
    """An account that counts for itself, or does not answer."""

    source: str = "getbill"
    account: str = "main"
    poll_every_s: float = 300.0
    error: DeliveryError | None = None

    async def figures(self) -> SourceFigures:
        if self.error:
            raise self.error
        return SourceFigures("getbill", "main", (("agreements", 25), ("agreements_overdue", 3)))


@dataclass
class Morning:
    """A service on a clock of its own."""

    database: Database
    mail: MailStand
    at: datetime = MONDAY
    rules: tuple[DigestRule, ...] = (DAILY,)
    source: Source = field(default_factory=Source)
    adapters: Adapters = field(init=False)

    def __post_init__(self) -> None:
        self.adapters = self.another()

    def another(self) -> Adapters:
        """A further process on the same store."""
        client = SmtpClient(f"smtp://127.0.0.1:{self.mail.port}", None, total_s=5)
        notifier = MailNotifier(
            client, Translator(), sender="Casebell <casebell@creditor.example>", host="c.example.com"
        )
        return Adapters(
            self.database,
            make_rules(
                people=People(resolvers=frozenset({CFO})),
                public_url="https://casebell.example.com",
                routes=(Route("all", email=("ar@creditor.example",)),),
                digests=self.rules,
                accounts={("getbill", "main"): timedelta(seconds=self.source.poll_every_s)},
                channels=frozenset({"mail"}),
            ),
            Translator(),
            Metrics(),
            upstreams={("getbill", "main"): self.source},  # type: ignore[dict-item] # what a digest asks of it
            notifiers={"mail": notifier},
            now=lambda: self.at,
        )

    async def until(self, day: int, hour: int, minute: int = 0) -> None:
        """The clock moves on, and the loop looks."""
        self.at = datetime(2026, 3, day, hour, minute, tzinfo=UTC)
        for rule in self.adapters.rules.digests:
            await make_if_due(self.adapters, rule)

    async def deliver_all(self) -> list[str]:
        claimed = await self.database.write(outbox.claim, self.at, "c1", 50, (), 4)
        return [(await deliver(self.adapters, one, "c1")).result for one in claimed if one.what == payloads.DIGEST]

    async def opens(self, n: int, **said: Any) -> str:
        self.at += timedelta(seconds=1)
        snapshot = make_snapshot(key=f"getbill:main:x:{n}", reference=f"INV-{n:04}", debt_id=f"d{n}", **said)
        decision = await self.database.write(apply_fact, SourceReported(snapshot, self.at), self.at, ())
        return str(decision.item.id)  # type: ignore[union-attr] # it opens

    async def ends(self, n: int) -> None:
        gone = SourceGone(f"getbill:main:x:{n}", self.at, outcome="validated")
        await self.database.write(apply_fact, gone, self.at, ())

    def got(self, address: str = CFO) -> list[Mail]:
        return self.mail.to(address)

    def texts(self, address: str = CFO) -> list[str]:
        return [str(mail.message.get_body(("plain",)).get_content()) for mail in self.got(address)]  # type: ignore[union-attr]


@pytest.fixture
async def morning(database: Database) -> AsyncIterator[Morning]:
    mail = MailStand()
    await mail.start()
    yield Morning(database, mail)
    await mail.stop()


async def test_a_new_rule_begins_with_its_next_slot_and_not_with_a_past_one(morning: Morning) -> None:
    await morning.opens(1)

    await morning.until(2, 8, 10)
    await morning.until(2, 8, 29)
    assert await morning.deliver_all() == []

    await morning.until(2, 8, 30)
    assert await morning.deliver_all() == ["done"]
    assert "INV-0001" in morning.texts()[0]


async def test_a_slot_has_one_digest_however_many_look_and_however_often(morning: Morning) -> None:
    await morning.opens(1)
    await morning.until(2, 8)
    morning.at = datetime(2026, 3, 2, 8, 30, 5, tzinfo=UTC)

    await asyncio.gather(*(make_if_due(morning.another(), DAILY) for _ in range(8)))
    await morning.until(2, 9)
    await morning.deliver_all()

    assert len(morning.got()) == 1


async def test_after_an_outage_of_a_week_there_is_one_digest_that_tells_of_all_of_it(morning: Morning) -> None:
    await morning.opens(1)
    await morning.until(2, 8)
    await morning.until(2, 8, 30)
    await morning.deliver_all()

    morning.at = MONDAY + timedelta(days=1)
    await morning.ends(1)
    await morning.until(9, 11)
    await morning.until(9, 12)
    await morning.deliver_all()

    assert len(morning.got()) == 2
    assert "RESOLVED SINCE THE LAST DIGEST (1)" in morning.texts()[1]
    assert "Next digest: Tue 10 Mar, 08:30" in morning.texts()[1]


async def test_digests_that_never_left_are_told_by_the_next_one(morning: Morning) -> None:
    await morning.until(2, 8)
    await morning.opens(1)
    await morning.opens(2)
    await morning.until(2, 8, 30)
    await morning.ends(1)  # known to the second digest alone
    for day in (3, 4, 5):
        await morning.until(day, 8, 30)

    assert await morning.deliver_all() == ["done"]
    assert len(morning.got()) == 1
    assert "RESOLVED SINCE THE LAST DIGEST (1)" in morning.texts()[0]
    assert "[New]" in morning.texts()[0]


async def test_a_digest_is_what_changed_since_the_last_one(morning: Morning) -> None:
    await morning.until(2, 8)
    await morning.opens(1)
    await morning.until(2, 8, 30)
    await morning.deliver_all()
    await morning.opens(2)
    await morning.until(3, 8, 30)
    await morning.deliver_all()

    first, second = morning.texts()
    assert "1 to decide, 1 new" in first
    assert "2 to decide, 1 new" in second
    assert "[New] Dispute: Payment Already Made · INV-0002" in second


async def test_an_empty_one_is_not_sent_unless_asked_for(morning: Morning) -> None:
    await morning.database.write(accounts.record_sync, "getbill", "main", datetime(2026, 3, 3, 8, 29, tzinfo=UTC))
    morning.adapters.rules = replace(
        morning.adapters.rules, digests=(DAILY, replace(DAILY, name="always", skip_empty=False, to=(COO,)))
    )

    await morning.until(2, 8)
    await morning.until(2, 8, 30)
    await morning.deliver_all()

    assert morning.got(CFO) == []
    assert "NOTHING IS WAITING FOR A DECISION" in morning.texts(COO)[0]


async def test_a_source_that_fell_silent_is_told_first(morning: Morning) -> None:
    await morning.opens(1)
    await morning.database.write(accounts.record_sync, "getbill", "main", MONDAY - timedelta(hours=3))
    await morning.until(2, 8)
    await morning.until(2, 8, 30)
    await morning.deliver_all()

    assert "! No complete sync with Getbill main since Mon 2 Mar, 05:00" in morning.texts()[0]


async def test_the_sources_own_figures_are_in_it_when_it_answers(morning: Morning) -> None:
    await morning.opens(1)
    await morning.until(2, 8)
    await morning.until(2, 8, 30)
    await morning.deliver_all()
    morning.source.error = RetryLaterError("budget")
    await morning.until(3, 8, 30)
    await morning.deliver_all()

    told, later = morning.texts()
    assert "Getbill main, last month: Agreements 25, of these overdue 3" in told
    assert "last month" not in later
    assert "INV-0001" in later


async def test_outside_the_schedule_nothing_of_the_schedule_moves(morning: Morning) -> None:
    await morning.opens(1)
    await morning.until(2, 8)
    assert await make_now(morning.adapters, "daily") == [f"mail:{CFO}"]
    assert await morning.deliver_all() == ["done"]

    await morning.until(2, 8, 30)
    await morning.deliver_all()

    assert len(morning.got()) == 2
    with pytest.raises(PermanentError, match="daily"):
        await make_now(morning.adapters, "weekly")


async def test_a_link_in_a_digest_decides_for_this_address_alone(morning: Morning) -> None:
    morning.adapters.rules = replace(
        morning.adapters.rules, digests=(replace(DAILY, to=(CFO, "guest@elsewhere.example")),)
    )
    await morning.opens(1)
    await morning.until(2, 8)
    await morning.until(2, 8, 30)
    await morning.deliver_all()

    assert "/act/" in morning.texts()[0]
    assert "/act/" not in morning.texts("guest@elsewhere.example")[0]


async def test_what_waits_for_weeks_has_a_link_that_works_in_every_digest(morning: Morning) -> None:
    await morning.opens(1)
    await morning.until(2, 8)
    for day in (2, 22):
        await morning.until(day, 8, 30)
        await morning.deliver_all()
    old, new = (str(re.search(r"/act/\S+", text)[0]) for text in morning.texts())  # type: ignore[index] # it is there

    async with visiting(morning) as http:
        assert (await http.get(old)).status_code == 410
        assert (await http.get(new)).status_code == 200


async def test_who_unsubscribes_by_one_click_gets_no_more_of_this_digest(morning: Morning) -> None:
    weekly = replace(DAILY, name="weekly")
    morning.adapters.rules = replace(morning.adapters.rules, digests=(DAILY, weekly))
    await morning.opens(1)
    await morning.until(2, 8)
    await morning.until(2, 8, 30)
    await morning.deliver_all()
    first = next(mail for mail in morning.got() if "daily" in str(mail.message["List-Id"]))
    unfolded = first.raw.decode("ascii").replace("\r\n ", " ")  # as a mail program reads it (RFC 8058, 3)
    headers = dict(line.split(": ", 1) for line in unfolded.partition("\r\n\r\n")[0].split("\r\n"))
    path = headers["List-Unsubscribe"].strip("<>").removeprefix("https://casebell.example.com")
    form = dict([headers["List-Unsubscribe-Post"].split("=")])

    async with visiting(morning) as http:
        looked = await http.get(path)
        await http.head(path)
        before = await morning.database.read(suppression.list_active, morning.at)
        clicked = await http.post(path, data=form)
        again = await http.post(path, data=form)
    await morning.until(3, 8, 30)
    await morning.deliver_all()

    assert (looked.status_code, clicked.status_code, again.status_code) == (200, 200, 200)
    assert "Unsubscribe from this digest?" in looked.text
    assert CFO not in looked.text + clicked.text
    assert "set-cookie" not in clicked.headers
    assert before == []
    lists = sorted(str(mail.message["List-Id"]) for mail in morning.got())
    assert [one.partition(".")[0].strip("<") for one in lists] == ["daily", "weekly", "weekly"]


async def test_a_click_that_comes_while_a_digest_waits_stops_that_one_too(morning: Morning) -> None:
    await morning.opens(1)
    await morning.until(2, 8)
    await morning.until(2, 8, 30)

    await morning.database.write(suppression.add, CFO, "daily", suppression.UNSUBSCRIBED, morning.at, None)

    assert await morning.deliver_all() == ["done"]
    assert morning.got() == []


@pytest.mark.parametrize("token", ["", "rubbish", "x" * 600, "signed-for-something-else"])
async def test_a_link_that_is_not_ours_unsubscribes_nobody(morning: Morning, token: str) -> None:
    if token == "signed-for-something-else":
        token = morning.adapters.rules.tokens.make("act.v1", subscription_id("daily", CFO))

    async with visiting(morning) as http:
        answer = await http.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 404
    assert await morning.database.read(suppression.list_active, morning.at) == []


async def test_an_address_refused_for_good_gets_no_mail_for_a_week_and_then_one_try(morning: Morning) -> None:
    morning.mail.refuse[CFO] = (550, "5.1.1 no such person")
    await morning.opens(1)
    await morning.until(2, 8)
    await morning.until(2, 8, 30)
    assert await morning.deliver_all() == ["dead"]

    morning.mail.refuse.clear()
    await morning.until(3, 8, 30)
    assert await morning.deliver_all() == []
    (kept,) = await morning.database.read(suppression.list_active, morning.at)
    assert (kept.address, kept.list, kept.reason) == (CFO, suppression.ALL, "550 5.1.1 no such person")

    await morning.until(10, 8, 30)
    assert await morning.deliver_all() == ["done"]


async def test_a_server_that_refuses_by_policy_is_not_the_addresses_fault(morning: Morning) -> None:
    morning.mail.refuse[CFO] = (550, "5.7.1 relaying denied")
    await morning.opens(1)
    await morning.until(2, 8)
    await morning.until(2, 8, 30)

    assert await morning.deliver_all() == ["dead"]
    assert await morning.database.read(suppression.list_active, morning.at) == []


async def test_greylisting_costs_time_and_no_digest(morning: Morning) -> None:
    morning.mail.refuse[CFO] = (450, "4.2.0 greylisted, try again later")
    await morning.opens(1)
    await morning.until(2, 8)
    await morning.until(2, 8, 30)
    assert await morning.deliver_all() == ["retry"]

    morning.mail.refuse.clear()
    morning.at += timedelta(minutes=20)
    assert await morning.deliver_all() == ["done"]
    assert len(morning.got()) == 1


def visiting(morning: Morning) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=build_app(morning.adapters)), base_url="https://casebell.example.com"
    )
