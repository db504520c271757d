"""The sections that decide what is told to whom, in [[routes]], [[digests]] and the like; and the tables in them."""

from datetime import time, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from receiver.settings.cron import check_cron
from receiver.settings.sections import Section
from receiver.settings.values import (
    Address,
    Amount,
    Channel,
    Clock,
    Count,
    Country,
    Currency,
    Duration,
    Label,
    Name,
    Percent,
    ReplyText,
    RisingDurations,
    Template,
    Timezone,
    Words,
    YesNo,
)

Source = Literal["getbill", "debitura", "casebell"]
Urgency = Literal["blocking", "review", "info"]
Locale = Literal["en", "fr", "da", "de"]


class Match(Section):
    """Which items: each key narrows, an absent or empty one takes all."""

    source: tuple[Source, ...] = Field(
        default=(),
        description="`getbill`, `debitura`, or `casebell` for conflicts between the two.",
        examples=[["getbill"]],
    )
    kind: tuple[Words, ...] = Field(
        default=(),
        description="`agreement`, `portal_dispute`, `hardship`, `payment_plan`, `ai_dispute`, `objection`, "
        "`overdue_installment`, `check_in`, `webhook_disabled`, `conflict`, or a Debitura task type such as "
        "`ReplyToChat`, in any case. An unknown word is allowed and warned of.",
        examples=[["portal_dispute", "hardship", "payment_plan"]],
    )
    account: tuple[Name, ...] = Field(default=(), description="Names of accounts.", examples=[["main"]])
    severity: tuple[Words, ...] = Field(
        default=(), description="Severity in the source's words, in any case.", examples=[["urgent"]]
    )
    urgency: tuple[Urgency, ...] = Field(
        default=(), description="`blocking`, `review`, `info`.", examples=[["blocking"]]
    )
    currency: tuple[Currency, ...] = Field(default=(), description="ISO 4217 codes.", examples=[["EUR"]])
    reference: tuple[Words, ...] = Field(
        default=(), description="Shell patterns of the invoice or case reference.", examples=[["INV-*"]]
    )
    min_amount: Amount | None = Field(
        default=None, description="From this amount on; an item without an amount then does not match.", examples=[0]
    )
    max_amount: Amount | None = Field(
        default=None, description="Up to this amount; an item without an amount then does not match.", examples=[5000]
    )

    @property
    def takes_all(self) -> bool:
        """Whether no item at all is turned away; a ``min_amount`` of 0 turns none away."""
        return not any(getattr(self, name) for name in type(self).model_fields if name != "max_amount") and (
            self.max_amount is None
        )


class AutomationMatch(Match):
    """As in a route, and how sure the AI must have been."""

    min_confidence: Percent | None = Field(
        default=None,
        description="Lowest confidence of the AI, in percent; an item without one then does not match.",
        examples=[90],
    )


class Escalation(Section):
    """Whom to tell when nobody has decided."""

    slack: tuple[Channel, ...] = Field(default=(), description="Slack channel ids.", examples=[["C0ESCALATE"]])
    email: tuple[Address, ...] = Field(default=(), description="Addresses.", examples=[["cfo@creditor.example"]])
    after: Duration = Field(description="Business time until then.", examples=["2d"])


class QuietHours(Section):
    """When alerts wait until the quiet is over, in the route's time zone."""

    starts: Clock = Field(alias="from", description="Time of day the quiet begins.", examples=["19:00"])
    ends: Clock = Field(alias="to", description="Time of day it ends.", examples=["08:00"])
    weekends: YesNo = Field(default=True, description="Quiet all Saturday and Sunday too.", examples=[True])
    exceptions: tuple[Urgency, ...] = Field(
        default=(), alias="except", description="Urgencies that ring all the same.", examples=[["blocking"]]
    )


class BusinessHours(Section):
    """When somebody can be expected to act, Monday to Friday, in the route's time zone."""

    opens: Clock = Field(default=time(9), alias="from", description="Time of day business opens.", examples=["09:00"])
    closes: Clock = Field(default=time(17), alias="to", description="Time of day it closes.", examples=["17:00"])


class Burst(Section):
    """When many alerts at once become one message in a Slack channel, with each of them in its thread."""

    over: Count = Field(description="More new alerts of a channel than this …", examples=[20])
    within: Duration = Field(description="… within this time are told in one message.", examples=["1m"])


