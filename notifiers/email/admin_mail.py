"""Step 6 for mail: a word to an admin about Casebell itself. Pure."""

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial

from notifiers.email.headers import POLICY
from notifiers.email.render import MAX_SUBJECT, Say, address_of, drawn, message_id, slug
from notifiers.text import cut, one_line

LOCALE = "en"
MAX_WORDS = 2_000


def around_link(text: str) -> tuple[str, str, str]:
    """What stands before the first address of a page, that address, and what stands after it."""
    link = next((word for word in text.split() if word.startswith(("https://", "http://"))), "")
    before, _, after = text.partition(link) if link else (text, "", "")
    return before, link, after


def render(text: str, mark: str, say: Say, sender: str, address: str, host: str, now: datetime) -> EmailMessage:
    """The first sentence is the subject. Raises ValueError for a bad address."""
    sentence = cut(one_line(text), MAX_WORDS)
    title, _, rest = sentence.partition(". ")
    title = title.rstrip(".")
    mail = EmailMessage(policy=POLICY)
    mail["Subject"] = cut(f"Casebell: {title}", MAX_SUBJECT)
    mail["From"] = address_of(sender)
    mail["To"] = address_of(address)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id([mark, address.lower()], sender)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail["List-Id"] = f"<admins.{slug(host)}>"
    is_login = mark.startswith("login ")  # whoever asked for it need not be an admin
    before, link, after = around_link(rest) if is_login else (rest, "", "")
    context = {
        "is_login": is_login,
        "before": before,
        "link": link,
        "after": after,
        "_": partial(say, LOCALE),
        "locale": LOCALE,
        "title": title,
        "rest": rest,
        "address": address,
    }
    text, html = drawn("word", context)
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail
