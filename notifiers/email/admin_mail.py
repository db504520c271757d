"""Renders an admin alert, or a login link, as a short mail. Pure."""

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial

from notifiers.email.headers import POLICY
from notifiers.email.render import MAX_SUBJECT, Translate, message_id, parse_address, render_bodies, slug
from notifiers.text import cut, one_line

LOCALE = "en"
MAX_TEXT = 2_000


def split_at_link(text: str) -> tuple[str, str, str]:
    """The text before the first URL, that URL, and the text after it."""
    link = next((word for word in text.split() if word.startswith(("https://", "http://"))), "")
    before, _, after = text.partition(link) if link else (text, "", "")
    return before, link, after


def render(
    text: str, mark: str, translate: Translate, sender: str, address: str, host: str, now: datetime
) -> EmailMessage:
    """The first sentence becomes the subject. Only a login mail (``mark`` "login …") makes its URL a link.

    ``host`` is this service's own. Raises ValueError for a bad address.
    """
    sentences = cut(one_line(text), MAX_TEXT)
    title, _, rest = sentences.partition(". ")
    title = title.rstrip(".")
    mail = EmailMessage(policy=POLICY)
    mail["Subject"] = cut(f"Casebell: {title}", MAX_SUBJECT)
    mail["From"] = parse_address(sender)
    mail["To"] = parse_address(address)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id([mark, address.lower()], sender)
    mail["Auto-Submitted"] = "auto-generated"  # no automatic replies: docs/vendors/mail.md#headers
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail["List-Id"] = f"<admins.{slug(host)}>"
    is_login = mark.startswith("login ")  # its recipient need not be an admin
    before, link, after = split_at_link(rest) if is_login else (rest, "", "")
    context = {
        "is_login": is_login,
        "before": before,
        "link": link,
        "after": after,
        "_": partial(translate, LOCALE),
        "locale": LOCALE,
        "title": title,
        "rest": rest,
        "address": address,
    }
    text, html = render_bodies("admin_mail", context)
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail
