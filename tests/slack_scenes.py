"""The scenes in the pictures of docs/slack.md, posted by the real notifier to the Slack stand-in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from casebell_sandbox.slack import SlackStand
from notifiers.i18n.translator import Translator
from notifiers.slack import modals, wire
from notifiers.slack.client import SlackClient
from notifiers.slack.notifier import SlackNotifier
from receiver.domain.burst import Burst
from receiver.domain.item import Attempt, Foreseen, Item, Proposal, Snapshot
from receiver.domain.money import Money
from receiver.domain.notice import Link, Notice, Reminder, verbs_for
from receiver.domain.people import Person
from receiver.domain.refusal import SENTENCES
from receiver.domain.routing import Route
from receiver.pipeline.notices import twin_links
from tests import story_cases, story_cases_twins
from tests.factories import NOW, make_item, make_snapshot

SAID = story_cases.KINDS | story_cases_twins.KINDS
ROUTE = Route("disputes", slack=("C0DISPUTES",), timezone="Europe/Paris")
ANNA = Person(email="anna@creditor.example", name="Anna Krogh", slack_id="U0ANNA")
DISPUTE = SAID["portal_dispute"]
REJECTED = "The bank shows no payment on 3 March."
NAMES = ("Moreau & Fils SARL", "Nordisk Byg ApS", "Keller GmbH", "Olsen A/S", "Petit et Cie", "Ida Lund", "Jan Weiss")


def notice_of(item: Item, route: Route = ROUTE, **changes: Any) -> Notice:
    """A notice with the links that the service would add."""
    place = f"https://app.{item.snapshot.source}.example/{item.id}"
    solution = () if item.snapshot.sides else (Link("solution", place),)
    media = tuple(Link("media", f"https://casebell.example.com/media/{n}", m.name)
                  for n, m in enumerate(item.snapshot.media))  # fmt: skip
    page = Link("item", f"https://casebell.example.com/items/{item.id}")
    calm = Notice(item, route, verbs_for(item, NOW), (*media, *solution, *twin_links(item), page), NOW)
    return replace(calm, **changes)


def of(kind: str, **changes: Any) -> Notice:
    return notice_of(make_item(SAID[kind], **changes))


def done(**changes: Any) -> Item:
    calm: dict[str, Any] = {"state": "resolved", "version": 3, "resolved_at": NOW, "outcome": "validated"}
    return make_item(replace(DISPUTE, is_open=False), **calm | changes)


def many() -> list[Item]:
    """Disputes of several debtors."""
    said = [
        make_snapshot(
            reference=f"INV-2024-{n:03}", debtor=name, amount=Money(Decimal(90_000 + 41_350 * n) / 100, "EUR")
        )
        for n, name in enumerate(NAMES, 1)
    ]
    return [make_item(snapshot, id=f"k7f3q9x2m4{n:02}") for n, snapshot in enumerate(said)]


@dataclass
class Channel:
    """A channel of the stand-in with a notifier for it."""

    slack: SlackStand
    client: SlackClient
    name: str
    user: str = "U0ANNA"
    notifier: SlackNotifier = field(init=False)

    def __post_init__(self) -> None:
        self.notifier = SlackNotifier(self.client, Translator())
        told = {"id": self.id, "name": self.name, "is_im": False, "is_member": True, "is_archived": False}
        self.slack.channels[self.id] = told

    @property
    def id(self) -> str:
        return f"C0{self.name.upper().replace('-', '')}"

    async def show(self, *notices: Notice) -> None:
        for notice in notices:
            await self.notifier.deliver(notice, self.id, None, None)

    async def become(self, *notices: Notice) -> None:
        """Post the first notice, then update its message with each of the others."""
        first, *later = notices
        posted = await self.notifier.deliver(first, self.id, None, None)
        shown = first.item.state
        for notice in later:
            await self.notifier.deliver(notice, self.id, posted.reference, shown)
            shown = notice.item.state

    async def ask(self, verb: str, notice: Notice) -> None:
        """Open the form of a verb for the user."""
        action = wire.ItemAction(notice.item.id, notice.item.version, verb, self.id, "1.1")
        form = modals.form(action, notice, Translator().story(notice), Translator().say)
        await self.client.open_view(self.slack.new_ticket(self.user), form)


async def getbill(here: Channel) -> None:
    await here.show(of("portal_dispute"), of("hardship"), of("payment_plan"))


async def getbill_more(here: Channel) -> None:
    await here.show(of("ai_dispute"), of("objection"), of("agreement"), of("overdue_installment"))


async def debitura(here: Channel) -> None:
    unknown = replace(SAID["Generic"], kind="UploadKycDocument", title="Upload KYC document", question=None)
    conflict = SAID["conflict_paid"]
    sides = tuple(replace(side, url=f"https://app.{side.source}.example/{side.name}") for side in conflict.sides)
    await here.show(
        of("ReplyToChat"), notice_of(make_item(unknown)), notice_of(make_item(replace(conflict, sides=sides)))
    )


async def decided(here: Channel) -> None:
    opened, attempt = of("portal_dispute"), Attempt(7, "validate", "Anna Krogh", "slack", NOW)
    await here.become(opened, notice_of(make_item(DISPUTE, state="acting", version=2, attempt=attempt)))
    await here.become(opened, notice_of(done(resolved_by="Anna Krogh", resolved_via="slack")))
    await here.become(opened, notice_of(done(outcome="rejected")))
    refused = make_item(DISPUTE, version=3, problem="The dispute was already closed by Getbill.")
    await here.become(opened, notice_of(refused))


async def open_still(here: Channel) -> None:
    opened, closed = of("portal_dispute"), notice_of(done(resolved_by="Anna Krogh", resolved_via="slack"))
    await here.become(opened, closed, of("portal_dispute", version=4))
    claimed = {"version": 2, "claimed_by": "Ben Holm", "note": "I am asking the bank."}
    await here.become(opened, of("portal_dispute", **claimed))
    until = NOW + timedelta(days=1)
    await here.become(opened, of("portal_dispute", version=2, snoozed_until=until, snoozed_by="Ben Holm"))


async def by_rule(here: Channel) -> None:
    said = SAID["ai_dispute"]
    await here.become(
        of("ai_dispute"), of("ai_dispute", version=2, foreseen=Foreseen("confident-disputes", "validate"))
    )
    over = {"state": "resolved", "version": 3, "resolved_at": NOW, "outcome": "validated", "resolved_via": "automation"}
    item = make_item(
        replace(said, is_open=False, verbs=("reopen",)), resolved_by="automation:confident-disputes", **over
    )
    await here.become(notice_of(replace(item, undo_until=NOW + timedelta(minutes=10))))
    await here.become(notice_of(item))


async def with_care(here: Channel) -> None:
    proposal = Proposal(7, "reject", ANNA, "slack", NOW, REJECTED)
    await here.become(of("portal_dispute"), of("portal_dispute", version=2, proposal=proposal))
    await here.show(replace(of("ai_dispute"), maybe_duplicate=True))
    await here.show(replace(of("ReplyToChat"), route=replace(ROUTE, mask_debtor=True)))


async def in_time(here: Channel) -> None:
    waiting = of("portal_dispute", version=2, claimed_by="Anna Krogh", claimer=ANNA, escalated_at=NOW)
    posted = await here.notifier.deliver(waiting, here.id, None, None)
    assert posted.reference is not None
    await here.notifier.remind(waiting, here.id, posted.reference, Reminder("reminder", ANNA))


async def in_the_morning(here: Channel) -> None:
    notices = [notice_of(item) for item in many()[:3]]
    gathered = await here.notifier.deliver_grouped(notices, here.id)
    await here.show(*(replace(notice, below=gathered.below) for notice in notices[:1]))


async def in_a_storm(here: Channel) -> None:
    items = many()
    raging = Burst(tuple(items), ROUTE, NOW - timedelta(minutes=2), NOW, "https://casebell.example.com/")
    over = tuple(replace(item, state="resolved") for item in items)
    await here.notifier.deliver_burst(raging, here.id, None)
    for now in ((*items[:2], *over[2:]), over):
        posted = await here.notifier.deliver_burst(raging, here.id, None)
        await here.notifier.deliver_burst(replace(raging, items=now), here.id, posted.reference)


async def alone(here: Channel) -> None:
    item = done(resolved_by="Anna Krogh", resolved_via="slack", undo_until=NOW + timedelta(minutes=10))
    again = replace(item, snapshot=replace(item.snapshot, verbs=("reopen",)))
    await here.notifier.offer_undo(notice_of(again), f"{here.id}/U0ANNA")
    for code, values in (("already_resolved", {"who": "Ben Holm", "outcome": "rejected"}), ("not_allowed", {})):
        await here.notifier.reply(f"{here.id}/U0ANNA", Translator().say("en", SENTENCES[code], **values))


SHEETS: dict[str, Callable[[Channel], Awaitable[None]]] = {
    "getbill": getbill,
    "getbill-more": getbill_more,
    "debitura": debitura,
    "decided": decided,
    "open-still": open_still,
    "by-rule": by_rule,
    "with-care": with_care,
    "in-time": in_time,
    "in-the-morning": in_the_morning,
    "in-a-storm": in_a_storm,
    "alone": alone,
}


def form_of(verb: str, said: Snapshot) -> Callable[[Channel], Awaitable[None]]:
    async def asking(here: Channel) -> None:
        await here.ask(verb, notice_of(make_item(said)))

    return asking


AGREED = replace(SAID["agreement"], verbs=("update_plan",))
FORMS: dict[str, Callable[[Channel], Awaitable[None]]] = {
    "form-reject": form_of("reject", DISPUTE),
    "form-reply": form_of("reply", SAID["ReplyToChat"]),
    "form-plan": form_of("update_plan", AGREED),
    "form-note": form_of("note", DISPUTE),
    "form-snooze": form_of("snooze", DISPUTE),
    "form-assign": form_of("assign", DISPUTE),
}
