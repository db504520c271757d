"""Reads the fields of a request body, form or JSON, within limits of size and depth."""

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from casebell_sandbox.faults import LARGEST_BODY, Json


async def read_fields(request: Request) -> Json:
    """The fields of a JSON or form body. Raises ValueError for anything else."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY:
            raise ValueError("too large")
    text = body.decode("utf-8")
    if not request.headers.get("content-type", "").startswith("application/json"):
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=200))
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - an error of the client, not of a caller
    return value


def parse_json(text: str) -> Any:
    """JSON that can be encoded again. Raises ValueError for anything else, lone surrogates included."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    json.dumps(value, ensure_ascii=False).encode()
    return value
