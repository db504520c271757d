"""The payload of each kind of delivery: its JSON, what older rows read as, and what is refused."""

import json
from datetime import UTC, datetime

import pytest

from receiver.domain import notice
from receiver.domain.people import Person
from receiver.store import payloads
from receiver.store.payloads import Payload, decode, encode

ANNA = notice.Reminder("assigned", Person(slack_id="U2"), by="Ben")
SINCE = datetime(2026, 3, 3, 8, 29, tzinfo=UTC)
STORED = [
    (payloads.Show("open"), {"route": "open"}),
    (payloads.Show("open", "C1/1.0"), {"route": "open", "below": "C1/1.0"}),
    (payloads.Reply("claimed", {"who": "Anna"}), {"code": "claimed", "values": {"who": "Anna"}}),
    (payloads.Command(4), {"action_id": 4}),
    (payloads.FreshLink("open", "t1"), {"route": "open", "token": "t1"}),
    (payloads.Grouped("open", ("a", "b")), {"route": "open", "items": ["a", "b"]}),
    (payloads.Burst("open", 3), {"route": "open", "group_id": 3}),
    (payloads.UndoOffer(), {}),
    (payloads.AdminAlert("login", {"url": "/"}, "m"), {"code": "login", "values": {"url": "/"}, "mark": "m"}),
    (payloads.Digest("weekly", SINCE, "{}"), {"name": "weekly", "since": "2026-03-03T08:29:00Z", "document": "{}"}),
    (
        payloads.Reminder("open", reminder=ANNA),
        {"route": "open", "reminder": {"what": "assigned", "to": {"slack_id": "U2"}, "by": "Ben"}},
    ),
]


@pytest.mark.parametrize(("payload", "stored"), STORED, ids=[payload.kind for payload, _ in STORED])
def test_each_kind_is_stored_as_json_and_read_back(payload: Payload, stored: dict[str, object]) -> None:
    assert json.loads(encode(payload)) == stored
    assert decode(type(payload), json.dumps(stored)) == payload


def test_nulls_absent_keys_and_unknown_keys_of_older_rows_are_read() -> None:
    assert decode(payloads.Show, '{"route": "open", "below": null, "mark": 1}') == payloads.Show("open")
    assert decode(payloads.Reply, "{}") == payloads.Reply()
    assert decode(payloads.Digest, '{"name": "d", "since": "2026-03-03T08:29:00+00:00", "document": ""}').since == SINCE


def test_every_payload_with_a_route_can_be_read_for_its_route_alone() -> None:
    assert decode(payloads.Routed, encode(payloads.Reminder("open", reminder=ANNA))).route == "open"


@pytest.mark.parametrize("text", ["no json", '{"reminder": {"what": "shouted"}}', "{}"])
def test_what_cannot_be_read_raises_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of json or of pydantic
        decode(payloads.Reminder, text)
