"""Step 7 for Slack: the Web API methods Casebell needs, over httpx, and what each answer means (ADR 0003).

It never sends anything twice by itself: ``chat.postMessage`` has no idempotency key (contract A7), so every failure is
named for what the caller may do next, and the outbox decides.
"""

import asyncio
import json
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from notifiers.slack.errors import meaning_of
from receiver.errors import ConfigError, DeliveryError, RetryLaterError, UncertainError

Json = dict[str, Any]

MAX_ANSWER = 1_048_576  # bytes
CONNECT_S = 5.0
MAX_RETRY_AFTER_S = 600.0

# Slack never saw these requests.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_tls = cache(httpx.create_ssl_context)  # one for all clients: reading the certificates takes longer than a call


class SlackClient:
    """One workspace's bot. Every method raises only DeliveryError and takes ``total_s`` seconds at most."""

    def __init__(
        self, base_url: str, token: str, *, total_s: float = 10, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        if not base_url.startswith(("https://", "http://")):
            raise ConfigError("slack.base_url: must be a URL, such as https://slack.com/api/")
        self._total_s = total_s
        self._own_places = {("https", "hooks.slack.com"), urlsplit(base_url)[:2]}
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"authorization": f"Bearer {token}", "accept-encoding": "identity"},
            timeout=httpx.Timeout(total_s, connect=min(CONNECT_S, total_s)),
            follow_redirects=False,
            verify=_tls(),
            trust_env=base_url.startswith("https:"),  # else a proxy would read the token
            transport=transport,
        )

    async def post_message(
        self,
        channel: str,
        text: str,
        blocks: list[Json],
        *,
        thread_ts: str | None = None,
        is_broadcast: bool = False,
    ) -> tuple[str, str]:
        """A new message; returns the channel Slack names (a DM's differs from the address, contract A6) and its ts.

        ``is_broadcast``: a reply in a thread that the channel shows, too.
        """
        told: Json = {"channel": channel, "text": text, "unfurl_links": False, "unfurl_media": False}
        told |= {"blocks": blocks} if blocks else {}
        told |= {"thread_ts": thread_ts} if thread_ts else {}
        told |= {"reply_broadcast": True} if thread_ts and is_broadcast else {}
        answer = await self._call("chat.postMessage", told, is_repeatable=False)
        where, ts = answer.get("channel"), answer.get("ts")
        if not isinstance(ts, str) or not ts:
            raise UncertainError("slack_unreadable", "Slack took the message and did not say where it is")
        return (where if isinstance(where, str) and where else channel), ts

    async def update_message(self, channel: str, ts: str, text: str, blocks: list[Json]) -> None:
        """Redraw a message. ``blocks`` go along even when empty: left out, the old live buttons stay (contract A6)."""
        await self._call("chat.update", {"channel": channel, "ts": ts, "text": text, "blocks": blocks})

    async def post_ephemeral(self, channel: str, user: str, text: str, blocks: list[Json] | None = None) -> None:
        told: Json = {"channel": channel, "user": user, "text": text}
        await self._call("chat.postEphemeral", told | ({"blocks": blocks} if blocks else {}))

    async def whisper(self, channel: str, user: str, text: str, blocks: list[Json] | None = None) -> None:
        """What only this person sees: in the channel, or in their own messages where ``channel`` is their own id."""
        if channel == user:
            await self.post_message(user, text, blocks or [])
        else:
            await self.post_ephemeral(channel, user, text, blocks)

    async def take_away(self, response_url: str) -> None:
        """Delete what only one person sees, through the address that came with their press (contract A2).

        That address carries its own secret: the token is not sent along, and nowhere else than to Slack.
        """
        if urlsplit(response_url)[:2] not in self._own_places:
            return
        with suppress(httpx.HTTPError, TimeoutError):
            async with httpx.AsyncClient(timeout=self._total_s, trust_env=False, verify=_tls()) as plain:
                await plain.post(response_url, json={"delete_original": True})

    async def respond(self, response_url: str, text: str, blocks: list[Json]) -> None:
        """A word to the person who typed a command, wherever that was; lost rather than sent to another host."""
        if urlsplit(response_url)[:2] not in self._own_places:
            return
        told: Json = {"response_type": "ephemeral", "text": text} | ({"blocks": blocks} if blocks else {})
        with suppress(httpx.HTTPError, TimeoutError):
            async with httpx.AsyncClient(timeout=self._total_s, trust_env=False, verify=_tls()) as plain:
                await plain.post(response_url, json=told)

    async def publish_view(self, user: str, view: Json) -> None:
        """What the person's Home tab shows from now on."""
        await self._call("views.publish", {"user_id": user, "view": view})

    async def unfurl(self, place: Json, previews: Json) -> None:
        """What stands below links that somebody posted; ``previews`` by address."""
        await self._call("chat.unfurl", place | {"unfurls": previews})

    async def open_view(self, trigger_id: str, view: Json) -> str:
        """Open a form within the three seconds a ticket lives; returns the view's id."""
        answer = await self._call("views.open", {"trigger_id": trigger_id, "view": view})
        shown = answer.get("view")
        return str(shown.get("id") or "") if isinstance(shown, dict) else ""

    async def update_view(self, view_id: str, view: Json) -> None:
        await self._call("views.update", {"view_id": view_id, "view": view})

    async def user_info(self, user: str) -> Json:
        """What Slack says of a person; PermanentError ``user_not_found`` when there is none."""
        answer = await self._call("users.info", {"user": user})
        found = answer.get("user")
        return found if isinstance(found, dict) else {}

    async def user_by_email(self, email: str) -> Json:
        """The person with this address; PermanentError ``users_not_found`` when there is none."""
        answer = await self._call("users.lookupByEmail", {"email": email})
        found = answer.get("user")
        return found if isinstance(found, dict) else {}

    async def auth_test(self) -> Json:
        """Who the token speaks for, and as ``scopes`` what it may do, where Slack says so."""
        return await self._call("auth.test", {})

    async def close(self) -> None:
        await self._http.aclose()

    async def _call(self, method: str, told: Json, *, is_repeatable: bool = True) -> Json:
        try:
            async with asyncio.timeout(self._total_s):
                response, body = await self._send(method, told)
        except _NOT_SENT as error:
            raise RetryLaterError("slack_unreachable", f"{method}: no connection to Slack", reach="system") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unknown("slack_no_answer", f"{method}: no answer from Slack", is_repeatable) from error
        answer = _judged(method, response, body, is_repeatable=is_repeatable)
        scopes = response.headers.get("x-oauth-scopes")
        return answer | {"scopes": scopes} if scopes is not None else answer

    async def _send(self, method: str, told: Json) -> tuple[httpx.Response, bytes]:
        # users.info reads no JSON; the others read both, JSON without a second encoding of the blocks.
        content: Json = {"data": told} if method.startswith("users.") else {"json": told}
        async with self._http.stream("POST", method, **content) as response:
            body = b""
            if response.headers.get("content-encoding", "identity") != "identity":
                return response, b""  # not asked for, and perhaps a bomb
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_ANSWER:
                    return response, b""  # unreadable, like any other answer that is none
            return response, body


