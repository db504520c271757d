"""Steps 2 and 4 for Getbill: a webhook's signature over its raw bytes, and what its body points at.

No I/O. A webhook is a hint and nothing more: what an item says is always asked of the API (getbill.md, Webhooks).
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
MOST_OF_AN_ID = 200

_SIGNATURE = re.compile(r"(?:sha256=)?([0-9a-f]{64})", re.ASCII)


def make_verify(secrets: Sequence[str]) -> Verify:
    """A check against any of ``secrets``; without one, everything is refused."""
    keys = [secret.encode() for secret in secrets if secret]

    def verify(body: bytes, headers: Mapping[str, str], _now: datetime) -> str:
        """The event's identity. Raises RejectedError("bad_signature"), and nothing else, ever."""
        signature = _SIGNATURE.fullmatch(headers.get(SIGNATURE, "").strip(" \t"))
        if signature is None:
            raise RejectedError("bad_signature", "The request carries no signature of Getbill.")
        given = signature[1].encode()
        if not any(_is_signed(key, body, given) for key in keys):
            raise RejectedError("bad_signature", "The signature is not Getbill's.")
        return identity_of(body)

    return verify


def _is_signed(key: bytes, body: bytes, given: bytes) -> bool:
    return hmac.compare_digest(hmac.new(key, body, hashlib.sha256).hexdigest().encode(), given)


def identity_of(body: bytes) -> str:
    """``id:`` and the envelope's id when it has a usable one, else the SHA-256 of the body."""
    try:
        envelope = read_json(body)
    except ValueError:
        envelope = None
    event_id = wire.identifier(envelope.get("id")) if isinstance(envelope, dict) else None
    if event_id is None or len(event_id) > MOST_OF_AN_ID:
        return hashlib.sha256(body).hexdigest()
    return f"id:{event_id}"


def read(body: bytes) -> ChangeHint | None:
    """Where to look; an empty Hint says "everywhere", None "nowhere". Raises ValueError for what is no JSON object."""
    envelope = read_json(body)
    if not isinstance(envelope, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the port promises ValueError for rubbish
    event = code(envelope.get("type")) or ""
    if event in CONCERNS_NO_TODO:
        return None
    family = event.partition(".")[0]
    data = _part(envelope, "data")
    return _todo_hint(_part(data, "todo")) or _todo_hint(data) or _debt_hint(data, family)


def _todo_hint(todo: dict[str, Any]) -> ChangeHint | None:
    """The one todo that ``todo`` is; an agreement is addressed by its debt (getbill.md, Todos)."""
    what, own_id = wire.canonical_type(todo.get("type")), wire.identifier(todo.get("id"))
    if what not in wire.TYPES:
        return None
    if what == "agreement":
        debt_id = _debt_id(todo) or own_id
        return ChangeHint(debt_id=debt_id) if debt_id else None
    return ChangeHint(what=what, id=own_id) if own_id else None


def _debt_hint(data: dict[str, Any], family: str) -> ChangeHint:
    own_id = wire.identifier(data.get("id")) if family == "debt" else None
    return ChangeHint(debt_id=_debt_id(data) or _debt_id(_part(data, "todo")) or own_id)


def _debt_id(data: dict[str, Any]) -> str | None:
    return (
        wire.identifier(data.get("debt_id"))
        or wire.identifier(_part(data, "debt").get("id"))
        or wire.identifier(data.get("debt"))
    )


def _part(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}
