"""The four stand-ins together, and the webhooks two of them send to Casebell."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

from casebell_sandbox import sending
from casebell_sandbox.debitura import DebituraStand
from casebell_sandbox.faults import Json, utc_now
from casebell_sandbox.getbill import GetbillStand
from casebell_sandbox.mailbox import MailStand
from casebell_sandbox.slack import SlackStand

INTERACTIONS = "/slack/interactions"
GETBILL_HOOK, DEBITURA_HOOK = "/webhooks/getbill/main", "/webhooks/debitura/main"
# Debitura retries after a minute; the stand-in after three seconds.
RETRY_SCALE = 0.05


@dataclass(frozen=True, slots=True)
class SentWebhook:
    """A webhook that was sent, and the status of Casebell's answer; 0: no answer."""

    at: datetime
    source: str
    event: str
    about: str
    status: int


class StandIns:
    """Getbill, Debitura, Slack and a mailbox. ``casebell_url``: the target of webhooks and clicks; None: none."""

    def __init__(self, casebell_url: str | None = None) -> None:
        self.casebell_url = casebell_url
        self.getbill = GetbillStand()
        self.debitura = DebituraStand()
        self.slack = SlackStand(interactivity_url=casebell_url + INTERACTIONS if casebell_url else None)
        self.mail = MailStand()
        self.sent: deque[SentWebhook] = deque(maxlen=300)
        self.progress = ""  # of a long scenario

    async def send_getbill_webhook(self, todo: Json, event: str = "dispute.created") -> int:
        """Send Getbill's webhook about a todo; returns the status of the answer."""
        body = self.getbill.event(todo, event)
        status = await self._send(GETBILL_HOOK, body, lambda: self.getbill.sign(body))
        self._note("Getbill", event, todo["debt"]["reference"], status)
        return status

    async def send_debitura_webhook(self, event: str, case_id: str) -> int:
        """Send Debitura's webhook about a case, with its retries; returns the status of the first answer."""
        body = self.debitura.event(event, case_id)
        retries = sending.DEBITURA_RETRIES_S
        status = await self._send(DEBITURA_HOOK, body, lambda: self.debitura.sign(body), retries)
        self._note("Debitura", event, self.debitura.cases[case_id]["creditorReference"] or case_id, status)
        return status

    async def _send(self, path: str, body: bytes, headers: sending.Headers, retries_s: tuple[float, ...] = ()) -> int:
        if self.casebell_url is None:
            return sending.NO_ANSWER
        return await sending.send(self.casebell_url + path, body, headers, retries_s=retries_s, scale=RETRY_SCALE)

    def _note(self, source: str, event: str, about: str, status: int) -> None:
        self.sent.append(SentWebhook(utc_now(), source, event, about, status))
