"""How Casebell calls a source over HTTP: one deadline, one size, and every outcome as one of the delivery errors.

Serves steps 4 and 9. The only file that knows httpx on this side, so that a successor is one line; knows no vendor.
"""

import asyncio
import json as json_library
import math
import re
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from receiver.errors import DeliveryError, PermanentError, Reach, RetryLaterError, UncertainError
from receiver.upstream.strict_json import read_json

MIB = 1024 * 1024
MOST_IN_A_MESSAGE = 300
MOST_IN_AN_EXCERPT = 500
LONGEST_WAIT_S = 3600.0
ABSURD_WAIT_S = 30 * 86_400.0  # a vendor that says more means a point in time, or nothing

Transport = httpx.AsyncBaseTransport
OnReply = Callable[[str, str, Mapping[str, str]], None]
"""operation, HTTP status or error code as text, headers with lower-case names (none when there was no answer)."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_NOT_SENDABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_SENT_PERHAPS = (httpx.TransportError, httpx.DecodingError, TimeoutError)
_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 410: "not_found"}
_TEMPORARY = {408: "timeout", 425: "too_early", 429: "rate_limited"}
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of 2xx. ``data`` None when it is not JSON; ``text`` is then its beginning, for a person to read."""

    status: int
    headers: Mapping[str, str]
    data: Any
    text: str = ""


Parameter = str | int | list[str]  # a list: the parameter as often as it has members

# One for all clients: reading the certificates takes longer than a call.
tls = cache(httpx.create_ssl_context)


class Http:
    """One vendor's API. ``headers`` go with every call; a call's own headers win.

    ``retry_after_of`` finds what a vendor's 429 body says to wait, ``message_of`` its own words in an error body;
    ``on_reply`` hears of every call once, before anything is raised.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        total_s: float = 15.0,
        max_bytes: int = 8 * MIB,
        transport: Transport | None = None,
        retry_after_of: Callable[[Any], object] | None = None,
        message_of: Callable[[Any], str | None] | None = None,
        on_reply: OnReply | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._host = urlsplit(base_url).hostname or base_url
        self._total_s = total_s
        self._max_bytes = max_bytes
        self._retry_after_of = retry_after_of or (lambda _data: None)
        self._message_of = message_of or default_message_of
        self._on_reply = on_reply or (lambda _operation, _status, _headers: None)
        # Connecting gets a share of its own: what fails there was surely never sent, also for a write.
        timeout = httpx.Timeout(total_s, connect=total_s / 4, pool=total_s / 4)
        self._client = httpx.AsyncClient(
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "casebell", **headers},
            timeout=timeout,
            transport=transport,
            follow_redirects=False,
            verify=tls(),
            # A proxy has no way to this machine, and without TLS it would read the credentials.
            trust_env=base_url.startswith("https:") and self._host not in {"127.0.0.1", "::1", "localhost"},
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Parameter] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        operation: str = "",
    ) -> Reply:
        """One exchange, at most ``total_s`` seconds in all. ``operation`` names it in metrics, e.g. "todos.list".

        Raises RetryLaterError (unreachable, rate_limited; for a GET also timeout, broken_off, server_error), for any
        other method UncertainError in those cases, and PermanentError (unauthorized, forbidden, not_found, refused,
        redirected, too_large, bad_request) with the vendor's own words.
        """
        try:
            request = self._request(method, path, params, json, form, headers)
            async with asyncio.timeout(self._total_s):
                response, body, is_whole = await self._exchange(request)
        except (httpx.InvalidURL, httpx.TransportError, httpx.DecodingError, ValueError, TimeoutError) as error:
            failure = self._failure(error, is_read=method == "GET")
            self._on_reply(operation, failure.code, {})
            raise failure from error
        answered = dict(response.headers)
        self._on_reply(operation, str(response.status_code), answered)
        data = _data(body) if is_whole else None
        if response.is_success and is_whole:
            return Reply(response.status_code, answered, data, "" if data is not None else excerpt(body))
        raise self._refusal(response.status_code, answered, data, is_read=method == "GET")

    async def close(self) -> None:
        await self._client.aclose()

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Parameter] | None,
        json: object,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request:
        url = f"{self._base_url}/{path.lstrip('/')}" if path else self._base_url
        own = dict(headers or {})
        content = None
        if json is not None:
            # ASCII with escapes: half an emoji in somebody's note must not break the call.
            content = json_library.dumps(json, allow_nan=False).encode("ascii")
            own["Content-Type"] = "application/json"
        return self._client.build_request(
            method, url, params=dict(params) if params else None, content=content, data=form, headers=own
        )

    async def _exchange(self, request: httpx.Request) -> tuple[httpx.Response, bytes, bool]:
        """The answer, its body as far as ``max_bytes`` allow, and whether that is all of it."""
        response = await self._client.send(request, stream=True)
        try:
            raw = bytearray()
            async for chunk in response.aiter_raw():
                raw += chunk
                if len(raw) > self._max_bytes:
                    return response, bytes(raw[: self._max_bytes]), False
            return response, *_unpacked(bytes(raw), response.headers.get("content-encoding", ""), self._max_bytes)
        finally:
            await response.aclose()

    def _failure(self, error: Exception, *, is_read: bool) -> DeliveryError:
        """What an exchange that ended without an answer means."""
        if isinstance(error, _NEVER_SENT):
            distrust = tls_fault(error)
            why = f"cannot be trusted: {distrust}" if distrust else "could not be reached"
            return RetryLaterError("unreachable", f"{self._host} {why}")
        if isinstance(error, _NOT_SENDABLE) or not isinstance(error, _SENT_PERHAPS):
            return PermanentError("bad_request", f"{self._host} cannot be called like this ({type(error).__name__})")
        if isinstance(error, httpx.TimeoutException | TimeoutError):
            code, what = "timeout", f"{self._host} did not answer within {self._total_s:.0f} s"
        else:
            code, what = "broken_off", f"{self._host} broke off its answer"
        return RetryLaterError(code, what) if is_read else UncertainError(code, what)

    def _refusal(self, status: int, headers: Mapping[str, str], data: Any, *, is_read: bool) -> DeliveryError:
        """What an answer that is not a whole 2xx means."""
        words = one_line(self._message_of(data) or "") or f"{self._host} answered {status}"
        after_s = _after_s(headers.get("retry-after"), self._retry_after_of(data))
        if status in _TEMPORARY:
            reach: Reach = "pace" if status == httpx.codes.TOO_MANY_REQUESTS else "place"
            return RetryLaterError(_TEMPORARY[status], words, after_s, reach=reach)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            if is_read:
                return RetryLaterError("server_error", words, after_s)
            return UncertainError("server_error", words)
        if status >= httpx.codes.BAD_REQUEST:
            return PermanentError(_CODES.get(status, "refused"), words)
        if status >= httpx.codes.MULTIPLE_CHOICES:
            return PermanentError("redirected", f"{self._host} answered {status}, a redirect; is base_url right?")
        too_large = f"{self._host} answered with more than {self._max_bytes // MIB} MiB"
        return PermanentError("too_large", too_large) if is_read else UncertainError("too_large", too_large)


def _unpacked(raw: bytes, encoding: str, most_bytes: int) -> tuple[bytes, bool]:
    """The body, and whether that is all of it; a bomb is unpacked no further than ``most_bytes``."""
    match encoding.strip().lower():
        case "" | "identity":
            return raw, True
        case "gzip" | "x-gzip":
            unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
            try:
                body = unpacking.decompress(raw, most_bytes + 1)
            except zlib.error as error:
                raise httpx.DecodingError("this is no gzip") from error
            if raw and not unpacking.eof and len(body) <= most_bytes:
                raise httpx.DecodingError("the gzip breaks off")
            return body[:most_bytes], len(body) <= most_bytes
        case _:
            raise httpx.DecodingError("an encoding that was not asked for")


def tls_fault(error: BaseException | None) -> str:
    """Why an encrypted connection did not come about, in OpenSSL's words; empty when it was something else."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return "" if error is None else getattr(error, "verify_message", "") or error.reason or "TLS failed"


