"""Receives Slack's interactions: verifies a click, answers it, and later reads it back from the event store.

It changes no item. Slack does not repeat an interaction (docs/vendors/slack.md#timing), so every payload that may be a
decision is stored before it is answered.
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

from notifiers.slack import block_kit, escaping, forms, modals, signature, templates, wire
from notifiers.slack.buttons import Gettext
from notifiers.slack.client import SlackClient
from notifiers.slack.people import SlackPeople
from notifiers.text import one_line
from receiver.domain.action import Click
from receiver.domain.notice import Notice
from receiver.domain.people import Person
from receiver.domain.refusal import SENTENCES, why_stale
from receiver.domain.reply_template import ReplyTemplate
from receiver.errors import ConfigError, DeliveryError
from receiver.ports import InteractionResponse, Translator

PLACEHOLDER_AFTER_S = 0.5  # well below the three seconds, which include Slack's own delay
MAX_IDENTITY = 255

_log = logging.getLogger(__name__)
_IDENTITY = re.compile(r"[\w./-]+", re.ASCII)

NoticeFor = Callable[[str, str], Awaitable[Notice | None]]  # item id, destination
LocaleAt = Callable[[str], str]  # destination


class SlackClicks:
    """Implements ``ports.Clicks``. An empty ``team_ids`` or ``app_ids`` accepts every workspace or app."""

    def __init__(
        self,
        signing_secrets: Collection[str],
        *,
        client: SlackClient,
        notice_for: NoticeFor,
        locale_at: LocaleAt,
        translator: Translator,
        now: Callable[[], datetime],
        team_ids: Collection[str] = (),
        app_ids: Collection[str] = (),
        templates: Sequence[ReplyTemplate] = (),
    ) -> None:
        if not signing_secrets or not all(secret.strip() for secret in signing_secrets):
            raise ConfigError("slack.signing_secrets: is empty; copy the secret from the Slack app's Basic Information")
        self.secrets = tuple(signing_secrets)
        self.team_ids = frozenset(team_ids)
        self.app_ids = frozenset(app_ids)
        self.client = client
        self._notice_for = notice_for
        self.locale_at = locale_at
        self.translator = translator
        self._now = now
        self._templates = tuple(templates)
        self._people = SlackPeople(client, team_ids, now)

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        """The identity of the click. Raises RejectedError unless it is signed, fresh and of our workspace and app."""
        signature.verify(self.secrets, body, headers, now)
        self._verify_origin(body)
        return identity_of(body)

    def respond(self, body: bytes) -> InteractionResponse:
        """How to answer a verified body. A click that needs a form opens it; only the submitted form is stored."""
        if (challenge := wire.challenge_of(body)) is not None:
            return InteractionResponse(is_click=False, answer={"challenge": challenge})
        try:
            payload = wire.interaction_payload(body)
            match payload.get("type"):
                case "block_actions":
                    return self._receive_click(payload)
                case "view_submission":
                    return self._receive_form(payload)
                case _:
                    return InteractionResponse(is_click=False)
        except ValueError:
            return InteractionResponse(is_click=not wire.is_ssl_check(body))

    def read(self, body: bytes) -> Click | None:
        """The click in a stored body; None if it is no decision. Raises ValueError for an invalid body."""
        if wire.is_ssl_check(body) or wire.challenge_of(body) is not None:
            return None
        payload = wire.interaction_payload(body)
        match payload.get("type"):
            case "block_actions":
                return _read_click(body, payload)
            case "view_submission":
                return self._read_form(body, payload)
            case _:
                return None

    async def identify(self, person: Person) -> Person:
        """See ``SlackPeople.who``."""
        return await self._people.identify(person)

    async def open_form(self, action: wire.ItemAction, trigger_id: str, user: str, channel: str | None = None) -> None:
        """Open the form of a verb, with a placeholder first if reading the item is slow. Never raises.

        ``channel`` determines language and masking of the form; by default, the channel of the click.
        """
        destination = destination_of(channel or action.channel)
        reading = asyncio.ensure_future(self._notice_for(action.item_id, destination))
        view_id = ""
        try:
            await asyncio.wait({reading}, timeout=PLACEHOLDER_AFTER_S)
            if reading.done():
                await self.client.open_view(trigger_id, self._render_form(action, reading.result(), destination))
            else:
                view_id = await self.client.open_view(trigger_id, modals.loading(self.gettext_at(destination)))
                await self.client.update_view(view_id, self._render_form(action, await reading, destination))
        except Exception as error:  # noqa: BLE001 - Slack has its answer, so only a message can tell the user
            if not isinstance(error, DeliveryError):
                _log.exception("form not opened: verb %s, item %s", action.verb, action.item_id)
            await self._report_form_error(action, user, view_id, self.gettext_at(destination))
        finally:
            reading.cancel()

    def _verify_origin(self, body: bytes) -> None:
        if wire.is_ssl_check(body) or wire.challenge_of(body) is not None:
            return
        try:
            payload = wire.interaction_payload(body)
        except ValueError:
            return  # changes nothing; it is stored in quarantine
        # Where the app is installed for an organisation, ``team`` is missing.
        team = wire.string_at(wire.object_at(payload, "team"), "id")
        organisation = wire.string_at(wire.object_at(payload, "enterprise"), "id")
        app_id = wire.string_at(payload, "api_app_id")
        signature.verify_origin(self.team_ids, self.app_ids, [team or organisation], app_id)

    def _receive_click(self, payload: wire.Json) -> InteractionResponse:
        element = wire.find_element(payload)
        if wire.is_link(element):
            return InteractionResponse(is_click=False)
        if element.get("action_id") == templates.TEMPLATE:
            return InteractionResponse(is_click=False, after=partial(self._apply_template, payload))
        action = wire.parse_click(payload)
        if action.verb not in forms.WITH_FORM:
            url = wire.string_at(payload, "response_url") if wire.is_ephemeral(payload) else None
            return InteractionResponse(is_click=True, after=partial(self.client.delete_ephemeral, url) if url else None)
        trigger_id = wire.string_at(payload, "trigger_id") or ""
        user = wire.string_at(wire.object_at(payload, "user"), "id") or ""
        return InteractionResponse(is_click=False, after=partial(self.open_form, action, trigger_id, user))

    def _receive_form(self, payload: wire.Json) -> InteractionResponse:
        view = wire.object_at(payload, "view")
        errors = forms.read(wire.form_action(view).verb, view, self._now()).errors
        if not errors:
            return InteractionResponse(is_click=True)
        locale = wire.form_metadata(view).locale
        sentences = {
            wire.block_id_of(view, name): self.translator.say(locale, SENTENCES[code], **values)
            for name, (code, values) in errors.items()
        }
        return InteractionResponse(is_click=False, answer={"response_action": "errors", "errors": sentences})

    def _read_form(self, body: bytes, payload: wire.Json) -> Click | None:
        view = wire.object_at(payload, "view")
        action = wire.form_action(view)
        form = forms.read(action.verb, view, self._now())
        if wire.TEXT_INPUT in form.errors:
            return None
        return replace(_as_click(body, payload, action), note=form.note, text=form.text, terms=form.terms)

    async def _apply_template(self, payload: wire.Json) -> None:
        """Put the chosen template into the open reply form. Never raises: after an error the form is unchanged."""
        view = wire.object_at(payload, "view")
        option = wire.object_at(wire.find_element(payload), "selected_option")
        try:
            action, view_id = wire.form_action(view), wire.string_at(view, "id") or ""
            template = templates.find_template(self._templates, wire.string_at(option, "value"))
            if template and view_id and action.verb == "reply":
                destination = destination_of(action.channel)
                notice = await self._notice_for(action.item_id, destination)
                refill = templates.Refill(template, wire.refill_count(view) + 1)
                await self.client.update_view(view_id, self._render_form(action, notice, destination, refill))
        except Exception as error:  # noqa: BLE001 - Slack has its answer, and the form keeps the user's text
            if not isinstance(error, (DeliveryError, ValueError)):
                _log.exception("template not applied")

    def _render_form(
        self, action: wire.ItemAction, notice: Notice | None, destination: str, refill: templates.Refill | None = None
    ) -> block_kit.Json:
        """The form, or the reason why the action is not possible any more."""
        if notice is None:
            gettext = self.gettext_at(destination)
            return modals.unavailable(gettext(SENTENCES["unknown_item"]), (), gettext)
        gettext = partial(self.translator.say, notice.route.locale)
        if notice.item.version != action.version:
            code, values = why_stale(notice.item)
            return modals.unavailable(gettext(SENTENCES[code], **values), notice.links, gettext)
        if action.verb not in notice.verbs:
            return modals.unavailable(gettext(SENTENCES["not_offered"]), notice.links, gettext)
        form = modals.form(action, notice, self.translator.story(notice), self.translator.say)
        if action.verb != "reply":
            return form
        return templates.add_menu(form, self._templates, notice, gettext, refill)

    def gettext_at(self, destination: str) -> Gettext:
        """Translates into the language of the destination."""
        return partial(self.translator.say, self.locale_at(destination))

    async def _report_form_error(self, action: wire.ItemAction, user: str, view_id: str, gettext: Gettext) -> None:
        """Tell the user, in the placeholder if there is one, else in an ephemeral message."""
        sentence = gettext("The form did not open. Please press the button once more.")
        if view_id:
            with suppress(DeliveryError):
                await self.client.update_view(view_id, modals.load_error(action, sentence, gettext))
                return
        if action.channel and user:
            with suppress(DeliveryError):
                await self.client.post_to_user(action.channel, user, escaping.escape(sentence))


def destination_of(channel: str | None) -> str:
    """The destination of a channel id, such as "slack:C1"."""
    return f"slack:{channel or ''}"


def identity_of(body: bytes) -> str:
    """The same for every copy of one click, at most 255 characters; a hash where the payload has no usable ids."""
    try:
        payload = wire.interaction_payload(body)
    except ValueError:
        return hashlib.sha256(body).hexdigest()
    user = wire.object_at(payload, "user").get("id")
    match payload.get("type"):
        case "block_actions":
            element = wire.find_element(payload)
            ts = wire.object_at(payload, "container").get("message_ts")
            team = wire.object_at(payload, "team").get("id")
            parts = [team, ts, element.get("action_id"), element.get("action_ts"), user]
        case "view_submission":
            parts = [wire.object_at(payload, "view").get("id"), user]
        case _:
            parts = [None]
    identity = "/".join(str(part) for part in parts)
    if not all(isinstance(part, str) and part and _IDENTITY.fullmatch(part) for part in parts):
        return hashlib.sha256(body).hexdigest()
    return identity if len(identity) <= MAX_IDENTITY else hashlib.sha256(identity.encode()).hexdigest()


def _read_click(body: bytes, payload: wire.Json) -> Click | None:
    if wire.is_link(wire.find_element(payload)):
        return None
    action = wire.parse_click(payload)
    return None if action.verb in forms.WITH_FORM else _as_click(body, payload, action)


def _as_click(body: bytes, payload: wire.Json, action: wire.ItemAction) -> Click:
    user = wire.object_at(payload, "user")
    slack_id = wire.string_at(user, "id")
    if slack_id is None or not _IDENTITY.fullmatch(slack_id):
        raise ValueError("the payload has no user id")
    name = wire.string_at(user, "name") or wire.string_at(user, "username") or ""
    return Click(
        item_id=action.item_id,
        version=action.version,
        verb=action.verb,
        person=Person(name=escaping.cut(one_line(name), 80) or None, slack_id=slack_id),
        via="slack",
        identity=identity_of(body),
        answer_to=f"slack:{action.channel}/{slack_id}" if action.channel else None,
        shown_at=f"slack:{action.channel}/{action.ts}" if action.channel and action.ts else None,
    )
