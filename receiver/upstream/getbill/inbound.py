"""Getbill's webhooks: verifies the signature over the raw bytes and extracts the todo or debt that the event names.

No I/O. A webhook is only a hint: items are always read from the API. docs/vendors/getbill.md#webhooks
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from receiver.errors import RejectedError
from receiver.ports import ChangeHint, Verify
from receiver.upstream.getbill import wire
from receiver.upstream.lenient import code
from receiver.upstream.strict_json import read_json

SIGNATURE = "x-getbill-signature"
CONCERNS_NO_TODO = frozenset({"company.credits_low", "report.generated"})
MAX_ID = 200

_SIGNATURE = re.compile(r"(?:sha256=)?([0-9a-f]{64})", re.ASCII)


def make_verify(secrets: Sequence[str]) -> Verify:
    """Return a check against any of ``secrets``. Without secrets it rejects everything."""
    keys = [secret.encode() for secret in secrets if secret]

    def verify(body: bytes, headers: Mapping[str, str], _now: datetime) -> str:
        """Return the event's identity. Raises only RejectedError("bad_signature")."""
        signature = _SIGNATURE.fullmatch(headers.get(SIGNATURE, "").strip(" \t"))
        if signature is None:
            raise RejectedError("bad_signature", "The signature header is missing or malformed.")
        given = signature[1].encode()
        if not any(_is_signed(key, body, given) for key in keys):
            raise RejectedError("bad_signature", "The signature does not match the body.")
        return identity_of(body)

    return verify


def _is_signed(key: bytes, body: bytes, given: bytes) -> bool:
    return hmac.compare_digest(hmac.new(key, body, hashlib.sha256).hexdigest().encode(), given)


def identity_of(body: bytes) -> str:
    """Return ``id:`` and the envelope's id when it is usable, else the SHA-256 of the body."""
    try:
        envelope = read_json(body)
    except ValueError:
        envelope = None
    event_id = wire.identifier(envelope.get("id")) if isinstance(envelope, dict) else None
    if event_id is None or len(event_id) > MAX_ID:
        return hashlib.sha256(body).hexdigest()
    return f"id:{event_id}"


def read(body: bytes) -> ChangeHint | None:
    """Return what to fetch; an empty hint means everything, None nothing.

    Raises ValueError unless the body is a JSON object.
    """
    envelope = read_json(body)
    if not isinstance(envelope, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - ports.Upstream promises ValueError
    event = code(envelope.get("type")) or ""
    if event in CONCERNS_NO_TODO:
        return None
    family = event.partition(".")[0]
    data = _object_at(envelope, "data")
    return _todo_hint(_object_at(data, "todo")) or _todo_hint(data) or _debt_hint(data, family)


def _todo_hint(todo: dict[str, Any]) -> ChangeHint | None:
    """Return the hint for one todo; an agreement is addressed by its debt (docs/vendors/getbill.md#todos)."""
    todo_type, own_id = wire.canonical_type(todo.get("type")), wire.identifier(todo.get("id"))
    if todo_type not in wire.TYPES:
        return None
    if todo_type == "agreement":
        debt_id = _debt_id(todo) or own_id
        return ChangeHint(debt_id=debt_id) if debt_id else None
    return ChangeHint(what=todo_type, id=own_id) if own_id else None


def _debt_hint(data: dict[str, Any], family: str) -> ChangeHint:
    own_id = wire.identifier(data.get("id")) if family == "debt" else None
    return ChangeHint(debt_id=_debt_id(data) or _debt_id(_object_at(data, "todo")) or own_id)


def _debt_id(data: dict[str, Any]) -> str | None:
    return (
        wire.identifier(data.get("debt_id"))
        or wire.identifier(_object_at(data, "debt").get("id"))
        or wire.identifier(data.get("debt"))
    )


def _object_at(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}
