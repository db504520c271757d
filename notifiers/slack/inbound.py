"""Steps 2 and 8 for Slack: a press is verified, answered at once, and read again from the store. It changes nothing.

Slack does not repeat a press (contract A2): one that is not stored is lost, so only what is surely no decision is
answered without being stored.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from notifiers.slack import escaping, forms, modals, signature, templates, wire
from notifiers.slack.client import SlackClient
from notifiers.slack.people import SlackPeople
from notifiers.text import one_line
from receiver.domain.action import Click
from receiver.domain.notice import Notice
from receiver.domain.people import Person
from receiver.domain.refusal import SENTENCES, why_stale
from receiver.domain.reply_template import ReplyTemplate
from receiver.errors import ConfigError, DeliveryError, RejectedError
from receiver.ports import Received, Translator

HEAD_START_S = 0.5  # of the ticket's three seconds; Slack's own delay counts too (contract A2)
MAX_IDENTITY = 255

_log = logging.getLogger(__name__)
_IDENTITY = re.compile(r"[\w./-]+", re.ASCII)

NoticeFor = Callable[[str, str], Awaitable[Notice | None]]  # item id, place
LocaleAt = Callable[[str], str]  # place
PeopleOf = Callable[[Person], Awaitable[Person]]


class SlackClicks:
    """Fulfils ``ports.Clicks``. Without ``people_of``, people are looked up through ``client``."""

    def __init__(
        self,
        signing_secrets: Collection[str],
        *,
        client: SlackClient,
        notice_for: NoticeFor,
        locale_at: LocaleAt,
        translator: Translator,
        now: Callable[[], datetime],
        people_of: PeopleOf | None = None,
        team_ids: Collection[str] = (),
        app_ids: Collection[str] = (),
        templates: Sequence[ReplyTemplate] = (),
    ) -> None:
        if not signing_secrets or not all(secret.strip() for secret in signing_secrets):
            raise ConfigError("slack.signing_secrets: is empty; copy the secret from the Slack app's Basic Information")
        self._secrets = tuple(signing_secrets)
        self._team_ids = frozenset(team_ids)
        self._app_ids = frozenset(app_ids)
        self._client = client
        self._notice_for = notice_for
        self._locale_at = locale_at
        self._translator = translator
        self._now = now
        self._templates = tuple(templates)
        self._people_of = people_of or SlackPeople(client, team_ids, now).who

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        """The press's identity. Raises RejectedError for whatever is not signed, fresh and from our workspace."""
        signature.check(self._secrets, body, headers, now)
        self._check_origin(body)
        return identity_of(body)

    def receive(self, body: bytes) -> Received:
        """What to do at once; a press that needs words opens its form and is stored only when the form comes back."""
        if (challenge := wire.challenge_of(body)) is not None:
            return Received(is_click=False, answer={"challenge": challenge})
        try:
            payload = wire.payload_of(body)
            match payload.get("type"):
                case "block_actions":
                    return self._pressed(payload)
                case "view_submission":
                    return self._submitted(payload)
                case _:
                    return Received(is_click=False)
        except ValueError:
            return Received(is_click=not wire.is_ssl_check(body))

    def read(self, body: bytes) -> Click | None:
        """The click in a stored payload; None when no decision is in it. Raises ValueError for rubbish."""
        if wire.is_ssl_check(body) or wire.challenge_of(body) is not None:
            return None
        payload = wire.payload_of(body)
        match payload.get("type"):
            case "block_actions":
                return _read_press(body, payload)
            case "view_submission":
                return self._read_form(body, payload)
            case _:
                return None

    async def who(self, person: Person) -> Person:
        return await self._people_of(person)

    def _check_origin(self, body: bytes) -> None:
        if wire.is_ssl_check(body) or wire.challenge_of(body) is not None or not (self._team_ids or self._app_ids):
            return
        try:
            payload = wire.payload_of(body)
        except ValueError:
            return  # signed rubbish can do nothing; it is stored for whoever looks into it
        # An app of a whole organisation gets no team, the organisation instead.
        team = wire.text(wire.part(payload, "team"), "id") or wire.text(wire.part(payload, "enterprise"), "id")
        if self._team_ids and team not in self._team_ids:
            raise RejectedError("unknown_account", "The press comes from another Slack workspace.")
        if self._app_ids and wire.text(payload, "api_app_id") not in self._app_ids:
            raise RejectedError("unknown_account", "The press comes from another Slack app.")

    def _pressed(self, payload: wire.Json) -> Received:
        if wire.is_link(wire.action_of(payload)):
            return Received(is_click=False)
        if wire.action_of(payload).get("action_id") == templates.TEMPLATE:
            return Received(is_click=False, after=partial(self._fill_in, payload))
        press = wire.press_of(payload)
        if press.verb not in forms.WITH_FORM:
            place = wire.text(payload, "response_url") if wire.is_whispered(payload) else None
            return Received(is_click=True, after=partial(self._client.take_away, place) if place else None)
        ticket = wire.text(payload, "trigger_id") or ""
        user = wire.text(wire.part(payload, "user"), "id") or ""
        return Received(is_click=False, after=partial(self.ask_for_words, press, ticket, user))

    def _submitted(self, payload: wire.Json) -> Received:
        view = wire.part(payload, "view")
        found = forms.read(wire.unpack(view).verb, view, self._now()).faults
        if not found:
            return Received(is_click=True)
        locale = wire.held(view).locale
        errors = {
            wire.block_of(view, block): self._translator.say(locale, SENTENCES[code], **values)
            for block, (code, values) in found.items()
        }
        return Received(is_click=False, answer={"response_action": "errors", "errors": errors})

    async def ask_for_words(self, press: wire.Press, ticket: str, user: str, channel: str | None = None) -> None:
        """Open the form; with a placeholder first when the item is slow to come (contract C4.7). Never raises.

        ``channel``: whose language and masking the form has, when it is not where the press came from.
        """
        place = place_of(channel or press.channel)
        fetching = asyncio.ensure_future(self._notice_for(press.item_id, place))
        view_id = ""
        try:
            await asyncio.wait({fetching}, timeout=HEAD_START_S)
            if fetching.done():
                await self._client.open_view(ticket, self._form(press, fetching.result(), place))
            else:
                view_id = await self._client.open_view(ticket, modals.loading(self._words_at(place)))
                await self._client.update_view(view_id, self._form(press, await fetching, place))
        except Exception as error:  # noqa: BLE001 - Slack has its answer: nobody else could tell the person any more
            if not isinstance(error, DeliveryError):
                _log.exception("no form for a press, verb %s, item %s", press.verb, press.item_id)
            await self._say_it_did_not_open(press, user, view_id, self._words_at(place))
        finally:
            fetching.cancel()

    async def _fill_in(self, payload: wire.Json) -> None:
        """The form again, with the chosen template in it to be edited. Never raises: then it stays as it was."""
        view, chosen = wire.part(payload, "view"), wire.part(wire.action_of(payload), "selected_option")
        try:
            press, view_id = wire.unpack(view), wire.text(view, "id") or ""
            template = templates.named(self._templates, wire.text(chosen, "value"))
            if template and view_id and press.verb == "reply":
                place = place_of(press.channel)
                notice = await self._notice_for(press.item_id, place)
                drawn = self._form(press, notice, place, (template, wire.turn_of(view) + 1))
                await self._client.update_view(view_id, drawn)
        except Exception as error:  # noqa: BLE001 - Slack has its answer, and what was typed is still in the form
            if not isinstance(error, (DeliveryError, ValueError)):
                _log.exception("no template for a form")

    def _form(
        self, press: wire.Press, notice: Notice | None, place: str, begun: tuple[ReplyTemplate, int] | None = None
    ) -> modals.Drawn:
        """The form, or why there is none: nobody shall write a reason for what somebody else has decided."""
        if notice is None:
            words = self._words_at(place)
            return modals.sorry(words(SENTENCES["unknown_item"]), (), words)
        words = partial(self._translator.say, notice.route.locale)
        if notice.item.version != press.version:
            code, values = why_stale(notice.item)
            return modals.sorry(words(SENTENCES[code], **values), notice.links, words)
        if press.verb not in notice.verbs:
            return modals.sorry(words(SENTENCES["not_offered"]), notice.links, words)
        drawn = modals.form(press, notice, self._translator.story(notice), self._translator.say)
        return templates.offered(drawn, self._templates, notice, words, begun) if press.verb == "reply" else drawn

    def _words_at(self, place: str) -> partial[str]:
        return partial(self._translator.say, self._locale_at(place))

    async def _say_it_did_not_open(self, press: wire.Press, user: str, view_id: str, words: partial[str]) -> None:
        """In the placeholder if there is one, else below the message; else the person sees that no form opened."""
        sentence = words("The form did not open. Please press the button once more.")
        if view_id:
            with suppress(DeliveryError):
                await self._client.update_view(view_id, modals.failed(press, sentence, words))
                return
        if press.channel and user:
            with suppress(DeliveryError):
                await self._client.whisper(press.channel, user, escaping.escape(sentence))

    def _read_form(self, body: bytes, payload: wire.Json) -> Click | None:
        view = wire.part(payload, "view")
        press = wire.unpack(view)
        filled = forms.read(press.verb, view, self._now())
        if set(filled.faults) & {wire.WORDS}:
            return None
        return replace(_click(body, payload, press), note=filled.note, text=filled.text, terms=filled.terms)


