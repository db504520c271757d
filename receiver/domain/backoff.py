"""Decides when a failed delivery is tried again: exponential backoff with full jitter. Pure.

The delay is random between 0 and 4 s after the first attempt, then up to 8 s, 16 s and so on, up to an hour from the
eleventh attempt on: about 150 attempts in three days, after which a delivery fails for good. A person waits for a
source command, so its delay is at most five minutes and it fails after four hours; then the buttons return. A longer
pause that the other system asks for is kept. See docs/vendors/webhooks.md#retries.
"""

from datetime import timedelta

from receiver.domain.breaker import requested_pause_s
from receiver.errors import DeliveryError

FIRST_S, LONGEST_S, LONGEST_COMMAND_S = 4.0, 3_600.0, 300.0
GIVE_UP_AFTER = timedelta(days=3)
GIVE_UP_COMMAND_AFTER = timedelta(hours=4)


def retry_delay_s(attempts: int, error: DeliveryError, jitter: float, *, is_command: bool) -> float:
    """Seconds until the next attempt, after ``attempts`` failed ones. ``jitter``: random in [0, 1)."""
    longest = LONGEST_COMMAND_S if is_command else LONGEST_S
    ceiling = min(FIRST_S * 2.0 ** min(max(attempts - 1, 0), 20), longest)
    return max(requested_pause_s(error) or 0.0, jitter * ceiling)


def retry_period(*, is_command: bool) -> timedelta:
    """How long after its creation a delivery is still tried again."""
    return GIVE_UP_COMMAND_AFTER if is_command else GIVE_UP_AFTER
