"""The sections that decide who gets what: [[routes]], [[digests]], [[automations]] and others; and their tables."""

from datetime import time, timedelta
from typing import Literal

from receiver.settings.sections import Section, option
from receiver.settings.values import (
    Address,
    Amount,
    Channel,
    Clock,
    Count,
    Country,
    Cron,
    Currency,
    Duration,
    Label,
    Name,
    Percent,
    ReplyText,
    RisingDurations,
    ShortText,
    Template,
    Timezone,
    YesNo,
)

Source = Literal["getbill", "debitura", "casebell"]
Urgency = Literal["blocking", "review", "info"]
Locale = Literal["en", "fr", "da", "de"]


class Match(Section):
    """Which items match. Each key narrows the selection; an absent or empty key matches all."""

    source: tuple[Source, ...] = option(
        "`getbill`, `debitura`, or `casebell` for conflicts between the two.", ["getbill"], default=()
    )
    kind: tuple[ShortText, ...] = option(
        "`agreement`, `portal_dispute`, `hardship`, `payment_plan`, `ai_dispute`, `objection`, `overdue_installment`, "
        "`check_in`, `webhook_disabled`, `conflict`, or a Debitura task type such as `ReplyToChat`, in upper or lower "
        "case. An unknown kind is allowed, with a warning.",
        ["portal_dispute", "hardship", "payment_plan"],
        default=(),
    )
    account: tuple[Name, ...] = option("Names of accounts.", ["main"], default=())
    severity: tuple[ShortText, ...] = option(
        "Severity as the source calls it, in upper or lower case.", ["urgent"], default=()
    )
    urgency: tuple[Urgency, ...] = option("`blocking`, `review` or `info`.", ["blocking"], default=())
    currency: tuple[Currency, ...] = option("ISO 4217 codes.", ["EUR"], default=())
    reference: tuple[ShortText, ...] = option(
        "Shell patterns (`*`, `?`, `[…]`) of invoice or case references.", ["INV-*"], default=()
    )
    min_amount: Amount | None = option("Smallest amount; an item without an amount does not match.", 0, default=None)
    max_amount: Amount | None = option("Largest amount; an item without an amount does not match.", 5000, default=None)

    @property
    def matches_all(self) -> bool:
        """Whether every item matches; a ``min_amount`` of 0 excludes none."""
        return not any(getattr(self, name) for name in type(self).model_fields if name != "max_amount") and (
            self.max_amount is None
        )


class AutomationMatch(Match):
    """As in a route, and the confidence of the AI."""

    min_confidence: Percent | None = option(
        "Smallest confidence of the AI, in percent; an item without one does not match.", 90, default=None
    )


class Escalation(Section):
    """Who else gets an item that nobody has decided."""

    slack: tuple[Channel, ...] = option("Slack channel ids.", ["C0ESCALATE"], default=())
    email: tuple[Address, ...] = option("Email addresses.", ["cfo@creditor.example"], default=())
    after: Duration = option("Business time until then, from when the item opened.", "2d")


class QuietHours(Section):
    """When no alerts are sent, in the route's time zone. They are sent together at the end."""

    starts: Clock = option("Time of day at which quiet hours begin.", "19:00", alias="from")
    ends: Clock = option("Time of day at which they end.", "08:00", alias="to")
    weekends: YesNo = option("Include all of Saturday and Sunday.", default=True)
    exceptions: tuple[Urgency, ...] = option(
        "Urgencies that are sent at once even so.", ["blocking"], default=(), alias="except"
    )


class BusinessHours(Section):
    """Working hours, Monday to Friday, in the route's time zone."""

    opens: Clock = option("Time of day at which they begin.", default=time(9), alias="from")
    closes: Clock = option("Time of day at which they end.", default=time(17), alias="to")


class Burst(Section):
    """When many new alerts are grouped into one message in a Slack channel, with each alert in its thread."""

    over: Count = option("More new alerts than this in a channel …", 20)
    within: Duration = option("… within this time are grouped into one message.", "1m")


