"""``/act/{token}``: the page behind a mailed link. It shows an item as it is now and takes one decision about it.

GET and HEAD change nothing and use nothing up (docs/vendors/mail.md#links-that-decide). A POST stores the click before
it answers, like a webhook, and redirects to the page, which then shows the result.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from receiver.domain.action import Click
from receiver.domain.people import Person
from receiver.domain.refusal import N_
from receiver.domain.token import ExpiredLinkError
from receiver.errors import RefusedError, RejectedError
from receiver.web.action_form import (
    FORM_TIMEOUT_S,
    MAX_FORM_BYTES,
    PAGE_LIFETIME_S,
    STATUS_OF_ERROR,
    Form,
    InvalidFormError,
    browser_id_of,
    make_nonce,
    open_nonce,
)
from receiver.web.action_service import ActionService
from receiver.web.action_view import Visit, item_context
from receiver.web.pages import HEADERS, NO_SUCH_LINK, Language, preferred_language, render_message, render_page
from receiver.web.request_body import STATUS_OF_ERROR as STATUS_OF_BODY_ERROR
from receiver.web.request_body import read_body
from receiver.web.sessions import open_token

COOKIE: Final = "casebell_page"
SIGNATURE_LIFETIME_S: Final = 400 * 86_400  # the store knows when a link expires; this only bounds the signature
PENDING_S: Final = 60  # the page reports a stored click for so long, then offers the choice again
REFRESH_S: Final = 5
MAX_TOKEN: Final = 500


class ActionPages:
    """GET and HEAD show the item. POST decides, or asks for a new link."""

    template = "act.html"

    def __init__(self, service: ActionService) -> None:
        self._service = service

    async def handle(self, request: Request) -> Response:
        visit = await self._visit(request)
        if visit is None:
            return self._render_not_found(request)
        if request.method != "POST":
            return self._render(visit)
        try:
            form = Form.parse(await read_body(request, MAX_FORM_BYTES, FORM_TIMEOUT_S))
        except RejectedError as error:
            text = N_("That did not arrive whole, or it was too long. Please try again, in fewer words.")
            return self._render(visit, STATUS_OF_BODY_ERROR.get(error.code, 400), visit.language.translate(text))
        if form.asks_for_new_link:
            return await self._send_new_link(visit)
        if not visit.offered_verbs:
            return self._redirect(visit)
        return await self._submit(visit, form)

    async def _visit(self, request: Request) -> Visit | None:
        """The visit, or None if the link does not exist."""
        token = request.path_params["token"]
        token_id, is_expired = self._open_token(token)
        target = await self._service.find_target(token_id) if token_id else None
        if token_id is None or target is None:
            return None
        return Visit(
            request,
            token_id,
            target,
            Language(self._service.translator, target.notice.route.locale),
            path=f"/act/{token}",
            browser_id=request.cookies.get(COOKIE, ""),
            is_expired=is_expired or self._service.now() >= target.expires_at,
        )

    def _open_token(self, token: str) -> tuple[str | None, bool]:
        """The token's id, None if the token is invalid; and whether its signature expired."""
        if len(token) > MAX_TOKEN:
            return None, False
        try:
            payload, is_expired = self._service.tokens.open("act.v1", token, SIGNATURE_LIFETIME_S), False
        except ExpiredLinkError as error:
            payload, is_expired = error.payload, True
        except RefusedError:
            return None, False
        return (payload, is_expired) if isinstance(payload, str) else (None, False)

    async def _submit(self, visit: Visit, form: Form) -> Response:
        try:
            click = self._read_click(visit, form)
        except RefusedError as error:
            values = error.values if isinstance(error, InvalidFormError) else {}
            message = visit.language.translate(error.message, **values)
            return self._render(visit, STATUS_OF_ERROR.get(error.code, 422), message, form)
        refusal = await self._service.submit_click(click, visit.language.locale)
        if refusal is None:
            return self._redirect(visit, await self._pending_query(visit, click.version))
        return self._render(await self._visit(visit.request) or visit, 409, refusal, form)

    def _read_click(self, visit: Visit, form: Form) -> Click:
        """Check the form. Raises RefusedError."""
        item, now = visit.target.item, self._service.now()
        nonce = open_nonce(self._service.tokens, visit.token_id, form.nonce, visit.browser_id, now)
        verb, (note, text) = form.chosen_verb(visit.offered_verbs), form.note_and_text()
        return Click(
            item_id=item.id,
            version=nonce.version,
            verb=verb,
            person=Person(email=visit.target.address),
            via="mail",
            # unique to the page, not to the link: a person who was refused may choose again on a new page
            identity=f"{visit.token_id}.{nonce.click_id}",
            token_id=visit.token_id,
            note=note,
            text=text,
            terms=form.action_input(item.snapshot, visit.target.notice.route.calendar, now),
        )

    async def _pending_query(self, visit: Visit, version: int) -> str:
        """A query for the redirect that makes the page report a stored click; empty if the click has had its effect."""
        target = await self._service.find_target(visit.token_id)
        if target is None or target.link_use or target.item.version != version:
            return ""
        return "?sent=" + self._service.tokens.make("nonce.v1", [visit.token_id, version, "sent"])

    def _is_pending(self, visit: Visit) -> bool:
        token = visit.request.query_params.get("sent", "")
        payload = open_token(self._service.tokens, "nonce.v1", token, PENDING_S)
        return bool(visit.offered_verbs) and payload == [visit.token_id, visit.target.item.version, "sent"]

    async def _send_new_link(self, visit: Visit) -> Response:
        if not visit.needs_new_link:
            return self._redirect(visit)
        await self._service.send_new_link(visit.token_id)
        text = N_("It goes to the address the old one went to, within a few minutes. Please look there.")
        return render_message(visit.language, 202, N_("A fresh link is on its way"), text)

    def _redirect(self, visit: Visit, query: str = "") -> Response:
        return RedirectResponse(visit.path + query, 303, headers=HEADERS)

    def _render_not_found(self, request: Request) -> Response:
        return render_message(preferred_language(self._service.translator, request), 404, *NO_SUCH_LINK)

    def _render(
        self, visit: Visit, status: int | None = None, refusal: str | None = None, form: Form | None = None
    ) -> Response:
        """The item as it is now, with a form if there is something to choose; ``form`` fills it in."""
        if status is None:
            status = 410 if visit.is_expired and visit.needs_new_link else 200
        is_pending = self._is_pending(visit)
        offered_verbs = () if is_pending else visit.offered_verbs
        now, version = self._service.now(), visit.target.item.version
        browser_id, nonce = browser_id_of(visit.browser_id), ""
        if offered_verbs:
            nonce = make_nonce(self._service.tokens, visit.token_id, version, now, browser_id)
        response = render_page(
            self.template,
            visit.language,
            status,
            **item_context(visit, now),
            offered_verbs=offered_verbs,
            nonce=nonce,
            form=form or Form(),
            refusal=refusal,
            is_pending=is_pending,
            refresh_s=REFRESH_S if is_pending or visit.target.item.state == "acting" else None,
        )
        if offered_verbs:
            self._set_browser_cookie(response, visit, browser_id)
        return response

    def _set_browser_cookie(self, response: Response, visit: Visit, browser_id: str) -> None:
        """Bind the browser to the nonces of this page. The browser sends the cookie to this page only."""
        response.set_cookie(
            COOKIE,
            browser_id,
            max_age=PAGE_LIFETIME_S,
            path=visit.path,
            secure=self._service.public_url.startswith("https:"),
            httponly=True,
            samesite="strict",
        )
