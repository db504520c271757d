"""Verifies that a request comes from Slack and is fresh. Pure: it reads bytes, headers and an explicit clock."""

import json
import re
from collections.abc import Collection, Mapping
from datetime import datetime

from slack_sdk.signature import Clock, SignatureVerifier

from receiver.errors import RejectedError

MAX_SKEW_S = 300  # docs/vendors/slack.md#signatures
_TIMESTAMP = re.compile(r"\d{1,12}", re.ASCII)


def verify(secrets: Collection[str], body: bytes, headers: Mapping[str, str], now: datetime) -> None:
    """Check the signature against every secret. Raises RejectedError ``bad_signature`` or ``too_old``."""
    timestamp = headers.get("x-slack-request-timestamp", "")
    signature = headers.get("x-slack-signature", "")
    if not _TIMESTAMP.fullmatch(timestamp) or not signature.isascii():
        raise RejectedError("bad_signature", "The request has no valid Slack signature headers.")
    if abs(now.timestamp() - int(timestamp)) > MAX_SKEW_S:
        raise RejectedError("too_old", "The signature's timestamp is more than five minutes off.")
    if not any(_is_signed(secret, body, timestamp, signature, now) for secret in secrets):
        raise RejectedError("bad_signature", "The signature does not match any signing secret.")


def verify_origin(
    team_ids: Collection[str], app_ids: Collection[str], senders: Collection[str | None], app_id: str | None
) -> None:
    """Compare a request's workspace and app with the configured ids. Raises RejectedError ``unknown_account``.

    ``senders``: the ids of the workspace and of its organisation; one match is enough. An empty ``team_ids`` or
    ``app_ids`` accepts every id.
    """
    if team_ids and not any(sender in team_ids for sender in senders):
        raise RejectedError("unknown_account", "The request comes from another Slack workspace.")
    if app_ids and app_id not in app_ids:
        raise RejectedError("unknown_account", "The request comes from another Slack app.")


def url_verification_request(secret: str, challenge: str, now: datetime) -> tuple[bytes, dict[str, str]]:
    """Body and signed headers of Slack's ``url_verification`` request, for ``casebell doctor``."""
    body = json.dumps({"type": "url_verification", "challenge": challenge}).encode()
    timestamp = str(int(now.timestamp()))
    signature = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body)
    assert signature is not None
    return body, {"x-slack-request-timestamp": timestamp, "x-slack-signature": signature}


class _FixedClock(Clock):
    def __init__(self, at: float) -> None:
        self._at = at

    def now(self) -> float:
        return self._at


def _is_signed(secret: str, body: bytes, timestamp: str, signature: str, now: datetime) -> bool:
    """Whether the signature matches; slack_sdk raises on malformed input (docs/vendors/slack.md#signatures)."""
    try:
        return SignatureVerifier(secret, _FixedClock(now.timestamp())).is_valid(body, timestamp, signature)
    except (ValueError, TypeError):
        return False