class Route(Section):
    """Who gets alerts about which items. The first route that matches is used; with `continue`, the next ones too."""

    name: Name = option("Name of the route.", "disputes")
    match: Match = option("Which items; without it, all.", {"source": ["getbill"]}, default=Match())
    slack: tuple[Channel, ...] = option("Slack channels, by id and not by name.", ["C0123456789"], default=())
    email: tuple[Address, ...] = option("Addresses that get a mail.", ["ar@creditor.example"], default=())
    deliver: Literal["now", "digest", "both"] = option("`now`, only in a `digest`, or `both`.", default="now")
    locale: Locale = option("Language: `en`, `fr`, `da`, `de`.", "fr", default="en")
    timezone: Timezone = option("Time zone of all dates and hours.", "Europe/Paris", default="UTC")
    country: Country | None = option(
        "Country whose public holidays are not business days, ISO 3166. Without it, the country of the time zone.",
        "FR",
        default=None,
    )
    business_hours: BusinessHours = option(
        "Hours that reminders and escalation count, by default 09:00 to 17:00; `1d` is one business day.",
        {"from": "09:00", "to": "17:00"},
        default=BusinessHours(),
    )
    mask_debtor: YesNo = option(
        "Show initials instead of the debtor's name in everything sent to this route.", True, default=False
    )
    remind_after: RisingDurations = option(
        "Business time after which an open item gets a reminder.", ["4h", "1d"], default=()
    )
    escalate_to: Escalation | None = option(
        "Who else gets an item that nobody has decided.", {"slack": ["C0ESCALATE"], "after": "2d"}, default=None
    )
    quiet_hours: QuietHours | None = option(
        "When no alerts are sent.",
        {"from": "19:00", "to": "08:00", "weekends": True, "except": ["blocking"]},
        default=None,
    )
    burst: Burst | None = option(
        "When many new alerts are grouped into one message in a Slack channel.",
        {"over": 20, "within": "1m"},
        default=None,
    )
    is_continued: YesNo = option("Also try the routes after this one.", default=False, alias="continue")


class Digest(Section):
    """A regular summary."""

    name: Name = option("Name of the digest: `casebell digest daily`.", "daily")
    to: tuple[Address, ...] = option("Email addresses that get the digest.", ["cfo@creditor.example"], default=())
    slack: tuple[Channel, ...] = option(
        "Slack channels that get the digest, by id and not by name.", ["C0123456789"], default=()
    )
    schedule: Cron = option("Cron expression of five fields, in `timezone`.", "30 8 * * 1-5")
    timezone: Timezone = option("Time zone of the schedule and of all dates.", "Europe/Paris", default="UTC")
    locale: Locale = option("Language: `en`, `fr`, `da`, `de`.", "fr", default="en")
    match: Match = option("Which items; without it, all.", {}, default=Match())
    skip_empty: YesNo = option("Send no digest that would be empty.", default=True)


class ReplyTemplate(Section):
    """A prepared reply to Debitura, offered in Slack's form. It can be edited before it is sent."""

    name: Label = option("Its label in the menu.", "Proof of payment asked")
    text: ReplyText = option(
        "The reply. `{reference}`, `{case_reference}`, `{debtor}`, `{amount}` and `{deadline}` are filled in; an "
        "unknown value becomes `…`.",
        "Please send us the proof of payment for {reference}.",
    )
    locale: Locale | None = option(
        "Language of the text, its amounts and dates. Without it, the route's. Templates in the route's language are "
        "offered first.",
        "da",
        default=None,
    )


class Automation(Section):
    """A rule that decides by itself. A dry run unless `dry_run = false`.

    A rule is evaluated when an item opens and when its source changes it, not for items that were open before.
    The first matching rule acts. None acts on an item that a person has acted on or that was ever reopened, nor on
    one above `four_eyes_above`. If `[people]` has such limits, a rule acts only on currencies that have one.
    """

    name: Name = option("Name of the automation.", "confident-ai-disputes")
    match: AutomationMatch = option(
        "Which items; required, so that no rule matches all items by accident.",
        {"kind": ["ai_dispute"], "min_confidence": 90, "max_amount": 500},
    )
    verb: Literal["validate", "reject"] = option("`validate` or `reject`.", "validate")
    note: Template | None = option(
        "Note written to the source; `{ai_confidence}`, `{reference}`, `{theme}`, `{severity}` and `{rule}` are filled "
        "in. Required for `reject`.",
        "Validated automatically: AI confidence {ai_confidence} %",
        default=None,
    )
    dry_run: YesNo = option("Only show, in the message and the history, what the rule would have done.", default=True)
    at_most: Count = option(
        "Decisions within an hour. One more pauses the rule for an hour and alerts the admins; items of that hour are "
        "left to people.",
        default=20,
    )
    undo_for: Duration = option(
        "How long the message has an undo button; afterwards the item can be reopened, with a note.",
        default=timedelta(minutes=10),
    )


class Retention(Section):
    """How long finished data stays in the database."""

    events: Duration = option(
        "Processed webhooks and clicks; a repetition is recognised as long as they are kept. Their bodies are erased "
        "after a third of this time, at most 30 days.",
        default=timedelta(days=90),
    )
    items: Duration = option(
        "Resolved items with their history, messages, decisions and links.", default=timedelta(days=400)
    )
