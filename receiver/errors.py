"""Every error of Casebell, named for what the caller does next.

CasebellError(code, message)       code: stable snake_case word = log field = metric label = docs anchor
├── ConfigError                    at start only; names file, key and cure; exit 2
├── RejectedError                  bytes we do not accept -> 4xx, never retried
├── RefusedError                   a person may not, or not any more -> shown to them
└── DeliveryError                  an outside system did not do it
    ├── RetryLaterError(after_s)   surely not processed: connect error, 429, a refusal the vendor calls temporary
    ├── PermanentError             will never work as asked: the row is dead, the reason is shown
    └── UncertainError             perhaps processed (read timeout, 5xx on a write): never blindly repeated
"""

from typing import Literal

Reach = Literal["item", "place", "pace", "system", "ours"]
"""Who else a failure strikes: nobody (``item``), what goes to the same channel or account (``place``), whatever draws
on the same allowance (``pace``), the whole system; or it is ours, and says nothing of the other side."""


class CasebellError(Exception):
    """Base of all; ``code`` is for machines, ``message`` for people and free of secrets and debtor data."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message or code


class ConfigError(CasebellError):
    """The configuration cannot be used; ``message`` holds one fault a line, each with file, key and cure."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_configuration", message)


class RejectedError(CasebellError):
    """Bytes from outside that are not accepted: bad_signature, too_old, too_large, too_slow, unknown_account."""


class RefusedError(CasebellError):
    """A person may not do this, or not any more: not_allowed, stale, already_done, not_offered, bad_input."""


class DeliveryError(CasebellError):
    """An outside system did not do what it was asked. ``reach``: who else will hear the same."""

    def __init__(self, code: str, message: str = "", *, reach: Reach = "place") -> None:
        super().__init__(code, message)
        self.reach = reach


class RetryLaterError(DeliveryError):
    """Surely not processed; try again after ``after_s`` seconds (None: the caller's own backoff)."""

    def __init__(self, code: str, message: str = "", after_s: float | None = None, *, reach: Reach = "place") -> None:
        super().__init__(code, message, reach=reach)
        self.after_s = after_s


class PermanentError(DeliveryError):
    """Will never work as asked; park it and tell why."""

    def __init__(self, code: str, message: str = "", *, reach: Reach = "item") -> None:
        super().__init__(code, message, reach=reach)


class UncertainError(DeliveryError):
    """May have been processed; look before anything is sent again."""
