"""When a delivery is tried again: exponential with full jitter, and given up in the end (reliability.md, A.3). Pure.

Something between nothing and 4 s after the first try, then 8 s, 16 s and so on up to an hour from the eleventh on:
about 150 tries in the three days after which a delivery is given up. An order, for which a person waits, never pauses
longer than five minutes and is given up after four hours; then the buttons come back. A pause that the other side names
is kept, and when a breaker closes, what waited behind it is due at once.
"""

from datetime import timedelta

from receiver.domain.breaker import asked_of
from receiver.errors import DeliveryError

FIRST_S, LONGEST_S, LONGEST_ORDER_S = 4.0, 3_600.0, 300.0
GIVE_UP_AFTER = timedelta(days=3)
GIVE_UP_ORDER_AFTER = timedelta(hours=4)


def wait_s(attempts: int, error: DeliveryError, chance: float, *, is_order: bool) -> float:
    """Seconds until the next try, after so many. ``chance`` in [0, 1) spreads them."""
    longest = LONGEST_ORDER_S if is_order else LONGEST_S
    ceiling = min(FIRST_S * 2.0 ** min(max(attempts - 1, 0), 20), longest)
    return max(asked_of(error) or 0.0, chance * ceiling)


def limit(*, is_order: bool) -> timedelta:
    """How long it is tried."""
    return GIVE_UP_ORDER_AFTER if is_order else GIVE_UP_AFTER
