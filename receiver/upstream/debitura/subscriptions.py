"""Whether Debitura has switched off the webhook that points here: told to people as an item of its own. Step 4.

After eight failures in a row, or one 410, Debitura sends no event any more and says so only when it is asked
(debitura.md, section 9). Polling goes on, so nothing is lost but speed.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from receiver.domain.fact import Fact, SourceGone, SourceSaid
from receiver.domain.item import Detail, Snapshot
from receiver.errors import DeliveryError
from receiver.upstream.debitura import wire
from receiver.upstream.debitura.api import Api
from receiver.upstream.debitura.translate import SOURCE

KIND = "webhook_disabled"
LOOK_EVERY = timedelta(minutes=10)
ANSWERED = "completed"


class Subscriptions:
    """One account's."""

    def __init__(self, api: Api, account: str) -> None:
        self._api = api
        self._account = account
        self._prefix = f"{SOURCE}:{account}:webhook:"
        self._looked_at: datetime | None = None

    async def facts(self, open_keys: Collection[str], now: datetime, *, is_full: bool) -> list[Fact]:
        """Those that are off, and those of ``open_keys`` that are so no more; nothing where Debitura does not tell."""
        if not is_full and now - (self._looked_at or now) < LOOK_EVERY:
            self._looked_at = self._looked_at or now
            return []
        try:
            found = await self._api.webhooks()
        except DeliveryError:
            return []
        self._looked_at = now
        off = {self._prefix + sub.id: sub for sub in found if sub.id and sub.is_active is False and self._is_ours(sub)}
        over = [key for key in open_keys if key.startswith(self._prefix) and key not in off]
        return [
            *(SourceSaid(snapshot(key, self._account, sub), now) for key, sub in off.items()),
            *(SourceGone(key, now, outcome=ANSWERED) for key in over),
        ]

    def _is_ours(self, sub: wire.Subscription) -> bool:
        """Whether it leads to this account's door, at whatever host; other programs have theirs."""
        try:
            return urlsplit(sub.url or "").path.rstrip("/").endswith(f"/webhooks/{SOURCE}/{self._account}")
        except ValueError:
            return False


def snapshot(key: str, account: str, sub: wire.Subscription) -> Snapshot:
    told = (("webhook", sub.url), ("disabled_reason", sub.disabled_reason))
    details = tuple(Detail(name, text=text) for name, text in told if text)
    return Snapshot(key, SOURCE, account, KIND, "review", is_open=True, details=details)
