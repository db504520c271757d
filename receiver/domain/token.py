"""Signed words for links and pages: who holds one may open what it names, for a while, and nothing else.

A token is readable by anybody, so it carries opaque ids only, never a name or an amount (contract B2). It knows no
single use: that is the store's part, in the transaction of what the token is good for.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from receiver.errors import RefusedError

Purpose = Literal["act.v1", "media.v1", "nonce.v1", "control.v1", "unsubscribe.v1", "login.v1"]
Payload = str | list[str | int] | dict[str, Any]

# itsdangerous itself would take SHA-1 and a plain concatenation of salt and key (contract B2)
_STRENGTH: Final = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


class ExpiredLinkError(RefusedError):
    """Signed by us, but too long ago; ``payload`` is what it said, so that a fresh one can be offered."""

    def __init__(self, payload: Any) -> None:
        super().__init__("expired_link", "This link has expired.")
        self.payload = payload


class Tokens:
    """Makes and opens tokens; a token made for one purpose opens for no other."""

    def __init__(self, keys: Sequence[str], now: Callable[[], float] = time.time) -> None:
        """``keys`` newest first: the first signs, all are believed. ``now`` in seconds since 1970."""
        if not keys or not all(keys):
            raise ValueError("signing needs at least one key, and none may be empty")
        # itsdangerous signs with the last key (contract B2)
        self._keys = list(reversed(keys))

        class Clock(TimestampSigner):
            def get_timestamp(self) -> int:
                return int(now())

        self._signer = Clock

    def make(self, purpose: Purpose, payload: Payload) -> str:
        """A token that is safe in a URL."""
        return self._serializer(purpose).dumps(payload)

    def open(self, purpose: Purpose, token: str, max_age_s: int) -> Any:
        """What was signed. Raises RefusedError("bad_link"), or ExpiredLinkError ("expired_link") with the payload."""
        serializer = self._serializer(purpose)
        try:
            return serializer.loads(token, max_age=max_age_s)
        except SignatureExpired as expired:
            payload = serializer.load_payload(expired.payload) if expired.payload else None
            raise ExpiredLinkError(payload) from None
        except (BadData, ValueError):  # ValueError: halves of surrogate pairs, which are no UTF-8
            raise RefusedError("bad_link", "This link is not one of ours, or it is incomplete.") from None

    def _serializer(self, purpose: Purpose) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._keys, salt=f"casebell.{purpose}", signer=self._signer, signer_kwargs=_STRENGTH
        )
