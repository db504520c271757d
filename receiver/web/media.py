"""``/media/{token}``: redirects to a recording or a file, by a link that the source signs at that moment.

A source's own link expires after an hour (docs/vendors/getbill.md#todos), ours after thirty days.
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from receiver.domain.refusal import N_
from receiver.errors import DeliveryError, PermanentError, RefusedError, RetryLaterError
from receiver.pipeline.notices import SIGNED_IN
from receiver.web.action_service import ActionService
from receiver.web.pages import HEADERS, NO_SUCH_LINK, preferred_language, render_message
from receiver.web.sessions import redirect_to_login

LINK_LIFETIME_S: Final = 30 * 86_400
DEFAULT_RETRY_S: Final = 30
MAX_RETRY_S: Final = 3600

_ERROR_PAGES: Final = {
    "bad_link": (404, *NO_SUCH_LINK),
    "expired_link": (
        410,
        N_("This link has expired"),
        N_("It was good for thirty days. The file may still be at the source."),
    ),
    "gone": (404, N_("This file is not there any more"), N_("The source does not have it now.")),
    "later": (
        503,
        N_("The source does not answer just now"),
        N_("The file may well be there. Please try again in a moment."),
    ),
}


class MediaPages:
    """302 to the file, or a page with the reason."""

    def __init__(self, service: ActionService) -> None:
        self._service = service

    async def handle(self, request: Request) -> Response:
        try:
            payload = self._service.tokens.open("media.v1", request.path_params["token"], LINK_LIFETIME_S)
            item_id, number, reader = _parse_payload(payload)
        except RefusedError as error:
            return self._render_error(request, error.code)
        if reader is not None and not await self._service.may_open_file(request, reader):
            return redirect_to_login(request) if reader == SIGNED_IN else self._render_error(request, "bad_link")
        item = await self._service.find_item(item_id)
        if item is None or not 0 <= number < len(item.snapshot.media):
            return self._render_error(request, "gone")
        try:
            url = await self._service.media_url(item, item.snapshot.media[number])
        except PermanentError:
            return self._render_error(request, "gone")
        except DeliveryError as error:
            return self._render_error(request, "later", {"Retry-After": str(_retry_after_s(error))})
        if urlsplit(url).scheme not in {"http", "https"}:
            return self._render_error(request, "gone")
        return RedirectResponse(url, 302, headers=HEADERS)

    def _render_error(self, request: Request, code: str, headers: dict[str, str] | None = None) -> Response:
        status, title, text = _ERROR_PAGES[code]
        return render_message(preferred_language(self._service.translator, request), status, title, text, headers)


def _parse_payload(payload: object) -> tuple[str, int, str | None]:
    """Item id, number of the file, and the reader; None for a link in a channel. Raises RefusedError."""
    match payload:
        case [str(item_id), int(number)]:
            return item_id, number, None
        case [str(item_id), int(number), str(reader)]:
            return item_id, number, reader
        case _:
            raise RefusedError("bad_link")


def _retry_after_s(error: DeliveryError) -> int:
    after_s = error.after_s if isinstance(error, RetryLaterError) else None
    return max(1, min(round(after_s or DEFAULT_RETRY_S), MAX_RETRY_S))