def _judged(method: str, response: httpx.Response, body: bytes, *, is_repeatable: bool) -> Json:
    """The answer if Slack says ok, else the error it means (contract A6)."""
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise RetryLaterError("ratelimited", f"{method}: too many requests", _wait_s(response.headers), reach="pace")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.REQUEST_TIMEOUT:
        raise _unknown(f"http_{status}", f"{method}: Slack answered {status}", is_repeatable)
    answer = _parsed(body)
    code = answer.get("error")
    if answer.get("ok") is False and isinstance(code, str) and code:
        raise meaning_of(method, code[:80], _wait_s(response.headers))
    if not httpx.codes.is_success(status):  # a proxy in between; Slack itself answers 200
        raise RetryLaterError(f"http_{status}", f"{method}: something before Slack answered {status}")
    if answer.get("ok") is not True:
        raise _unknown("slack_unreadable", f"{method}: Slack's answer cannot be read", is_repeatable)
    return answer


def _parsed(body: bytes) -> Json:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _unknown(code: str, message: str, is_repeatable: bool) -> DeliveryError:
    """Perhaps done. What draws the same thing twice may simply be asked again; a post may not (contract A7)."""
    return RetryLaterError(code, message) if is_repeatable else UncertainError(code, message)


def _wait_s(headers: httpx.Headers) -> float | None:
    given = headers.get("retry-after", "")
    return min(max(float(given), 1.0), MAX_RETRY_AFTER_S) if given.isdecimal() and given.isascii() else None
