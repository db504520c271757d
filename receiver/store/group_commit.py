"""Group commit for both databases: all waiting writes share one transaction, and are answered after its commit.

Used by ``sqlite.py`` and ``postgres.py``. A write that fails undoes only itself.
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

MAX_IN_ONE_COMMIT = 256
STORE_RETRY_S = 5.0
_CALLER_FAULTS = (IntegrityError, DataError, ProgrammingError, NotSupportedError)


@dataclass(slots=True)
class WriteRequest:
    """One write. ``is_shared``: ``args`` is one row for ``work``, which gets all such rows in one call."""

    work: Callable[..., Any]
    args: tuple[Any, ...]
    is_shared: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def answer(self) -> None:
        """Set the result or the error of the future."""
        if self.future.done():  # the caller was cancelled; its write stays committed
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class WriteQueue:
    """Writes that wait: put by the event loop, taken by the thread that commits."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[WriteRequest | None] = queue.SimpleQueue()

    def put(self, work: Callable[..., Any], args: tuple[Any, ...], *, is_shared: bool) -> asyncio.Future[Any]:
        """Queue a write; a future of its result."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._queue.put(WriteRequest(work, args, is_shared, loop, future))
        return future

    def end(self) -> None:
        """Close the queue: nothing is put after this, and what was put is still taken."""
        self._queue.put(None)

    def take(self, timeout_s: float | None = None) -> list[WriteRequest]:
        """Wait for a write, then take all that wait. An empty list: the queue is closed. Raises queue.Empty."""
        first = self._queue.get(timeout=timeout_s)
        requests = [first] if first else []
        while requests and len(requests) < MAX_IN_ONE_COMMIT:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if request is None:
                self._queue.put(None)
                break
            requests.append(request)
        return requests


def commit(connection: Connection, requests: list[WriteRequest]) -> None:
    """Run all in one transaction. If one fails, run them again with a savepoint each, so that only it is undone.

    Savepoints cost two statements each and are seldom needed (docs/decisions/0002). Raises DBAPIError when the database
    is at fault: then nothing is written.
    """
    try:
        with connection.begin():
            _run(connection, requests)
    except Exception as error:
        if isinstance(error, DBAPIError) and is_store_fault(error):
            raise
        with connection.begin():
            for request in requests:
                _run_in_savepoint(connection, request)


def is_store_fault(error: DBAPIError) -> bool:
    """Whether the database failed, and not the statement: a lost server, a full disk, a lock timeout."""
    return not isinstance(error, _CALLER_FAULTS)


def unavailable(error: DBAPIError) -> RetryLaterError:
    """The error that callers get when the database is at fault."""
    reason = str(error.orig).partition("\n")[0]  # the other lines quote rows
    what = f"the database did not answer: {reason}"
    return RetryLaterError("store_unavailable", what, after_s=STORE_RETRY_S, scope="internal")


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn faults of the database into RetryLaterError. Faults of the statement stay as they are."""
    try:
        yield
    except DBAPIError as error:
        if not is_store_fault(error):
            raise
        raise unavailable(error) from error


def fail(requests: list[WriteRequest], error: BaseException) -> None:
    """Give all of them this error."""
    for request in requests:
        request.error = _as_store_error(error)


def answer(requests: list[WriteRequest]) -> None:
    """Answer every caller in its event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[WriteRequest]] = {}
    for request in requests:
        loops.setdefault(request.loop, []).append(request)
    for loop, group in loops.items():
        with suppress(RuntimeError):  # the loop is closed, so nobody waits
            loop.call_soon_threadsafe(_answer_all, group)


def _answer_all(requests: list[WriteRequest]) -> None:
    for request in requests:
        request.answer()


def _run(connection: Connection, requests: list[WriteRequest]) -> None:
    shared: dict[Callable[..., Any], list[WriteRequest]] = {}
    for request in requests:
        request.error = None
        if request.is_shared:
            shared.setdefault(request.work, []).append(request)
        else:
            request.result = request.work(connection, *request.args)
    for work, group in shared.items():
        for request, result in zip(group, work(connection, [p.args[0] for p in group]), strict=True):
            request.result = result


def _run_in_savepoint(connection: Connection, request: WriteRequest) -> None:
    try:
        with connection.begin_nested():
            _run(connection, [request])
    except Exception as error:
        if isinstance(error, DBAPIError) and is_store_fault(error):
            raise  # on a full disk SQLite rolls back the whole transaction
        request.error = _as_store_error(error)


def _as_store_error(error: BaseException) -> BaseException:
    if isinstance(error, StopIteration):  # a future does not accept it, and later callers would wait for ever
        return RuntimeError(f"StopIteration: {error}")
    return unavailable(error) if isinstance(error, DBAPIError) and is_store_fault(error) else error
