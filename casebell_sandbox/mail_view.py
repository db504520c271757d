"""The page with the received mails: as a mail program shows them, as plain text, and with every header."""

import re
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import parseaddr
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from casebell_sandbox.mailbox import Mail, MailStand
from casebell_sandbox.pages import page

MAX_MAILS = 100
# Links may open a new tab. Scripts do not run, and no remote content is loaded, which would tell the sender.
FRAME = "allow-popups allow-popups-to-escape-sandbox"
BODY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": f"sandbox {FRAME}; default-src 'none'; style-src 'unsafe-inline'; base-uri 'self'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
NEW_TAB = '<base target="_blank">'


class MailView:
    """The routes below ``/mail/``."""

    def __init__(self, stand: MailStand) -> None:
        self._stand = stand
        self.routes = [
            Route("/", self._show, methods=["GET"]),
            Route("/{number:int}/body", self._body, methods=["GET"]),
            Route("/{number:int}/source", self._source, methods=["GET"]),
        ]

    async def _show(self, request: Request) -> Response:
        mails = list(enumerate(list(self._stand.messages)))[::-1]
        wanted = request.query_params.get("mail", "")
        number = int(wanted) if wanted.isdecimal() and len(wanted) < 9 and int(wanted) < len(mails) else None
        if number is None and mails:
            number = mails[0][0]
        mail = None if number is None else self._stand.messages[number]
        return page(
            "mail.html",
            mails=[(n, one, name_of(one)) for n, one in mails[:MAX_MAILS]],
            left_out=max(len(mails) - MAX_MAILS, 0),
            number=number,
            mail=mail,
            text=text_of(mail, "plain") if mail else None,
            has_html=mail is not None and text_of(mail, "html") is not None,
            files=files_of(mail.message) if mail else [],
            form=request.query_params.get("form", "html"),
            frame=FRAME,
        )

    async def _body(self, request: Request) -> Response:
        """The HTML part, for the frame."""
        mail = self._find(request)
        html = text_of(mail, "html")
        if html is None:
            raise HTTPException(404)
        return HTMLResponse(with_new_tab_links(html), headers=BODY_HEADERS)

    async def _source(self, request: Request) -> Response:
        return Response(
            self._find(request).raw,
            media_type="text/plain; charset=utf-8",
            headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"},
        )

    def _find(self, request: Request) -> Mail:
        number: int = request.path_params["number"]
        if number >= len(self._stand.messages):
            raise HTTPException(404)
        return self._stand.messages[number]


def name_of(mail: Mail) -> str:
    """The sender's display name, else the address."""
    name, address = parseaddr(str(mail.message["from"] or ""))
    return name or address or mail.sender


def text_of(mail: Mail, kind: str) -> str | None:
    """The "plain" or "html" body; None if there is none or it cannot be decoded."""
    part = cast(EmailMessage | None, mail.message.get_body((kind,)))
    try:
        return None if part is None else str(part.get_content())
    except (LookupError, ValueError):
        return None


def files_of(message: EmailMessage) -> list[str]:
    return [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]


def with_new_tab_links(html: str) -> str:
    """The HTML with a ``base`` element that makes links open a new tab."""
    with_base, found = _HEAD.subn(lambda head: head[0] + NEW_TAB, html, count=1)
    return with_base if found else NEW_TAB + html
