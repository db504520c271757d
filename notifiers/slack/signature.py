"""Step 2 for Slack: whether a request is Slack's, and fresh (contract A3). Pure; it looks at bytes only."""

import json
import re
from collections.abc import Collection, Mapping
from datetime import datetime

from slack_sdk.signature import Clock, SignatureVerifier

from receiver.errors import RejectedError

MAX_SKEW_S = 300  # contract A3
_TIMESTAMP = re.compile(r"\d{1,12}", re.ASCII)


def check(secrets: Collection[str], body: bytes, headers: Mapping[str, str], now: datetime) -> None:
    """Raises RejectedError for what none of the secrets signed within five minutes of now."""
    stamp = headers.get("x-slack-request-timestamp", "")
    signature = headers.get("x-slack-signature", "")
    if not _TIMESTAMP.fullmatch(stamp) or not signature.isascii():
        raise RejectedError("bad_signature", "The request carries no signature of Slack.")
    if abs(now.timestamp() - int(stamp)) > MAX_SKEW_S:
        raise RejectedError("too_old", "The request was signed more than five minutes away from now.")
    if not any(_is_signed(secret, body, stamp, signature, now) for secret in secrets):
        raise RejectedError("bad_signature", "The signature is not Slack's.")


def challenge(secret: str, word: str, now: datetime) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the question Slack asks when an address is entered, signed as it signs; for the doctor."""
    body = json.dumps({"type": "url_verification", "challenge": word}).encode()
    stamp = str(int(now.timestamp()))
    signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
    assert signature is not None
    return body, {"x-slack-request-timestamp": stamp, "x-slack-signature": signature}


class _At(Clock):
    def __init__(self, at: float) -> None:
        self._at = at

    def now(self) -> float:
        return self._at


def _is_signed(secret: str, body: bytes, stamp: str, signature: str, now: datetime) -> bool:
    """slack_sdk's check, which raises for some rubbish instead of saying no (contract A3)."""
    try:
        return SignatureVerifier(secret, _At(now.timestamp())).is_valid(body, stamp, signature)
    except (ValueError, TypeError):
        return False
