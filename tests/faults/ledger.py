"""What was acknowledged to a sender, and the one invariant that must hold after any fault."""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from sqlalchemy import create_engine, select

from receiver.store.schema import event, outbox
from tests.faults.much import times
from tests.harness import World, eventually

SETTLES_WITHIN_S = float(times(120, 900))


@dataclass
class Ledger:
    """Sends disputes and keeps which events were answered with 2xx; a thread may send while another kills."""

    here: World
    acknowledged: dict[str, str] = field(default_factory=dict)  # the identity of the event: its reference
    refused: int = 0  # tries that were not acknowledged
    prefix: str = "INV-F"
    _made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self) -> bool:
        """One new dispute; False when it was not acknowledged."""
        return self._tell(*self._new())

    def send_until(self, stop: threading.Event, every_s: float) -> None:
        """A dispute after the other; what is not acknowledged is sent again, as senders do."""
        while not stop.is_set():
            event = self._new()
            while not self._tell(*event) and not stop.wait(every_s):
                pass
            stop.wait(every_s)

    @contextmanager
    def load(self, senders: int = 2, every_s: float = 0.05) -> Iterator[None]:
        """So many send at the same time while this lasts."""
        stop = threading.Event()
        threads = [threading.Thread(target=self.send_until, args=(stop, every_s)) for _ in range(senders)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def wait_for_more(self, least: int = 1, most: int = 8) -> None:
        """Until a random number of disputes more is acknowledged: a moment that nobody chose."""
        enough = len(self.acknowledged) + random.randint(least, most)
        eventually(lambda: len(self.acknowledged) >= enough, "webhooks to be taken")

    def _new(self) -> tuple[str, bytes]:
        with self._lock:
            self._made += 1
            reference = f"{self.prefix}-{self._made}"
        todo = self.here.getbill.add("portal_dispute", reference=reference)
        return reference, self.here.getbill.event(todo, event_id=f"event-{reference}")

    def _tell(self, reference: str, event: bytes) -> bool:
        try:
            answer = self.here.getbill_event(event)
        except httpx.TransportError:
            self.refused += 1
            return False
        if answer.is_success:
            self.acknowledged[f"id:event-{reference}"] = reference
        else:
            self.refused += 1
        return answer.is_success

    def told(self) -> Counter[str]:
        """How many messages in the channel are about each reference."""
        words = Counter(word for text in self._texts() for word in set(_words(text)))
        return Counter({reference: words[reference] for reference in self.acknowledged.values()})

    def assert_no_silent_repeat(self, told: Counter[str]) -> None:
        """Whatever was told twice says so."""
        silent = [name for name, n in told.items() if self.says_it_repeats(name) < n - 1]
        assert silent == [], "told twice without a word of it"

    def says_it_repeats(self, reference: str) -> int:
        """How many messages about it say that there may be another."""
        return sum("may appear twice" in text for text in self._texts() if reference in _words(text))

    def _texts(self) -> list[str]:
        return [f"{post.text} {post.blocks}" for post in self.here.posts("C0DISPUTES")]

    def settle(self) -> Counter[str]:
        """Wait until nothing is left to do, while something moves; then check that all is told. Messages of each."""
        url = self.here.service.database_url
        fewest, until = math.inf, 0.0
        while waiting := rows_that_wait(url):
            if (left := sum(waiting.values())) < fewest:  # a slow machine takes longer; one that stands still fails
                fewest, until = left, time.monotonic() + SETTLES_WITHIN_S
            assert time.monotonic() < until, f"nothing moved for {SETTLES_WITHIN_S:.0f} s: {waiting}"
            time.sleep(0.2)  # seldom: the stand-ins live in this process too
        check_invariant(url, set(self.acknowledged))
        told = self.told()
        assert [reference for reference, n in told.items() if n == 0] == [], "acknowledged and not told"
        return told


def rows_that_wait(database_url: str) -> dict[str, int]:
    """How many rows of the inbox and the outbox are not finished, by why they wait; empty when there are none."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        events = connection.execute(select(event.c.reason).where(event.c.state == "new")).scalars().all()
        deliveries = connection.execute(
            select(outbox.c.destination, outbox.c.reason).where(outbox.c.state == "due")
        ).all()
    engine.dispose()
    return dict(Counter([f"inbox: {why}" for why in events] + [f"{place}: {why}" for place, why in deliveries]))


def check_invariant(database_url: str, acknowledged: set[str]) -> None:
    """Every acknowledged event is there exactly once; every delivery is done, dead or due; no lease has run out."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        events = Counter(connection.execute(select(event.c.event_id)).scalars())
        rows = connection.execute(select(outbox.c.id, outbox.c.state, outbox.c.lease_until)).all()
    engine.dispose()
    now = datetime.now(UTC)
    assert acknowledged - events.keys() == set(), "acknowledged and lost"
    assert [event for event, n in events.items() if n > 1] == []
    assert {row.state for row in rows} <= {"done", "dead", "due"}
    assert [row.id for row in rows if row.lease_until is not None and row.lease_until < now] == []


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "-" else " " for c in text).split()
