"""Step 1: raw bytes from strangers, capped in size and time before anybody looks at them."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from receiver.errors import RejectedError

MOST_BYTES: Final = 1024 * 1024  # interfaces.md: 413 over 1 MiB
SLOWEST_S: Final = 10.0  # uvicorn has no deadline of its own (reliability.md, A.8)
STATUS: Final = {
    "too_large": 413,
    "too_slow": 408,
    "gone_away": 400,
    "encoded": 415,
    "bad_signature": 401,
    "too_old": 401,
    "unknown_account": 404,
}


async def raw_body(request: Request, most_bytes: int = MOST_BYTES, slowest_s: float = SLOWEST_S) -> bytes:
    """The body as it came. Raises RejectedError: encoded, too_large, too_slow, gone_away."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise RejectedError("encoded")  # a signature is over bytes, and a bomb is not worth unpacking
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise RejectedError("too_large")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(slowest_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most_bytes:
                    raise RejectedError("too_large")
                chunks.append(chunk)
    except TimeoutError:
        raise RejectedError("too_slow") from None
    except ClientDisconnect:
        raise RejectedError("gone_away") from None
    return b"".join(chunks)
