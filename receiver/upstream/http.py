"""HTTP client for the sources: one deadline, one size limit, and every failure mapped to a delivery error.

The only module of ``receiver.upstream`` that imports httpx, and it knows no vendor.
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

from receiver.errors import DeliveryError, FailureScope, PermanentError, RetryLaterError, UncertainError
from receiver.upstream.strict_json import read_json

MIB = 1024 * 1024
MAX_MESSAGE_CHARS = 300
MAX_EXCERPT_CHARS = 500
MAX_WAIT_S = 3600.0
MAX_PLAUSIBLE_WAIT_S = 30 * 86_400.0  # a larger number is a timestamp or an error

Transport = httpx.AsyncBaseTransport
OnReply = Callable[[str, str, Mapping[str, str]], None]
"""Operation, HTTP status or error code as text, headers with lower-case names (empty without a response)."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_INVALID_REQUEST = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_MAYBE_SENT = (httpx.TransportError, httpx.DecodingError, TimeoutError)
_PERMANENT = {401: "unauthorized", 403: "forbidden", 404: "not_found", 410: "not_found"}
_TEMPORARY = {408: "timeout", 425: "too_early", 429: "rate_limited"}
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx response. ``data`` is None when the body is not JSON; ``text`` is then an excerpt of the body."""

    status: int
    headers: Mapping[str, str]
    data: Any
    text: str = ""


Parameter = str | int | list[str]  # a list repeats the parameter once for each member

# One context for all clients: loading the certificates takes longer than a call.
tls = cache(httpx.create_ssl_context)


class Http:
    """Client of one vendor's API. ``headers`` are sent with every request; the headers of a single call override them.

    ``total_s``: deadline of a call in seconds. ``max_bytes``: limit of a response body after decompression.
    ``retry_after_of`` extracts the wait from the body of a 429, ``message_of`` the error message from an error body.
    ``on_reply`` is called once for every call, before any exception is raised.
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
        # A separate connect timeout: a request that fails while connecting was certainly not sent.
        timeout = httpx.Timeout(total_s, connect=total_s / 4, pool=total_s / 4)
        self._client = httpx.AsyncClient(
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "casebell", **headers},
            timeout=timeout,
            transport=transport,
            follow_redirects=False,
            verify=tls(),
            # A proxy cannot reach localhost, and without TLS it could read the credentials.
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
        """Send one request, in at most ``total_s`` seconds. ``operation`` is its metric label, as in "todos.list".

        Raises RetryLaterError (unreachable, rate_limited; for GET also timeout, broken_off, server_error),
        UncertainError for another method in the last three cases, and PermanentError (unauthorized, forbidden,
        not_found, refused, redirected, too_large, bad_request) with the vendor's message.
        """
        try:
            request = self._request(method, path, params, json, form, headers)
            async with asyncio.timeout(self._total_s):
                response, body, is_complete = await self._exchange(request)
        except (httpx.InvalidURL, httpx.TransportError, httpx.DecodingError, ValueError, TimeoutError) as error:
            failure = self._failure(error, is_read=method == "GET")
            self._on_reply(operation, failure.code, {})
            raise failure from error
        response_headers = dict(response.headers)
        self._on_reply(operation, str(response.status_code), response_headers)
        data = _parse_json(body) if is_complete else None
        if response.is_success and is_complete:
            return Reply(response.status_code, response_headers, data, "" if data is not None else excerpt(body))
        raise self._refusal(response.status_code, response_headers, data, is_read=method == "GET")

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
        request_headers = dict(headers or {})
        content = None
        if json is not None:
            # Escaped to ASCII: an unpaired surrogate in a note must not break the request.
            content = json_library.dumps(json, allow_nan=False).encode("ascii")
            request_headers["Content-Type"] = "application/json"
        return self._client.build_request(
            method, url, params=dict(params) if params else None, content=content, data=form, headers=request_headers
        )

    async def _exchange(self, request: httpx.Request) -> tuple[httpx.Response, bytes, bool]:
        """Return the response, its body up to ``max_bytes``, and whether the body is complete."""
        response = await self._client.send(request, stream=True)
        try:
            raw = bytearray()
            async for chunk in response.aiter_raw():
                raw += chunk
                if len(raw) > self._max_bytes:
                    return response, bytes(raw[: self._max_bytes]), False
            return response, *_decompress(bytes(raw), response.headers.get("content-encoding", ""), self._max_bytes)
        finally:
            await response.aclose()

    def _failure(self, error: Exception, *, is_read: bool) -> DeliveryError:
        """Map an exception without a response to a delivery error."""
        if isinstance(error, _NOT_SENT):
            tls_problem = tls_fault(error)
            why = f"cannot be trusted: {tls_problem}" if tls_problem else "could not be reached"
            return RetryLaterError("unreachable", f"{self._host} {why}")
        if isinstance(error, _INVALID_REQUEST) or not isinstance(error, _MAYBE_SENT):
            return PermanentError("bad_request", f"the request to {self._host} is invalid ({type(error).__name__})")
        if isinstance(error, httpx.TimeoutException | TimeoutError):
            code, message = "timeout", f"{self._host} did not answer within {self._total_s:.0f} s"
        else:
            code, message = "broken_off", f"{self._host} broke off its answer"
        return RetryLaterError(code, message) if is_read else UncertainError(code, message)

    def _refusal(self, status: int, headers: Mapping[str, str], data: Any, *, is_read: bool) -> DeliveryError:
        """Map a response that is not a complete 2xx to a delivery error."""
        message = one_line(self._message_of(data) or "") or f"{self._host} answered {status}"
        after_s = parse_wait_s(headers.get("retry-after"))
        if after_s is None:
            after_s = parse_wait_s(self._retry_after_of(data))
        if status in _TEMPORARY:
            scope: FailureScope = "pace" if status == httpx.codes.TOO_MANY_REQUESTS else "destination"
            return RetryLaterError(_TEMPORARY[status], message, after_s, scope=scope)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            if is_read:
                return RetryLaterError("server_error", message, after_s)
            return UncertainError("server_error", message)
        if status >= httpx.codes.BAD_REQUEST:
            return PermanentError(_PERMANENT.get(status, "refused"), message)
        if status >= httpx.codes.MULTIPLE_CHOICES:
            return PermanentError("redirected", f"{self._host} answered {status}, a redirect; is base_url right?")
        too_large = f"{self._host} answered with more than {self._max_bytes // MIB} MiB"
        return PermanentError("too_large", too_large) if is_read else UncertainError("too_large", too_large)


