"""JSON from untrusted senders. Rejects what the standard library accepts and a database or ``Money`` cannot store.

Does no I/O.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn


def read_json(body: bytes) -> Any:
    """Decode ``body``, with Decimal for numbers that have a fraction or an exponent.

    Raises ValueError for invalid JSON, NaN and Infinity, numbers out of range, and nesting that is too deep for the
    parser: docs/vendors/webhooks.md#signatures
    """
    try:
        return json.loads(body, parse_float=_decimal, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("number out of range") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
