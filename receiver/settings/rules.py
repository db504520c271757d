"""The sections that decide who gets what: [[routes]], [[digests]], [[automations]] and others; and their tables."""

from datetime import time, timedelta
from typing import Literal

from pydantic import Field

from receiver.settings.sections import Section
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

    source: tuple[Source, ...] = Field(
        default=(),
        description="`getbill`, `debitura`, or `casebell` for conflicts between the two.",
        examples=[["getbill"]],
    )
    kind: tuple[ShortText, ...] = Field(
        default=(),
        description="`agreement`, `portal_dispute`, `hardship`, `payment_plan`, `ai_dispute`, `objection`, "
        "`overdue_installment`, `check_in`, `webhook_disabled`, `conflict`, or a Debitura task type such as "
        "`ReplyToChat`, in upper or lower case. An unknown kind is allowed, with a warning.",
        examples=[["portal_dispute", "hardship", "payment_plan"]],
    )
    account: tuple[Name, ...] = Field(default=(), description="Names of accounts.", examples=[["main"]])
    severity: tuple[ShortText, ...] = Field(
        default=(), description="Severity as the source calls it, in upper or lower case.", examples=[["urgent"]]
    )
    urgency: tuple[Urgency, ...] = Field(
        default=(), description="`blocking`, `review` or `info`.", examples=[["blocking"]]
    )
    currency: tuple[Currency, ...] = Field(default=(), description="ISO 4217 codes.", examples=[["EUR"]])
    reference: tuple[ShortText, ...] = Field(
        default=(), description="Shell patterns (`*`, `?`, `[…]`) of invoice or case references.", examples=[["INV-*"]]
    )
    min_amount: Amount | None = Field(
        default=None, description="Smallest amount; an item without an amount does not match.", examples=[0]
    )
    max_amount: Amount | None = Field(
        default=None, description="Largest amount; an item without an amount does not match.", examples=[5000]
    )

    @property
    def matches_all(self) -> bool:
        """Whether every item matches; a ``min_amount`` of 0 excludes none."""
        return not any(getattr(self, name) for name in type(self).model_fields if name != "max_amount") and (
            self.max_amount is None
        )


class AutomationMatch(Match):
    """As in a route, and the confidence of the AI."""

    min_confidence: Percent | None = Field(
        default=None,
        description="Smallest confidence of the AI, in percent; an item without one does not match.",
        examples=[90],
    )


class Escalation(Section):
    """Who else gets an item that nobody has decided."""

    slack: tuple[Channel, ...] = Field(default=(), description="Slack channel ids.", examples=[["C0ESCALATE"]])
    email: tuple[Address, ...] = Field(default=(), description="Email addresses.", examples=[["cfo@creditor.example"]])
    after: Duration = Field(description="Business time until then, from when the item opened.", examples=["2d"])


class QuietHours(Section):
    """When no alerts are sent, in the route's time zone. They are sent together at the end."""

    starts: Clock = Field(alias="from", description="Time of day at which quiet hours begin.", examples=["19:00"])
    ends: Clock = Field(alias="to", description="Time of day at which they end.", examples=["08:00"])
    weekends: YesNo = Field(default=True, description="Include all of Saturday and Sunday.", examples=[True])
    exceptions: tuple[Urgency, ...] = Field(
        default=(), alias="except", description="Urgencies that are sent at once even so.", examples=[["blocking"]]
    )


class BusinessHours(Section):
    """Working hours, Monday to Friday, in the route's time zone."""

    opens: Clock = Field(
        default=time(9), alias="from", description="Time of day at which they begin.", examples=["09:00"]
    )
    closes: Clock = Field(
        default=time(17), alias="to", description="Time of day at which they end.", examples=["17:00"]
    )


class Burst(Section):
    """When many new alerts are grouped into one message in a Slack channel, with each alert in its thread."""

    over: Count = Field(description="More new alerts than this in a channel …", examples=[20])
    within: Duration = Field(description="… within this time are grouped into one message.", examples=["1m"])


