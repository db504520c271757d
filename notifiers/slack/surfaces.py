"""Receives Slack's slash command and events, and renders the Home tab, answers and link previews.

A request is answered at once; the work follows. A click on one of these surfaces is an interaction like any other
(``inbound.py``).
"""

import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial

from notifiers.slack import app_home, command, signature, unfurl, wire
from notifiers.slack.command import SlashCommand
from notifiers.slack.inbound import SlackClicks, destination_of
from notifiers.slack.render import Message
from notifiers.slack.tables import Entry
from receiver.domain.action import ActionInput, Click
from receiver.domain.notice import Notice
from receiver.domain.people import Person
from receiver.domain.refusal import N_, SENTENCES
from receiver.errors import CasebellError
from receiver.ports import InteractionResponse, Queries

_log = logging.getLogger(__name__)


class SlackSurfaces:
    """Implements ``ports.Surfaces``; ``clicks`` looks up people and opens forms, and has the app's settings."""

    def __init__(self, clicks: SlackClicks, queries: Queries, public_url: str) -> None:
        self._clicks = clicks
        self._client, self._translator = clicks.client, clicks.translator
        self._queries = queries
        self._public_url = public_url

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> None:
        """Raises RejectedError unless the request is signed, fresh and of our workspace and app."""
        signature.verify(self._clicks.secrets, body, headers, now)
        try:
            request: wire.Json = wire.parse_object(body) if body.startswith(b"{") else dict(wire.form_fields(body))
        except ValueError:
            return  # an invalid body is answered and ignored
        if wire.is_ssl_check(body) or request.get("type") == "url_verification":
            return
        senders = [wire.string_at(request, "team_id"), wire.string_at(request, "enterprise_id")]
        signature.verify_origin(
            self._clicks.team_ids, self._clicks.app_ids, senders, wire.string_at(request, "api_app_id")
        )

    def respond_to_command(self, body: bytes) -> InteractionResponse:
        """Answer ``help`` at once; any other command needs the database and is answered afterwards."""
        try:
            fields = wire.form_fields(body)
        except ValueError:
            return InteractionResponse(is_click=False)
        if wire.is_ssl_check(body) or not fields.get("user_id"):
            return InteractionResponse(is_click=False)
        parsed = command.parse(fields.get("text", ""))
        if parsed.subcommand == "help":
            message = command.render_help(self._clicks.gettext_at(_destination_of(fields)))
            answer: dict[str, object] = {"response_type": "ephemeral", "text": message.text, "blocks": message.blocks}
            return InteractionResponse(is_click=False, answer=answer)
        return InteractionResponse(is_click=False, after=partial(self._answer, parsed, fields))

    def respond_to_event(self, body: bytes) -> InteractionResponse:
        """Answer an event; render the Home tab or link previews afterwards."""
        try:
            envelope = wire.parse_object(body)
        except ValueError:
            return InteractionResponse(is_click=False)
        if envelope.get("type") == "url_verification":
            return InteractionResponse(
                is_click=False, answer={"challenge": wire.string_at(envelope, "challenge") or ""}
            )
        event = wire.object_at(envelope, "event")
        user = wire.string_at(event, "user")
        if event.get("type") == "app_home_opened" and event.get("tab", "home") == "home" and user:
            return InteractionResponse(is_click=False, after=partial(self._register_home, user))
        is_shared_channel = envelope.get("is_ext_shared_channel") is True  # people of another company could read it
        if event.get("type") == "link_shared" and user and not is_shared_channel:
            return InteractionResponse(is_click=False, after=partial(self._show_previews, event, user))
        return InteractionResponse(is_click=False)

    async def publish_home(self, user: str, mark: str | None) -> str:
        """Publish the user's Home tab unless its hash is ``mark``; returns the hash. See ``ports.Surfaces``."""
        person = await self._clicks.identify(Person(slack_id=user))
        destination = destination_of(user)
        if self._queries.may_view(person):
            overview = await self._queries.overview(person, destination)
            mine, waiting = self._with_stories(overview.mine), self._with_stories(overview.waiting)
            view = app_home.render_home(overview, mine, waiting, self._translator.say)
        else:
            view = app_home.render_refusal(self._translator.say, self._clicks.locale_at(destination))
        digest = hashlib.blake2b(json.dumps(view, sort_keys=True).encode(), digest_size=12).hexdigest()
        if digest != mark:
            await self._client.publish_view(user, view)
        return digest

    async def _register_home(self, user: str) -> None:
        try:
            await self._queries.home_opened(user)
        except CasebellError as error:  # the next opening registers it
            _log.warning("home tab not registered: %s", error.code)

    async def _show_previews(self, event: wire.Json, user: str) -> None:
        """Show previews of posted item links if their author may see items; on an error show nothing."""
        try:
            target, items = unfurl.unfurl_target(event), unfurl.item_links(event, self._public_url)
            if target is None or not items:
                return
            if not self._queries.may_view(await self._clicks.identify(Person(slack_id=user))):
                return
            destination = destination_of(wire.string_at(event, "channel"))
            notices = {url: await self._queries.find_notice(item_id, destination) for url, item_id in items.items()}
            previews = {
                url: unfurl.render_preview((notice, self._translator.story(notice)), self._translator.say)
                for url, notice in notices.items()
                if notice
            }
            if previews:
                await self._client.unfurl(target, previews)
        except CasebellError as error:  # such as a missing scope: the link is posted without a preview
            _log.warning("link preview failed: %s", error.code)

    async def _answer(self, parsed: SlashCommand, fields: Mapping[str, str]) -> None:
        """Send the answer of a command through its response_url. Never raises."""
        try:
            message = await self._run(parsed, fields)
        except Exception as error:  # noqa: BLE001 - Slack has its answer, so only a message can tell the user
            if not isinstance(error, CasebellError):
                _log.exception("command failed: %s", parsed.subcommand)
            gettext = self._clicks.gettext_at(_destination_of(fields))
            sentence = gettext("That could not be looked up just now. Please try again in a moment.")
            message = command.render_sentence(sentence)
        if message is not None:
            await self._client.respond(fields.get("response_url", ""), message.text, message.blocks)

    async def _run(self, parsed: SlashCommand, fields: Mapping[str, str]) -> Message | None:
        """The answer to ``find``, ``list`` or ``snooze``; None when a form opens instead."""
        person = await self._clicks.identify(Person(slack_id=fields["user_id"]))
        destination = _destination_of(fields)
        if not self._queries.may_view(person):
            return command.render_sentence(self._clicks.gettext_at(destination)(SENTENCES["not_allowed"]))
        if parsed.subcommand == "list":
            return await self._list(person, destination)
        notices = await self._queries.search(parsed.reference, destination)
        unique = command.find_unique(notices, parsed.reference) if parsed.subcommand == "snooze" else None
        can_snooze = unique is not None and "snooze" in unique.verbs
        # A time applies at once, so it needs the whole reference; a form shows the item first.
        if unique is None or not can_snooze or (parsed.until and not command.has_reference(unique, parsed.reference)):
            return self._matches(notices, parsed.reference, destination)
        if parsed.until:
            return await self._snooze(unique, parsed.until, person, fields)
        await self._open_snooze_form(unique, fields)
        return None

    async def _open_snooze_form(self, notice: Notice, fields: Mapping[str, str]) -> None:
        """Open the form; replies go to the user's own channel, as the app may not be in the channel of the command."""
        user = fields["user_id"]
        action = wire.ItemAction(notice.item.id, notice.item.version, "snooze", user)
        await self._clicks.open_form(action, fields.get("trigger_id", ""), user, fields.get("channel_id", ""))

    async def _snooze(self, notice: Notice, until: str, person: Person, fields: Mapping[str, str]) -> Message:
        """Snooze the item; the answer is its new state or the refusal. A repeated request has no second effect."""
        request = json.dumps([fields.get("trigger_id"), fields["user_id"], fields.get("text")])
        click = Click(
            item_id=notice.item.id,
            version=notice.item.version,
            verb="snooze",
            person=person,
            via="slack",
            identity="command/" + hashlib.sha256(request.encode()).hexdigest(),
            terms=ActionInput(until),
        )
        destination, reference = _destination_of(fields), notice.item.snapshot.reference or ""
        refusal = await self._queries.submit_action(click, self._clicks.locale_at(destination))
        if refusal is not None:
            return command.render_sentence(refusal)
        matches = await self._queries.search(reference, destination)
        updated = [match for match in matches if match.item.id == click.item_id]
        return self._matches(updated, reference, destination)

    async def _list(self, person: Person, destination: str) -> Message:
        gettext, overview = self._clicks.gettext_at(destination), await self._queries.overview(person, destination)
        notices = {notice.item.id: notice for notice in (*overview.mine, *overview.waiting)}
        if not notices:
            return command.render_sentence(gettext(N_("No item waits for a decision.")))
        title = gettext("Open: {count}. Yours and what waits longest:", count=overview.totals.waiting)
        return command.render_list(self._with_stories(notices.values()), title, self._translator.say)

    def _matches(self, notices: Collection[Notice], reference: str, destination: str) -> Message:
        entries, gettext = self._with_stories(notices), self._clicks.gettext_at(destination)
        return command.render_matches(entries, reference, gettext, self._translator.say)

    def _with_stories(self, notices: Collection[Notice]) -> list[Entry]:
        return [(notice, self._translator.story(notice)) for notice in notices]


def _destination_of(fields: Mapping[str, str]) -> str:
    """The destination of the channel in which the command was typed."""
    return destination_of(fields.get("channel_id"))
