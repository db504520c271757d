"""What stands around a task: its case and what was said there, read no oftener than it is worth.

Serves step 4. A case that cannot be read costs a task its context, never its alert; nothing here raises.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from receiver.errors import DeliveryError, RetryLaterError
from receiver.upstream.debitura import wire
from receiver.upstream.debitura.api import Api, Now
from receiver.upstream.debitura.tasks import Listed
from receiver.upstream.debitura.translate import in_order

FRESH_FOR_S = 600.0
FRESH_FOR_EACH_S = 4.0  # two calls a case: half a call a second at most, well below 100,000 a day (section 6)
AGAIN_AFTER = timedelta(minutes=2)
MOST_CASES = 5_000
MOST_CHATS = 50
AT_ONCE = 4  # calls at a time
MANY = 20
IN_ONE_CALL = 50  # the address has 2 kB then
MOST_FAILURES = 5  # in one pass; then Debitura has other troubles than one case

OnCase = Callable[[str, wire.Case, datetime], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """A case and its newest messages.

    ``of``: the sum of the marks of the tasks it was read for; ``is_whole``: every part could be read.
    """

    case: wire.Case | None = None
    chats: tuple[wire.Chat, ...] = ()
    of: int = 0
    read_at: datetime | None = None
    is_whole: bool = False

    mark: int = field(init=False)  # another one when a task would show something else of it

    def __post_init__(self) -> None:
        object.__setattr__(self, "mark", hash((self.case, self.chats)))


NOTHING = Context()


class CaseCache:
    """Contexts by case id, kept in memory for as long as the case has open tasks."""

    def __init__(self, api: Api, now: Now, on_case: OnCase) -> None:
        """``on_case`` hears of every case that was read."""
        self._api = api
        self._now = now
        self._on_case = on_case
        self._kept: dict[str, Context] = {}

    async def of(
        self, tasks: Iterable[Listed], *, changed: Collection[str] = (), is_full: bool = False
    ) -> dict[str, Context]:
        """Contexts for all the open tasks. ``changed``: cases an event named; ``is_full``: read every one anew."""
        grouped: dict[str, int] = defaultdict(int)
        talking: set[str] = set()
        for task in tasks:
            if task.case_id:
                grouped[task.case_id] += task.mark
                if task.kind in wire.CHAT_TYPES:
                    talking.add(task.case_id)
        known_first = sorted(grouped, key=lambda case_id: case_id not in self._kept)[:MOST_CASES]
        wanted = {case_id: grouped[case_id] for case_id in known_first}
        fresh_for = timedelta(seconds=max(FRESH_FOR_S, FRESH_FOR_EACH_S * len(wanted)))
        self._kept = {case_id: self._kept.get(case_id, NOTHING) for case_id in wanted}
        due = [
            case_id
            for case_id, of in wanted.items()
            if is_full
            or case_id in changed
            or self._is_stale(self._kept[case_id], of, fresh_for, is_chat=case_id in talking)
        ]
        reading, said_at = _Reading(self._api), self._now()
        await reading.ahead(due)
        read = await asyncio.gather(*(reading.read(case_id, self._kept[case_id]) for case_id in due))
        for case_id, context in zip(due, read, strict=True):
            if context.case is not None and context.case is not self._kept[case_id].case:
                self._on_case(case_id, context.case, said_at)
            self._kept[case_id] = replace(context, of=wanted[case_id], read_at=self._now())
        return self._kept

    def _is_stale(self, kept: Context, of: int, fresh_for: timedelta, *, is_chat: bool) -> bool:
        if kept.read_at is None or kept.of != of:
            return True
        age = self._now() - kept.read_at
        return (is_chat and age >= fresh_for) or (not kept.is_whole and age >= AGAIN_AFTER)


class _Reading:
    """The cases read in one pass: a few at a time, and no more once too many have failed."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._places = asyncio.Semaphore(AT_ONCE)
        self._failures = 0
        self._listed: dict[str, wire.Case] = {}

    async def ahead(self, case_ids: Sequence[str]) -> None:
        """Where they are many, ask for many in one call; what that does not bring whole is read by itself."""
        if len(case_ids) < MANY:
            return
        wanted = set(case_ids)
        for start in range(0, len(case_ids), IN_ONE_CALL):
            try:
                found = await self._api.cases_of(case_ids[start : start + IN_ONE_CALL])
            except RetryLaterError:
                self._failures += 1
                return
            except DeliveryError:
                return  # this key may list none
            self._listed |= {case.id: case for case in found if case.id in wanted and _is_whole(case)}

    async def read(self, case_id: str, kept: Context) -> Context:
        """The case and its messages; of what cannot be read, what was kept."""
        async with self._places:
            case, has_case = self._listed.get(case_id), True
            if case is None:
                case, has_case = await self._part(lambda: self._api.case(case_id), kept.case)
            chats, has_chats = await self._part(lambda: self._newest(case_id), kept.chats)
        return replace(kept, case=case, chats=chats, is_whole=has_case and has_chats)

    async def _newest(self, case_id: str) -> tuple[wire.Chat, ...]:
        return tuple(in_order(await self._api.chats(case_id))[-MOST_CHATS:])

    async def _part(self, ask: Callable[[], Awaitable[T]], kept: T) -> tuple[T, bool]:
        """What Debitura answers, or what was kept; False when it is worth asking again soon."""
        if self._failures >= MOST_FAILURES:
            return kept, False
        try:
            return await ask(), True
        except RetryLaterError:
            self._failures += 1
            return kept, False
        except DeliveryError:
            return kept, True  # it is not ours to read, and will not be in two minutes


def _is_whole(case: wire.Case) -> bool:
    """Whether a list tells of a case what the case itself tells, which nobody promises."""
    return None not in (case.reference, case.remainder, case.currency, case.debtor, case.lifecycle)
