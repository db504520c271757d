"""Renders a digest as one mail for one address, in plain text and HTML. Pure.

It has no image: the charts are table cells, which show with images blocked, in dark mode and in Outlook
(docs/vendors/mail.md#mail-programs). A digest that is too long gets fewer rows and counts the rest.
"""

from email.message import EmailMessage
from functools import partial

from notifiers.email import render as base
from notifiers.i18n.formats import Say
from notifiers.story.digest_text import DigestText, Row, format_digest
from notifiers.text import cut, one_line
from receiver.domain.digest import Edition

MAX_SUBJECT = 160  # longer than the limit of digest_text, which one long amount may exceed
SHARES = (1.0, 0.7, 0.4, 0.2, 0.0)  # of the usual rows, tried in this order until the mail fits


def render_digest(edition: Edition, translate: Say, sender: str, address: str, host: str) -> EmailMessage:
    """The mail for ``address``. ``host`` is this service's own. Raises ValueError when ``address`` or ``sender`` is no
    mail address."""
    digest = edition.digest
    subject = cut(one_line(format_digest(digest, 0.0).subject), MAX_SUBJECT)
    to, list_id = f"<{base.parse_address(address).addr_spec}>", f"{base.slug(digest.name)}.digest.{base.slug(host)}"
    # Each digest starts its own conversation: Gmail's limit counts a whole one (docs/vendors/mail.md#size).
    own_id = base.message_id(["digest", digest.name, digest.until.isoformat(), address.lower()], sender)
    mail = base.build_mail(subject, sender, to, digest.until, list_id, {"Message-ID": own_id})
    if edition.unsubscribe_url and base.is_openable(edition.unsubscribe_url, host):
        mail["List-Unsubscribe"] = f"<{edition.unsubscribe_url}>"  # RFC 2369
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    return base.set_bodies(mail, _render_bodies(edition, translate, address, host))


def _render_bodies(edition: Edition, translate: Say, address: str, host: str) -> tuple[str, str]:
    """Text and HTML, with as many rows as fit into MAX_HTML."""
    gettext = partial(translate, format_digest(edition.digest, 0.0).locale)
    context: dict[str, object] = {
        "_": gettext,
        "name": edition.digest.name,
        "address": address,
        "decides": bool(edition.decide_links),
        "unsubscribe": edition.unsubscribe_url if base.is_openable(edition.unsubscribe_url or "", host) else None,
        "inbox_url": edition.inbox_url if base.is_openable(edition.inbox_url or "", host) else None,
    }

    def list_sections(digest: DigestText) -> dict[str, object]:
        sections = [
            (section, [_link_row(row, edition, gettext, host) for row in section.rows]) for section in digest.sections
        ]
        return {"digest": digest, "sections": sections}

    return base.render_bodies(
        "digest", (context | list_sections(format_digest(edition.digest, share)) for share in SHARES)
    )


def _link_row(row: Row, edition: Edition, gettext: partial[str], host: str) -> dict[str, object]:
    """A row with its link; ``label`` says where it leads and is empty without a link."""
    decide_url = edition.decide_links.get(row.item_id, "")
    if base.is_openable(decide_url, host):
        return {"row": row, "url": decide_url, "label": gettext("Review and decide")}
    source_url = edition.source_links.get(row.item_id, "")
    if base.is_openable(source_url, host):
        return {"row": row, "url": source_url, "label": gettext("Open in {source}", source=row.source)}
    return {"row": row, "url": "", "label": ""}
