"""Step 8 by mail: ``/act/{token}`` shows an item as it is now and takes one decision about it.

Looking changes nothing and uses nothing up, however often and by whomever (contract B2). A press is stored before it is
answered, like every other click, and the answer is the page again, which then says what became of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date, format_time
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from receiver.domain import plan
from receiver.domain.action import DECIDING, ActionInput, Click
from receiver.domain.item import Item
from receiver.domain.notice import Notice
from receiver.domain.people import Person
from receiver.domain.refusal import N_
from receiver.domain.snooze import CHOICES, snooze_until
from receiver.domain.token import ExpiredLinkError, Tokens
from receiver.errors import RefusedError, RejectedError
from receiver.ports import Translator
from receiver.web.action_form import (
    MOST_BYTES,
    OFFERED,
    PAGE_LIVES_S,
    SLOWEST_S,
    STATUS,
    FaultyFormError,
    Form,
    Shown,
    browser_of,
    limits,
    make_nonce,
    open_nonce,
)
from receiver.web.pages import HEADERS, LOCALES, NO_SUCH_LINK, Words, message, page, preferred_locale, words_of
from receiver.web.request_body import STATUS as INTAKE_STATUS
from receiver.web.request_body import raw_body

COOKIE: Final = "casebell_page"
SIGNED_FOR_S: Final = 400 * 86_400  # the store says when a link expires; this only bounds how long we believe ourselves
WAITING_FOR_S: Final = 60  # how long the page says "stored" before it offers the choice again
REFRESH_S: Final = 5
MOST_TOKEN: Final = 500
PROPOSED_KINDS: Final = frozenset({"payment_plan", "hardship"})  # these are accepted or declined
NAPS: Final = {
    "1h": N_("An hour: {moment}"),
    "4h": N_("Four hours: {moment}"),
    "tomorrow": N_("Tomorrow: {moment}"),
    "monday": N_("Next Monday: {moment}"),
}


@dataclass(frozen=True, slots=True)
class Used:
    """Who used a link up, when, and for which verb."""

    by: str
    at: datetime
    verb: str


@dataclass(frozen=True, slots=True)
class Found:
    """A link and its item as it is now. ``version_when_sent``: the item's, when the link was mailed."""

    item: Item
    notice: Notice
    address: str
    version_when_sent: int
    expires_at: datetime
    used: Used | None


class ActionService(Protocol):
    """What these pages need of the store. Methods raise CasebellError when it cannot be reached."""

    @property
    def tokens(self) -> Tokens: ...

    @property
    def translator(self) -> Translator: ...

    @property
    def public_url(self) -> str: ...

    @property
    def now(self) -> Callable[[], datetime]: ...

    async def find(self, token_id: str) -> Found | None: ...

    async def press(self, click: Click, locale: str) -> str | None:
        """Store the click, wait up to three seconds; None when it was taken, else the sentence that says why not."""

    async def resend(self, token_id: str) -> None:
        """Mail a fresh link to the address the old one went to; rate-limited."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for one link that exists."""

    request: Request
    token_id: str
    found: Found
    words: Words
    is_expired: bool
    choices: tuple[str, ...] = OFFERED
    told: Any = None  # what else the page shows

    @property
    def locale(self) -> str:
        return self.found.notice.route.locale

    @property
    def offered(self) -> tuple[str, ...]:
        """What may be chosen here now; nothing once the link has expired, and once it is used up only to undo that.

        A decision is taken back through the mail that told of it, not through an older one.
        """
        found = self.found
        is_outdated = found.item.state == "resolved" and not found.used and found.version_when_sent < found.item.version
        verbs = () if self.is_expired or is_outdated else tuple(v for v in self.choices if v in found.notice.verbs)
        return tuple(verb for verb in verbs if verb == "undo") if found.used else verbs

    @property
    def needs_fresh_link(self) -> bool:
        return self.found.item.state == "open" and (self.is_expired or self.found.used is not None)


def link_routes(service: ActionService) -> list[Route]:
    return [Route("/act/{token}", ActPages(service).answer, methods=["GET", "POST"])]


