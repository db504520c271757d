"""Debitura's webhooks: verifies the signature over the raw bytes and extracts the case that the event names.

No I/O. No event is about a task, so a webhook only makes the next poll sooner: docs/vendors/debitura.md#webhooks
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from receiver.errors import ConfigError, RejectedError
from receiver.ports import ChangeHint, Verify
from receiver.upstream.debitura import wire
from receiver.upstream.strict_json import read_json

SIGNATURE = "x-debitura-signature"
CASE = "case"
WINDOW_S = 300
MAX_HEADER = 2_000
MAX_ID = 200

_T = re.compile(r"[0-9]{1,12}", re.ASCII)
_V1 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def make_verify(secrets: Sequence[str]) -> Verify:
    """Return a check against any of ``secrets``, base64 as Debitura shows them. No secrets: it rejects everything.

    Raises ConfigError for a secret that is not base64.
    """
    keys = [_key(secret) for secret in secrets]

    def verify(body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        """Return the event's identity. Raises only RejectedError("bad_signature" or "too_old")."""
        t, signatures = _parts(headers.get(SIGNATURE, ""))
        if not any(_is_signed(key, t, body, signatures) for key in keys):
            raise RejectedError("bad_signature", "The signature does not match the body.")
        if abs(now.timestamp() - int(t)) > WINDOW_S:
            raise RejectedError("too_old", "The signature's timestamp is more than five minutes off.")
        return identity_of(body)

    return verify


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if not key:
        raise ConfigError("[[debitura]] webhook_secrets: a secret is not base64; copy it as Debitura showed it")
    return key


def _parts(header: str) -> tuple[str, list[bytes]]:
    """Return the signed timestamp, as text, and every v1 signature. Unknown keys are ignored."""
    pairs = [part.strip(" \t").partition("=") for part in header[:MAX_HEADER].split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    signatures = [value.encode() for name, _, value in pairs if name == "v1" and _V1.fullmatch(value)]
    if len(times) != 1 or not _T.fullmatch(times[0]) or not signatures:
        raise RejectedError("bad_signature", "The signature header is missing or malformed.")
    return times[0], signatures


def _is_signed(key: bytes, t: str, body: bytes, signatures: Sequence[bytes]) -> bool:
    expected = hmac.new(key, f"{t}.".encode() + body, hashlib.sha256).hexdigest().encode()
    return any([hmac.compare_digest(expected, given) for given in signatures])  # noqa: C419 - constant time: compares all of them


def identity_of(body: bytes) -> str:
    """Return ``id:`` and the envelope's id, which a replay repeats; else the SHA-256 of the body."""
    try:
        envelope = read_json(body)
    except ValueError:
        envelope = None
    event_id = wire.identifier(envelope.get("id")) if isinstance(envelope, dict) else None
    if event_id is None or len(event_id) > MAX_ID:
        return hashlib.sha256(body).hexdigest()
    return f"id:{event_id}"


def read(body: bytes) -> ChangeHint:
    """Return a hint to read everything, and the event's case again. Raises ValueError unless it is a JSON object."""
    envelope: Any = read_json(body)
    if not isinstance(envelope, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - ports.Upstream promises ValueError
    data = envelope.get("data")
    case_id = wire.uuid(data.get("caseId")) if isinstance(data, dict) else None
    return ChangeHint(what=CASE, id=case_id) if case_id else ChangeHint()
