"""Rate limits of Slack's stand-in: generous, or on request those of Slack (docs/vendors/slack.md#rate-limits)."""

from casebell_sandbox.limits import Window

POST = "chat.postMessage"
# Calls a minute for each method in a workspace; a method that is not named is Tier 4.
TIERS = {"chat.update": 50, "chat.delete": 50, "users.lookupByEmail": 50, "conversations.info": 50}
TIER_4 = 100


class SlackLimits:
    """A token bucket limits the posts of each channel: ``burst`` at once, then ``posts_per_s``.

    ``is_real``: one post a second in a channel without a burst, and Slack's limit a minute for every other method.
    """

    def __init__(self, posts_per_s: float, burst: int) -> None:
        self.posts_per_s = posts_per_s
        self.burst = burst
        self.is_real = False
        self._buckets: dict[tuple[str, bool], tuple[float, float]] = {}
        self._windows: dict[str, Window] = {}

    def take(self, method: str, channel: str, now_s: float) -> float:
        """Count one call and return 0.0; over the limit count nothing and return the seconds to wait."""
        if method == POST:
            return self._take_post(channel, now_s)
        if not self.is_real:
            return 0.0
        return self._windows.setdefault(method, Window(TIERS.get(method, TIER_4), 60)).take(now_s)

    def _take_post(self, channel: str, now_s: float) -> float:
        pace, size = (1.0, 1.0) if self.is_real else (self.posts_per_s, float(self.burst))
        left, since = self._buckets.get((channel, self.is_real), (size, now_s))
        left = min(size, left + (now_s - since) * pace)
        if left < 1:
            self._buckets[channel, self.is_real] = (left, now_s)
            return (1 - left) / pace
        self._buckets[channel, self.is_real] = (left - 1, now_s)
        return 0.0