class ActPages:
    """GET and HEAD show; POST decides, or asks for a fresh link."""

    template = "act.html"

    def __init__(self, service: ActionService) -> None:
        self._service = service

    async def answer(self, request: Request) -> Response:
        visit = await self._visit(request)
        if visit is None:
            return self._unknown(request)
        if request.method != "POST":
            return self._show(visit)
        try:
            form = Form.read(await raw_body(request, MOST_BYTES, SLOWEST_S))
        except RejectedError as error:
            refusal = visit.words("That did not arrive whole, or it was too long. Please try again, in fewer words.")
            return self._show(visit, INTAKE_STATUS.get(error.code, 400), refusal)
        if form.is_for_fresh_link:
            return await self._resend(visit)
        if not visit.offered:
            return self._back(visit)
        return await self._press(visit, form)

    async def _visit(self, request: Request) -> Visit | None:
        token = request.path_params["token"]
        token_id, is_expired = self._open(token) if len(token) <= MOST_TOKEN else (None, False)
        found = await self._service.find(token_id) if token_id else None
        if token_id is None or found is None:
            return None
        words = words_of(self._service.translator, found.notice.route.locale)
        return Visit(request, token_id, found, words, is_expired or self._service.now() >= found.expires_at)

    def _open(self, token: str) -> tuple[str | None, bool]:
        try:
            payload, is_expired = self._service.tokens.open("act.v1", token, SIGNED_FOR_S), False
        except ExpiredLinkError as expired:
            payload, is_expired = expired.payload, True
        except RefusedError:
            return None, False
        return (payload, is_expired) if isinstance(payload, str) else (None, False)

    async def _press(self, visit: Visit, form: Form) -> Response:
        try:
            browser = self._browser(visit)
            shown = open_nonce(self._service.tokens, visit.token_id, form.nonce, browser, self._service.now())
            verb, (note, text) = form.choice(visit.offered), form.words()
            found = visit.found
            terms = form.terms(found.item.snapshot, found.notice.route.calendar, self._service.now())
        except RefusedError as error:
            values = error.values if isinstance(error, FaultyFormError) else {}
            return self._show(visit, STATUS.get(error.code, 422), visit.words(error.message, **values), form)
        click = self._click(visit, shown, verb, note, text, terms)
        refusal = await self._service.press(click, visit.locale)
        if refusal is None:
            return self._back(visit, await self._waiting(visit, shown.version))
        fresh = await self._visit(visit.request)
        return self._show(fresh or visit, 409, refusal, form)

    def _click(
        self, visit: Visit, shown: Shown, verb: str, note: str | None, text: str | None, terms: ActionInput
    ) -> Click:
        return Click(
            item_id=visit.found.item.id,
            version=shown.version,
            verb=verb,
            person=Person(email=visit.found.address),
            via="mail",
            # the page, not the link: whoever was refused may look again and choose again (the store counts single use)
            identity=f"{visit.token_id}.{shown.press_id}",
            token_id=visit.token_id,
            note=note,
            text=text,
            terms=terms,
        )

    def _browser(self, visit: Visit) -> str:
        """What the nonces of these pages belong to, as the request brings it."""
        return visit.request.cookies.get(COOKIE, "")

    def _path(self, visit: Visit) -> str:
        return f"/act/{visit.request.path_params['token']}"

    async def _waiting(self, visit: Visit, version: int) -> str:
        """A word for the page that follows: stored, but nobody took it up yet. Empty once somebody did."""
        found = await self._service.find(visit.token_id)
        if found is None or found.used or found.item.version != version:
            return ""
        return "?sent=" + self._service.tokens.make("nonce.v1", [visit.token_id, version, "sent"])

    def _is_waiting(self, visit: Visit) -> bool:
        sent = visit.request.query_params.get("sent", "")[:MOST_TOKEN]
        if not sent or not visit.offered:
            return False
        try:
            said = self._service.tokens.open("nonce.v1", sent, WAITING_FOR_S)
        except RefusedError:
            return False
        return bool(said == [visit.token_id, visit.found.item.version, "sent"])

    async def _resend(self, visit: Visit) -> Response:
        if not visit.needs_fresh_link:
            return self._back(visit)
        await self._service.resend(visit.token_id)
        text = N_("It goes to the address the old one went to, within a few minutes. Please look there.")
        return message(202, N_("A fresh link is on its way"), text, words=visit.words, locale=visit.locale)

    def _back(self, visit: Visit, query: str = "") -> Response:
        return RedirectResponse(self._path(visit) + query, 303, headers=HEADERS)

    def _unknown(self, request: Request) -> Response:
        locale = preferred_locale(request)
        words = words_of(self._service.translator, locale)
        return message(404, *NO_SUCH_LINK, words=words, locale=locale)

    def _show(self, visit: Visit, status: int = 200, refusal: str | None = None, form: Form | None = None) -> Response:
        """The item as it is now, and the choice if there is one; ``form`` keeps what was written."""
        if visit.is_expired and status == 200 and visit.needs_fresh_link:  # noqa: PLR2004 - HTTP's own number
            status = 410
        found, is_waiting = visit.found, self._is_waiting(visit)
        offered = () if is_waiting else visit.offered
        browser, nonce = browser_of(self._browser(visit)), ""
        if offered:
            nonce = make_nonce(self._service.tokens, visit.token_id, found.item.version, self._service.now(), browser)
        response = page(
            self.template,
            status,
            words=visit.words,
            locale=visit.locale,
            **self._facts_of(visit),
            offered=offered,
            nonce=nonce,
            form=form or Form(),
            limits=limits(),
            naps=self._naps(visit),
            plan=plan.as_typed(plan.current(found.item.snapshot)),
            refusal=refusal,
            is_waiting=is_waiting,
            refresh_s=REFRESH_S if is_waiting or found.item.state == "acting" else None,
        )
        if offered:
            self._remember(response, visit, browser)
        return response

    def _facts_of(self, visit: Visit) -> dict[str, Any]:
        found = visit.found
        item, route = found.item, found.notice.route
        used = found.used
        return {
            "item": item,
            "story": self._service.translator.story(found.notice),
            "tone": item.snapshot.urgency if item.state == "open" else item.state,
            "source": item.snapshot.source.capitalize(),
            "is_elsewhere": item.state == "open" and not set(found.notice.verbs) & {*DECIDING, "confirm"},
            "is_proposed": item.kind in PROPOSED_KINDS,
            "address": found.address,
            "has_changed": item.version != found.version_when_sent,
            "is_expired": visit.is_expired,
            "needs_fresh_link": visit.needs_fresh_link,
            "used": used,
            "used_at": when(used.at, route.timezone, route.locale) if used else "",
            "files": [link for link in found.notice.links if link.what == "media"],
            "solution": next((link.url for link in found.notice.links if _is_solution(link.what, link.url)), None),
        }

    def _naps(self, visit: Visit) -> list[tuple[str, str]]:
        """How long it may be left in peace: what is chosen, and the words for it."""
        route, now = visit.found.notice.route, self._service.now()
        ends = [(wish, snooze_until(wish, now, route.calendar)) for wish in CHOICES]
        return [
            (wish, visit.words(NAPS[wish], moment=when(until, route.timezone, route.locale)))
            for wish, until in ends
            if until
        ]

    def _remember(self, response: Response, visit: Visit, browser: str) -> None:
        """What the nonces of this link's pages belong to, sent back to them only; all tabs of a browser share it."""
        response.set_cookie(
            COOKIE,
            browser,
            max_age=PAGE_LIVES_S,
            path=self._path(visit),
            secure=self._service.public_url.startswith("https:"),
            httponly=True,
            samesite="strict",
        )


def _is_solution(what: str, url: str) -> bool:
    return what == "solution" and url.startswith(("https://", "http://127.0.0.1:", "http://localhost:"))


def when(at: datetime, timezone: str, locale: str) -> str:
    """In the route's own time and language, on a 24-hour clock."""
    try:
        local = at.astimezone(ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError):
        local = at
    figures = locale if locale in LOCALES and locale != "en" else "en_GB"
    return f"{format_date(local, 'long', locale=figures)}, {format_time(local, 'short', locale=figures)}"
