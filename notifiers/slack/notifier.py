"""Step 7 for Slack: one message per item and channel, posted once and then redrawn; it remembers no item."""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from notifiers.i18n.translator import Translator
from notifiers.slack import block_kit, escaping, grouped
from notifiers.slack.burst import render as storm_message
from notifiers.slack.client import SlackClient
from notifiers.slack.digest import render_digest
from notifiers.slack.errors import GONE, LOST, REFUSED_BLOCKS, cure_for
from notifiers.slack.manifest import FURTHER, PLACES
from notifiers.slack.render import Message, minimal, offer, render
from notifiers.text import clean, one_line
from receiver.domain.burst import Burst
from receiver.domain.digest import Edition
from receiver.domain.notice import Notice, Reminder, Story, is_alarm, is_news
from receiver.domain.people import Person
from receiver.errors import DeliveryError, PermanentError, UncertainError
from receiver.ports import Delivered, GroupedDelivery, Health
from receiver.ports import Translator as Tells

T = TypeVar("T")
NEEDED_SCOPES = ("chat:write", "users:read", "users:read.email")  # contract A10
MAX_TOLD = 3_000
GONE_THREAD = frozenset({"thread_not_found", "message_not_found"})
_USER = re.compile(r"[UW][A-Z0-9]{1,20}", re.ASCII)


