"""Debitura's customer API, one method an endpoint (debitura.md, sections 3 to 7): key, pages, pauses, refusals.

Serves steps 4 and 9. Knows nothing of items; raises only delivery errors. Only ids go into a path, never what a task
says of one, for every request carries the key.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from receiver.errors import PermanentError, RetryLaterError
from receiver.observability import log
from receiver.upstream.debitura import wire
from receiver.upstream.http import Http, OnReply, Parameter, Transport, default_message_of, segment

PAGE_SIZE = 100
MOST_PAGES = 1_000
UNNAMED_PAUSE_S = 30.0

Now = Callable[[], datetime]


class Api:
    """One account. While Debitura wants a pause, no call leaves, whoever asks (section 6, rate limits)."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        now: Now,
        *,
        transport: Transport | None = None,
        observe: OnReply | None = None,
    ) -> None:
        self._now = now
        self._paused_until: datetime | None = None
        self._http = Http(
            base_url,
            {"XApiKey": api_key},
            transport=transport,
            retry_after_of=lambda data: data.get("retryAfter") if isinstance(data, dict) else None,
            message_of=message_of,
            on_reply=observe,
        )

    def tasks(self, status: str) -> AsyncIterator[wire.Listing]:
        """The account's tasks of this status ("Open", "Solved"), a page at a time."""
        return self._pages("tasks.list", "/tasks", {"status": status})

    async def tasks_page(self, status: str, number: int) -> wire.Listing:
        return await self._page("tasks.list", "/tasks", {"status": status}, number)

    async def case_tasks(self, case_id: str) -> list[wire.Task] | None:
        """The open tasks of a case; None when one of them has no id."""
        rows = await self._list("cases.tasks", f"/cases/{segment(case_id)}/tasks", {"status": "Open"})
        tasks = [wire.Task.model_validate(row) for row in rows]
        return tasks if all(task.id for task in tasks) else None

    def cases(self) -> AsyncIterator[wire.Listing]:
        """All cases of the account, a page at a time, the oldest first so that a new one moves no other."""
        return self._pages("cases.list", "/cases", {"Sort": "DateCreated:asc"})

    async def cases_of(self, ids: Sequence[str]) -> list[wire.Case]:
        """Those of these cases that Debitura lists, which may be fewer; at most a page of them (section 7)."""
        listing = await self._page("cases.list", "/cases", {"Ids": list(ids)}, 1)
        return [wire.Case.model_validate(row) for row in listing.rows]

    async def case(self, case_id: str) -> wire.Case:
        return wire.Case.model_validate(await self._object("cases.get", f"/cases/{segment(case_id)}"))

    async def chats(self, case_id: str) -> list[wire.Chat]:
        rows = await self._list("chats.list", f"/cases/{segment(case_id)}/chats")
        return [wire.Chat.model_validate(row) for row in rows]

    async def send_chat(self, case_id: str, message: str, email: str) -> None:
        """Not idempotent, and the partner is e-mailed: at most once a decision (section 6, Idempotency)."""
        body = {"message": message, "userEmail": email}
        await self._call("POST", "chats.send", f"/cases/{segment(case_id)}/chats", json=body)

    async def users(self) -> list[wire.User]:
        listings = [listing async for listing in self._pages("users.list", "/users", {})]
        return [wire.User.model_validate(row) for listing in listings for row in listing.rows]

    async def me(self) -> wire.Profile:
        return wire.Profile.model_validate(await self._object("me.get", "/me"))

    async def webhooks(self) -> list[wire.Subscription]:
        rows = await self._list("webhooks.list", "/webhooks")
        return [wire.Subscription.model_validate(row) for row in rows]

    async def close(self) -> None:
        await self._http.close()

    async def _pages(self, operation: str, path: str, params: dict[str, Parameter]) -> AsyncIterator[wire.Listing]:
        """Page after page until the last, an empty one, or the same one again."""
        before: list[dict[Any, Any]] | None = None
        for number in range(1, MOST_PAGES + 1):
            listing = await self._page(operation, path, params, number)
            yield listing
            page = listing.page
            shown = number if page.current_page is None else page.current_page
            is_last = page.total_pages is not None and shown >= page.total_pages
            if is_last or not listing.rows or listing.rows == before:
                return
            before = listing.rows

    async def _page(self, operation: str, path: str, params: dict[str, Parameter], number: int) -> wire.Listing:
        asked = {**params, "Page": number, "PageSize": PAGE_SIZE}
        return wire.Listing.model_validate(await self._object(operation, path, asked))

    async def _object(self, operation: str, path: str, params: dict[str, Parameter] | None = None) -> dict[Any, Any]:
        found = await self._call("GET", operation, path, params=params)
        if not isinstance(found, dict):
            raise _unexpected(operation)
        return found

    async def _list(
        self, operation: str, path: str, params: dict[str, Parameter] | None = None
    ) -> list[dict[Any, Any]]:
        found = await self._call("GET", operation, path, params=params)
        if not isinstance(found, list):
            raise _unexpected(operation)
        return wire.objects_in(found)

    async def _call(self, method: str, operation: str, path: str, **arguments: Any) -> Any:
        if self._paused_until and (left := (self._paused_until - self._now()).total_seconds()) > 0:
            raise RetryLaterError("rate_limited", "Debitura asked for a pause", left, reach="ours")
        try:
            reply = await self._http.call(method, path, operation=operation, **arguments)
        except RetryLaterError as error:
            if error.code == "rate_limited":
                pause = timedelta(seconds=error.after_s or UNNAMED_PAUSE_S)
                self._paused_until = self._now() + pause
            raise
        except PermanentError as error:
            log.warning("upstream.call.refused", source="debitura", operation=operation, code=error.code)
            raise
        return reply.data


def message_of(data: Any) -> str | None:
    """Debitura's own words for a refusal, in whichever of its shapes they come (section 6).

    ``businessErrors`` are the canonical ones and end with their type, for that is what support asks for.
    """
    if not isinstance(data, dict):
        return None
    business = "; ".join(filter(None, map(_business, wire.objects_in(data.get("businessErrors")))))
    errors = data.get("errors")
    fields = "; ".join(_fields(errors if isinstance(errors, dict) else data))
    return business or fields or default_message_of(data)


def _business(error: dict[Any, Any]) -> str:
    known = [word for word in (error.get("message"), error.get("type")) if isinstance(word, str) and word.strip()]
    return f"{known[0]} ({known[1]})" if len(known) > 1 else "".join(known)


def _fields(data: dict[Any, Any]) -> Iterator[str]:
    """What is wrong with each field: ``{"message": ["The Message field is required."]}``."""
    for name, said in data.items():
        if isinstance(said, list) and said and all(isinstance(words, str) for words in said):
            yield f"{name}: {' '.join(said)}"


def _unexpected(operation: str) -> RetryLaterError:
    return RetryLaterError("unexpected_answer", f"what answers {operation} does not speak Debitura's language")
