"""Renders an admin alert, or a login link, as a short mail. Pure."""

from datetime import datetime
from email.message import EmailMessage
from functools import partial

from notifiers.email import render as base
from notifiers.i18n.formats import Say
from notifiers.text import cut, one_line

LOCALE = "en"
MAX_TEXT = 2_000


def split_at_link(text: str) -> tuple[str, str, str]:
    """The text before the first URL, that URL, and the text after it."""
    link = next((word for word in text.split() if word.startswith(("https://", "http://"))), "")
    before, _, after = text.partition(link) if link else (text, "", "")
    return before, link, after


def render(text: str, mark: str, translate: Say, sender: str, address: str, host: str, now: datetime) -> EmailMessage:
    """The first sentence becomes the subject. Only a login mail (``mark`` "login …") makes its URL a link. ``host`` is
    this service's own. Raises ValueError for a bad address."""
    sentences = cut(one_line(text), MAX_TEXT)
    title, _, rest = sentences.partition(". ")
    title = title.rstrip(".")
    subject, own_id = cut(f"Casebell: {title}", base.MAX_SUBJECT), base.message_id([mark, address.lower()], sender)
    mail = base.build_mail(
        subject, sender, base.parse_address(address), now, f"admins.{base.slug(host)}", {"Message-ID": own_id}
    )
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
    return base.set_bodies(mail, base.render_bodies("admin_mail", [context]))