class Route(Section):
    """Who hears of which items. In order; the first that matches wins, unless it says `continue`."""

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
    timezone: Timezone = Field(default="UTC", description="Time zone dates are told in.", examples=["Europe/Paris"])
    country: Country | None = Field(
        default=None,
        description="Whose public holidays are no business days, ISO 3166; else the country whose time zone it is.",
        examples=["FR"],
    )
    business_hours: BusinessHours = Field(
        default=BusinessHours(),
        description="Hours that reminders and escalation count; a day in them is one business day.",
        examples=[{"from": "09:00", "to": "17:00"}],
    )
    mask_debtor: YesNo = Field(
        default=False,
        description="Show initials instead of the debtor, in all that the channels and addresses of this route get.",
        examples=[True],
    )
    remind_after: RisingDurations = Field(
        default=(), description="Business time after which an open item rings again.", examples=[["4h", "1d"]]
    )
    escalate_to: Escalation | None = Field(
        default=None,
        description="Whom to tell when nobody has decided.",
        examples=[{"slack": ["C0ESCALATE"], "after": "2d"}],
    )
    quiet_hours: QuietHours | None = Field(
        default=None,
        description="When alerts wait until the quiet is over.",
        examples=[{"from": "19:00", "to": "08:00", "weekends": True, "except": ["blocking"]}],
    )
    burst: Burst | None = Field(
        default=None,
        description="When many alerts at once become one message in a Slack channel.",
        examples=[{"over": 20, "within": "1m"}],
    )
    is_continued: YesNo = Field(
        default=False, alias="continue", description="Go on to the next routes after this one.", examples=[False]
    )


class Digest(Section):
    """A regular summary."""

    name: Name = Field(description="Name of the digest: `casebell digest daily`.", examples=["daily"])
    to: tuple[Address, ...] = Field(
        default=(), description="Addresses that get the digest as a mail.", examples=[["cfo@creditor.example"]]
    )
    slack: tuple[Channel, ...] = Field(
        default=(), description="Slack channels that get it, by id.", examples=[["C0123456789"]]
    )
    schedule: Annotated[str, AfterValidator(check_cron)] = Field(
        description="When: a cron expression of five fields, in `timezone`.", examples=["30 8 * * 1-5"]
    )
    timezone: Timezone = Field(
        default="UTC", description="Time zone of the schedule and of all dates.", examples=["Europe/Paris"]
    )
    locale: Locale = Field(default="en", description="Language: `en`, `fr`, `da`, `de`.", examples=["fr"])
    match: Match = Field(default=Match(), description="Which items; without it, all.", examples=[{}])
    skip_empty: YesNo = Field(default=True, description="Send nothing when there is nothing to tell.", examples=[True])


class ReplyTemplate(Section):
    """A text to begin a reply to Debitura with, in Slack's form; every word may be changed before it is sent."""

    name: Label = Field(description="What it is called in the menu.", examples=["Proof of payment asked"])
    text: ReplyText = Field(
        description="The reply. `{reference}`, `{case_reference}`, `{debtor}`, `{amount}`, `{deadline}` are filled in; "
        "what the source did not say becomes `…`.",
        examples=["Please send us the proof of payment for {reference}."],
    )
    locale: Locale | None = Field(
        default=None,
        description="Language of the text, for the amount and the day in it; without it, the route's. "
        "Templates in the route's language are offered first.",
        examples=["da"],
    )


class Automation(Section):
    """A verb pressed by Casebell itself. Opt-in, and a dry run unless told otherwise.

    An item is considered when it opens and when its source changes it; what was open before waits until then.
    The first rule that takes it acts. None acts on what somebody has begun with or has ever opened again, nor above
    `four_eyes_above`: where `[people]` has such limits, only on an amount in a currency that has one.
    """

    name: Name = Field(description="Name of the automation.", examples=["confident-ai-disputes"])
    match: AutomationMatch = Field(
        description="Which items; required, so that none takes all by accident.",
        examples=[{"kind": ["ai_dispute"], "min_confidence": 90, "max_amount": 500}],
    )
    verb: Literal["validate", "reject"] = Field(description="`validate` or `reject`.", examples=["validate"])
    note: Template | None = Field(
        default=None,
        description="Note written to the source; `{ai_confidence}`, `{reference}`, `{theme}`, `{severity}` and "
        "`{rule}` are filled in. `reject` needs one.",
        examples=["Validated automatically: AI confidence {ai_confidence} %"],
    )
    dry_run: YesNo = Field(
        default=True,
        description="Only say, in the message and the history, what would have been done.",
        examples=[True],
    )
    at_most: Count = Field(
        default=20,
        description="Items within an hour. One more stops the rule for an hour, and the admins are told; what comes "
        "meanwhile is left to people.",
        examples=[20],
    )
    undo_for: Duration = Field(
        default=timedelta(minutes=10),
        description="How long the message has a button to undo it; later it can be reopened, with a note.",
        examples=["10m"],
    )


class Retention(Section):
    """How long what is done stays in the database."""

    events: Duration = Field(
        default=timedelta(days=90),
        description="Webhooks and clicks that were processed, and known when they come again. Their bodies go after a "
        "third of it, 30 days at most.",
        examples=["90d"],
    )
    items: Duration = Field(
        default=timedelta(days=400),
        description="Resolved items, with their history, messages, decisions and links.",
        examples=["400d"],
    )
