"""Reports a webhook that Debitura switched off as an item.

Debitura switches a webhook off after eight failed deliveries or one 410 and shows it only on request:
docs/vendors/debitura.md#webhooks. Polling continues, so events are late but nothing is lost.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from receiver.domain.fact import Fact, SourceGone, SourceReported
from receiver.domain.item import Detail, Snapshot
from receiver.errors import DeliveryError
from receiver.upstream.debitura import wire
from receiver.upstream.debitura.api import Api
from receiver.upstream.debitura.translate import SOURCE

KIND = "webhook_disabled"
CHECK_EVERY = timedelta(minutes=10)
ANSWERED = "completed"


class Subscriptions:
    """The webhooks of one account that point to this Casebell."""

    def __init__(self, api: Api, account: str) -> None:
        self._api = api
        self._account = account
        self._prefix = f"{SOURCE}:{account}:webhook:"
        self._checked_at: datetime | None = None

    async def facts(self, open_keys: Collection[str], now: datetime, *, is_full: bool) -> list[Fact]:
        """Return facts for disabled webhooks, and for open items whose webhook is active again.

        Calls the API every CHECK_EVERY, or if ``is_full``; returns nothing when the call fails.
        """
        if not is_full and now - (self._checked_at or now) < CHECK_EVERY:
            self._checked_at = self._checked_at or now
            return []
        try:
            subscriptions = await self._api.webhooks()
        except DeliveryError:
            return []
        self._checked_at = now
        disabled = {
            self._prefix + subscription.id: subscription
            for subscription in subscriptions
            if subscription.id and subscription.is_active is False and self._is_own(subscription)
        }
        reactivated = [key for key in open_keys if key.startswith(self._prefix) and key not in disabled]
        reported = [SourceReported(snapshot(key, self._account, webhook), now) for key, webhook in disabled.items()]
        return [*reported, *(SourceGone(key, now, outcome=ANSWERED) for key in reactivated)]

    def _is_own(self, subscription: wire.Subscription) -> bool:
        """Whether its path is this account's webhook path, on any host. Other programs have other webhooks."""
        try:
            return urlsplit(subscription.url or "").path.rstrip("/").endswith(f"/webhooks/{SOURCE}/{self._account}")
        except ValueError:
            return False


def snapshot(key: str, account: str, subscription: wire.Subscription) -> Snapshot:
    fields = (("webhook", subscription.url), ("disabled_reason", subscription.disabled_reason))
    details = tuple(Detail(name, text=text) for name, text in fields if text)
    return Snapshot(key, SOURCE, account, KIND, "review", is_open=True, details=details)
