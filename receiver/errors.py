"""Every error of Casebell, named for what the caller does next.

CasebellError(code, message)       code: a stable snake_case word, used as log field, metric label and docs anchor
├── ConfigError                    at start only; names file, key and remedy; exit status 2
├── RejectedError                  a request that is not accepted: answered with 4xx, never retried
├── RefusedError                   a person may not do this, or not any more: shown to them
└── DeliveryError                  an outside system did not do what was asked
    ├── RetryLaterError(after_s)   certainly not processed: connection error, 429, or a temporary refusal
    ├── PermanentError             never succeeds: the delivery is dead and its reason is shown
    └── UncertainError             may have been processed (read timeout, 5xx on a write): not repeated without a check
"""

from typing import Literal

FailureScope = Literal["item", "destination", "pace", "system", "internal"]
"""What else fails with a delivery: nothing (``item``), what has the same channel or account (``destination``), what is
under the same rate limit (``pace``), or the whole system (``system``). ``internal``: the error is Casebell's own."""


class CasebellError(Exception):
    """Base class. ``code`` is for machines, ``message`` for people; it contains no secrets and no debtor data."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message or code


class ConfigError(CasebellError):
    """The configuration is invalid; ``message`` has one line for each error, with file, key and remedy."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_configuration", message)


class RejectedError(CasebellError):
    """A request from outside is not accepted: bad_signature, too_old, too_large, too_slow, unknown_account."""


class RefusedError(CasebellError):
    """A person may not do this, or not any more: not_allowed, stale, already_done, not_offered, bad_input."""


class DeliveryError(CasebellError):
    """An outside system did not do what it was asked. ``scope``: what else fails with it."""

    def __init__(self, code: str, message: str = "", *, scope: FailureScope = "destination") -> None:
        super().__init__(code, message)
        self.scope = scope


class RetryLaterError(DeliveryError):
    """Certainly not processed; try again after ``after_s`` seconds (None: the caller's own backoff)."""

    def __init__(
        self, code: str, message: str = "", after_s: float | None = None, *, scope: FailureScope = "destination"
    ) -> None:
        super().__init__(code, message, scope=scope)
        self.after_s = after_s


class PermanentError(DeliveryError):
    """Never succeeds; do not try again, and show the reason."""

    def __init__(self, code: str, message: str = "", *, scope: FailureScope = "item") -> None:
        super().__init__(code, message, scope=scope)


class UncertainError(DeliveryError):
    """May have been processed; check before anything is sent again."""
