"""Step 7 for mail: a mail when there is news, none when there is not; it remembers no item."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from notifiers.email import admin_mail, grouped
from notifiers.email.client import SmtpClient
from notifiers.email.digest import render_digest
from notifiers.email.render import address_of, render, root_id
from notifiers.i18n.translator import Translator
from receiver.domain.digest import Edition
from receiver.domain.notice import Notice, Reminder, is_news
from receiver.errors import ConfigError, DeliveryError, PermanentError
from receiver.ports import Delivered, GroupedDelivery, Health
from receiver.ports import Translator as Tells

CURES = {
    "smtp_auth": "Check the user in email.smtp_url and email.password.",
    "smtp_tls": "Check the host, the port and smtps:// or smtp+starttls:// in email.smtp_url, and its certificate.",
    "smtp_unreachable": "Check host and port in email.smtp_url, and the firewall between here and there.",
}


class MailNotifier:
    """Fulfils ``ports.Notifier``; an address is a mail address, a reference the Message-ID its mails refer to."""

    channel = "mail"
    longest_s = 45.0  # thirty for the mail server, the rest for rendering

    def __init__(self, client: SmtpClient, translator: Tells, *, sender: str, host: str) -> None:
        """``sender`` as in [email]; ``host``: where this service lives. Raises ConfigError for a bad sender."""
        try:
            self._from = address_of(sender).addr_spec
        except ValueError:
            raise ConfigError(f"email.sender: {sender!r} is no mail address") from None
        self._client = client
        self._translator = translator
        self._sender = sender
        self._host = host

    async def deliver(self, notice: Notice, address: str, reference: str | None, shown_state: str | None) -> Delivered:
        """Mail what is news to this address: opened, resolved, opened again. Every other change waits on the page."""
        if not is_news(shown_state, notice.item):
            return Delivered(reference)
        to = _checked(address)
        mail = render(
            notice,
            self._translator.story(notice),
            self._translator.say,
            self._sender,
            address,
            self._host,
            shown_state=shown_state,
        )
        await self._client.send(mail, self._from, to)
        return Delivered(root_id(notice.item, address, self._sender))

    async def deliver_digest(self, edition: Edition, address: str) -> None:
        """Mail it; rendered in a thread, since a long table takes its time."""
        to = _checked(address)
        mail = await asyncio.to_thread(render_digest, edition, self._translator.say, self._sender, address, self._host)
        await self._client.send(mail, self._from, to)

    async def remind(self, notice: Notice, address: str, reference: str, nudge: Reminder) -> None:
        """A follow-up among the mails about the item; sent again after a crash it has the same Message-ID."""
        del reference  # it follows from item and address
        sentence = Translator().nudge(notice, nudge)
        to, story = _checked(address), self._translator.story(notice)
        mail = render(notice, story, self._translator.say, self._sender, address, self._host, nudge=sentence)
        await self._client.send(mail, self._from, to)

    async def offer_undo(self, notice: Notice, address: str) -> None:
        """Nothing: the page behind the link that decided offers it."""

    async def deliver_grouped(self, notices: Sequence[Notice], address: str) -> GroupedDelivery:
        """One mail with all of them, each with its own link."""
        to, told = _checked(address), [(notice, self._translator.story(notice)) for notice in notices]
        mail = grouped.render(told, self._translator.say, self._sender, address, self._host)
        await self._client.send(mail, self._from, to)
        items = [notice.item for notice in notices]
        return GroupedDelivery(references={item.id: root_id(item, address, self._sender) for item in items})

    async def reply(self, address: str, text: str) -> None:
        """Nothing: a press on our own page was answered there, and a mail about it would be one too many."""

    async def send_admin_alert(self, address: str, text: str, mark: str, now: datetime) -> None:
        """A short mail; the same Message-ID at every try."""
        to = _checked(address)
        mail = admin_mail.render(text, mark, self._translator.say, self._sender, address, self._host, now)
        await self._client.send(mail, self._from, to)

    async def health(self) -> list[Health]:
        """Whether the server lets us in."""
        try:
            return [Health("mail", is_well=True, detail=await self._client.look())]
        except DeliveryError as error:
            return [Health("mail", is_well=False, detail=error.message, cure=CURES.get(error.code, "Try again later."))]

    async def close(self) -> None:
        """Nothing is kept open between messages."""


def _checked(address: str) -> str:
    try:
        return address_of(address).addr_spec
    except ValueError:
        raise PermanentError("bad_address", "the route names something that is no mail address") from None
