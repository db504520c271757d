"""Delivers notices by mail: one mail for each change that people must know, none for the others. It has no state."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from notifiers.email import admin_mail, grouped
from notifiers.email.client import SmtpClient
from notifiers.email.digest import render_digest
from notifiers.email.render import parse_address, render, root_id
from notifiers.i18n.translator import Translator
from receiver.domain.digest import Edition
from receiver.domain.notice import Notice, Reminder, is_worth_new_mail
from receiver.errors import ConfigError, DeliveryError, PermanentError
from receiver.ports import Delivered, GroupedDelivery, Health
from receiver.ports import Translator as TranslatorPort

CURES = {
    "smtp_auth": "Check the user in email.smtp_url and email.password.",
    "smtp_tls": "Check the host, the port and smtps:// or smtp+starttls:// in email.smtp_url, and its certificate.",
    "smtp_unreachable": "Check host and port in email.smtp_url, and the firewall between here and there.",
}


class MailNotifier:
    """Implements ``ports.Notifier``. A reference is the Message-ID to which all mails about an item refer."""

    channel = "mail"
    max_duration_s = 45.0  # 30 for the mail server, 15 for rendering

    def __init__(self, client: SmtpClient, translator: TranslatorPort, *, sender: str, host: str) -> None:
        """``sender`` as in [email]; ``host``: this service's own. Raises ConfigError for a bad sender."""
        try:
            self._from = parse_address(sender).addr_spec
        except ValueError:
            raise ConfigError(f"email.sender: {sender!r} is no mail address") from None
        self._client = client
        self._translator = translator
        self._sender = sender
        self._host = host

    async def deliver(self, notice: Notice, address: str, reference: str | None, shown_state: str | None) -> Delivered:
        """Mail the changes that ``is_worth_new_mail`` names; the page behind the link shows every other change."""
        if not is_worth_new_mail(shown_state, notice.item):
            return Delivered(reference)
        recipient, story = _parse_recipient(address), self._translator.story(notice)
        mail = render(notice, story, self._translator.say, self._sender, address, self._host, shown_state=shown_state)
        await self._client.send(mail, self._from, recipient)
        return Delivered(root_id(notice.item, address, self._sender))

    async def deliver_digest(self, edition: Edition, address: str) -> None:
        """Mail the digest; rendered in a thread, because a long table would block the event loop."""
        recipient = _parse_recipient(address)
        mail = await asyncio.to_thread(render_digest, edition, self._translator.say, self._sender, address, self._host)
        await self._client.send(mail, self._from, recipient)

    async def remind(self, notice: Notice, address: str, reference: str, reminder: Reminder) -> None:
        """Mail a follow-up in the item's conversation; a second try has the same Message-ID."""
        del reference  # root_id() computes it from item and address
        recipient, story = _parse_recipient(address), self._translator.story(notice)
        sentence = Translator().format_reminder(notice, reminder)
        mail = render(notice, story, self._translator.say, self._sender, address, self._host, reminder=sentence)
        await self._client.send(mail, self._from, recipient)

    async def offer_undo(self, notice: Notice, address: str) -> None:
        """Send nothing: the page on which the person decided offers the undo."""

    async def deliver_grouped(self, notices: Sequence[Notice], address: str) -> GroupedDelivery:
        """One mail for all notices, with a link for each."""
        recipient, stories = _parse_recipient(address), [(notice, self._translator.story(notice)) for notice in notices]
        mail = grouped.render(stories, self._translator.say, self._sender, address, self._host)
        await self._client.send(mail, self._from, recipient)
        items = [notice.item for notice in notices]
        return GroupedDelivery(references={item.id: root_id(item, address, self._sender) for item in items})

    async def reply(self, address: str, text: str) -> None:
        """Send nothing: Casebell's page has answered the click already."""

    async def send_admin_alert(self, address: str, text: str, mark: str, now: datetime) -> None:
        """Mail an admin; every try has the same Message-ID."""
        recipient = _parse_recipient(address)
        mail = admin_mail.render(text, mark, self._translator.say, self._sender, address, self._host, now)
        await self._client.send(mail, self._from, recipient)

    async def health(self) -> list[Health]:
        """Whether the mail server accepts the connection and the login."""
        try:
            return [Health("mail", is_well=True, detail=await self._client.check())]
        except DeliveryError as error:
            return [Health("mail", is_well=False, detail=error.message, cure=CURES.get(error.code, "Try again later."))]

    async def close(self) -> None:
        """Nothing to close: no connection outlives its message."""


def _parse_recipient(address: str) -> str:
    try:
        return parse_address(address).addr_spec
    except ValueError:
        raise PermanentError("bad_address", "the route names an address that is no mail address") from None
