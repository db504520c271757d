"""``/unsubscribe/{token}``: ends one digest for one address. A POST does it at once, as RFC 8058 requires.

GET shows a button and changes nothing. There is no nonce: a mail scanner that submits the form can only unsubscribe.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from receiver.context import Adapters
from receiver.domain.refusal import N_
from receiver.operations.digests import unsubscribe
from receiver.web.pages import preferred_language, render_message, render_page
from receiver.web.sessions import open_token

LINK_LIFETIME_S: Final = 10 * 366 * 86_400  # the link of an old mail must still work


class UnsubscribePage:
    """GET and HEAD show a button; POST unsubscribes, with the same answer each time."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters

    async def handle(self, request: Request) -> Response:
        language = preferred_language(self._adapters.translator, request)
        token, tokens = request.path_params["token"], self._adapters.rules.tokens
        subscription = open_token(tokens, "unsubscribe.v1", token, LINK_LIFETIME_S)
        if not isinstance(subscription, str):
            text = N_("It may be incomplete: please open it from the message again.")
            return render_message(language, 404, N_("This link leads nowhere"), text)
        if request.method != "POST":
            return render_page("unsubscribe.html", language)
        await unsubscribe(self._adapters, subscription)
        text = N_("No further digest of this kind goes to your address. Whoever looks after Casebell can undo this.")
        return render_message(language, 200, N_("You are unsubscribed"), text)
