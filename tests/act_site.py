"""Runs the pages behind mailed links on a real socket over a fake store; and a browser without scripts."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from receiver.domain import routing
from receiver.domain.action import Click
from receiver.domain.item import Attempt, Item, Medium
from receiver.domain.notice import Link, Notice, Story, verbs_for
from receiver.domain.token import Tokens
from receiver.web.action_pages import ActionPages
from receiver.web.action_service import ActionService, ActionTarget, LinkUse
from receiver.web.media import MediaPages
from receiver.web.pages import STATIC, error_handlers
from tests.factories import NOW, make_item, make_notice

ADDRESS = "ar@creditor.example"
TOKEN_ID = "f3a9c1d2"
FILE = "https://files.getbill.example/call.mp3?X-Amz-Signature=abc"
SAFE = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}


class PlainTranslator:
    """Leaves English as it is and puts every other language in quotation marks."""

    def story(self, notice: Notice) -> Story:
        snapshot, item = notice.item.snapshot, notice.item
        status = None
        if item.attempt:
            status = f"{item.attempt.who} asked Getbill to {item.attempt.verb}; waiting."
        elif item.state == "resolved":
            status = f"{item.resolved_by} resolved this: {item.outcome}."
        return Story(
            f"{snapshot.title} · {snapshot.reference}", "", snapshot.question, snapshot.quote,
            (("Debtor", "Jane Roe"),), (), status, item.problem, "",
        )  # fmt: skip

    def say(self, locale: str, message: str, **values: object) -> str:
        filled = message.format(**values)
        return filled if locale == "en" else f"‹{filled}›"


@dataclass
class FakeActionService(ActionService):
    """One link to one item. A click takes effect at once, unless ``refusal`` or ``is_slow`` is set."""

    item: Item = field(default_factory=make_item)
    route: routing.Route = field(default_factory=lambda: routing.Route("disputes", timezone="Europe/Paris"))
    link_use: LinkUse | None = None
    expires_at: datetime = NOW + timedelta(days=14)
    refusal: str | None = None
    is_slow: bool = False
    at: datetime = NOW
    public_url: str = "https://casebell.example.com"
    clicks: list[Click] = field(default_factory=list)
    sent_links: list[str] = field(default_factory=list)
    broken: Exception | None = None
    media_error: Exception | None = None

    def __post_init__(self) -> None:
        self.tokens = Tokens(["a key of sixteen characters"], self._seconds)
        self.translator = PlainTranslator()
        self.path = "/act/" + self.tokens.make("act.v1", TOKEN_ID)

    def now(self) -> datetime:
        return self.at

    def _seconds(self) -> float:
        return self.at.timestamp()

    def later(self, **time: float) -> None:
        self.at += timedelta(**time)

    async def find_target(self, token_id: str) -> ActionTarget | None:
        if self.broken:
            raise self.broken
        if token_id != TOKEN_ID:
            return None
        links = (
            Link("media", "https://casebell.example.com/media/m1", "call.mp3"),
            Link("solution", "https://app.getbill.example/todo/enc_234"),
        )
        notice = make_notice(self.item, route=self.route, links=links, verbs=verbs_for(self.item))
        return ActionTarget(self.item, notice, ADDRESS, 1, self.expires_at, self.link_use)

    async def submit_click(self, click: Click, locale: str) -> str | None:
        del locale
        self.clicks.append(click)
        if self.refusal is None and not self.is_slow:
            attempt = Attempt(1, click.verb, ADDRESS, "mail", self.at)
            self.item = replace(self.item, state="acting", version=self.item.version + 1, attempt=attempt)
            self.link_use = LinkUse(ADDRESS, self.at, click.verb)
        return self.refusal

    async def send_new_link(self, token_id: str) -> None:
        self.sent_links.append(token_id)

    async def may_open_file(self, request: Request, reader: str) -> bool:
        del request
        return reader == TOKEN_ID

    async def find_item(self, item_id: str) -> Item | None:
        return self.item if item_id == self.item.id else None

    async def media_url(self, item: Item, medium: Medium) -> str:
        del item
        if self.media_error:
            raise self.media_error
        return FILE if medium.what == "recording" else "javascript:alert(1)"


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def site(service: FakeActionService) -> AsyncIterator[str]:
    """Serve the pages on a free port; its URL."""

    async def broken(_request: Request) -> Response:
        raise ZeroDivisionError

    app = Starlette(
        routes=[
            Route("/act/{token}", ActionPages(service).handle, methods=["GET", "POST"]),
            Route("/media/{token}", MediaPages(service).handle),
            Route("/broken", broken),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers=error_handlers(service.translator),
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, no event
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


class Visitor:
    """A browser without scripts: keeps the cookie of the page and submits its form."""

    def __init__(self, site: str, service: FakeActionService) -> None:
        self._http = httpx.AsyncClient(base_url=site, trust_env=False)
        self._path = service.path
        self.cookie = ""
        self.page = ""

    async def open(self, path: str | None = None) -> httpx.Response:
        return self._remember(await self._http.get(path or self._path, headers=self._cookies()))

    async def send(self, **fields: str) -> httpx.Response:
        """Submit the form of the current page."""
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.page))
        return await self.post({**hidden, **fields})

    async def post(self, fields: dict[str, str], path: str | None = None) -> httpx.Response:
        content = urlencode(fields)
        headers = {"content-type": "application/x-www-form-urlencoded", **self._cookies()}
        return self._remember(await self._http.post(path or self._path, content=content, headers=headers))

    def _cookies(self) -> dict[str, str]:
        return {"cookie": f"casebell_page={self.cookie}"} if self.cookie else {}

    async def head(self) -> httpx.Response:
        return await self._http.head(self._path)

    def _remember(self, answer: httpx.Response) -> httpx.Response:
        self._http.cookies.clear()
        self.cookie = answer.cookies.get("casebell_page") or self.cookie
        if answer.status_code != 303:
            self.page = answer.text
        return answer

    async def close(self) -> None:
        await self._http.aclose()
