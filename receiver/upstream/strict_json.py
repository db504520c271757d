"""JSON from strangers: what the standard library lets through and a database or ``Money`` would choke on is refused.

Serves steps 4 and 9 in both sources; does no I/O.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn


def read_json(body: bytes) -> Any:
    """``body`` decoded, with Decimal for numbers with a fraction or an exponent.

    Raises ValueError for what is not JSON, for NaN and Infinity, for numbers beyond all reason and for nesting beyond
    what the parser can follow (reliability.md A.7).
    """
    try:
        return json.loads(body, parse_float=_decimal, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("a number beyond all reason") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
