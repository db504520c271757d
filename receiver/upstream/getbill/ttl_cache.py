"""What Getbill said a while ago, kept so that a poll need not ask again; in memory only, and bounded."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCache(Generic[T]):
    """The newest ``most`` values by key, each with its age in seconds."""

    def __init__(self, most: int, now_s: Callable[[], float]) -> None:
        self._most = most
        self._now_s = now_s
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, key: str, value: T) -> None:
        self._kept[key] = (self._now_s(), value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def get(self, key: str, max_age_s: float = float("inf")) -> T | None:
        kept = self._kept.get(key)
        return kept[1] if kept and self._now_s() - kept[0] <= max_age_s else None

    def age_s(self, key: str) -> float | None:
        """Seconds since it was put; None: it is not kept."""
        kept = self._kept.get(key)
        return self._now_s() - kept[0] if kept else None

    def drop(self, key: str) -> None:
        self._kept.pop(key, None)