class Route(Section):
    """Who gets alerts about which items. The first route that matches is used; with `continue`, the next ones too."""

    name: Name = Field(description="Name of the route.", examples=["disputes"])
    match: Match = Field(
        default=Match(), description="Which items; without it, all.", examples=[{"source": ["getbill"]}]
    )
    slack: tuple[Channel, ...] = Field(
        default=(), description="Slack channels, by id and not by name.", examples=[["C0123456789"]]
    )
    email: tuple[Address, ...] = Field(
        default=(), description="Addresses that get a mail.", examples=[["ar@creditor.example"]]
    )
    deliver: Literal["now", "digest", "both"] = Field(
        default="now", description="`now`, only in a `digest`, or `both`.", examples=["now"]
    )
    locale: Locale = Field(default="en", description="Language: `en`, `fr`, `da`, `de`.", examples=["fr"])
    timezone: Timezone = Field(
        default="UTC", description="Time zone of all dates and hours.", examples=["Europe/Paris"]
    )
    country: Country | None = Field(
        default=None,
        description="Country whose public holidays are not business days, ISO 3166. Without it, the country of the "
        "time zone.",
        examples=["FR"],
    )
    business_hours: BusinessHours = Field(
        default=BusinessHours(),
        description="Hours that reminders and escalation count, by default 09:00 to 17:00; `1d` is one business day.",
        examples=[{"from": "09:00", "to": "17:00"}],
    )
    mask_debtor: YesNo = Field(
        default=False,
        description="Show initials instead of the debtor's name in everything sent to this route.",
        examples=[True],
    )
    remind_after: RisingDurations = Field(
        default=(), description="Business time after which an open item gets a reminder.", examples=[["4h", "1d"]]
    )
    escalate_to: Escalation | None = Field(
        default=None,
        description="Who else gets an item that nobody has decided.",
        examples=[{"slack": ["C0ESCALATE"], "after": "2d"}],
    )
    quiet_hours: QuietHours | None = Field(
        default=None,
        description="When no alerts are sent.",
        examples=[{"from": "19:00", "to": "08:00", "weekends": True, "except": ["blocking"]}],
    )
    burst: Burst | None = Field(
        default=None,
        description="When many new alerts are grouped into one message in a Slack channel.",
        examples=[{"over": 20, "within": "1m"}],
    )
    is_continued: YesNo = Field(
        default=False, alias="continue", description="Also try the routes after this one.", examples=[False]
    )


class Digest(Section):
    """A regular summary."""

    name: Name = Field(description="Name of the digest: `casebell digest daily`.", examples=["daily"])
    to: tuple[Address, ...] = Field(
        default=(), description="Email addresses that get the digest.", examples=[["cfo@creditor.example"]]
    )
    slack: tuple[Channel, ...] = Field(
        default=(), description="Slack channels that get the digest, by id and not by name.", examples=[["C0123456789"]]
    )
    schedule: Cron = Field(description="Cron expression of five fields, in `timezone`.", examples=["30 8 * * 1-5"])
    timezone: Timezone = Field(
        default="UTC", description="Time zone of the schedule and of all dates.", examples=["Europe/Paris"]
    )
    locale: Locale = Field(default="en", description="Language: `en`, `fr`, `da`, `de`.", examples=["fr"])
    match: Match = Field(default=Match(), description="Which items; without it, all.", examples=[{}])
    skip_empty: YesNo = Field(default=True, description="Send no digest that would be empty.", examples=[True])


class ReplyTemplate(Section):
    """A prepared reply to Debitura, offered in Slack's form. It can be edited before it is sent."""

    name: Label = Field(description="Its label in the menu.", examples=["Proof of payment asked"])
    text: ReplyText = Field(
        description="The reply. `{reference}`, `{case_reference}`, `{debtor}`, `{amount}` and `{deadline}` are filled "
        "in; an unknown value becomes `…`.",
        examples=["Please send us the proof of payment for {reference}."],
    )
    locale: Locale | None = Field(
        default=None,
        description="Language of the text, its amounts and dates. Without it, the route's. "
        "Templates in the route's language are offered first.",
        examples=["da"],
    )


class Automation(Section):
    """A rule that decides by itself. A dry run unless `dry_run = false`.

    A rule is evaluated when an item opens and when its source changes it, not for items that were open before.
    The first matching rule acts. None acts on an item that a person has acted on or that was ever reopened, nor on
    one above `four_eyes_above`. If `[people]` has such limits, a rule acts only on currencies that have one.
    """

    name: Name = Field(description="Name of the automation.", examples=["confident-ai-disputes"])
    match: AutomationMatch = Field(
        description="Which items; required, so that no rule matches all items by accident.",
        examples=[{"kind": ["ai_dispute"], "min_confidence": 90, "max_amount": 500}],
    )
    verb: Literal["validate", "reject"] = Field(description="`validate` or `reject`.", examples=["validate"])
    note: Template | None = Field(
        default=None,
        description="Note written to the source; `{ai_confidence}`, `{reference}`, `{theme}`, `{severity}` and "
        "`{rule}` are filled in. Required for `reject`.",
        examples=["Validated automatically: AI confidence {ai_confidence} %"],
    )
    dry_run: YesNo = Field(
        default=True,
        description="Only show, in the message and the history, what the rule would have done.",
        examples=[True],
    )
    at_most: Count = Field(
        default=20,
        description="Decisions within an hour. One more pauses the rule for an hour and alerts the admins; items of "
        "that hour are left to people.",
        examples=[20],
    )
    undo_for: Duration = Field(
        default=timedelta(minutes=10),
        description="How long the message has an undo button; afterwards the item can be reopened, with a note.",
        examples=["10m"],
    )


class Retention(Section):
    """How long finished data stays in the database."""

    events: Duration = Field(
        default=timedelta(days=90),
        description="Processed webhooks and clicks; a repetition is recognised as long as they are kept. Their bodies "
        "are erased after a third of this time, at most 30 days.",
        examples=["90d"],
    )
    items: Duration = Field(
        default=timedelta(days=400),
        description="Resolved items with their history, messages, decisions and links.",
        examples=["400d"],
    )
