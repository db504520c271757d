"""Reads a request body within a limit of bytes and seconds, before anything parses it.

uvicorn has no such limits (docs/vendors/webhooks.md#ingest).
"""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from receiver.errors import RejectedError

MAX_BODY_BYTES: Final = 1024 * 1024
BODY_TIMEOUT_S: Final = 10.0
STATUS_OF_ERROR: Final = {
    "too_large": 413,
    "too_slow": 408,
    "gone_away": 400,
    "encoded": 415,
    "bad_signature": 401,
    "too_old": 401,
    "unknown_account": 404,
}


async def read_body(request: Request, max_bytes: int = MAX_BODY_BYTES, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """The raw body. Raises RejectedError: encoded, too_large, too_slow, gone_away."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise RejectedError("encoded")  # signatures cover the raw bytes, and a compressed body may be a zip bomb
    content_length = request.headers.get("content-length", "")
    if content_length.isdecimal() and int(content_length) > max_bytes:
        raise RejectedError("too_large")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise RejectedError("too_large")
                chunks.append(chunk)
    except TimeoutError:
        raise RejectedError("too_slow") from None
    except ClientDisconnect:
        raise RejectedError("gone_away") from None
    return b"".join(chunks)