def segment(value: str) -> str:
    """``value`` as one piece of a path. Raises PermanentError for what would lead elsewhere in the API."""
    if value in {"", ".", ".."}:
        raise PermanentError("not_found", "this is no id")
    return quote(value, safe="", errors="replace")


def wait_s(value: object) -> float | None:
    """Seconds to wait that a vendor named, within 1 and 3600; None when it named nothing sensible."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        seconds = _until(value) if isinstance(value, str) else math.nan
    if not 0 <= seconds <= ABSURD_WAIT_S:  # not so for NaN either
        return None
    return min(max(seconds, 1.0), LONGEST_WAIT_S)


def one_line(text: str, most: int = MOST_IN_A_MESSAGE) -> str:
    """``text`` without line breaks and control characters, at most ``most`` characters."""
    line = _BLANKS.sub(" ", text[: most * 4]).strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def excerpt(body: bytes) -> str:
    """The beginning of an answer that is not JSON."""
    return one_line(body[: MOST_IN_AN_EXCERPT * 4].decode("utf-8", "replace"), MOST_IN_AN_EXCERPT)


def default_message_of(data: Any) -> str | None:
    """The words for people in the error bodies that are common."""
    if not isinstance(data, Mapping):
        return None
    found = (data.get(name) for name in ("message", "detail", "title", "error_description", "error"))
    return next((words for words in found if isinstance(words, str) and words.strip()), None)


def _data(body: bytes) -> Any:
    try:
        return read_json(body)
    except ValueError:
        return None


def _after_s(header: str | None, in_body: object) -> float | None:
    named = wait_s(header)
    return wait_s(in_body) if named is None else named


def _until(http_date: str) -> float:
    try:
        at = parsedate_to_datetime(http_date)
    except (ValueError, TypeError, IndexError):
        return math.nan
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - datetime.now(UTC)).total_seconds(), 0.0)
