"""The page of Slack's stand-in: it shows channels, modals and Home tabs, and lets a person act as any of the users."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlencode

import httpx
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from casebell_sandbox import slack_payloads as payloads
from casebell_sandbox.faults import Json
from casebell_sandbox.pages import page
from casebell_sandbox.posted import read_fields
from casebell_sandbox.slack import SlackStand
from casebell_sandbox.slack_payloads import NotClickableError
from casebell_sandbox.slack_workspace import Message

MAX_MESSAGES, MAX_REPLIES = 60, 5  # messages of a channel, replies in a thread
# Seconds that the page waits after a click for an update, for browsers that do not poll.
REDRAW_S = 1.2
VALUE = "value:"
HOME = "home"  # instead of a message's ts: the click is on the Home tab


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a channel with its thread."""

    message: Message
    replies: list[Message]
    left_out: int  # replies that are not shown


class SlackView:
    """The routes below ``/slack/``."""

    def __init__(self, stand: SlackStand) -> None:
        self._stand = stand
        self.routes = [
            Route("/", self._show, methods=["GET"]),
            Route("/press", self._click, methods=["POST"]),
            Route("/submit", self._submit, methods=["POST"]),
            Route("/close", self._close, methods=["POST"]),
            Route("/home", self._open_home, methods=["POST"]),
            Route("/command", self._command, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        stand, asked = self._stand, request.query_params
        user = self._person(asked.get("as", ""))
        channel = self._channel(asked.get("channel", ""), user)
        is_home = HOME in asked
        entries = [] if is_home else self._entries(channel["id"], user["id"])
        view = stand.views.get(user["id"])
        return page(
            "slack.html",
            here=channel,
            me=user,
            channels=self._channels(user),
            people=self._people(),
            is_home=is_home,
            home=stand.homes.get(user["id"]),
            entries=entries[-MAX_MESSAGES:],
            left_out=max(len(entries) - MAX_MESSAGES, 0),
            troubles=stand.troubles,
            view=view,
            errors=stand.view_errors.get(user["id"], {}),
            question=self._question(channel["id"], asked.get("ask", ""), user["id"]),
            name_of=self._name,
            previews=stand.previews,
        )

    def _people(self) -> list[Json]:
        return [user for user in list(self._stand.users.values()) if not user.get("is_bot") and not user.get("deleted")]

    def _person(self, user_id: str) -> Json:
        people = {user["id"]: user for user in self._people()}
        return people.get(user_id) or next(iter(people.values()))

    def _channel(self, channel_id: str, user: Json) -> Json:
        mine = {channel["id"]: channel for channel, _ in self._channels(user)}
        return mine.get(channel_id) or next(iter(mine.values()))

    def _channels(self, user: Json) -> list[tuple[Json, int]]:
        """The channels and the user's direct messages, with the number of their messages (without replies)."""
        mine = [one for one in list(self._stand.channels.values()) if one.get("user", user["id"]) == user["id"]]
        return [(channel, len(self._stand.roots(channel["id"]))) for channel in mine]

    def _entries(self, channel: str, user: str) -> list[Entry]:
        """What the user sees in the channel, in order. A reply to a deleted message is an entry of its own."""
        mine = [one for one in list(self._stand.ephemerals) if (one.channel, one.ephemeral_to) == (channel, user)]
        seen = self._stand.posts(channel) + mine
        roots = {one.ts for one in seen if one.thread_ts is None}

        def root_of(message: Message) -> str:
            return message.thread_ts if message.thread_ts in roots and message.thread_ts else message.ts

        threads = groupby(sorted(seen, key=lambda one: (_order(root_of(one)), _order(one.ts))), root_of)
        return [Entry(first, rest[-MAX_REPLIES:], len(rest[:-MAX_REPLIES])) for _, (first, *rest) in threads]

    def _name(self, some_id: str) -> str:
        known = self._stand.users.get(some_id) or self._stand.channels.get(some_id) or {}
        return str(known.get("real_name") or known.get("name") or some_id)

    def _question(self, channel: str, asked: str, user: str) -> Json | None:
        """The confirm dialog of the button that ``asked`` ("ts~action~option") names."""
        ts, _, rest = asked.partition("~")
        action_id, _, option = rest.partition("~")
        element = self._element(channel, ts, action_id, user)
        if not element or "confirm" not in element:
            return None
        return {"ts": ts, "action_id": action_id, "option": option, "confirm": element["confirm"]}

    def _element(self, channel: str, ts: str, action_id: str, user: str) -> Json:
        try:
            home = self._stand.homes.get(user, {}).get("blocks", [])
            blocks = home if ts == HOME else self._stand.find(channel, ts).blocks
        except NotClickableError:
            return {}
        return next((one for _, one in payloads.elements(blocks) if one["action_id"] == action_id), {})

    async def _click(self, request: Request) -> Response:
        form = await _form(request)
        channel, ts, user = form.get("channel", ""), form.get("ts", ""), form.get("as", "")
        action_id, option = form.get("action_id", ""), form.get("option") or None
        url = self._element(channel, ts, action_id, user).get("url")
        before = self._visible_state(channel, ts, user)
        try:
            if ts == HOME:
                answer = await self._stand.click_home(action_id, user, option)
            else:
                answer = await self._stand.click(channel, ts, action_id, user, option)
        except (NotClickableError, httpx.TransportError):
            return _redirect_back(form)  # the page shows the warning or the current state
        if url:
            return RedirectResponse(url, 303)
        if answer.is_success:
            await self._wait_for_change(before, channel, ts, user)
        return _redirect_back(form)

    async def _submit(self, request: Request) -> Response:
        form = await _form(request)
        channel, user, view_id = form.get("channel", ""), form.get("as", ""), form.get("view_id", "")
        values = {name.removeprefix(VALUE): words for name, words in form.items() if name.startswith(VALUE)}
        try:
            await self._stand.submit(view_id, values, user)
        except (NotClickableError, httpx.TransportError):
            return _redirect_back(form)
        if user not in self._stand.views:
            await self._wait_for_change(
                self._visible_state(channel, form.get("ts", ""), user), channel, form.get("ts", ""), user
            )
        return _redirect_back(form)

    async def _close(self, request: Request) -> Response:
        form = await _form(request)
        self._stand.close_view(form.get("as", ""))
        return _redirect_back(form)

    async def _open_home(self, request: Request) -> Response:
        """Open the Home tab: Slack sends an event, and the page shows what the app publishes."""
        form = await _form(request) | {"ts": HOME}
        user = self._person(form.get("as", ""))["id"]
        before = self._visible_state("", "", user)
        with suppress(httpx.TransportError):
            await self._stand.open_home(user)
            await self._wait_for_change(before, "", "", user)
        return _redirect_back(form)

    async def _command(self, request: Request) -> Response:
        form = await _form(request)
        user, channel = self._person(form.get("as", "")), form.get("channel", "")
        text = form.get("text", "").strip()
        before = self._visible_state(channel, "", user["id"])
        if not text or channel not in self._stand.channels:
            return _redirect_back(form)
        with suppress(httpx.TransportError, httpx.InvalidURL):
            if text.startswith(payloads.COMMAND):
                await self._stand.type_command(channel, text.removeprefix(payloads.COMMAND).strip(), user["id"])
            else:
                await self._stand.say(channel, text, user["id"])
            await self._wait_for_change(before, channel, "", user["id"])
        return _redirect_back(form)

    def _visible_state(self, channel: str, ts: str, user: str) -> tuple[object, ...]:
        message = self._stand.messages.get((channel, ts))
        view = self._stand.views.get(user)
        home = self._stand.homes.get(user)
        answers = len(self._stand.ephemerals), len(self._stand.previews)
        return (message and message.edits, view and view["hash"], answers, home and home["hash"])

    async def _wait_for_change(self, before: tuple[object, ...], channel: str, ts: str, user: str) -> None:
        for _ in range(int(REDRAW_S / 0.05)):
            if self._visible_state(channel, ts, user) != before:
                return
            await asyncio.sleep(0.05)


def _order(ts: str) -> tuple[int, int]:
    seconds, _, number = ts.partition(".")
    return int(seconds), int(number)


async def _form(request: Request) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in (await read_fields(request)).items()}
    except ValueError:
        return {}


def _redirect_back(form: dict[str, str]) -> Response:
    """Redirect to the channel as the same user, at the anchor of the message."""
    query = urlencode({"channel": form.get("channel", ""), "as": form.get("as", "")})
    if form.get("ts") == HOME:
        return RedirectResponse(f"./?{HOME}=1&{query}", 303)
    anchor = f"#m{form['ts']}" if form.get("ts", "").replace(".", "").isdecimal() else ""
    return RedirectResponse(f"./?{query}{anchor}", 303)