def place_of(channel: str | None) -> str:
    """A channel as the routes name it."""
    return f"slack:{channel or ''}"


def identity_of(body: bytes) -> str:
    """The same press has the same identity however often it is sent (contract C4.5); never above 255 characters."""
    try:
        payload = wire.payload_of(body)
    except ValueError:
        return hashlib.sha256(body).hexdigest()
    user = wire.part(payload, "user").get("id")
    match payload.get("type"):
        case "block_actions":
            action = wire.action_of(payload)
            ts = wire.part(payload, "container").get("message_ts")
            parts = [wire.part(payload, "team").get("id"), ts, action.get("action_id"), action.get("action_ts"), user]
        case "view_submission":
            parts = [wire.part(payload, "view").get("id"), user]
        case _:
            parts = [None]
    identity = "/".join(str(part) for part in parts)
    if not all(isinstance(part, str) and part and _IDENTITY.fullmatch(part) for part in parts):
        return hashlib.sha256(body).hexdigest()
    return identity if len(identity) <= MAX_IDENTITY else hashlib.sha256(identity.encode()).hexdigest()


def _read_press(body: bytes, payload: wire.Json) -> Click | None:
    if wire.is_link(wire.action_of(payload)):
        return None
    press = wire.press_of(payload)
    return None if press.verb in forms.WITH_FORM else _click(body, payload, press)


def _click(body: bytes, payload: wire.Json, press: wire.Press) -> Click:
    user = wire.part(payload, "user")
    slack_id = wire.text(user, "id")
    if slack_id is None or not _IDENTITY.fullmatch(slack_id):
        raise ValueError("nobody pressed this")
    name = escaping.cut(one_line(wire.text(user, "name") or wire.text(user, "username") or ""), 80) or None
    return Click(
        item_id=press.item_id,
        version=press.version,
        verb=press.verb,
        person=Person(name=name, slack_id=slack_id),
        via="slack",
        identity=identity_of(body),
        answer_to=f"slack:{press.channel}/{slack_id}" if press.channel else None,
        shown_at=f"slack:{press.channel}/{press.ts}" if press.channel and press.ts else None,
    )
