"""``/media/{token}``: from a link that lasts to one the source signs afresh on each visit (getbill.md: one hour)."""

from typing import Final, Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from receiver.domain.item import Item, Medium
from receiver.domain.refusal import N_
from receiver.domain.token import Tokens
from receiver.errors import DeliveryError, PermanentError, RefusedError, RetryLaterError
from receiver.pipeline.notices import SIGNED_IN
from receiver.ports import Translator
from receiver.web.pages import HEADERS, NO_SUCH_LINK, message, preferred_locale, words_of
from receiver.web.sessions import to_login

LIVES_S: Final = 30 * 86_400
RETRY_AFTER_S: Final = 30
LONGEST_RETRY_S: Final = 3600

_SAYS: Final = {
    "bad_link": (404, *NO_SUCH_LINK),
    "expired_link": (
        410,
        N_("This link has expired"),
        N_("It was good for thirty days. The file may still be at the source."),
    ),
    "gone": (
        404,
        N_("This file is not there any more"),
        N_("The source does not have it now."),
    ),
    "later": (
        503,
        N_("The source does not answer just now"),
        N_("The file may well be there. Please try again in a moment."),
    ),
}


class MediaService(Protocol):
    """What this page needs of the store and the sources."""

    @property
    def tokens(self) -> Tokens: ...

    @property
    def translator(self) -> Translator: ...

    async def may_open(self, request: Request, reader: str) -> bool:
        """Whether the person a link was made for may still decide here."""

    async def find_item(self, item_id: str) -> Item | None: ...

    async def media_url(self, item: Item, medium: Medium) -> str:
        """A fresh link. Raises DeliveryError."""


def media_routes(service: MediaService) -> list[Route]:
    return [Route("/media/{token}", MediaPages(service).answer)]


class MediaPages:
    """302 to the file, or a page that says why not."""

    def __init__(self, service: MediaService) -> None:
        self._service = service

    async def answer(self, request: Request) -> Response:
        try:
            said = self._service.tokens.open("media.v1", request.path_params["token"], LIVES_S)
            item_id, number, reader = _payload(said)
        except RefusedError as error:
            return self._say(request, error.code)
        if reader is not None and not await self._service.may_open(request, reader):
            return to_login(request) if reader == SIGNED_IN else self._say(request, "bad_link")
        item = await self._service.find_item(item_id)
        if item is None or not 0 <= number < len(item.snapshot.media):
            return self._say(request, "gone")
        try:
            url = await self._service.media_url(item, item.snapshot.media[number])
        except PermanentError:
            return self._say(request, "gone")
        except DeliveryError as error:
            return self._say(request, "later", _retry_after_s(error))
        if urlsplit(url).scheme not in {"http", "https"}:
            return self._say(request, "gone")
        return RedirectResponse(url, 302, headers=HEADERS)

    def _say(self, request: Request, code: str, retry_after_s: int | None = None) -> Response:
        status, title, text = _SAYS[code]
        locale = preferred_locale(request)
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        words = words_of(self._service.translator, locale)
        return message(status, title, text, words=words, locale=locale, headers=headers)


def _payload(payload: object) -> tuple[str, int, str | None]:
    """Item id, number of the file, and whose link it is, None for a channel's. Raises RefusedError for the rest."""
    match payload:
        case [str(item_id), int(number)]:
            return item_id, number, None
        case [str(item_id), int(number), str(reader)]:
            return item_id, number, reader
        case _:
            raise RefusedError("bad_link")


def _retry_after_s(error: DeliveryError) -> int:
    asked = error.after_s if isinstance(error, RetryLaterError) else None
    return max(1, min(round(asked or RETRY_AFTER_S), LONGEST_RETRY_S))
