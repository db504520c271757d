"""Signed tokens for links and forms: a token gives access to what it names, for one purpose and a limited time.

A token can be read by anybody, so it contains ids and no names or amounts (docs/vendors/mail.md#links-that-decide).
Whether a token was used already is known to the store, which checks that in the transaction of the use.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from receiver.errors import RefusedError

Purpose = Literal["act.v1", "media.v1", "nonce.v1", "control.v1", "unsubscribe.v1", "login.v1"]
Payload = str | list[str | int] | dict[str, Any]

# The default of itsdangerous is SHA-1 over a concatenation of salt and key.
_SIGNER_OPTIONS: Final = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


class ExpiredLinkError(RefusedError):
    """The signature is valid but too old. ``payload`` is the token's content, so that a new link can be offered."""

    def __init__(self, payload: Any) -> None:
        super().__init__("expired_link", "This link has expired.")
        self.payload = payload


class Tokens:
    """Makes and verifies tokens. A token for one purpose is invalid for any other."""

    def __init__(self, keys: Sequence[str], now: Callable[[], float] = time.time) -> None:
        """``keys``: the first signs, all verify. ``now``: Unix seconds."""
        if not keys or not all(keys):
            raise ValueError("signing needs at least one key, and none may be empty")
        self._keys = list(reversed(keys))  # itsdangerous signs with the last key

        class Clock(TimestampSigner):
            def get_timestamp(self) -> int:
                return int(now())

        self._signer = Clock

    def make(self, purpose: Purpose, payload: Payload) -> str:
        """A token that is safe in a URL."""
        return self._serializer(purpose).dumps(payload)

    def open(self, purpose: Purpose, token: str, max_age_s: int) -> Any:
        """The payload. Raises RefusedError("bad_link"), or ExpiredLinkError if it is older than ``max_age_s``."""
        serializer = self._serializer(purpose)
        try:
            return serializer.loads(token, max_age=max_age_s)
        except SignatureExpired as expired:
            payload = serializer.load_payload(expired.payload) if expired.payload else None
            raise ExpiredLinkError(payload) from None
        except (BadData, ValueError):  # ValueError: lone surrogates cannot be encoded
            raise RefusedError("bad_link", "This link is not one of ours, or it is incomplete.") from None

    def _serializer(self, purpose: Purpose) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._keys, salt=f"casebell.{purpose}", signer=self._signer, signer_kwargs=_SIGNER_OPTIONS
        )
