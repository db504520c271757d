"""The methods of Slack's Web API that Casebell needs, over httpx, and the delivery error for each failure (ADR 0003).

The client never repeats a request by itself, because ``chat.postMessage`` has no idempotency key
(docs/vendors/slack.md#no-idempotency-key). Each error says whether Slack may have acted; the outbox decides on a retry.
"""

import asyncio
import json
from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

import httpx

from notifiers.slack.errors import error_for
from notifiers.slack.wire import Json, object_at
from receiver.errors import ConfigError, DeliveryError, RetryLaterError, UncertainError

MAX_ANSWER = 1_048_576  # bytes
CONNECT_S = 5.0
MAX_RETRY_AFTER_S = 600.0

# The request did not reach Slack.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_tls = cache(httpx.create_ssl_context)  # loading the certificates takes longer than a call


class SlackClient:
    """Calls Slack as the app's bot. Methods raise only DeliveryError and take at most ``total_s`` seconds."""

    def __init__(
        self, base_url: str, token: str, *, total_s: float = 10, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        if not base_url.startswith(("https://", "http://")):
            raise ConfigError("slack.base_url: must be a URL, such as https://slack.com/api/")
        self._total_s = total_s
        self._response_hosts = {("https", "hooks.slack.com"), urlsplit(base_url)[:2]}
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"authorization": f"Bearer {token}", "accept-encoding": "identity"},
            timeout=httpx.Timeout(total_s, connect=min(CONNECT_S, total_s)),
            follow_redirects=False,
            verify=_tls(),
            trust_env=base_url.startswith("https:"),  # over plain HTTP a proxy could read the token
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
        """Post a message; returns channel id and ts. For a direct message the returned channel id is not ``channel``.

        ``thread_ts``: reply in this thread. ``is_broadcast``: show the reply in the channel too.
        Raises UncertainError when the message may have been posted (docs/vendors/slack.md#no-idempotency-key).
        """
        arguments: Json = {"channel": channel, "text": text, "unfurl_links": False, "unfurl_media": False}
        arguments |= {"blocks": blocks} if blocks else {}
        arguments |= {"thread_ts": thread_ts} if thread_ts else {}
        arguments |= {"reply_broadcast": True} if thread_ts and is_broadcast else {}
        answer = await self._call("chat.postMessage", arguments, is_idempotent=False)
        posted_in, ts = answer.get("channel"), answer.get("ts")
        if not isinstance(ts, str) or not ts:
            raise UncertainError("slack_unreadable", "chat.postMessage: Slack's answer has no ts")
        return (posted_in if isinstance(posted_in, str) and posted_in else channel), ts

    async def update_message(self, channel: str, ts: str, text: str, blocks: list[Json]) -> None:
        """Replace text and blocks. An empty list is sent too: without ``blocks`` Slack keeps the old buttons."""
        # docs/vendors/slack.md#messages-and-threads
        await self._call("chat.update", {"channel": channel, "ts": ts, "text": text, "blocks": blocks})

    async def post_ephemeral(self, channel: str, user: str, text: str, blocks: list[Json] | None = None) -> None:
        """Post a message in the channel that only this user sees."""
        arguments: Json = {"channel": channel, "user": user, "text": text}
        await self._call("chat.postEphemeral", arguments | ({"blocks": blocks} if blocks else {}))

    async def post_to_user(self, channel: str, user: str, text: str, blocks: list[Json] | None = None) -> None:
        """Post an ephemeral message in the channel, or a direct message when ``channel`` is the user's own id."""
        if channel == user:
            await self.post_message(user, text, blocks or [])
        else:
            await self.post_ephemeral(channel, user, text, blocks)

    async def delete_ephemeral(self, response_url: str) -> None:
        """Delete the ephemeral message whose button was clicked. Never raises."""
        await self._respond(response_url, {"delete_original": True})

    async def respond(self, response_url: str, text: str, blocks: list[Json]) -> None:
        """Answer a slash command with an ephemeral message. Never raises."""
        answer: Json = {"response_type": "ephemeral", "text": text}
        await self._respond(response_url, answer | ({"blocks": blocks} if blocks else {}))

    async def publish_view(self, user: str, view: Json) -> None:
        """Replace the user's Home tab."""
        await self._call("views.publish", {"user_id": user, "view": view})

    async def unfurl(self, target: Json, previews: Json) -> None:
        """Show previews below posted links; ``target`` identifies the message, ``previews`` is keyed by URL."""
        await self._call("chat.unfurl", target | {"unfurls": previews})

    async def open_view(self, trigger_id: str, view: Json) -> str:
        """Open a modal; returns the view id. A ``trigger_id`` expires (docs/vendors/slack.md#timing)."""
        answer = await self._call("views.open", {"trigger_id": trigger_id, "view": view})
        return str(object_at(answer, "view").get("id") or "")

    async def update_view(self, view_id: str, view: Json) -> None:
        """Replace the content of an open modal."""
        await self._call("views.update", {"view_id": view_id, "view": view})

    async def user_info(self, user: str) -> Json:
        """Slack's user object; raises PermanentError ``user_not_found``."""
        answer = await self._call("users.info", {"user": user})
        return object_at(answer, "user")

    async def user_by_email(self, email: str) -> Json:
        """Slack's user object for a mail address; raises PermanentError ``users_not_found``."""
        answer = await self._call("users.lookupByEmail", {"email": email})
        return object_at(answer, "user")

    async def auth_test(self) -> Json:
        """The token's user and workspace, and under ``scopes`` its scopes where Slack sends them."""
        return await self._call("auth.test", {})

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _respond(self, response_url: str, answer: Json) -> None:
        """POST to a response_url without the token, and only to Slack: the URL comes from the request."""
        if urlsplit(response_url)[:2] not in self._response_hosts:
            return
        with suppress(httpx.HTTPError, TimeoutError):
            async with httpx.AsyncClient(timeout=self._total_s, trust_env=False, verify=_tls()) as anonymous:
                await anonymous.post(response_url, json=answer)

    async def _call(self, method: str, arguments: Json, *, is_idempotent: bool = True) -> Json:
        try:
            async with asyncio.timeout(self._total_s):
                response, body = await self._send(method, arguments)
        except _NOT_SENT as error:
            raise RetryLaterError("slack_unreachable", f"{method}: no connection to Slack", scope="system") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unconfirmed("slack_no_answer", f"{method}: no answer from Slack", is_idempotent) from error
        answer = _check_response(method, response, body, is_idempotent=is_idempotent)
        scopes = response.headers.get("x-oauth-scopes")
        return answer | {"scopes": scopes} if scopes is not None else answer

    async def _send(self, method: str, arguments: Json) -> tuple[httpx.Response, bytes]:
        # users.info accepts no JSON (docs/vendors/slack.md#calling-the-web-api).
        content: Json = {"data": arguments} if method.startswith("users.") else {"json": arguments}
        async with self._http.stream("POST", method, **content) as response:
            body = b""
            if response.headers.get("content-encoding", "identity") != "identity":
                return response, b""  # not requested; could be a decompression bomb
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER:
                    return response, b""
            return response, body


