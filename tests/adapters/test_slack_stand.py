"""Notifier and interactions against the Slack stand-in, over real sockets in both directions."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as WebRoute

from casebell_sandbox.slack import SlackStand
from notifiers.i18n.translator import Translator
from notifiers.slack.client import SlackClient
from notifiers.slack.inbound import SlackClicks
from notifiers.slack.notifier import SlackNotifier
from receiver.domain.action import Click
from receiver.domain.notice import Link, Notice
from receiver.domain.people import Person
from receiver.errors import RejectedError
from tests.factories import NOW, make_item, make_notice, make_snapshot

pytestmark = pytest.mark.anyio

CHANNEL = "C0DISPUTES"
ITEM_PAGE = Link("item", "https://casebell.example.com/items/k7f3q9x2m4ab")


@dataclass
class Adapters:
    """The service's endpoint for interactions: verify, keep, answer, then do the work that may wait."""

    stand: SlackStand
    notifier: SlackNotifier
    clicks: SlackClicks
    notice: Notice
    kept: list[Click] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)

    async def interactions(self, request: Request) -> Response:
        body = await request.body()
        try:
            identity = self.clicks.verify(body, request.headers, datetime.now(UTC))
        except RejectedError:
            return Response(status_code=401)
        received = self.clicks.respond(body)
        if received.is_click:
            self.identities.append(identity)
            click = self.clicks.read(body)
            assert click is not None
            self.kept.append(click)
        if received.after:
            await received.after()
        return JSONResponse(received.answer) if received.answer else Response()

    async def show(self, notice: Notice) -> str:
        """Post the notice; returns the ts of its message."""
        self.notice = notice
        delivered = await self.notifier.deliver(notice, CHANNEL, None, None)
        assert delivered.reference is not None
        return delivered.reference.partition("/")[2]


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@pytest.fixture
async def adapters() -> AsyncIterator[Adapters]:
    stand = SlackStand()
    async with served(stand.app) as slack_url:
        client = SlackClient(f"{slack_url}/api/", stand.bot_token)

        async def notice_for(_item_id: str, _place: str) -> Notice | None:
            return working.notice

        clicks = SlackClicks(
            [stand.signing_secret],
            client=client,
            notice_for=notice_for,
            locale_at=lambda _place: "en",
            translator=Translator(),
            now=lambda: datetime.now(UTC),
            team_ids=["T0CREDITOR"],
            app_ids=["A0CASEBELL"],
        )
        working = Adapters(stand, SlackNotifier(client, Translator()), clicks, make_notice())
        app = Starlette(routes=[WebRoute("/slack/interactions", working.interactions, methods=["POST"])])
        async with served(app) as url:
            stand.interactivity_url = f"{url}/slack/interactions"
            yield working
        await working.notifier.close()


def shown(view: dict[str, Any]) -> str:
    return str(view["blocks"])


async def test_a_dispute_is_posted_pressed_and_redrawn_without_buttons(adapters: Adapters) -> None:
    ts = await adapters.show(make_notice(links=(ITEM_PAGE,)))

    answer = await adapters.stand.click(CHANNEL, ts, "validate")
    resolved = make_item(
        make_snapshot(is_open=False), state="resolved", version=3, resolved_at=NOW, outcome="validated"
    )
    await adapters.notifier.deliver(make_notice(resolved), CHANNEL, f"{CHANNEL}/{ts}", "open")

    assert (answer.status_code, answer.content) == (200, b"")
    (click,) = adapters.kept
    assert (click.item_id, click.version, click.verb) == ("k7f3q9x2m4ab", 1, "validate")
    assert (click.answer_to, click.shown_at) == ("slack:C0DISPUTES/U0ANNA", f"slack:{CHANNEL}/{ts}")
    (left,) = adapters.stand.posts(CHANNEL)
    assert left.edits == 1
    assert left.text.startswith("✅")
    assert "'value'" not in str(left.blocks)


async def test_the_same_press_sent_again_has_the_same_identity_and_another_press_has_not(adapters: Adapters) -> None:
    ts = await adapters.show(make_notice())

    await adapters.stand.click(CHANNEL, ts, "validate")
    await adapters.stand.resend_last()
    await adapters.stand.click(CHANNEL, ts, "validate", user="U0BEN")

    first, again, other = adapters.identities
    assert first == again != other


async def test_a_rejection_asks_for_a_note_insists_on_it_and_brings_it_along(adapters: Adapters) -> None:
    ts = await adapters.show(make_notice())

    await adapters.stand.click(CHANNEL, ts, "reject")
    view = adapters.stand.views["U0ANNA"]
    await adapters.stand.submit(view["id"], {"words": "   "})
    complaint = adapters.stand.view_errors["U0ANNA"]
    await adapters.stand.submit(view["id"], {"words": "Paid on 3 March, see the receipt."})

    assert "I already paid this bill last month" in shown(view)
    assert list(complaint) == ["words"]
    (click,) = adapters.kept
    assert (click.verb, click.note) == ("reject", "Paid on 3 March, see the receipt.")
    assert click.shown_at == f"slack:{CHANNEL}/{ts}"
    assert adapters.stand.views == {}


async def test_a_verb_in_the_menu_is_a_press_like_any_other(adapters: Adapters) -> None:
    links = (Link("solution", "https://app.getbill.example/todo/enc_234"),)
    ts = await adapters.show(make_notice(links=links))

    await adapters.stand.click(CHANNEL, ts, "more", option="k7f3q9x2m4ab.1.claim")
    await adapters.stand.click(CHANNEL, ts, "open")

    assert [click.verb for click in adapters.kept] == ["claim"]
    assert adapters.stand.troubles == {}


async def test_a_late_press_is_told_what_happened_instead_of_being_asked_for_a_reason(adapters: Adapters) -> None:
    ts = await adapters.show(make_notice())
    adapters.notice = make_notice(make_item(version=2))

    await adapters.stand.click(CHANNEL, ts, "reject")

    assert "changed while you looked" in shown(adapters.stand.views["U0ANNA"])
    assert adapters.kept == []


@pytest.mark.parametrize(
    ("slack_id", "email"),
    [("U0ANNA", "anna@creditor.example"), ("U0GUEST", None), ("U0BOT", None), ("U0GONE", None), ("U0NOBODY", None)],
)
async def test_only_members_have_an_identity(adapters: Adapters, slack_id: str, email: str | None) -> None:
    person = await adapters.clicks.identify(Person(slack_id=slack_id))

    assert (person.email, person.slack_id) == (email, slack_id if email else None)


async def test_a_word_to_one_person_is_seen_by_that_person_only(adapters: Adapters) -> None:
    await adapters.notifier.reply(f"{CHANNEL}/U0BEN", "Anna was faster.")

    (message,) = adapters.stand.ephemerals
    assert (message.ephemeral_to, message.text) == ("U0BEN", "Anna was faster.")
    assert adapters.stand.posts(CHANNEL) == []


async def test_an_item_that_opens_again_rings_once_below_its_message(adapters: Adapters) -> None:
    ts = await adapters.show(make_notice())

    await adapters.notifier.deliver(make_notice(make_item(version=4)), CHANNEL, f"{CHANNEL}/{ts}", "resolved")

    root, reply = adapters.stand.posts(CHANNEL)
    assert root.edits == 1
    assert reply.thread_ts == ts


async def test_the_doctor_is_content_with_the_sandbox(adapters: Adapters) -> None:
    assert [row.name for row in await adapters.notifier.health() if not row.is_well] == []
