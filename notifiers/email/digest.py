"""Renders a digest as one mail for one address, in plain text and HTML. Pure.

It has no image: the charts are table cells, which show with images blocked, in dark mode and in Outlook
(docs/vendors/mail.md#mail-programs). A digest that is too long gets fewer rows and counts the rest.
"""

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial

from notifiers.email.headers import POLICY
from notifiers.email.render import MAX_HTML, Translate, is_openable, message_id, parse_address, render_bodies, slug
from notifiers.story.digest_text import DigestText, Row, Section, format_digest
from notifiers.text import cut, one_line
from receiver.domain.digest import Edition

MAX_SUBJECT = 160  # longer than the limit of digest_text, which one long amount may exceed
SHARES = (1.0, 0.7, 0.4, 0.2, 0.0)  # of the usual rows, tried in this order until the mail fits


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its link; ``label`` says where it leads and is empty without a link."""

    row: Row
    url: str
    label: str


def render_digest(edition: Edition, translate: Translate, sender: str, address: str, host: str) -> EmailMessage:
    """The mail for ``address``. ``host`` is this service's own.

    Raises ValueError when ``address`` or ``sender`` is no mail address.
    """
    digest = edition.digest
    mail = EmailMessage(policy=POLICY)
    text, html = _render_bodies(edition, translate, address, host)
    _set_headers(mail, edition, format_digest(digest, 0.0).subject, sender, address, host)
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail


def _set_headers(mail: EmailMessage, edition: Edition, subject: str, sender: str, address: str, host: str) -> None:
    """Each digest starts its own conversation: Gmail's limit counts a whole one (docs/vendors/mail.md#size)."""
    digest = edition.digest
    mail["Subject"] = cut(one_line(subject), MAX_SUBJECT)
    mail["From"] = parse_address(sender)
    mail["To"] = f"<{parse_address(address).addr_spec}>"
    mail["Date"] = format_datetime(digest.until)
    mail["Message-ID"] = message_id(["digest", digest.name, digest.until.isoformat(), address.lower()], sender)
    mail["Auto-Submitted"] = "auto-generated"  # no automatic replies: docs/vendors/mail.md#headers
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail["List-Id"] = f"<{slug(digest.name)}.digest.{slug(host)}>"
    if edition.unsubscribe_url and is_openable(edition.unsubscribe_url, host):
        mail["List-Unsubscribe"] = f"<{edition.unsubscribe_url}>"  # RFC 2369
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058


def _render_bodies(edition: Edition, translate: Translate, address: str, host: str) -> tuple[str, str]:
    """Text and HTML, with as many rows as fit into MAX_HTML."""
    digest = format_digest(edition.digest)
    gettext = partial(translate, digest.locale)
    context: dict[str, object] = {
        "_": gettext,
        "name": edition.digest.name,
        "address": address,
        "decides": bool(edition.decide_links),
        "unsubscribe": edition.unsubscribe_url if is_openable(edition.unsubscribe_url or "", host) else None,
        "inbox_url": edition.inbox_url if is_openable(edition.inbox_url or "", host) else None,
    }
    html = text = ""
    for share in SHARES:
        digest = format_digest(edition.digest, share)
        context |= {"digest": digest, "sections": _link_sections(digest, edition, gettext, host)}
        text, html = render_bodies("digest", context)
        if len(html.encode()) <= MAX_HTML:
            break
    return text, html


def _link_sections(
    digest: DigestText, edition: Edition, gettext: partial[str], host: str
) -> list[tuple[Section, list[Line]]]:
    return [(section, [_link_row(row, edition, gettext, host) for row in section.rows]) for section in digest.sections]


def _link_row(row: Row, edition: Edition, gettext: partial[str], host: str) -> Line:
    decide_url = edition.decide_links.get(row.item_id, "")
    if is_openable(decide_url, host):
        return Line(row, decide_url, gettext("Review and decide"))
    source_url = edition.source_links.get(row.item_id, "")
    if is_openable(source_url, host):
        return Line(row, source_url, gettext("Open in {source}", source=row.source))
    return Line(row, "", "")
