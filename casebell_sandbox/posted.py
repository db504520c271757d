"""What a page's form or a program's JSON says, as one flat or nested dict. It trusts nothing."""

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from casebell_sandbox.faults import LARGEST_BODY, Json


async def posted(request: Request) -> Json:
    """The fields of a JSON or form body. Raises ValueError for anything else."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY:
            raise ValueError("too large")
    words = body.decode("utf-8")
    if not request.headers.get("content-type", "").startswith("application/json"):
        return dict(parse_qsl(words, keep_blank_values=True, max_num_fields=200))
    told = parsed(words)
    if not isinstance(told, dict):
        raise ValueError("not an object")  # noqa: TRY004 - whoever sent it made the mistake
    return told


def parsed(words: str) -> Any:
    """JSON that can be answered and shown again. Raises ValueError for anything else, lone surrogates included."""
    try:
        told = json.loads(words)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    json.dumps(told, ensure_ascii=False).encode()
    return told
