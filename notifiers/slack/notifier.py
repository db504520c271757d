"""Sends alerts, digests, reminders and replies to Slack. Each item has one message a channel, updated on every change.

It keeps no state about items: the outbox stores the reference of each message.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from notifiers.i18n.translator import Translator
from notifiers.slack import block_kit, burst, escaping, grouped
from notifiers.slack.client import SlackClient
from notifiers.slack.digest import render_digest
from notifiers.slack.errors import INVALID_BLOCKS, NOT_EDITABLE, cure_for
from notifiers.slack.manifest import SCOPES, SURFACE_SCOPES, SURFACES
from notifiers.slack.render import Message, render, render_text_only, render_undo_offer
from notifiers.text import clean, one_line
from receiver import ports
from receiver.domain.burst import Burst
from receiver.domain.digest import Edition
from receiver.domain.notice import Notice, Reminder, Story, is_worth_new_mail, needs_new_post
from receiver.domain.people import Person
from receiver.errors import DeliveryError, PermanentError, UncertainError
from receiver.ports import Delivered, GroupedDelivery, Health

T = TypeVar("T")
Send = Callable[[str, list[block_kit.Json]], Awaitable[T]]  # text, blocks

MAX_TEXT = 3_000
DELETED = "message_not_found"
THREAD_DELETED = frozenset({"thread_not_found", DELETED})
_USER = re.compile(r"[UW][A-Z0-9]{1,20}", re.ASCII)


class SlackNotifier:
    """Implements ``ports.Notifier``.

    An address is a channel id; a reference is "channel/ts", or "channel/ts@root" for a message in a thread.
    """

    channel = "slack"
    max_duration_s = 45.0  # four calls of ten seconds: an update and a new post, each repeated without blocks

    def __init__(self, client: SlackClient, translator: ports.Translator) -> None:
        self._client = client
        self._translator = translator
        self._rejected_blocks: dict[str, int] = {}  # messages sent without blocks, by error code

    async def deliver(self, notice: Notice, address: str, reference: str | None, shown_state: str | None) -> Delivered:
        """Post the item's message, or update the one at ``reference``; a reply announces an item that opened again."""
        story = self._translator.story(notice)
        if reference is None:
            if not is_worth_new_mail(shown_state, notice.item):
                return Delivered(None)  # resolved before the channel could be reached
            return await self._post(address, notice, story)
        try:
            await self._update(reference, notice, story)
        except PermanentError as error:
            if error.code not in NOT_EDITABLE:
                raise
            return await self._replace(reference, notice, address, story, is_deleted=error.code == DELETED)
        is_broadcast = not notice.route.must_wait(notice.item.snapshot, notice.now)
        if needs_new_post(shown_state, notice.item):
            await self._reply_in_thread(reference, story.sentence, is_broadcast=is_broadcast)
        elif shown_state == "resolved" and notice.item.state == "open":
            reopened = self._translator.say(notice.route.locale, "This is open again.")
            await self._reply_in_thread(reference, f"{reopened} {story.sentence}", is_broadcast=is_broadcast)
        return Delivered(reference)

    async def deliver_digest(self, edition: Edition, address: str) -> None:
        """Post the digest."""
        message = render_digest(edition)
        await self._send(message, Message(message.text, []), partial(self._client.post_message, address))

    async def remind(self, notice: Notice, address: str, reference: str, reminder: Reminder) -> None:
        """Reply in the thread and mention one person. A failed or unconfirmed reply is not repeated."""
        del address  # the reference has Slack's own channel id
        channel, _, root = parse_reference(reference)
        mention = await self._mention(reminder.to)
        sentence = escaping.escape(Translator().format_reminder(notice, reminder))
        with suppress(PermanentError, UncertainError):
            await self._client.post_message(channel, f"{mention} {sentence}".strip(), [], thread_ts=root)

    async def offer_undo(self, notice: Notice, address: str) -> None:
        """Post an ephemeral message with an undo button; ``address`` is "channel/user"."""
        channel, user = _parse_user_address(address)
        if channel == user:
            return  # clicked in the Home tab: in a direct message the button would stay after its time
        message = render_undo_offer(notice, self._translator.story(notice), self._translator.say)
        with suppress(PermanentError):  # the user has left the channel; the inbox offers undo too
            await self._client.post_ephemeral(channel, user, message.text, message.blocks)

    async def deliver_grouped(self, notices: Sequence[Notice], address: str) -> GroupedDelivery:
        """Post one message for several alerts; each alert is then posted in its thread."""
        message = grouped.render([(notice, self._translator.story(notice)) for notice in notices])
        channel, ts = await self._client.post_message(address, message.text, message.blocks)
        return GroupedDelivery(below=f"{channel}/{ts}")

    async def deliver_burst(self, alerts: Burst, address: str, reference: str | None) -> Delivered:
        """Post one message for a burst, or update the one at ``reference``; a new one if that cannot be edited."""
        if reference is not None:
            channel, ts, _ = parse_reference(reference)
            try:
                await self._send_burst(alerts, partial(self._client.update_message, channel, ts))
            except PermanentError as error:
                if error.code not in NOT_EDITABLE:
                    raise
                if not alerts.open:
                    return Delivered(None, is_gone=True)
                alerts = replace(alerts, maybe_duplicate=alerts.maybe_duplicate or alerts.is_redelivery)
            else:
                return Delivered(reference)
        channel, ts = await self._send_burst(alerts, partial(self._client.post_message, address))
        return Delivered(f"{channel}/{ts}")

    async def reply(self, address: str, text: str) -> None:
        """Answer one user; ``address`` is "channel/user", or "user/user" for a direct message."""
        channel, user = _parse_user_address(address)
        await self._client.post_to_user(channel, user, escaping.escape_mrkdwn(escaping.cut(clean(text), MAX_TEXT)))

    async def send_admin_alert(self, address: str, text: str, mark: str, now: datetime) -> None:
        """Post a direct message; ``address`` is a user id, or the mail address of a member of the workspace."""
        del mark, now  # Slack has no idempotency key (docs/vendors/slack.md#no-idempotency-key)
        user = address
        if "@" in address:
            user = str((await self._client.user_by_email(address)).get("id") or address)
        content = escaping.cut(clean(text), MAX_TEXT)
        blocks = block_kit.as_json([block_kit.section(content)])
        await self._client.post_message(user, escaping.escape_mrkdwn(content), blocks)

    async def health(self) -> list[Health]:
        """Whether the token works, which scopes it has, and whether Slack has rejected blocks."""
        try:
            answer = await self._client.auth_test()
        except DeliveryError as error:
            return [Health("slack", is_well=False, detail=error.message, cure=cure_for(error.code))]
        identity = f"{answer.get('user') or 'the bot'} in {answer.get('team') or 'the workspace'}"
        connection = Health("slack", is_well=True, detail=escaping.cut(one_line(identity), 200))
        return [connection, *_scope_rows(answer.get("scopes")), *self._block_rows()]

    async def close(self) -> None:
        """Close the client's connections."""
        await self._client.close()

    async def _post(self, address: str, notice: Notice, story: Story) -> Delivered:
        root = parse_reference(notice.below)[2] if notice.below else None
        post = partial(self._client.post_message, address, thread_ts=root)
        try:
            channel, ts = await self._send_notice(notice, story, post)
        except PermanentError as error:
            if root and error.code in THREAD_DELETED:
                return await self._post(address, replace(notice, below=None), story)
            raise
        return Delivered(f"{channel}/{ts}@{root}" if root else f"{channel}/{ts}")

    async def _update(self, reference: str, notice: Notice, story: Story) -> None:
        channel, ts, _ = parse_reference(reference)
        await self._send_notice(notice, story, partial(self._client.update_message, channel, ts))

    async def _replace(
        self, reference: str, notice: Notice, address: str, story: Story, *, is_deleted: bool
    ) -> Delivered:
        """Post a new message for one that was deleted or cannot be edited.

        A resolved item gets no new message, but a reply below one that keeps its buttons.
        """
        channel, ts, root = parse_reference(reference)
        if notice.item.state == "resolved":
            if not is_deleted:
                await self._reply_in_thread(reference, story.sentence)
            return Delivered(None, is_gone=True)
        below = f"{channel}/{root}" if root != ts else notice.below
        maybe_duplicate = notice.maybe_duplicate or notice.is_redelivery
        return await self._post(address, replace(notice, maybe_duplicate=maybe_duplicate, below=below), story)

    async def _send_notice(self, notice: Notice, story: Story, send: Send[T]) -> T:
        message = render(notice, story, self._translator.say)
        return await self._send(message, render_text_only(notice, story), send)

    async def _send_burst(self, alerts: Burst, send: Send[T]) -> T:
        message = burst.render(alerts, self._translator)
        return await self._send(message, Message(message.text, []), send)

    async def _send(self, message: Message, fallback: Message, send: Send[T]) -> T:
        """Send the message, or ``fallback`` if Slack rejects its blocks."""
        try:
            return await send(message.text, message.blocks)
        except PermanentError as error:
            if error.code not in INVALID_BLOCKS:
                raise
            self._rejected_blocks[error.code] = self._rejected_blocks.get(error.code, 0) + 1
            return await send(fallback.text, fallback.blocks)

    async def _mention(self, person: Person | None) -> str:
        """``<@U…>`` for a member of the workspace; empty for anybody else or when the lookup fails."""
        if person is None:
            return ""
        slack_id = person.slack_id
        if not slack_id and person.email:
            with suppress(DeliveryError):
                slack_id = (await self._client.user_by_email(person.email)).get("id")
        return f"<@{slack_id}>" if isinstance(slack_id, str) and _USER.fullmatch(slack_id) else ""

    async def _reply_in_thread(self, reference: str, sentence: str, *, is_broadcast: bool = False) -> None:
        """Reply below a message, because an update notifies nobody (docs/vendors/slack.md#messages-and-threads).

        ``is_broadcast``: show the reply in the channel too, as a thread notifies only its followers.
        """
        channel, _, root = parse_reference(reference)
        text = escaping.escape(escaping.cut(one_line(sentence), MAX_TEXT))
        # The message is already updated; an error here would repeat the whole delivery.
        with suppress(PermanentError, UncertainError):
            await self._client.post_message(channel, text, [], thread_ts=root, is_broadcast=is_broadcast)

    def _block_rows(self) -> list[Health]:
        if not self._rejected_blocks:
            return []
        counts = ", ".join(f"{code} {count}×" for code, count in sorted(self._rejected_blocks.items()))
        detail = f"Messages sent without buttons because Slack rejected their blocks: {counts}"
        return [Health("slack blocks", is_well=False, detail=detail, cure="Report this with `casebell preview slack`.")]


