"""Sends a stand-in's webhooks to the receiver with the vendors' deadline (10 s) and Debitura's retries."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import httpx

# Shared by all clients: loading the certificates takes longer than a call.
tls = cache(httpx.create_ssl_context)

DEADLINE_S = 10.0
NO_ANSWER = 0
GONE = 410
# Seconds before each further attempt; docs/vendors/debitura.md#webhooks
DEBITURA_RETRIES_S = (60, 120, 240, 480, 960, 1800, 1800)

Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]

_retrying: set[asyncio.Task[None]] = set()


async def send(
    url: str,
    body: bytes,
    headers: Headers,
    *,
    retries_s: Sequence[float] = (),
    scale: float = 1.0,
    transport: httpx.AsyncBaseTransport | None = None,
) -> int:
    """Post a webhook; returns the status of the first attempt, 0 if there was no answer in time.

    ``headers`` may be a function, so that each attempt is signed anew. Further attempts, ``scale`` times
    ``retries_s`` apart, run in the background until one is answered with 2xx or 410.
    """
    async with httpx.AsyncClient(transport=transport, timeout=DEADLINE_S, trust_env=False, verify=tls()) as client:
        status = await _attempt(client, url, body, headers)
    if retries_s and not _is_over(status):
        waits = [wait * scale for wait in retries_s]
        task = asyncio.create_task(_retry(url, body, headers, waits, transport))
        _retrying.add(task)
        task.add_done_callback(_retrying.discard)
    return status


def _is_over(status: int) -> bool:
    return 200 <= status < 300 or status == GONE


async def _attempt(client: httpx.AsyncClient, url: str, body: bytes, headers: Headers) -> int:
    current = headers() if callable(headers) else headers
    try:
        async with asyncio.timeout(DEADLINE_S):
            return (await client.post(url, content=body, headers=dict(current))).status_code
    except (httpx.HTTPError, TimeoutError):
        return NO_ANSWER


async def _retry(
    url: str, body: bytes, headers: Headers, waits: Sequence[float], transport: httpx.AsyncBaseTransport | None
) -> None:
    async with httpx.AsyncClient(transport=transport, timeout=DEADLINE_S, trust_env=False, verify=tls()) as client:
        for wait in waits:
            await asyncio.sleep(wait)
            if _is_over(await _attempt(client, url, body, headers)):
                return
