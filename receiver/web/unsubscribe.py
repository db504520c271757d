"""``/unsubscribe/{token}``: no more of one digest to one address. RFC 8058: a POST does it, without cookie or question.

GET shows a button and changes nothing. Scanners press buttons too; whoever holds this link can only ever unsubscribe.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.context import Adapters
from receiver.domain.refusal import N_
from receiver.errors import RefusedError
from receiver.operations.digests import unsubscribe
from receiver.web.pages import message, page, preferred_locale, words_of

SIGNED_FOR_S: Final = 10 * 366 * 86_400  # a mail may lie for years, and still its link must work
MOST_TOKEN: Final = 500


def unsubscribe_routes(adapters: Adapters) -> list[Route]:
    return [Route("/unsubscribe/{token}", UnsubscribePage(adapters).answer, methods=["GET", "POST"])]


class UnsubscribePage:
    """GET and HEAD show; POST unsubscribes, and says the same however often it comes."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    async def answer(self, request: Request) -> Response:
        locale = preferred_locale(request)
        words = words_of(self._adapters.translator, locale)
        subscription = self._open(request.path_params["token"])
        if subscription is None:
            text = N_("It may be incomplete: please open it from the message again.")
            return message(404, N_("This link leads nowhere"), text, words=words, locale=locale)
        if request.method != "POST":
            return page("unsubscribe.html", words=words, locale=locale)
        await unsubscribe(self._adapters, subscription)
        text = N_("No further digest of this kind goes to your address. Whoever looks after Casebell can undo this.")
        return message(200, N_("You are unsubscribed"), text, words=words, locale=locale)

    def _open(self, token: str) -> str | None:
        if len(token) > MOST_TOKEN:
            return None
        try:
            payload = self._adapters.rules.tokens.open("unsubscribe.v1", token, SIGNED_FOR_S)
        except RefusedError:
            return None
        return payload if isinstance(payload, str) else None
