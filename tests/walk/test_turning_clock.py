"""What time brings about, from the store to Slack and mail over real sockets: reminders, escalation, quiet hours."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from casebell_sandbox.slack_workspace import Message
from receiver.domain.action import Click
from receiver.domain.fact import SourceReported
from receiver.domain.money import Money
from receiver.domain.people import People, Person
from receiver.jobs.reminders import remind_due
from receiver.pipeline.actions import take_action
from receiver.pipeline.apply import apply_fact
from receiver.store import items
from tests.office import ROUTE, office, text_of
from tests.walk.nights import ANNA, NIGHT, QUIET, did

pytestmark = pytest.mark.anyio

BEN = Person(email="ben@creditor.example", name="Ben")
PEOPLE = People(resolvers=frozenset({"@creditor.example"}))
REMINDING = ROUTE + 'remind_after = ["4h", "1d"]\n'


def words(message: Message) -> str:
    return f"{message.text} {message.blocks}"


# Reminders


async def test_a_reminder_is_a_reply_with_one_mention_and_no_new_message(tmp_path: Path) -> None:
    async with office(tmp_path, REMINDING) as here:
        item = await here.say("INV-1")
        await did(here, item, "claim", BEN)  # by mail: Slack is asked who has this address
        await here.wait(hours=3, minutes=59)
        early = list(here.replies())
        await here.wait(minutes=1)

        (root,) = here.posts()
        (reminder,) = here.replies()
        assert early == []
        assert reminder.thread_ts == root.ts
        assert reminder.text.startswith("<@U0BEN> Reminder")
        assert reminder.text.count("<@") == 1


async def test_an_item_nobody_has_claimed_is_reminded_of_without_a_mention(tmp_path: Path) -> None:
    async with office(tmp_path, REMINDING) as here:
        await here.say("INV-1")
        await here.wait(hours=4)

        (reminder,) = here.replies()
        assert reminder.text.startswith("Reminder")


async def test_nights_weekends_and_holidays_do_not_count(tmp_path: Path) -> None:
    easter = datetime.fromisoformat("2026-04-03T15:00+02:00")  # Good Friday is no holiday in France, Easter Monday is
    async with office(tmp_path, REMINDING, easter) as here:
        await here.say("INV-1")
        await here.until("2026-04-07T10:59+02:00")
        early = list(here.replies())
        await here.until("2026-04-07T11:00+02:00")

        assert (len(early), len(here.replies())) == (0, 1)


async def test_each_step_comes_once_and_late_ones_together(tmp_path: Path) -> None:
    async with office(tmp_path, REMINDING) as here:
        await here.say("INV-1")
        await here.wait(hours=4)
        await here.wait(days=1)
        await here.wait(days=30)
        steady = len(here.replies())
        await here.say("INV-2")
        await here.wait(days=30)  # the service was away: one reminder, not two

        assert (steady, len(here.replies())) == (2, 3)
        assert len(here.posts()) == 2


@pytest.mark.parametrize("state", ["resolved", "snoozed", "acting"])
async def test_nobody_is_reminded_of_what_needs_nobody(tmp_path: Path, state: str) -> None:
    async with office(tmp_path, REMINDING) as here:
        item = await here.say("INV-1")
        if state == "resolved":
            await here.show(replace(item.snapshot, is_open=False, outcome="validated"))
        elif state == "snoozed":
            await did(here, item, "snooze", until=here.at + timedelta(days=5))
        else:
            click = Click(item.id, item.version, "validate", ANNA, "slack", "p")
            await here.adapters.database.write(take_action, click, here.at, here.adapters.rules.routes, PEOPLE)
        await here.adapters.database.read(items.find, item.id)
        here.at += timedelta(days=2)
        await remind_due(here.adapters)

        assert here.replies() == []


async def test_what_was_opened_again_is_counted_anew(tmp_path: Path) -> None:
    async with office(tmp_path, REMINDING) as here:
        item = await here.say("INV-1")
        await here.wait(hours=4)
        await here.show(replace(item.snapshot, is_open=False, outcome="validated"))
        await here.show(item.snapshot)
        before = len([reply for reply in here.replies() if "Reminder" in reply.text])
        await here.until("2026-03-03T11:00+01:00")

        assert before == 1
        assert len([reply for reply in here.replies() if "Reminder" in reply.text]) == 2


async def test_two_processes_side_by_side_remind_once(tmp_path: Path) -> None:
    async with office(tmp_path, REMINDING) as here:
        await here.say("INV-1")
        here.at += timedelta(hours=4)
        await asyncio.gather(*(remind_due(here.adapters) for _ in range(5)))
        await here.settle()

        assert len(here.replies()) == 1


async def test_a_reminder_by_mail_follows_in_the_same_conversation(tmp_path: Path) -> None:
    routes = REMINDING.replace('slack    = ["C0DISPUTES"]', 'email = ["ar@creditor.example"]')
    async with office(tmp_path, routes) as here:
        await here.say("INV-1")
        await here.wait(hours=4)

        first, reminder = (mail.message for mail in here.mail.messages)
        assert reminder["subject"] == f"Re: {first['subject']}"
        assert reminder["references"] == first["references"]
        assert "Reminder: this still waits" in text_of(reminder)


# Escalation


async def test_it_escalates_once_to_its_own_channel_and_every_message_says_so(tmp_path: Path) -> None:
    async with office(tmp_path, REMINDING + 'escalate_to = { slack = ["C0ESCALATE"], after = "2d" }\n') as here:
        await here.say("INV-1")
        await here.wait(days=1, hours=23)
        early = list(here.posts("C0ESCALATE"))
        await here.wait(hours=1)
        await here.wait(days=10)

        (there,), (home,) = here.posts("C0ESCALATE"), here.posts()
        assert early == []
        assert "Escalated" in words(there)
        assert "Escalated" in words(home)
        assert here.replies("C0ESCALATE") == []


# Snoozes and undos


async def test_a_snooze_ends_with_a_word_to_whoever_has_it(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        item = await here.say("INV-1")
        await did(here, item, "claim")
        await did(here, item, "snooze", until=here.at + timedelta(hours=1))
        asleep = words(here.posts()[0])
        await here.wait(hours=1)

        (root,), (word,) = here.posts(), here.replies()
        assert "Snoozed by Anna until" in asleep
        assert "Snoozed" not in words(root)
        assert word.text.startswith("<@U0ANNA> The snooze is over")


async def test_whoever_decided_is_offered_an_undo_that_nobody_else_sees(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        item = await here.say("INV-1")
        click = Click(item.id, item.version, "validate", ANNA, "slack", "p", answer_to="slack:C0DISPUTES/U0ANNA")
        await here.adapters.database.write(take_action, click, here.at, here.adapters.rules.routes, PEOPLE)
        done = replace(item.snapshot, is_open=False, outcome="validated", verbs=("reopen",))
        await here.adapters.database.write(
            apply_fact, SourceReported(done, here.at), here.at, here.adapters.rules.routes
        )
        await here.settle()

        (root,), (offer,) = here.posts(), here.slack.ephemerals
        assert "'action_id'" not in words(root)
        assert offer.ephemeral_to == "U0ANNA"
        assert "'action_id': 'undo'" in words(offer)
        assert "It can be undone until 10:10." in words(offer)


# Quiet hours


async def test_quiet_hours_hold_alerts_and_end_with_one_message(tmp_path: Path) -> None:
    async with office(tmp_path, ROUTE + QUIET, NIGHT) as here:
        for n in range(3):
            amount = Money(Decimal(100 * (n + 1)), "EUR")
            await here.say(f"INV-{n}", urgency="review", amount=amount, debt_id=f"debt-{n}")
        await here.until("2026-03-08T12:00+01:00")
        asleep = list(here.slack.posts("C0DISPUTES"))
        await here.until("2026-03-09T08:00+01:00")

        (gathered,) = here.posts()
        assert asleep == []
        assert "3 alerts came in during quiet hours (€600.00)" in gathered.text
        assert [reply.thread_ts for reply in here.replies()] == [gathered.ts] * 3
        assert all("'action_id': 'validate'" in words(reply) for reply in here.replies())


async def test_what_was_decided_in_the_night_is_not_told_in_the_morning(tmp_path: Path) -> None:
    async with office(tmp_path, ROUTE + QUIET, NIGHT) as here:
        first = await here.say("INV-1", urgency="review")
        await here.say("INV-2", urgency="review")
        await here.show(replace(first.snapshot, is_open=False, outcome="validated"))
        await here.until("2026-03-09T08:00+01:00")

        (alone,) = here.posts()
        assert "INV-2" in words(alone)
        assert "quiet hours" not in words(alone)
        assert here.replies() == []


async def test_what_is_excepted_rings_at_once_and_what_becomes_so_too(tmp_path: Path) -> None:
    async with office(tmp_path, ROUTE + QUIET, NIGHT) as here:
        await here.say("INV-1", urgency="blocking")
        later = await here.say("INV-2", urgency="review")
        before = len(here.posts())
        await here.show(replace(later.snapshot, urgency="blocking"))

        assert (before, len(here.posts())) == (1, 2)


async def test_a_message_that_stands_already_is_redrawn_in_the_night(tmp_path: Path) -> None:
    async with office(tmp_path, ROUTE + QUIET, NIGHT - timedelta(hours=8)) as here:
        item = await here.say("INV-1", urgency="review")
        here.at = NIGHT
        await here.show(replace(item.snapshot, is_open=False, outcome="rejected"))

        (root,) = here.posts()
        assert "Rejected" in words(root)


async def test_an_alert_from_the_night_lives_on_in_its_thread(tmp_path: Path) -> None:
    async with office(tmp_path, REMINDING + QUIET, NIGHT) as here:
        for n in range(2):
            await here.say(f"INV-{n}", urgency="review")
        await here.until("2026-03-09T08:00+01:00")
        item = await here.item("getbill:main:debtor_request:INV-0")
        place = next(reply for reply in here.replies() if "INV-0" in words(reply))
        click = Click(item.id, item.version, "claim", ANNA, "slack", "p", shown_at=f"slack:C0DISPUTES/{place.ts}")
        await here.adapters.database.write(take_action, click, here.at, here.adapters.rules.routes, PEOPLE)
        await here.settle()
        claimed = words(place)
        await here.until("2026-03-09T13:00+01:00")

        (root,) = here.posts()
        reminders = [reply for reply in here.replies() if "Reminder" in reply.text]
        assert "Claimed by Anna" in claimed
        assert {reply.thread_ts for reply in here.replies()} == {root.ts}
        assert len(reminders) == 2


async def test_mails_wait_for_the_morning_and_come_as_one_with_a_link_each(tmp_path: Path) -> None:
    routes = ROUTE.replace('slack    = ["C0DISPUTES"]', 'email = ["ar@creditor.example"]') + QUIET
    async with office(tmp_path, routes, NIGHT) as here:
        items_said = [await here.say(f"INV-{n}", urgency="review") for n in range(2)]
        asleep = here.subjects()
        await here.until("2026-03-09T08:00+01:00")
        (mail,) = here.mail.messages
        text = text_of(mail.message)
        await here.show(replace(items_said[0].snapshot, is_open=False, outcome="validated"))

        assert asleep == []
        assert text.count("/act/") == 2
        assert "INV-0" in text
        assert "INV-1" in text
        assert len(here.mail.messages) == 2  # the resolved one follows up


async def test_a_snooze_that_ends_in_the_night_is_told_in_the_morning(tmp_path: Path) -> None:
    async with office(tmp_path, ROUTE + QUIET, NIGHT - timedelta(hours=5)) as here:
        item = await here.say("INV-1", urgency="review")
        await did(here, item, "snooze", until=NIGHT)
        await here.until(NIGHT.isoformat())
        at_night = list(here.replies())
        await here.until("2026-03-09T08:00+01:00")

        assert at_night == []
        assert len(here.replies()) == 1
