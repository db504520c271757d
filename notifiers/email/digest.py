"""Renders a digest as one mail for one address (step 6); a pure function of its arguments.

The mail has plain text and HTML, and no image: its charts are table cells, which show with images blocked, in dark mode
and in Outlook. A digest that is too long gets fewer rows and the number of the rest, never half a table.
"""

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial

from notifiers.email.headers import POLICY
from notifiers.email.render import MAX_HTML, Say, address_of, drawn, is_openable, message_id, slug
from notifiers.story.digest_text import Row, Section, Told, tell
from notifiers.text import cut, one_line
from receiver.domain.digest import Edition

MAX_SUBJECT = 160  # a digest's own is shorter, unless one currency and what is in no sum need more
SHARES = (1.0, 0.7, 0.4, 0.2, 0.0)  # of the usual rows, until it fits


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its link. ``label``: what following it means; empty without a link."""

    row: Row
    url: str
    label: str


def render_digest(edition: Edition, say: Say, sender: str, address: str, host: str) -> EmailMessage:
    """The mail for ``address``. Raises ValueError when that, or ``sender``, is no mail address.

    ``host`` is this service's own.
    """
    digest = edition.digest
    mail = EmailMessage(policy=POLICY)
    text, html = _bodies(edition, say, address, host)
    _address_it(mail, edition, tell(digest, 0.0).subject, sender, address, host)
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail


def _address_it(mail: EmailMessage, edition: Edition, subject: str, sender: str, address: str, host: str) -> None:
    """Each digest begins a conversation of its own: Gmail's limit counts all of one together (contract B1)."""
    digest = edition.digest
    mail["Subject"] = cut(one_line(subject), MAX_SUBJECT)
    mail["From"] = address_of(sender)
    mail["To"] = f"<{address_of(address).addr_spec}>"
    mail["Date"] = format_datetime(digest.until)
    mail["Message-ID"] = message_id(["digest", digest.name, digest.until.isoformat(), address.lower()], sender)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail["List-Id"] = f"<{slug(digest.name)}.digest.{slug(host)}>"
    if edition.unsubscribe_url and is_openable(edition.unsubscribe_url, host):
        mail["List-Unsubscribe"] = f"<{edition.unsubscribe_url}>"  # RFC 2369
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058


def _bodies(edition: Edition, say: Say, address: str, host: str) -> tuple[str, str]:
    digest = edition.digest
    told = tell(digest)
    context = {
        "_": partial(say, told.locale),
        "name": digest.name,
        "address": address,
        "decides": bool(edition.decide_links),
        "unsubscribe": edition.unsubscribe_url if is_openable(edition.unsubscribe_url or "", host) else None,
        "inbox_url": edition.inbox_url if is_openable(edition.inbox_url or "", host) else None,
    }
    html = text = ""
    for share in SHARES:
        told = tell(digest, share)
        context |= {"told": told, "sections": _sections(told, edition, context["_"], host)}  # type: ignore[arg-type]
        text, html = drawn("digest", context)
        if len(html.encode()) <= MAX_HTML:
            break
    return text, html


def _sections(told: Told, edition: Edition, words: partial[str], host: str) -> list[tuple[Section, list[Line]]]:
    return [(section, [_line(row, edition, words, host) for row in section.rows]) for section in told.sections]


def _line(row: Row, edition: Edition, words: partial[str], host: str) -> Line:
    decide = edition.decide_links.get(row.item_id, "")
    if is_openable(decide, host):
        return Line(row, decide, words("Review and decide"))
    source = edition.source_links.get(row.item_id, "")
    if is_openable(source, host):
        return Line(row, source, words("Open in {source}", source=row.source))
    return Line(row, "", "")
