"""Decisions written to Getbill, links to its files, and its health."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from casebell_sandbox.getbill import GetbillStand
from casebell_sandbox.getbill_todos import DEBT_STATUS_IDS
from receiver.domain.action import Plan
from receiver.domain.fact import SourceAccepted, SourceCompleted, SourceGone, SourceRefused
from receiver.domain.item import Medium
from receiver.domain.people import Person
from receiver.errors import PermanentError, UncertainError
from receiver.upstream.getbill.client import Getbill
from receiver.upstream.getbill.media import Hosts
from tests.factories import NOW, make_item, make_snapshot
from tests.getbill_side import (
    PAYLOADS,
    Watch,
    by_key,
    client_of,
    command_for,
    failure,
    key,
    requested_paths,
    serving,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def stand(watch: Watch) -> GetbillStand:
    return GetbillStand(clock=watch)


@pytest.fixture
def getbill(stand: GetbillStand, watch: Watch) -> Getbill:
    return client_of(stand.app, watch)


@pytest.mark.parametrize(("verb", "outcome"), [("validate", "validated"), ("reject", "rejected")])
@pytest.mark.parametrize("kind", ["portal_dispute", "hardship", "payment_plan", "ai_dispute", "objection"])
async def test_a_decision_is_written_with_its_note_and_read_back(
    getbill: Getbill, stand: GetbillStand, kind: str, verb: str, outcome: str
) -> None:
    todo = stand.add(kind)

    facts = await getbill.execute(command_for(todo, verb))

    assert (stand.todos[todo["id"]]["status"], by_key(facts)[key(todo)].outcome) == (outcome, outcome)
    assert todo["admin_notes"] == "Paid on 3 March (Anna K via Casebell)"


async def test_another_plan_is_written_to_the_debt_and_read_back(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("agreement", amount=1500.0)
    plan = Plan(5, date(2026, 5, 4), Decimal("300.50"))

    *told, done = await getbill.execute(command_for(todo, "update_plan", plan=plan))

    details = {detail.name: detail for detail in by_key(told)[key(todo)].details}
    assert (todo["plan_months"], todo["plan_start_date"], todo["first_payment_amount"]) == (5, "2026-05-04", 300.5)
    assert (details["plan_months"].number, details["plan_start_date"].day) == (5, date(2026, 5, 4))
    assert done == SourceCompleted(key(todo), 7)


async def test_a_changed_plan_gives_the_debt_the_configured_status(stand: GetbillStand, watch: Watch) -> None:
    todo = stand.add("agreement", amount=1500.0)
    settled = DEBT_STATUS_IDS["status.default.settled"]
    getbill = client_of(stand.app, watch, plan_status_id=settled)

    await getbill.execute(command_for(todo, "update_plan", plan=Plan(5, date(2026, 5, 4), Decimal(300))))

    assert (todo["debt"]["status_id"], todo["plan_months"]) == (settled, 5)


async def test_a_plan_that_is_paid_is_not_changed_any_more(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("agreement")
    for part in todo["installments"]:
        part.update(status="paid", paid_at="2026-03-01T00:00:00+00:00")

    *told, refused = await getbill.execute(
        command_for(todo, "update_plan", plan=Plan(5, date(2026, 5, 4), Decimal(300)))
    )

    assert not by_key(told)[key(todo)].is_open
    assert isinstance(refused, SourceRefused)
    assert requested_paths(stand, method="PUT") == []


async def test_colleagues_at_getbill_read_who_confirmed_it_too(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("portal_dispute")

    await getbill.execute(command_for(todo, confirmed_by="Ben H"))

    assert todo["admin_notes"] == "Paid on 3 March (Anna K, confirmed by Ben H, via Casebell)"


async def test_without_a_note_colleagues_still_read_who_decided(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("portal_dispute")

    await getbill.execute(command_for(todo, note=None, person=Person(name="Anna\nK" + "x" * 500)))

    assert todo["admin_notes"].startswith("Anna Kxxx")
    assert todo["admin_notes"].endswith("… via Casebell")


async def test_half_an_emoji_in_a_note_does_not_break_the_write(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("portal_dispute")

    await getbill.execute(command_for(todo, note="paid \ud83d\x00"))

    assert todo["admin_notes"] == "paid (Anna K via Casebell)"


@pytest.mark.parametrize("verb", ["reopen", "undo"])
async def test_a_decision_is_taken_back(getbill: Getbill, stand: GetbillStand, verb: str) -> None:
    todo = stand.add("portal_dispute", status="validated")

    *told, done = await getbill.execute(command_for(todo, verb))

    assert by_key(told)[key(todo)].is_open
    assert done == SourceCompleted(key(todo), 7)


async def test_somebody_faster_at_getbill_is_not_overwritten(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("portal_dispute")
    stand.set_status(todo["id"], "validated", "by Bo")

    facts = await getbill.execute(command_for(todo, "reject"))

    assert by_key(facts[:1])[key(todo)].outcome == "validated"
    assert facts[1:] == [SourceRefused(key(todo), 7, "already validated at Getbill")]
    assert (todo["admin_notes"], requested_paths(stand, method="PUT")) == ("by Bo", [])


@pytest.mark.parametrize("maybe_duplicate", [True, False])
async def test_what_is_done_already_is_not_done_twice(
    getbill: Getbill, stand: GetbillStand, maybe_duplicate: bool
) -> None:
    todo = stand.add("portal_dispute", status="validated")

    facts = await getbill.execute(command_for(todo, maybe_duplicate=maybe_duplicate))

    assert by_key(facts)[key(todo)].outcome == "validated"
    assert requested_paths(stand, method="PUT") == []


async def test_a_write_whose_answer_is_lost_is_uncertain_and_then_found_done(
    getbill: Getbill, stand: GetbillStand
) -> None:
    todo = stand.add("portal_dispute")
    getbill._api._http._total_s = 0.2
    stand.faults.hang_after_effect_s = 5

    error = await failure(getbill.execute(command_for(todo)))
    facts = await getbill.execute(command_for(todo, maybe_duplicate=True))

    assert (type(error), error.code) == (UncertainError, "timeout")
    assert by_key(facts)[key(todo)].outcome == "validated"
    assert len(requested_paths(stand, method="PUT")) == 1


async def test_a_todo_that_vanished_is_gone_and_the_person_hears_why(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("portal_dispute")
    stand.remove(todo["id"])

    facts = await getbill.execute(command_for(todo))

    assert facts == [
        SourceGone(key(todo), NOW),
        SourceRefused(key(todo), 7, "not there any more at Getbill"),
    ]


async def test_a_write_that_cannot_be_read_back_is_accepted(stand: GetbillStand, watch: Watch) -> None:
    def break_afterwards(operation: str, _status: str, _headers: Mapping[str, str]) -> None:
        stand.faults.down = operation == "todos.status"

    todo = stand.add("portal_dispute")

    facts = await client_of(stand.app, watch, observe=break_afterwards).execute(command_for(todo))

    assert facts == [SourceAccepted(key(todo), 7)]


async def test_a_write_whose_effect_does_not_show_yet_is_accepted(watch: Watch) -> None:
    async def todo(_request: Request) -> Response:
        return JSONResponse({"todo": {"id": "enc_1", "type": "ai_detection", "status": "suggested"}})

    async def taken(_request: Request) -> Response:
        return HTMLResponse("<p>OK</p>")

    path = "/external-api/v1/todos/ai_detection/enc_1"
    app = Starlette(routes=[Route(path, todo), Route(f"{path}/status", taken, methods=["PUT"])])

    facts = await client_of(app, watch).execute(command_for({"type": "ai_detection", "id": "enc_1"}))

    assert facts == [SourceAccepted("getbill:main:ai_detection:enc_1", 7)]


async def test_a_refusal_is_told_in_getbill_s_own_words(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("hardship")
    stand.refuses_statusless = True

    error = await failure(getbill.execute(command_for(todo)))

    assert (type(error), error.code) == (PermanentError, "refused")
    assert error.message == "This todo has no status (status: Not supported for this type.)"


async def test_the_field_that_getbill_refuses_is_named(getbill: Getbill, stand: GetbillStand) -> None:
    stand.faults.refuse = (422, json.loads((PAYLOADS / "error_422.json").read_bytes()))

    error = await failure(getbill.execute(command_for(stand.add("hardship"))))

    assert (error.code, error.message) == ("refused", "Validation failed (status: Not supported for this type.)")


async def test_a_missing_scope_is_named(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("portal_dispute")
    stand.access.scopes = {"debts:read"}

    error = await failure(getbill.execute(command_for(todo)))

    assert (type(error), error.code) == (PermanentError, "forbidden")
    assert error.message == 'Required scope "debts:write" not found in token'


async def test_a_403_without_words_still_names_the_scope(watch: Watch) -> None:
    app = serving(lambda _request: HTMLResponse("<h1>Forbidden</h1>", 403))

    error = await failure(client_of(app, watch).reconcile([], is_full=False))

    assert error.message == 'localhost answered 403 (needs the scope "debts:read")'


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "update_plan"},
        {"verb": "reply"},
        {"key": "getbill:main:agreement:enc_1"},
        {"key": "getbill:main:promise:enc_1"},
        {"key": "getbill:other:ai_detection:enc_1"},
        {"key": "rubbish"},
    ],
)
async def test_what_getbill_has_no_word_for_is_not_offered(
    getbill: Getbill, stand: GetbillStand, changes: dict[str, Any]
) -> None:
    error = await failure(getbill.execute(command_for({"type": "ai_detection", "id": "enc_1"}, **changes)))

    assert (type(error), error.code) == (PermanentError, "not_offered")
    assert list(stand.faults.calls) == []


def item(todo: Mapping[str, Any]) -> Any:
    return make_item(make_snapshot(key=key(todo)))


@pytest.mark.parametrize("is_sparse", [False, True])
async def test_a_recording_and_a_proof_get_a_fresh_link(getbill: Getbill, stand: GetbillStand, is_sparse: bool) -> None:
    stand.is_single_sparse = is_sparse
    proof, call = stand.add("portal_dispute"), stand.add("ai_dispute")

    proof_url = await getbill.media_url(item(proof), Medium("proof", "receipt.pdf"))
    call_url = await getbill.media_url(item(call), Medium("recording", "recording"))

    assert proof_url.startswith("http://localhost/media/proof-")
    assert call_url.startswith("http://localhost/media/call-")


async def test_a_file_that_is_not_offered_any_more_is_gone(getbill: Getbill, stand: GetbillStand) -> None:
    todo = stand.add("portal_dispute")
    wanted = [Medium("proof", "other.pdf"), Medium("recording", "recording"), Medium("document", "document")]

    codes = [(await failure(getbill.media_url(item(todo), medium))).code for medium in wanted]
    stand.remove(todo["id"])
    codes.append((await failure(getbill.media_url(item(todo), Medium("proof", "receipt.pdf")))).code)

    assert codes == ["media_gone"] * 4


@pytest.mark.parametrize(
    ("url", "media_hosts"),
    [
        ("https://bucket.s3.eu-west-3.amazonaws.com/a.wav?X-Amz-Signature=1", ()),
        ("https://api.getbill.io/a.wav", ()),
        ("https://files.getbill.io/a.wav", ("getbill.io",)),
        ("https://GETBILL.io./a.wav", ("getbill.io",)),
    ],
)
def test_a_browser_is_sent_to_the_hosts_that_are_allowed(url: str, media_hosts: tuple[str, ...]) -> None:
    assert Hosts("https://api.getbill.io/external-api/v1", media_hosts).check(url) == url


@pytest.mark.parametrize(
    ("url", "media_hosts"),
    [
        ("https://bucket.s3.amazonaws.com/a.wav", ("getbill.io",)),
        ("https://evilgetbill.io/a.wav", ("getbill.io",)),
        ("https://amazonaws.com.evil.example/a.wav", ()),
        ("http://bucket.s3.amazonaws.com/a.wav", ()),
        ("http://127.0.0.1/a.wav", ("127.0.0.1",)),
        ("https://user@bucket.s3.amazonaws.com/a.wav", ()),
        ("https://evil.example\\@bucket.s3.amazonaws.com/a.wav", ()),
        ("https://evil.example/\r\nx.amazonaws.com", ()),
        ("https://evil.example\\.amazonaws.com/a.wav", ()),
        ("javascript:alert(1)//amazonaws.com", ()),
        ("https://[amazonaws.com/a.wav", ()),
        ("//bucket.s3.amazonaws.com/a.wav", ()),
    ],
)
def test_a_browser_is_sent_nowhere_else(url: str, media_hosts: tuple[str, ...]) -> None:
    with pytest.raises(PermanentError) as refused:
        Hosts("https://api.getbill.io/external-api/v1", media_hosts).check(url)

    assert refused.value.code == "host_not_allowed"


async def test_health_counts_what_is_there_and_what_may_still_be_asked(getbill: Getbill, stand: GetbillStand) -> None:
    stand.add("portal_dispute")
    stand.add("agreement")

    (row,) = await getbill.health()

    assert row.is_well
    assert row.name == "getbill:main"
    assert row.detail == ("1 debtor requests, 0 AI detections, 1 agreements; 999 reads and 500 writes left this hour")


@pytest.mark.parametrize("left_out", [(), ("debtor_requests", "ai_detections")], ids=["as documented", "only old keys"])
async def test_health_reads_the_documented_statistics(watch: Watch, left_out: tuple[str, ...]) -> None:
    sample = json.loads((PAYLOADS / "todos_stats.json").read_bytes())["stats"]

    async def stats(_request: Request) -> Response:
        return JSONResponse({"stats": {name: value for name, value in sample.items() if name not in left_out}})

    (row,) = await client_of(Starlette(routes=[Route("/external-api/v1/todos/stats", stats)]), watch).health()

    assert row.detail.startswith("8 debtor requests, 12 AI detections, 25 agreements;")


async def test_health_says_what_to_do_about_a_refusal(getbill: Getbill, stand: GetbillStand) -> None:
    stand.access.scopes = set()

    (row,) = await getbill.health()

    assert not row.is_well
    assert "debts:read" in row.detail
    assert "API Client Management" in row.cure


async def test_every_call_is_observed_under_the_name_of_its_operation(stand: GetbillStand, watch: Watch) -> None:
    seen: list[tuple[str, str]] = []
    getbill = client_of(stand.app, watch, observe=lambda operation, status, _headers: seen.append((operation, status)))

    await getbill.execute(command_for(stand.add("portal_dispute")))
    await getbill.close()

    names = ["todos.get", "todos.status", "todos.get", "debts.get"]
    assert seen == [(name, "200") for name in names]


async def test_notes_go_over_the_wire_as_json(getbill: Getbill, stand: GetbillStand) -> None:
    await getbill.execute(command_for(stand.add("portal_dispute"), note='"quoted" & <b>'))

    (body,) = [json.loads(call.body) for call in stand.faults.calls if call.method == "PUT"]
    assert body == {"status": "validated", "admin_notes": '"quoted" & <b> (Anna K via Casebell)'}
