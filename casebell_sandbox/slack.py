"""A stand-in for Slack: its Web API for a workspace in memory, and the interactions of its users.

It behaves as docs/vendors/slack.md describes.
"""

import json
import re
import secrets
from html import escape
from typing import Any
from urllib.parse import urlencode

import httpx

from casebell_sandbox import slack_payloads as payloads
from casebell_sandbox.faults import Clock, Faults, Json, utc_now
from casebell_sandbox.sending import tls
from casebell_sandbox.slack_api import SlackApi, too_many
from casebell_sandbox.slack_limits import SlackLimits
from casebell_sandbox.slack_payloads import NotClickableError
from casebell_sandbox.slack_rules import view_violations, violations
from casebell_sandbox.slack_workspace import Workspace

ACK_S = 3.0  # docs/vendors/slack.md#timing
_LINK = re.compile(r"https?://[^\s<>|&]{1,500}")
NO_ANSWER = "Casebell did not respond in time. Please try again."
NOT_TAKEN = "Casebell answered with an error. Please try again."


class SlackStand(Workspace):
    """One workspace with one bot; ``faults`` injects errors.

    interactivity_url: the target of interactions; None: there is none. ack_s: seconds to wait for an answer.
    posts_per_s, burst: the rate limit of each channel, generous so that tests need not wait; ``limits.is_real``
    switches to Slack's rate limits.
    """

    def __init__(
        self,
        bot_token: str = "xoxb-sandbox",  # noqa: S107 - public on purpose, the sandbox's own
        signing_secret: str = "slack-secret",  # noqa: S107 - the same
        interactivity_url: str | None = None,
        posts_per_s: float = 25.0,
        burst: int = 500,
        *,
        ack_s: float = ACK_S,
        clock: Clock = utc_now,
    ) -> None:
        super().__init__(SlackLimits(posts_per_s, burst), clock)
        self.bot_token = bot_token
        self.signing_secret = signing_secret
        self.interactivity_url = interactivity_url
        self.ack_s = ack_s
        self.last_request: tuple[bytes, dict[str, str]] | None = None
        self.faults = Faults("chat.postMessage", lambda: too_many(self.faults.retry_after_s))
        self.app = SlackApi(self, lambda: self.bot_token, self.faults).app

    async def click(
        self, channel: str, ts: str, action_id: str, user: str = "U0ANNA", option: str | None = None
    ) -> httpx.Response:
        """A user clicks a button, or chooses ``option`` of a menu, and confirms its dialog.

        Returns the receiver's answer. Raises NotClickableError, and httpx.TransportError without an answer in time.
        ``troubles`` keeps the warning that Slack shows at the message.
        """
        message = self.find(channel, ts)
        if user not in self.users:
            raise NotClickableError(f"nobody is {user}")
        self.views.pop(user, None)  # a modal covers the messages, so it was closed before
        clicked = payloads.action(message.blocks, action_id, option, f"{self.now_s():.6f}")
        payload = payloads.block_actions(
            self.users[user],
            self.channels[channel],
            message.as_json(),
            clicked,
            trigger_id=self.new_ticket(user),
            response_url=self.new_response_url(message, channel, user),
            is_ephemeral=message.ephemeral_to is not None,
        )
        return await self._interact(payload, ts)

    async def open_home(self, user: str = "U0ANNA") -> httpx.Response:
        """A user opens the app's Home tab, and Slack sends the event."""
        return await self._send_event(
            {"type": "app_home_opened", "user": user, "channel": f"D{user[1:]}", "tab": "home"}
        )

    async def say(self, channel: str, text: str, user: str = "U0ANNA") -> None:
        """A user posts a message; Slack asks for previews of its links to the service."""
        message = self.new_message(channel, _LINK.sub(r"<\g<0>>", escape(text, quote=False)), [], author=user)
        ours = httpx.URL(self.interactivity_url or "")
        for url in _LINK.findall(text):
            if (httpx.URL(url).host, httpx.URL(url).port) == (ours.host, ours.port):
                await self.share_link(channel, url, user, message.ts)

    async def share_link(self, channel: str, url: str, user: str = "U0ANNA", ts: str | None = None) -> httpx.Response:
        """A user posts a link, and Slack asks for its preview, which appears in ``previews``."""
        ts = ts or f"{int(self.now_s())}.{next(self._count):06d}"
        unfurl_id = f"{channel}.{ts}.{secrets.token_hex(8)}"
        self.shared_links[unfurl_id] = url
        event = {"type": "link_shared", "channel": channel, "is_bot_user_member": True, "user": user}
        event |= {"message_ts": ts, "unfurl_id": unfurl_id, "source": "conversations_history"}
        return await self._send_event(event | {"links": [{"domain": httpx.URL(url).host, "url": url}]})

    async def _send_event(self, event: Json) -> httpx.Response:
        """Send a signed event."""
        event = event | {"event_ts": f"{self.now_s():.6f}"}
        body_data = payloads.event(event, f"Ev{next(self._count):08d}", int(self.now_s()))
        body_data["is_ext_shared_channel"] = bool(self.channels.get(event["channel"], {}).get("is_ext_shared"))
        body, headers = payloads.sign(json.dumps(body_data), self.signing_secret, self.now_s(), "application/json")
        return await self._post(body, headers, "/slack/events")

    async def click_home(self, action_id: str, user: str = "U0ANNA", option: str | None = None) -> httpx.Response:
        """A user clicks a button on their Home tab. Raises as ``click`` does."""
        view = self.homes.get(user)
        if view is None:
            raise NotClickableError(f"{user} has no Home tab")
        self.views.pop(user, None)
        clicked = payloads.action(view["blocks"], action_id, option, f"{self.now_s():.6f}")
        payload = payloads.home_actions(self.users[user], view, clicked, trigger_id=self.new_ticket(user))
        return await self._interact(payload, view["id"])

    async def type_command(self, channel: str, text: str, user: str = "U0ANNA") -> httpx.Response:
        """A user types the slash command; only they see the answer. Raises as ``click`` does."""
        typed = payloads.slash_command(
            self.users[user],
            self.channels[channel],
            text,
            trigger_id=self.new_ticket(user),
            response_url=self.new_response_url(None, channel, user),
        )
        answer = await self._post(
            *payloads.sign(urlencode(typed), self.signing_secret, self.now_s()), "/slack/commands"
        )
        match self._json_of(answer):
            case {"text": str(words), **rest} if answer.is_success:
                blocks: Any = rest.get("blocks") or []
                if not violations(blocks, words):
                    self.new_message(channel, words, blocks, ephemeral_to=user)
        return answer

    async def submit(self, view_id: str, values: dict[str, str], user: str = "U0ANNA") -> httpx.Response:
        """A user submits their open modal, with ``values`` by block id.

        Values that Slack's client would refuse (too long, empty) are sent too, to test the receiver's checks. A
        successful answer closes the modal or has a ``response_action``. Raises as ``click`` does.
        """
        view = self.views.get(user)
        if view is None or view["id"] != view_id:
            raise NotClickableError(f"no form {view_id} in front of {user}")
        view["state"] = payloads.state_of(view["blocks"], values)
        self.view_errors.pop(user, None)
        payload = payloads.view_submission(self.users[user], view, trigger_id=self.new_ticket(user))
        answer = await self._interact(payload, view_id)
        if answer.is_success:
            self._apply_answer(user, view_id, answer)
        return answer

    async def choose(
        self, view_id: str, action_id: str, option: str, user: str = "U0ANNA", typed: dict[str, str] | None = None
    ) -> httpx.Response:
        """A user chooses from a menu of their open modal, which sends the current values at once."""
        view = self.views.get(user)
        if view is None or view["id"] != view_id:
            raise NotClickableError(f"no form {view_id} in front of {user}")
        view["state"] = payloads.state_of(view["blocks"], typed or {})
        clicked = payloads.action(view["blocks"], action_id, option, f"{self.now_s():.6f}")
        payload = payloads.home_actions(self.users[user], view, clicked, trigger_id=self.new_ticket(user))
        return await self._interact(payload, view_id)

    async def resend_last(self) -> httpx.Response:
        """Send the last interaction again, byte for byte, as a proxy without an answer does."""
        if self.last_request is None:
            raise NotClickableError("nothing was clicked yet")
        return await self._post(*self.last_request)

    async def _interact(self, payload: Json, at: str) -> httpx.Response:
        self.last_request = payloads.sign_form(payload, self.signing_secret, self.now_s())
        self.troubles.pop(at, None)
        try:
            answer = await self._post(*self.last_request)
        except httpx.TransportError:
            self.troubles[at] = NO_ANSWER
            raise
        if not answer.is_success:
            self.troubles[at] = NOT_TAKEN
        return answer

    async def _post(self, body: bytes, headers: dict[str, str], path: str = "") -> httpx.Response:
        """``path``: replaces the path of the interactivity URL."""
        if self.interactivity_url is None:
            raise httpx.ConnectError("the app has no interactivity URL")
        url = httpx.URL(self.interactivity_url)
        async with httpx.AsyncClient(timeout=self.ack_s, trust_env=False, verify=tls()) as client:
            return await client.post(url.copy_with(path=path) if path else url, content=body, headers=headers)

    def _apply_answer(self, user: str, view_id: str, answer: httpx.Response) -> None:
        """Update or close the modal as the answer says."""
        match self._json_of(answer):
            case {"response_action": "errors", "errors": dict(errors)}:
                self.view_errors[user] = {str(block): str(words) for block, words in errors.items()}
            case {"response_action": "update" | "push", "view": view} if not view_violations(view):
                self.show_view(user, view, view_id)
            case _:
                self.close_view(user)

    @staticmethod
    def _json_of(answer: httpx.Response) -> Any:
        """The JSON of an answer; {} if it is empty or malformed."""
        try:
            return answer.json() if answer.content else {}
        except (json.JSONDecodeError, UnicodeDecodeError):
            return {}