def _parse_user_address(address: str) -> tuple[str, str]:
    channel, _, user = address.partition("/")
    if not channel or not user:
        raise PermanentError("bad_address", f'{escaping.cut(address, 60)}: not a Slack address "channel/user"')
    return channel, user


def parse_reference(reference: str) -> tuple[str, str, str]:
    """Channel, ts and the thread's ts of "C1/171.2", or of a reply "C1/171.5@171.2"."""
    channel, _, rest = reference.partition("/")
    ts, _, root = rest.partition("@")
    return channel, ts, root or ts


def _scope_rows(header: object) -> list[Health]:
    """Rows for the needed scopes and for the optional surfaces; none if Slack does not send the scopes."""
    if not isinstance(header, str):
        return []
    granted = set(header.replace(" ", "").split(","))
    missing = [scope for scope in SCOPES if scope not in granted]
    detail = f"missing: {', '.join(missing)}" if missing else ", ".join(SCOPES)
    cure = cure_for("missing_scope") if missing else ""
    surfaces = [  # the Home tab needs no scope, so it cannot be detected
        f"{surface}: {'on' if granted.issuperset(SURFACE_SCOPES[surface]) else 'off'}"
        for surface in SURFACES
        if SURFACE_SCOPES[surface]
    ]
    optional = f"{', '.join(surfaces)} (optional; alerts and buttons need neither)"
    return [
        Health("slack scopes", is_well=not missing, detail=detail, cure=cure),
        Health("slack surfaces", is_well=True, detail=optional),
    ]