def _decompress(raw: bytes, encoding: str, max_bytes: int) -> tuple[bytes, bool]:
    """Return at most ``max_bytes`` of the body, and whether it is complete. Stops early on a gzip bomb."""
    match encoding.strip().lower():
        case "" | "identity":
            return raw, True
        case "gzip" | "x-gzip":
            decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
            try:
                body = decompressor.decompress(raw, max_bytes + 1)
            except zlib.error as error:
                raise httpx.DecodingError("invalid gzip data") from error
            if raw and not decompressor.eof and len(body) <= max_bytes:
                raise httpx.DecodingError("truncated gzip data")
            return body[:max_bytes], len(body) <= max_bytes
        case _:
            raise httpx.DecodingError("unsupported content encoding")


def tls_fault(error: BaseException | None) -> str:
    """Return OpenSSL's reason when the TLS handshake failed; empty for any other error."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return "" if error is None else getattr(error, "verify_message", "") or error.reason or "TLS failed"


def path_segment(value: str) -> str:
    """Quote ``value`` as one URL path segment. Raises PermanentError for "", "." and ".."."""
    if value in {"", ".", ".."}:
        raise PermanentError("not_found", "not a valid id")
    return quote(value, safe="", errors="replace")


def parse_wait_s(value: object) -> float | None:
    """Parse seconds or an HTTP date into 1 to 3600 seconds; None for anything implausible."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        seconds = _seconds_until(value) if isinstance(value, str) else math.nan
    if not 0 <= seconds <= MAX_PLAUSIBLE_WAIT_S:  # also rejects NaN
        return None
    return min(max(seconds, 1.0), MAX_WAIT_S)


def one_line(text: str, max_chars: int = MAX_MESSAGE_CHARS) -> str:
    """``text`` without line breaks and control characters, cut to ``max_chars`` characters."""
    line = _BLANKS.sub(" ", text[: max_chars * 4]).strip()
    return line if len(line) <= max_chars else line[: max_chars - 1] + "…"


def excerpt(body: bytes) -> str:
    """The beginning of a body that is not JSON, on one line."""
    return one_line(body[: MAX_EXCERPT_CHARS * 4].decode("utf-8", "replace"), MAX_EXCERPT_CHARS)


def default_message_of(data: Any) -> str | None:
    """Return the message of the common JSON error formats, or None."""
    if not isinstance(data, Mapping):
        return None
    candidates = (data.get(name) for name in ("message", "detail", "title", "error_description", "error"))
    return next((message for message in candidates if isinstance(message, str) and message.strip()), None)


def _parse_json(body: bytes) -> Any:
    try:
        return read_json(body)
    except ValueError:
        return None


def _seconds_until(http_date: str) -> float:
    try:
        at = parsedate_to_datetime(http_date)
    except (ValueError, TypeError, IndexError):
        return math.nan
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - datetime.now(UTC)).total_seconds(), 0.0)
