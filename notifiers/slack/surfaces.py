"""Steps 1 and 2 for Slack's slash command and events, and what is shown there.

Both are answered at once and looked at afterwards: a command is answered where it was typed, an opened Home tab is
drawn by the loop that keeps it true. A press on either is a press like any other (``inbound.py``).
"""

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from functools import partial

from notifiers.slack import app_home, command, signature, unfurl, wire
from notifiers.slack.client import SlackClient
from notifiers.slack.command import SlashCommand
from notifiers.slack.inbound import LocaleAt, place_of
from notifiers.slack.render import Message
from notifiers.slack.tables import Told
from receiver.domain.action import ActionInput, Click
from receiver.domain.notice import Notice
from receiver.domain.people import Person
from receiver.domain.refusal import N_, SENTENCES
from receiver.errors import CasebellError, RejectedError
from receiver.ports import Queries, Received, Translator

_log = logging.getLogger(__name__)

PeopleOf = Callable[[Person], Awaitable[Person]]
OpenForm = Callable[[wire.Press, str, str, str], Awaitable[None]]


class SlackSurfaces:
    """Fulfils ``ports.Surfaces``. ``open_form`` opens a verb's form with a ticket, for a user, as a channel is told."""

    def __init__(
        self,
        signing_secrets: Collection[str],
        *,
        client: SlackClient,
        board: Queries,
        translator: Translator,
        people_of: PeopleOf,
        open_form: OpenForm,
        public_url: str,
        locale_at: LocaleAt,
        team_ids: Collection[str] = (),
        app_ids: Collection[str] = (),
    ) -> None:
        self._secrets = tuple(signing_secrets)
        self._client = client
        self._board = board
        self._translator = translator
        self._people_of = people_of
        self._open_form = open_form
        self._public_url = public_url
        self._locale_at = locale_at
        self._team_ids = frozenset(team_ids)
        self._app_ids = frozenset(app_ids)

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> None:
        """Raises RejectedError for whatever is not signed, fresh and from our workspace and app."""
        signature.check(self._secrets, body, headers, now)
        try:
            told: wire.Json = wire.event_of(body) if body.startswith(b"{") else dict(wire.form_of(body))
        except ValueError:
            return  # signed rubbish can do nothing
        if wire.is_ssl_check(body) or told.get("type") == "url_verification":
            return
        teams = {wire.text(told, "team_id"), wire.text(told, "enterprise_id")} - {None}
        if self._team_ids and not teams & self._team_ids:
            raise RejectedError("unknown_account", "The request comes from another Slack workspace.")
        if self._app_ids and wire.text(told, "api_app_id") not in self._app_ids:
            raise RejectedError("unknown_account", "The request comes from another Slack app.")

    def command(self, body: bytes) -> Received:
        """Help at once; what has to be looked up is sent after the answer."""
        try:
            typed = wire.form_of(body)
        except ValueError:
            return Received(is_click=False)
        if wire.is_ssl_check(body) or not typed.get("user_id"):
            return Received(is_click=False)
        asked = command.read(typed.get("text", ""))
        if asked.word == "help":
            message = command.help_text(self._words(_channel_of(typed)))
            answer: dict[str, object] = {"response_type": "ephemeral", "text": message.text, "blocks": message.blocks}
            return Received(is_click=False, answer=answer)
        return Received(is_click=False, after=partial(self._answer, asked, typed))

    def event(self, body: bytes) -> Received:
        """An opened Home tab is to be drawn, a posted link shown; Slack's question whether we are here is answered."""
        try:
            told = wire.event_of(body)
        except ValueError:
            return Received(is_click=False)
        if told.get("type") == "url_verification":
            return Received(is_click=False, answer={"challenge": wire.text(told, "challenge") or ""})
        happened = wire.part(told, "event")
        user = wire.text(happened, "user")
        if happened.get("type") == "app_home_opened" and happened.get("tab", "home") == "home" and user:
            return Received(is_click=False, after=partial(self._opened, user))
        is_outside = told.get("is_ext_shared_channel") is True  # people of another company read along
        if happened.get("type") == "link_shared" and user and not is_outside:
            return Received(is_click=False, after=partial(self._show_links, happened, user))
        return Received(is_click=False)

    async def draw_home(self, user: str, mark: str | None) -> str:
        """The page of this person as it is now; see ``ports.Surfaces``."""
        person = await self._people_of(Person(slack_id=user))
        place = place_of(user)
        view = app_home.refused(self._translator.say, self._locale_at(place))
        if self._board.may_look(person):
            overview = await self._board.overview(person, place)
            view = app_home.home(
                overview, self._told(overview.mine), self._told(overview.waiting), self._translator.say
            )
        fresh = hashlib.blake2b(json.dumps(view, sort_keys=True).encode(), digest_size=12).hexdigest()
        if fresh != mark:
            await self._client.publish_view(user, view)
        return fresh

    async def _opened(self, user: str) -> None:
        try:
            await self._board.opened(user)
        except CasebellError as error:  # the store is away; whoever opens it again has it drawn
            _log.warning("home not noted: %s", error.code)

    async def _show_links(self, happened: wire.Json, user: str) -> None:
        """Below links to items, for whom the items are open anyway; else, and when Slack will not, nothing is shown."""
        try:
            place, wanted = unfurl.place_of(happened), unfurl.items_in(happened, self._public_url)
            if place is None or not wanted or not self._board.may_look(await self._people_of(Person(slack_id=user))):
                return
            channel = place_of(wire.text(happened, "channel"))
            found = {url: await self._board.notice(item_id, channel) for url, item_id in wanted.items()}
            told = {url: (notice, self._translator.story(notice)) for url, notice in found.items() if notice}
            if told:
                await self._client.unfurl(
                    place, {url: unfurl.card(one, self._translator.say) for url, one in told.items()}
                )
        except CasebellError as error:  # a scope is missing, or Slack is away: the link stands there as it was posted
            _log.warning("links not shown: %s", error.code)

    async def _answer(self, asked: SlashCommand, typed: Mapping[str, str]) -> None:
        """Say it where the command was typed. Never raises: Slack has its answer already."""
        try:
            message = await self._looked_up(asked, typed)
        except Exception as error:  # noqa: BLE001 - nobody else could tell the person any more
            if not isinstance(error, CasebellError):
                _log.exception("no answer to a command, %s", asked.word)
            words = self._words(_channel_of(typed))
            message = command.said(words("That could not be looked up just now. Please try again in a moment."))
        if message is not None:
            await self._client.respond(typed.get("response_url", ""), message.text, message.blocks)

    async def _looked_up(self, asked: SlashCommand, typed: Mapping[str, str]) -> Message | None:
        """The answer; None when a form opens instead."""
        person = await self._people_of(Person(slack_id=typed["user_id"]))
        place = _channel_of(typed)
        words = self._words(place)
        if not self._board.may_look(person):
            return command.said(words(SENTENCES["not_allowed"]))
        if asked.word == "list":
            return await self._listed(person, place)
        notices = await self._board.find(asked.about, place)
        chosen = command.meant(notices, asked.about) if asked.word == "snooze" else None
        if (
            chosen is None
            or "snooze" not in chosen.verbs
            or (asked.until and not command.is_exact(chosen, asked.about))
        ):
            return command.found(self._told(notices), asked.about, words, self._translator.say)
        if asked.until:
            return await self._snoozed(chosen, asked.until, person, typed)
        # what is to be said of it goes to themselves: the app may not be where they typed
        press = wire.Press(chosen.item.id, chosen.item.version, "snooze", typed["user_id"])
        await self._open_form(press, typed.get("trigger_id", ""), typed["user_id"], typed.get("channel_id", ""))
        return None

    async def _snoozed(self, chosen: Notice, until: str, person: Person, typed: Mapping[str, str]) -> Message:
        """Put off by whoever typed, or why not; the same typed line acts once, however often it comes."""
        typed_once = json.dumps([typed.get("trigger_id"), typed["user_id"], typed.get("text")])
        click = Click(
            item_id=chosen.item.id,
            version=chosen.item.version,
            verb="snooze",
            person=person,
            via="slack",
            identity="command/" + hashlib.sha256(typed_once.encode()).hexdigest(),
            terms=ActionInput(until),
        )
        place, about = _channel_of(typed), chosen.item.snapshot.reference or ""
        refusal = await self._board.press(click, self._locale_at(place))
        if refusal is not None:
            return command.said(refusal)
        now = [one for one in await self._board.find(about, place) if one.item.id == click.item_id]
        return command.found(self._told(now), about, self._words(place), self._translator.say)

    async def _listed(self, person: Person, place: str) -> Message:
        words, overview = self._words(place), await self._board.overview(person, place)
        both = {notice.item.id: notice for notice in (*overview.mine, *overview.waiting)}
        if not both:
            return command.said(words(N_("Nothing waits for anybody.")))
        title = words("Open: {count}. Yours and what waits longest:", count=overview.totals.waiting)
        return command.listed(self._told(tuple(both.values())), title, self._translator.say)

    def _told(self, notices: Collection[Notice]) -> list[Told]:
        return [(notice, self._translator.story(notice)) for notice in notices]

    def _words(self, place: str) -> partial[str]:
        return partial(self._translator.say, self._locale_at(place))


def _channel_of(typed: Mapping[str, str]) -> str:
    """Where the command was typed, as the routes name it."""
    return place_of(typed.get("channel_id"))
