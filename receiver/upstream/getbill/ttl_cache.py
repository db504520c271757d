"""A bounded in-memory cache whose values have an age, so that a poll need not read everything again."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCache(Generic[T]):
    """The newest ``max_entries`` values by key, each with its age in seconds."""

    def __init__(self, max_entries: int, now_s: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._now_s = now_s
        self._entries: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, key: str, value: T) -> None:
        self._entries[key] = (self._now_s(), value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def get(self, key: str, max_age_s: float = float("inf")) -> T | None:
        entry = self._entries.get(key)
        return entry[1] if entry and self._now_s() - entry[0] <= max_age_s else None

    def age_s(self, key: str) -> float | None:
        """Return the seconds since the value was stored; None when it is missing."""
        entry = self._entries.get(key)
        return self._now_s() - entry[0] if entry else None

    def drop(self, key: str) -> None:
        self._entries.pop(key, None)