def _check_response(method: str, response: httpx.Response, body: bytes, *, is_idempotent: bool) -> Json:
    """The parsed answer if Slack sent ``ok: true``. Raises the DeliveryError for anything else."""
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        wait_s = _retry_after_s(response.headers)
        raise RetryLaterError("ratelimited", f"{method}: too many requests", wait_s, scope="pace")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.REQUEST_TIMEOUT:
        raise _unconfirmed(f"http_{status}", f"{method}: Slack answered {status}", is_idempotent)
    answer = _parse_body(body)
    code = answer.get("error")
    if answer.get("ok") is False and isinstance(code, str) and code:
        raise error_for(method, code[:80], _retry_after_s(response.headers))
    if not httpx.codes.is_success(status):  # from a proxy: Slack reports its errors with status 200
        raise RetryLaterError(f"http_{status}", f"{method}: a proxy answered {status}")
    if answer.get("ok") is not True:
        raise _unconfirmed("slack_unreadable", f"{method}: Slack's answer cannot be parsed", is_idempotent)
    return answer


def _parse_body(body: bytes) -> Json:
    try:
        return object_at(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def _unconfirmed(code: str, message: str, is_idempotent: bool) -> DeliveryError:
    """For a call that Slack may have processed: an idempotent one is retried, any other is uncertain."""
    return RetryLaterError(code, message) if is_idempotent else UncertainError(code, message)


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Seconds from ``Retry-After``, between 1 and MAX_RETRY_AFTER_S."""
    value = headers.get("retry-after", "")
    return min(max(float(value), 1.0), MAX_RETRY_AFTER_S) if value.isdecimal() and value.isascii() else None