class SlackNotifier:
    """Fulfils ``ports.Notifier``; an address is a channel's id, a reference "channel/ts", in a thread "…/ts@root"."""

    channel = "slack"
    longest_s = 45.0  # four calls of ten seconds: drawn, drawn simpler, posted anew, posted simpler

    def __init__(self, client: SlackClient, translator: Tells) -> None:
        self._client = client
        self._translator = translator
        self._refused: dict[str, int] = {}  # code -> messages Slack refused to draw since the start

    async def deliver(self, notice: Notice, address: str, reference: str | None, shown_state: str | None) -> Delivered:
        """Post the item's message, or redraw the one at ``reference``; an item that opens again gets a word below."""
        story = self._translator.story(notice)
        if reference is None:
            if not is_news(shown_state, notice.item):
                return Delivered(None)  # opened and resolved while the channel was out of reach: nobody need know
            return await self._post(address, notice, story)
        try:
            await self._redraw(reference, notice, story)
        except PermanentError as error:
            if error.code in LOST:
                return await self._instead(reference, notice, address, story, is_there=error.code not in GONE)
            raise
        is_day = not notice.route.holds(notice.item.snapshot, notice.now)
        if is_alarm(shown_state, notice.item):
            await self._say_below(reference, story.sentence, is_loud=is_day)
        elif shown_state == "resolved" and notice.item.state == "open":
            again = self._translator.say(notice.route.locale, "This is open again.")
            await self._say_below(reference, f"{again} {story.sentence}", is_loud=is_day)
        return Delivered(reference)

    async def deliver_digest(self, edition: Edition, address: str) -> None:
        """Post it; without its blocks when Slack refuses those."""
        message = render_digest(edition)
        await self._plainer(message, partial(self._client.post_message, address))

    async def remind(self, notice: Notice, address: str, reference: str, reminder: Reminder) -> None:
        """One quiet reply in the thread (contract A6), with one mention; lost rather than said twice."""
        del address  # the reference names the channel that Slack knows it by
        channel, _, root = place_of(reference)
        mention = await self._mention(reminder.to)
        sentence = escaping.escape(Translator().format_reminder(notice, reminder))
        with suppress(PermanentError, UncertainError):
            await self._client.post_message(channel, f"{mention} {sentence}".strip(), [], thread_ts=root)

    async def offer_undo(self, notice: Notice, address: str) -> None:
        """A word with an undo button that only whoever decided sees; ``address`` is "channel/user"."""
        channel, user = _person_at(address)
        if channel == user:
            return  # pressed on their own page: a message there would keep its button for ever
        message = offer(notice, self._translator.story(notice), self._translator.say)
        with suppress(PermanentError):  # who has left the channel undoes it elsewhere
            await self._client.post_ephemeral(channel, user, message.text, message.blocks)

    async def deliver_grouped(self, notices: Sequence[Notice], address: str) -> GroupedDelivery:
        """One message that lists the worst; each alert then stands in its thread, with its buttons."""
        message = grouped.render([(notice, self._translator.story(notice)) for notice in notices])
        channel, ts = await self._client.post_message(address, message.text, message.blocks)
        return GroupedDelivery(below=f"{channel}/{ts}")

    async def deliver_burst(self, storm: Burst, address: str, reference: str | None) -> Delivered:
        """One message for many alerts; in its own place for as long as that can be edited."""
        if reference is not None:
            channel, ts, _ = place_of(reference)
            message = storm_message(storm, self._translator)
            try:
                await self._plainer(message, partial(self._client.update_message, channel, ts))
            except PermanentError as error:
                if error.code not in LOST:
                    raise
                if not storm.open:
                    return Delivered(None, is_gone=True)
                storm = replace(storm, maybe_duplicate=storm.maybe_duplicate or storm.is_redelivery)
            else:
                return Delivered(reference)
        message = storm_message(storm, self._translator)
        channel, ts = await self._plainer(message, partial(self._client.post_message, address))
        return Delivered(f"{channel}/{ts}")

    async def reply(self, address: str, text: str) -> None:
        """A word that only one person sees; ``address`` is "channel/user", or "user/user" for their own messages."""
        channel, user = _person_at(address)
        await self._client.whisper(channel, user, escaping.unstyled(escaping.cut(clean(text), MAX_TOLD)))

    async def send_admin_alert(self, address: str, text: str, mark: str, now: datetime) -> None:
        """A direct message; ``address``: a user id, or the mail address of somebody in this workspace."""
        del mark, now  # Slack knows no second try (contract A6)
        user = address
        if "@" in address:
            user = str((await self._client.user_by_email(address)).get("id") or address)
        words = escaping.cut(clean(text), MAX_TOLD)
        await self._client.post_message(user, escaping.unstyled(words), [block_kit.section(words).to_dict()])

    async def health(self) -> list[Health]:
        """Whether the token works, and whether it may do what Casebell needs."""
        try:
            said = await self._client.auth_test()
        except DeliveryError as error:
            return [Health("slack", is_well=False, detail=error.message, cure=cure_for(error.code))]
        where = f"{said.get('user') or 'the bot'} in {said.get('team') or 'the workspace'}"
        rows = [Health("slack", is_well=True, detail=escaping.cut(one_line(where), 200))]
        return [*rows, *_scopes(said.get("scopes")), *self._drawings()]

    async def close(self) -> None:
        await self._client.close()

    async def _post(self, address: str, notice: Notice, story: Story) -> Delivered:
        message, root = render(notice, story, self._translator.say), place_of(notice.below)[2] if notice.below else None
        try:
            channel, ts = await self._client.post_message(address, message.text, message.blocks, thread_ts=root)
        except PermanentError as error:
            if root and error.code in GONE_THREAD:
                return await self._post(address, replace(notice, below=None), story)
            message = self._simpler(error, notice, story)
            channel, ts = await self._client.post_message(address, message.text, message.blocks, thread_ts=root)
        return Delivered(f"{channel}/{ts}@{root}" if root else f"{channel}/{ts}")

    async def _instead(
        self, reference: str, notice: Notice, address: str, story: Story, *, is_there: bool
    ) -> Delivered:
        """For a message that was deleted, or that nobody may edit any more: a new one while there is something to
        decide, else at most a word below the old one, whose buttons still stand."""
        channel, ts, root = place_of(reference)
        if notice.item.state == "resolved":
            if is_there:
                await self._say_below(reference, story.sentence)
            return Delivered(None, is_gone=True)
        below = f"{channel}/{root}" if root != ts else notice.below
        anew = replace(notice, maybe_duplicate=notice.maybe_duplicate or notice.is_redelivery, below=below)
        return await self._post(address, anew, story)

    async def _redraw(self, reference: str, notice: Notice, story: Story) -> None:
        channel, ts, _ = place_of(reference)
        message = render(notice, story, self._translator.say)
        try:
            await self._client.update_message(channel, ts, message.text, message.blocks)
        except PermanentError as error:
            message = self._simpler(error, notice, story)
            await self._client.update_message(channel, ts, message.text, message.blocks)

    async def _mention(self, person: Person | None) -> str:
        """``<@U…>`` for somebody of the workspace, else nothing: a reminder is no reason to fail."""
        if person is None:
            return ""
        slack_id = person.slack_id
        if not slack_id and person.email:
            with suppress(DeliveryError):
                slack_id = (await self._client.user_by_email(person.email)).get("id")
        return f"<@{slack_id}>" if isinstance(slack_id, str) and _USER.fullmatch(slack_id) else ""

    def _simpler(self, error: PermanentError, notice: Notice, story: Story) -> Message:
        """The words alone when Slack refuses the drawing (contract C4.9); any other refusal goes on to the caller."""
        if error.code not in REFUSED_BLOCKS:
            raise error
        self._refused[error.code] = self._refused.get(error.code, 0) + 1
        return minimal(notice, story)

    async def _plainer(self, message: Message, send: Callable[[str, list[block_kit.Drawn]], Awaitable[T]]) -> T:
        """Send it; without its blocks when Slack refuses those."""
        try:
            return await send(message.text, message.blocks)
        except PermanentError as error:
            if error.code not in REFUSED_BLOCKS:
                raise
            self._refused[error.code] = self._refused.get(error.code, 0) + 1
            return await send(message.text, [])

    async def _say_below(self, reference: str, sentence: str, *, is_loud: bool = False) -> None:
        """An edit notifies nobody (contract A6): one reply below the message, quiet unless somebody must look again.

        A loud one is shown in the channel, too: a thread that nobody follows rings nobody.
        """
        channel, _, root = place_of(reference)
        try:
            text = escaping.escape(escaping.cut(one_line(sentence), MAX_TOLD))
            await self._client.post_message(channel, text, [], thread_ts=root, is_broadcast=is_loud)
        except (PermanentError, UncertainError):
            return  # the message itself is right; failing here would say it twice

    def _drawings(self) -> list[Health]:
        if not self._refused:
            return []
        counted = ", ".join(f"{code} {count}×" for code, count in sorted(self._refused.items()))
        detail = f"Messages sent without buttons, because Slack refused the drawing: {counted}"
        return [
            Health("slack drawings", is_well=False, detail=detail, cure="Report this with `casebell preview slack`.")
        ]


