"""Mail scanners and strangers open links and submit forms (docs/vendors/mail.md#links-that-decide): nothing changes."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from receiver.errors import RetryLaterError
from tests.act_site import ADDRESS, SAFE, TOKEN_ID, FakeActionService, Visitor, site
from tests.factories import NOW, make_item, make_snapshot

pytestmark = pytest.mark.anyio


@pytest.fixture
def service() -> FakeActionService:
    return FakeActionService()


@pytest.fixture
async def url(service: FakeActionService) -> AsyncIterator[str]:
    async with site(service) as url:
        yield url


@pytest.fixture
async def visitor(url: str, service: FakeActionService) -> AsyncIterator[Visitor]:
    visitor = Visitor(url, service)
    yield visitor
    await visitor.close()


@pytest.fixture
async def stranger(url: str, service: FakeActionService) -> AsyncIterator[Visitor]:
    visitor = Visitor(url, service)
    yield visitor
    await visitor.close()


# Mail scanners


async def test_looking_changes_nothing_and_uses_nothing_up(
    stranger: Visitor, visitor: Visitor, service: FakeActionService
) -> None:
    heads = [(await stranger.head()).status_code for _ in range(3)]
    gets = [(await stranger.open()).status_code for _ in range(10)]

    assert {*heads, *gets} == {200}
    assert (service.clicks, service.link_use, service.item.version) == ([], None, 1)

    await visitor.open()
    service.later(seconds=5)
    assert (await visitor.send(verb="validate")).status_code == 303


async def test_a_form_submitted_blindly_decides_nothing(stranger: Visitor, service: FakeActionService) -> None:
    await stranger.open()
    service.later(minutes=1)

    assert (await stranger.send()).status_code == 422
    assert service.clicks == []


async def test_a_form_filled_in_faster_than_anybody_reads_decides_nothing(
    stranger: Visitor, service: FakeActionService
) -> None:
    await stranger.open()
    service.later(seconds=1.9)
    too_quick = await stranger.send(verb="validate")

    assert too_quick.status_code == 403
    assert "quicker than anybody reads" in too_quick.text
    assert service.clicks == []

    service.later(seconds=2)
    assert (await stranger.send(verb="validate")).status_code == 303


async def test_a_post_out_of_nowhere_decides_nothing(stranger: Visitor, service: FakeActionService) -> None:
    assert (await stranger.post({"verb": "validate"})).status_code == 403
    assert (await stranger.post({"verb": "validate", "nonce": "x"})).status_code == 403
    assert service.clicks == []


async def test_a_page_copied_to_another_browser_decides_nothing(
    stranger: Visitor, visitor: Visitor, service: FakeActionService
) -> None:
    await visitor.open()
    stranger.page = visitor.page
    service.later(seconds=5)

    without_cookie = await stranger.send(verb="validate")
    await visitor.open()
    stranger.cookie = visitor.cookie
    other_pages_cookie = await stranger.post({"verb": "validate", "nonce": "made.up.nonce"})

    assert [without_cookie.status_code, other_pages_cookie.status_code] == [403, 403]
    assert service.clicks == []


async def test_of_two_tabs_each_may_decide_and_the_second_is_told_who_did(
    visitor: Visitor, service: FakeActionService
) -> None:
    await visitor.open()
    first = visitor.page
    await visitor.open()
    second, visitor.page = visitor.page, first
    service.later(seconds=5)

    decided = await visitor.send(verb="validate")
    visitor.page = second
    late = await visitor.send(verb="reject", note="no")
    after = await visitor.open(late.headers.get("location"))

    assert (decided.status_code, len(service.clicks)) == (303, 1)
    assert f"{ADDRESS} chose “Validate”" in after.text


async def test_a_cookie_that_is_not_ours_is_replaced(visitor: Visitor, service: FakeActionService) -> None:
    visitor.cookie = "short"
    await visitor.open()
    service.later(seconds=5)

    assert visitor.cookie != "short"
    assert (await visitor.send(verb="validate")).status_code == 303


async def test_a_page_for_another_link_decides_nothing_here(visitor: Visitor, service: FakeActionService) -> None:
    other = service.tokens.make("nonce.v1", ["other", 1, round(NOW.timestamp() * 1000), "p", "m"])
    visitor.cookie = other
    service.later(seconds=5)

    assert (await visitor.post({"verb": "validate", "nonce": other})).status_code == 403
    assert service.clicks == []


async def test_a_page_older_than_an_hour_is_shown_afresh(visitor: Visitor, service: FakeActionService) -> None:
    await visitor.open()
    service.later(hours=1, seconds=1)
    refused = await visitor.send(verb="reject", note="Kept words")

    assert refused.status_code == 403
    assert "more than an hour" in refused.text
    assert "Kept words</textarea>" in refused.text
    assert service.clicks == []


async def test_a_replay_decides_nothing_and_leads_to_who_did_and_when(
    visitor: Visitor, service: FakeActionService
) -> None:
    await visitor.open()
    service.later(seconds=5)
    await visitor.send(verb="validate")
    service.later(minutes=3)

    replayed = await visitor.send(verb="reject", note="no")
    after = await visitor.open(replayed.headers["location"])

    assert replayed.status_code == 303
    assert len(service.clicks) == 1
    assert after.status_code == 200
    assert "<form" not in after.text
    assert f"{ADDRESS} chose “Validate”" in after.text


async def test_two_choices_in_one_form_are_none(visitor: Visitor, service: FakeActionService) -> None:
    await visitor.open()
    service.later(seconds=5)
    nonce = re.findall(r'name="nonce" value="([^"]*)"', visitor.page)[0]
    refused = await visitor._http.post(
        service.path,
        content=f"nonce={nonce}&verb=validate&verb=reject",
        headers={"cookie": f"casebell_page={visitor.cookie}"},
    )

    assert refused.status_code == 422
    assert service.clicks == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "token", ["x", "%3Cscript%3E", "a.b.c", "%FF%00", "a" * 5_000, "Il90Il0.aaaaaa.bbbbbb", "%2e%2e"]
)
async def test_rubbish_is_a_calm_404_that_echoes_nothing(token: str, method: str, url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        answer = await http.request(method, f"/act/{token}", headers={"accept-language": "fr-CH, de;q=0.5"})

    assert answer.status_code == 404
    assert "<script" not in answer.text
    assert 'lang="fr"' in answer.text or token == "%2e%2e"
    assert answer.headers.items() >= SAFE.items()


async def test_a_link_for_something_else_opens_nothing(visitor: Visitor, service: FakeActionService) -> None:
    for token in (service.tokens.make("media.v1", TOKEN_ID), service.tokens.make("act.v1", "gone"),
                  service.tokens.make("act.v1", [TOKEN_ID])):  # fmt: skip
        assert (await visitor.open(f"/act/{token}")).status_code == 404


# Hostile requests


async def test_a_form_too_large_is_refused(visitor: Visitor, service: FakeActionService) -> None:
    await visitor.open()
    service.later(seconds=5)
    refused = await visitor.send(verb="reject", note="x" * 120_000)

    assert refused.status_code == 413
    assert service.clicks == []


async def test_a_form_that_is_no_form_is_refused(visitor: Visitor, service: FakeActionService) -> None:
    for body in (b"\xff\x00%ff%", b"&" * 1_000, b"verb=" * 50, b'{"verb": "validate"}', b""):
        assert (await visitor._http.post(service.path, content=body)).status_code == 403

    assert service.clicks == []


async def test_a_strangers_words_stay_words(visitor: Visitor, service: FakeActionService) -> None:
    evil = '"><script>x()</script><img src=x onerror=x()>'
    service.item = make_item(make_snapshot(title=evil, question=evil, quote=evil), problem=evil)
    page = await visitor.open()

    assert page.text.count("&lt;script&gt;") >= 4
    assert "<script" not in page.text
    assert "<img src=x" not in page.text


async def test_every_answer_keeps_links_to_itself(visitor: Visitor, service: FakeActionService) -> None:
    page = await visitor.open()
    service.later(seconds=5)
    refused = await visitor.send()
    service.later(seconds=5)
    response = await visitor.send(verb="validate")

    for answer in (page, refused, response, await visitor.open("/"), await visitor.open("/nothing")):
        assert answer.headers.items() >= SAFE.items()
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


async def test_the_cookie_belongs_to_this_page_alone(visitor: Visitor, service: FakeActionService) -> None:
    cookie = (await visitor.open()).headers["set-cookie"]

    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"httponly", "samesite=strict", "secure", "max-age=3600", f"path={service.path}".lower()}

    service.public_url = "http://127.0.0.1:8080"
    assert "Secure" not in (await visitor.open()).headers["set-cookie"]


async def test_a_store_out_of_reach_asks_to_come_again(visitor: Visitor, service: FakeActionService) -> None:
    service.broken = RetryLaterError("store_unavailable", "disk full", 7)
    answer = await visitor.open()

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"
    assert "disk full" not in answer.text
