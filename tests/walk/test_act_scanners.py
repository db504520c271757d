"""Mail scanners and strangers open links and submit forms (docs/vendors/mail.md#links-that-decide): nothing changes."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from receiver.errors import RetryLaterError
from tests.act_site import ADDRESS, SAFE, TOKEN_ID, FakeAdapters, Visitor, site
from tests.factories import NOW, make_item, make_snapshot

pytestmark = pytest.mark.anyio


@pytest.fixture
def adapters() -> FakeAdapters:
    return FakeAdapters()


@pytest.fixture
async def url(adapters: FakeAdapters) -> AsyncIterator[str]:
    async with site(adapters) as listening:
        yield listening


@pytest.fixture
async def visitor(url: str, adapters: FakeAdapters) -> AsyncIterator[Visitor]:
    opened = Visitor(url, adapters)
    yield opened
    await opened.close()


@pytest.fixture
async def stranger(url: str, adapters: FakeAdapters) -> AsyncIterator[Visitor]:
    opened = Visitor(url, adapters)
    yield opened
    await opened.close()


# Mail scanners


async def test_looking_changes_nothing_and_uses_nothing_up(
    stranger: Visitor, visitor: Visitor, adapters: FakeAdapters
) -> None:
    heads = [(await stranger.head()).status_code for _ in range(3)]
    gets = [(await stranger.open()).status_code for _ in range(10)]

    assert {*heads, *gets} == {200}
    assert (adapters.clicks, adapters.used, adapters.item.version) == ([], None, 1)

    await visitor.open()
    adapters.later(seconds=5)
    assert (await visitor.send(verb="validate")).status_code == 303


async def test_a_form_submitted_blindly_decides_nothing(stranger: Visitor, adapters: FakeAdapters) -> None:
    await stranger.open()
    adapters.later(minutes=1)

    assert (await stranger.send()).status_code == 422
    assert adapters.clicks == []


async def test_a_form_filled_in_faster_than_anybody_reads_decides_nothing(
    stranger: Visitor, adapters: FakeAdapters
) -> None:
    await stranger.open()
    adapters.later(seconds=1.9)
    too_quick = await stranger.send(verb="validate")

    assert too_quick.status_code == 403
    assert "quicker than anybody reads" in too_quick.text
    assert adapters.clicks == []

    adapters.later(seconds=2)
    assert (await stranger.send(verb="validate")).status_code == 303


async def test_a_post_out_of_nowhere_decides_nothing(stranger: Visitor, adapters: FakeAdapters) -> None:
    assert (await stranger.post({"verb": "validate"})).status_code == 403
    assert (await stranger.post({"verb": "validate", "nonce": "x"})).status_code == 403
    assert adapters.clicks == []


async def test_a_page_copied_to_another_browser_decides_nothing(
    stranger: Visitor, visitor: Visitor, adapters: FakeAdapters
) -> None:
    await visitor.open()
    stranger.page = visitor.page
    adapters.later(seconds=5)

    without_cookie = await stranger.send(verb="validate")
    await visitor.open()
    stranger.cookie = visitor.cookie
    other_pages_cookie = await stranger.post({"verb": "validate", "nonce": "made.up.nonce"})

    assert [without_cookie.status_code, other_pages_cookie.status_code] == [403, 403]
    assert adapters.clicks == []


async def test_of_two_tabs_each_may_decide_and_the_second_is_told_who_did(
    visitor: Visitor, adapters: FakeAdapters
) -> None:
    await visitor.open()
    first = visitor.page
    await visitor.open()
    second, visitor.page = visitor.page, first
    adapters.later(seconds=5)

    decided = await visitor.send(verb="validate")
    visitor.page = second
    late = await visitor.send(verb="reject", note="no")
    after = await visitor.open(late.headers.get("location"))

    assert (decided.status_code, len(adapters.clicks)) == (303, 1)
    assert f"{ADDRESS} chose “Validate”" in after.text


async def test_a_cookie_that_is_not_ours_is_replaced(visitor: Visitor, adapters: FakeAdapters) -> None:
    visitor.cookie = "short"
    await visitor.open()
    adapters.later(seconds=5)

    assert visitor.cookie != "short"
    assert (await visitor.send(verb="validate")).status_code == 303


async def test_a_page_for_another_link_decides_nothing_here(visitor: Visitor, adapters: FakeAdapters) -> None:
    other = adapters.tokens.make("nonce.v1", ["other", 1, round(NOW.timestamp() * 1000), "p", "m"])
    visitor.cookie = other
    adapters.later(seconds=5)

    assert (await visitor.post({"verb": "validate", "nonce": other})).status_code == 403
    assert adapters.clicks == []


async def test_a_page_older_than_an_hour_is_shown_afresh(visitor: Visitor, adapters: FakeAdapters) -> None:
    await visitor.open()
    adapters.later(hours=1, seconds=1)
    refused = await visitor.send(verb="reject", note="Kept words")

    assert refused.status_code == 403
    assert "more than an hour" in refused.text
    assert "Kept words</textarea>" in refused.text
    assert adapters.clicks == []


async def test_a_replay_decides_nothing_and_leads_to_who_did_and_when(visitor: Visitor, adapters: FakeAdapters) -> None:
    await visitor.open()
    adapters.later(seconds=5)
    await visitor.send(verb="validate")
    adapters.later(minutes=3)

    replayed = await visitor.send(verb="reject", note="no")
    after = await visitor.open(replayed.headers["location"])

    assert replayed.status_code == 303
    assert len(adapters.clicks) == 1
    assert after.status_code == 200
    assert "<form" not in after.text
    assert f"{ADDRESS} chose “Validate”" in after.text


async def test_two_choices_in_one_form_are_none(visitor: Visitor, adapters: FakeAdapters) -> None:
    await visitor.open()
    adapters.later(seconds=5)
    nonce = re.findall(r'name="nonce" value="([^"]*)"', visitor.page)[0]
    refused = await visitor._http.post(
        adapters.path,
        content=f"nonce={nonce}&verb=validate&verb=reject",
        headers={"cookie": f"casebell_page={visitor.cookie}"},
    )

    assert refused.status_code == 422
    assert adapters.clicks == []


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


async def test_a_link_for_something_else_opens_nothing(visitor: Visitor, adapters: FakeAdapters) -> None:
    for token in (adapters.tokens.make("media.v1", TOKEN_ID), adapters.tokens.make("act.v1", "gone"),
                  adapters.tokens.make("act.v1", [TOKEN_ID])):  # fmt: skip
        assert (await visitor.open(f"/act/{token}")).status_code == 404


# Hostile requests


async def test_a_form_too_large_is_refused(visitor: Visitor, adapters: FakeAdapters) -> None:
    await visitor.open()
    adapters.later(seconds=5)
    refused = await visitor.send(verb="reject", note="x" * 120_000)

    assert refused.status_code == 413
    assert adapters.clicks == []


async def test_a_form_that_is_no_form_is_refused(visitor: Visitor, adapters: FakeAdapters) -> None:
    for body in (b"\xff\x00%ff%", b"&" * 1_000, b"verb=" * 50, b'{"verb": "validate"}', b""):
        assert (await visitor._http.post(adapters.path, content=body)).status_code == 403

    assert adapters.clicks == []


async def test_a_strangers_words_stay_words(visitor: Visitor, adapters: FakeAdapters) -> None:
    evil = '"><script>x()</script><img src=x onerror=x()>'
    adapters.item = make_item(make_snapshot(title=evil, question=evil, quote=evil), problem=evil)
    shown = await visitor.open()

    assert shown.text.count("&lt;script&gt;") >= 4
    assert "<script" not in shown.text
    assert "<img src=x" not in shown.text


async def test_every_answer_keeps_links_to_itself(visitor: Visitor, adapters: FakeAdapters) -> None:
    shown = await visitor.open()
    adapters.later(seconds=5)
    refused = await visitor.send()
    adapters.later(seconds=5)
    pressed = await visitor.send(verb="validate")

    for answer in (shown, refused, pressed, await visitor.open("/"), await visitor.open("/nothing")):
        assert answer.headers.items() >= SAFE.items()
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


async def test_the_cookie_belongs_to_this_page_alone(visitor: Visitor, adapters: FakeAdapters) -> None:
    cookie = (await visitor.open()).headers["set-cookie"]

    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"httponly", "samesite=strict", "secure", "max-age=3600", f"path={adapters.path}".lower()}

    adapters.public_url = "http://127.0.0.1:8080"
    assert "Secure" not in (await visitor.open()).headers["set-cookie"]


async def test_a_store_out_of_reach_asks_to_come_again(visitor: Visitor, adapters: FakeAdapters) -> None:
    adapters.broken = RetryLaterError("store_unavailable", "disk full", 7)
    answer = await visitor.open()

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"
    assert "disk full" not in answer.text