def _person_at(address: str) -> tuple[str, str]:
    channel, _, user = address.partition("/")
    if not channel or not user:
        raise PermanentError("bad_address", f"{escaping.cut(address, 60)}: no channel/user of Slack")
    return channel, user


def place_of(reference: str) -> tuple[str, str, str]:
    """Channel, ts and the thread's own ts of "C1/171.2", or of a reply "C1/171.5@171.2"."""
    channel, _, rest = reference.partition("/")
    ts, _, root = rest.partition("@")
    return channel, ts, root or ts


def _scopes(given: object) -> list[Health]:
    """One row when Slack says what the token may do; none when it does not."""
    if not isinstance(given, str):
        return []
    missing = [scope for scope in NEEDED_SCOPES if scope not in given.replace(" ", "").split(",")]
    detail = f"missing: {', '.join(missing)}" if missing else ", ".join(NEEDED_SCOPES)
    return [
        Health("slack scopes", is_well=not missing, detail=detail, cure=cure_for("missing_scope") if missing else ""),
        *_optional(given),
    ]


def _optional(given: str) -> list[Health]:
    """What may be left out: said, and never red. Whether there is a Home tab is not to be told from the scopes."""
    granted = set(given.replace(" ", "").split(","))
    told = [f"{place}: {'on' if granted.issuperset(FURTHER[place]) else 'off'}" for place in PLACES if FURTHER[place]]
    return [
        Health("slack places", is_well=True, detail=f"{', '.join(told)} (optional; alerts and buttons need neither)")
    ]
