"""Step 6 for mail: a digest becomes one message for one address, a pure function of what it is given.

Plain text that is good by itself, HTML beside it, and the chart inside the HTML by content id. Whoever has too much to
read gets fewer rows and a word of how many more there are, never half a table.
"""

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial

from notifiers.email import chart
from notifiers.email.headers import POLICY
from notifiers.email.render import MAX_HTML, Say, address_of, drawn, is_openable, message_id, slug
from notifiers.story.digest_text import Row, Section, Told, tell
from notifiers.text import cut, one_line
from receiver.domain.digest import Digest, Edition

MAX_SUBJECT = 160  # a digest's own is shorter, unless one currency and what is in no sum need more
SHARES = (1.0, 0.7, 0.4, 0.2, 0.0)  # of the usual rows, until it fits
PICTURE = "chart.png"


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
    text, html, picture, cid = _bodies(edition, say, sender, address, host)
    _address_it(mail, edition, tell(digest, 0.0).subject, sender, address, host)
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    if picture is not None:
        shown = mail.get_body(("html",))
        assert isinstance(shown, EmailMessage)
        shown.add_related(picture, "image", "png", cid=f"<{cid}>", disposition="inline", filename=PICTURE)
    return mail


def _address_it(mail: EmailMessage, edition: Edition, subject: str, sender: str, address: str, host: str) -> None:
    """Each digest begins a conversation of its own: Gmail's limit counts all of one together (contract B1)."""
    digest = edition.digest
    mail["Subject"] = cut(one_line(subject), MAX_SUBJECT)
    mail["From"] = address_of(sender)
    mail["To"] = f"<{address_of(address).addr_spec}>"  # bare, a filter counts it against a mail with a picture
    mail["Date"] = format_datetime(digest.until)
    mail["Message-ID"] = message_id(_identity(digest, address), sender)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail["List-Id"] = f"<{slug(digest.name)}.digest.{slug(host)}>"
    if edition.unsubscribe_url and is_openable(edition.unsubscribe_url, host):
        mail["List-Unsubscribe"] = f"<{edition.unsubscribe_url}>"  # RFC 2369
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058


def _identity(digest: Digest, address: str) -> list[str]:
    return ["digest", digest.name, digest.until.isoformat(), address.lower()]


def _bodies(edition: Edition, say: Say, sender: str, address: str, host: str) -> tuple[str, str, bytes | None, str]:
    digest = edition.digest
    cid = message_id([*_identity(digest, address), PICTURE], sender).strip("<>")
    told = tell(digest)
    picture = chart.draw(told)
    context = {
        "_": partial(say, told.locale),
        "name": digest.name,
        "address": address,
        "decides": bool(edition.decide_links),
        "unsubscribe": edition.unsubscribe_url if is_openable(edition.unsubscribe_url or "", host) else None,
        "inbox_url": edition.inbox_url if is_openable(edition.inbox_url or "", host) else None,
        "chart": {"cid": cid, "width": chart.WIDTH, "height": chart.height_of(told)} if picture else None,
    }
    html = text = ""
    for share in SHARES:
        told = tell(digest, share)
        context |= {"told": told, "sections": _sections(told, edition, context["_"], host)}  # type: ignore[arg-type]
        text, html = drawn("digest", context)
        if len(html.encode()) <= MAX_HTML:
            break
    return text, html, picture, cid


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
