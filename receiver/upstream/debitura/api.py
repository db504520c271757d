"""Debitura's Customer API, one method an endpoint: key, pages, rate limits, error messages.

Knows nothing of items and raises only delivery errors. A path is built from ids alone, never from a path that a task
contains: every request carries the key. docs/vendors/debitura.md
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from receiver.errors import PermanentError, RetryLaterError
from receiver.observability import log
from receiver.upstream.debitura import wire
from receiver.upstream.http import Http, OnReply, Parameter, Transport, default_message_of, path_segment

PAGE_SIZE = 100
MAX_PAGES = 1_000
DEFAULT_PAUSE_S = 30.0

Now = Callable[[], datetime]


class Api:
    """The API of one account. After a 429 no call is sent until the wait has passed.

    docs/vendors/debitura.md#rate-limits
    """

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
        """Yield the account's tasks of one status ("Open", "Solved"), page by page."""
        return self._pages("tasks.list", "/tasks", {"status": status})

    async def tasks_page(self, status: str, number: int) -> wire.Listing:
        return await self._page("tasks.list", "/tasks", {"status": status}, number)

    async def case_tasks(self, case_id: str) -> list[wire.Task] | None:
        """Return the open tasks of a case; None when one of them has no id."""
        rows = await self._list("cases.tasks", f"/cases/{path_segment(case_id)}/tasks", {"status": "Open"})
        tasks = [wire.Task.model_validate(row) for row in rows]
        return tasks if all(task.id for task in tasks) else None

    def cases(self) -> AsyncIterator[wire.Listing]:
        """Yield all cases page by page, oldest first: a new case does not move the others to later pages."""
        return self._pages("cases.list", "/cases", {"Sort": "DateCreated:asc"})

    async def cases_of(self, ids: Sequence[str]) -> list[wire.Case]:
        """Return the cases with these ids that Debitura lists, possibly fewer. At most one page of ids."""
        listing = await self._page("cases.list", "/cases", {"Ids": list(ids)}, 1)
        return [wire.Case.model_validate(row) for row in listing.rows]

    async def case(self, case_id: str) -> wire.Case:
        return wire.Case.model_validate(await self._object("cases.get", f"/cases/{path_segment(case_id)}"))

    async def chats(self, case_id: str) -> list[wire.Chat]:
        rows = await self._list("chats.list", f"/cases/{path_segment(case_id)}/chats")
        return [wire.Chat.model_validate(row) for row in rows]

    async def send_chat(self, case_id: str, message: str, email: str) -> None:
        """Send a chat message. Not idempotent, and the partner gets an e-mail: the caller sends at most once.

        docs/vendors/debitura.md#idempotency
        """
        body = {"message": message, "userEmail": email}
        await self._call("POST", "chats.send", f"/cases/{path_segment(case_id)}/chats", json=body)

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
        """Yield pages until the last one, an empty one, or a repetition of the previous one."""
        previous: list[dict[Any, Any]] | None = None
        for number in range(1, MAX_PAGES + 1):
            listing = await self._page(operation, path, params, number)
            yield listing
            page = listing.page
            page_number = number if page.current_page is None else page.current_page
            is_last = page.total_pages is not None and page_number >= page.total_pages
            if is_last or not listing.rows or listing.rows == previous:
                return
            previous = listing.rows

    async def _page(self, operation: str, path: str, params: dict[str, Parameter], number: int) -> wire.Listing:
        query = {**params, "Page": number, "PageSize": PAGE_SIZE}
        return wire.Listing.model_validate(await self._object(operation, path, query))

    async def _object(self, operation: str, path: str, params: dict[str, Parameter] | None = None) -> dict[Any, Any]:
        response = await self._call("GET", operation, path, params=params)
        if not isinstance(response, dict):
            raise _unexpected_answer(operation)
        return response

    async def _list(
        self, operation: str, path: str, params: dict[str, Parameter] | None = None
    ) -> list[dict[Any, Any]]:
        response = await self._call("GET", operation, path, params=params)
        if not isinstance(response, list):
            raise _unexpected_answer(operation)
        return wire.objects_in(response)

    async def _call(self, method: str, operation: str, path: str, **arguments: Any) -> Any:
        if self._paused_until and (wait_s := (self._paused_until - self._now()).total_seconds()) > 0:
            raise RetryLaterError("rate_limited", "Debitura asked for a pause", wait_s, scope="internal")
        try:
            reply = await self._http.call(method, path, operation=operation, **arguments)
        except RetryLaterError as error:
            if error.code == "rate_limited":
                pause = timedelta(seconds=error.after_s or DEFAULT_PAUSE_S)
                self._paused_until = self._now() + pause
            raise
        except PermanentError as error:
            log.warning("upstream.call.refused", source="debitura", operation=operation, code=error.code)
            raise
        return reply.data


def message_of(data: Any) -> str | None:
    """Return the message of an error body in any of Debitura's formats: docs/vendors/debitura.md#errors

    ``businessErrors`` have precedence. Their type is appended, because Debitura's support asks for it.
    """
    if not isinstance(data, dict):
        return None
    business_errors = "; ".join(filter(None, map(_business_error, wire.objects_in(data.get("businessErrors")))))
    errors = data.get("errors")
    field_errors = "; ".join(_field_errors(errors if isinstance(errors, dict) else data))
    return business_errors or field_errors or default_message_of(data)


def _business_error(error: dict[Any, Any]) -> str:
    texts = [text for text in (error.get("message"), error.get("type")) if isinstance(text, str) and text.strip()]
    return f"{texts[0]} ({texts[1]})" if len(texts) > 1 else "".join(texts)


def _field_errors(data: dict[Any, Any]) -> Iterator[str]:
    """Yield the message of each invalid field: ``{"message": ["The Message field is required."]}``."""
    for name, messages in data.items():
        if isinstance(messages, list) and messages and all(isinstance(message, str) for message in messages):
            yield f"{name}: {' '.join(messages)}"


def _unexpected_answer(operation: str) -> RetryLaterError:
    return RetryLaterError("unexpected_answer", f"unexpected JSON in the answer to {operation}")
