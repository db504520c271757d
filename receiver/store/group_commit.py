"""Group commit, for both databases: what waits is written in one transaction and answered after its commit.

Serves the doors of ``sqlite.py`` and ``postgres.py``; knows neither. What fails undoes only itself.
"""

import asyncio
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from receiver.errors import RetryLaterError

MOST_IN_ONE_COMMIT = 256
STORE_RETRY_S = 5.0
_FAULTS_OF_THE_WORK = (IntegrityError, DataError, ProgrammingError, NotSupportedError)


@dataclass(slots=True)
class WriteRequest:
    """One thing to write. ``is_shared``: ``args`` is one row for ``work``, which takes all such rows at once."""

    work: Callable[..., Any]
    args: tuple[Any, ...]
    is_shared: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def answer(self) -> None:
        if self.future.done():  # the caller went away; what it wrote stays written
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class WriteQueue:
    """What waits to be written: put by the event loop, taken by the one thread that commits."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[WriteRequest | None] = queue.SimpleQueue()

    def put(self, work: Callable[..., Any], args: tuple[Any, ...], *, is_shared: bool) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._queue.put(WriteRequest(work, args, is_shared, loop, future))
        return future

    def end(self) -> None:
        """Nothing is put after this; what was put is still taken."""
        self._queue.put(None)

    def take(self, timeout_s: float | None = None) -> list[WriteRequest]:
        """Wait for a piece, then take all that is there; an empty list is the end. Raises queue.Empty in time."""
        first = self._queue.get(timeout=timeout_s)
        pieces = [first] if first else []
        while pieces and len(pieces) < MOST_IN_ONE_COMMIT:
            try:
                piece = self._queue.get_nowait()
            except queue.Empty:
                break
            if piece is None:
                self._queue.put(None)
                break
            pieces.append(piece)
        return pieces


def commit(connection: Connection, pieces: list[WriteRequest]) -> None:
    """One transaction for all; if one of them fails, again with a savepoint around each, so that only it is undone.

    The second way costs two statements a piece and is seldom needed (docs/decisions/0002). Raises DBAPIError when the
    store is at fault: then nothing is written.
    """
    try:
        with connection.begin():
            _work(connection, pieces)
    except Exception as error:
        if isinstance(error, DBAPIError) and is_the_stores(error):
            raise
        with connection.begin():
            for piece in pieces:
                _work_alone(connection, piece)


def is_the_stores(error: DBAPIError) -> bool:
    """Whether the database failed, and not what was asked of it: a lost server, a full disk, a lock held too long."""
    return not isinstance(error, _FAULTS_OF_THE_WORK)


def unavailable(error: DBAPIError) -> RetryLaterError:
    """What the caller hears when the store is at fault."""
    reason = str(error.orig).partition("\n")[0]  # the lines behind it quote rows
    what = f"the database did not answer: {reason}"
    return RetryLaterError("store_unavailable", what, after_s=STORE_RETRY_S, reach="ours")


@contextmanager
def in_our_words() -> Iterator[None]:
    """The store's own faults become RetryLaterError; what was wrongly asked stays as it is."""
    try:
        yield
    except DBAPIError as error:
        if not is_the_stores(error):
            raise
        raise unavailable(error) from error


def fail(pieces: list[WriteRequest], error: BaseException) -> None:
    """All of them failed for the same reason."""
    for piece in pieces:
        piece.error = _told(error)


def answer(pieces: list[WriteRequest]) -> None:
    """Tell every caller, each in its own event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[WriteRequest]] = {}
    for piece in pieces:
        loops.setdefault(piece.loop, []).append(piece)
    for loop, group in loops.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_answer_all, group)


def _answer_all(pieces: list[WriteRequest]) -> None:
    for piece in pieces:
        piece.answer()


def _work(connection: Connection, pieces: list[WriteRequest]) -> None:
    shared: dict[Callable[..., Any], list[WriteRequest]] = {}
    for piece in pieces:
        piece.error = None
        if piece.is_shared:
            shared.setdefault(piece.work, []).append(piece)
        else:
            piece.result = piece.work(connection, *piece.args)
    for work, group in shared.items():
        for piece, result in zip(group, work(connection, [p.args[0] for p in group]), strict=True):
            piece.result = result


def _work_alone(connection: Connection, piece: WriteRequest) -> None:
    try:
        with connection.begin_nested():
            _work(connection, [piece])
    except Exception as error:
        if isinstance(error, DBAPIError) and is_the_stores(error):
            raise  # a full disk has undone the others with it: SQLite then ends the whole transaction
        piece.error = _told(error)


def _told(error: BaseException) -> BaseException:
    if isinstance(error, StopIteration):
        return RuntimeError(f"StopIteration: {error}")  # no future takes one, and those behind it would wait for ever
    return unavailable(error) if isinstance(error, DBAPIError) and is_the_stores(error) else error
