"""The web inbox: signing in, its pages, and clicks that take effect like those in Slack."""

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from receiver.web.sessions import local_path
from tests.harness import World, eventually
from tests.office import text_of
from tests.person import choose, mails_about, nonce_in, posted, words

ANNA, OPS = "anna@creditor.example", "ops@creditor.example"


@pytest.fixture(scope="session")
def here(quiet: World) -> World:
    return quiet


def links_for(here: World, address: str) -> list[str]:
    texts = [text_of(m.message) for m in here.mail.messages if m.message["to"] == address]
    return re.findall(r"http://127\.0\.0\.1:\d+/login/[\w.\-]+", "\n".join(texts))


def request_link(here: World, browser: httpx.Client, address: str, next_path: str = "/") -> str:
    before = len(links_for(here, address))
    answer = browser.post("/login", data={"address": address, "next": next_path})
    assert answer.status_code == 202
    return eventually(lambda: links_for(here, address)[before:], f"a link for {address}")[0]


@pytest.fixture
def visitor(here: World) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=here.service.url, trust_env=False) as browser:
        yield browser


@pytest.fixture(scope="module")
def anna(here: World) -> Iterator[httpx.Client]:
    """A browser that signed in with a link of ``casebell login``."""
    with httpx.Client(base_url=here.service.url, trust_env=False) as browser:
        link = here.service.command("login", ANNA).stdout.strip()
        assert browser.post(link).status_code == 303
        yield browser


def item_page_of(here: World, reference: str, **facts: Any) -> str:
    """The path of the item of a new dispute."""
    here.dispute(reference=reference, **facts)
    posted(here, "C0DISPUTES", reference)
    found = next(i for i in here.service.items() if i["snapshot"].get("reference") == reference)
    return f"/items/{found['id']}"


def test_a_mailed_link_lets_somebody_in_where_they_wanted_to_go(here: World, visitor: httpx.Client) -> None:
    turned_away = visitor.get("/sources")
    link = request_link(here, visitor, "bea@creditor.example", "/sources")
    looked = [visitor.get(link), visitor.head(link), visitor.get(link)]  # as a mail scanner does
    entered = visitor.post(link)
    cookie = entered.headers["set-cookie"]

    assert (turned_away.status_code, turned_away.headers["location"]) == (303, "/login?next=%2Fsources")
    assert [answer.status_code for answer in looked] == [200, 200, 200]
    assert not any("set-cookie" in answer.headers for answer in looked)
    assert (entered.status_code, entered.headers["location"]) == (303, "/sources")
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert visitor.get("/sources").status_code == 200


def test_a_link_lets_in_once(here: World, visitor: httpx.Client) -> None:
    link = request_link(here, visitor, "carl@creditor.example")
    visitor.post(link)
    with httpx.Client(base_url=here.service.url, trust_env=False) as other:
        again = other.post(link)

    assert (again.status_code, "set-cookie" in again.headers) == (410, False)


def test_a_stranger_learns_nothing_and_gets_no_mail(here: World, visitor: httpx.Client) -> None:
    known, stranger = (
        visitor.post("/login", data={"address": address})
        for address in ("dora@creditor.example", "eve@elsewhere.example")
    )
    eventually(lambda: links_for(here, "dora@creditor.example"), "the mail of who may")

    assert (known.status_code, known.text) == (stranger.status_code, stranger.text)
    assert not [m for m in here.mail.messages if "elsewhere" in str(m.message["to"])]
    assert here.service.command("login", "eve@elsewhere.example").returncode == 1


def test_nobody_is_sent_more_than_a_few_links_at_a_time(here: World, visitor: httpx.Client) -> None:
    for _ in range(8):
        visitor.post("/login", data={"address": "finn@creditor.example"})
    eventually(lambda: len(links_for(here, "finn@creditor.example")) >= 3, "the first three")
    request_link(here, visitor, "gus@creditor.example")  # so that the earlier requests have been processed

    assert len(links_for(here, "finn@creditor.example")) == 3


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nSet-Cookie: x=1"],
)
def test_nobody_is_sent_elsewhere_after_signing_in(visitor: httpx.Client, wanted: str) -> None:

    assert local_path(wanted) == "/"
    assert "evil" not in visitor.get("/login", params={"next": wanted}).text


@pytest.mark.parametrize("path", ["/", "/items/abc", "/deliveries", "/sources", "/sessions"])
def test_without_a_session_every_page_leads_to_the_way_in(visitor: httpx.Client, path: str) -> None:
    for cookie in ("", "casebell_session=forged", "casebell_session=" + "x" * 5_000):
        answer = visitor.get(path, headers={"cookie": cookie})
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login")


@pytest.mark.parametrize(
    "query",
    [
        {"after": "9" * 400 + "~2026-03-02T09:00:00+00:00~key"},
        {"after": "-1~2026-03-02T09:00:00+00:00~key"},
        {"after": "0~0001-01-01T00:00:00+23:59~\x00"},
        {"after": "0~9999-12-31T23:59:59-23:59~k"},
        {"after": "0~2026-03-02T09:00:00~naive"},
        {"after": "~~~~"},
        {"q": "\x00%_\\'\"", "state": "'", "kind": "\x00", "account": ":::", "mine": "%"},
        {"q": "a " * 4000},
    ],
)
def test_an_odd_question_is_answered_like_any_other(anna: httpx.Client, query: dict[str, str]) -> None:
    assert anna.get("/", params=query).status_code == 200


def test_the_list_shows_what_waits_and_finds_it_again(here: World, anna: httpx.Client) -> None:
    page = item_page_of(here, "INV-LIST-1", detected_content="<script>alert(1)</script> 100% crushed")
    item_page_of(here, "INV-LIST-2")

    everything, found, nothing = (
        anna.get("/", params=query).text for query in ({}, {"q": "inv-list-1 100%"}, {"q": "nobody said this"})
    )

    assert page in everything
    assert "INV-LIST-2" in everything
    assert page in found
    assert "INV-LIST-2" not in found
    assert "Nothing to decide." in nothing
    assert "<script>" not in everything


def test_an_item_s_page_shows_all_of_it_and_takes_a_decision(here: World, anna: httpx.Client) -> None:
    page = item_page_of(here, "INV-WEB-1", detected_content="Three of ten boxes <b>were crushed</b>")
    content = html.unescape(anna.get(page).text)

    answer = choose(anna, page, verb="validate")
    message = posted(here, "C0DISPUTES", "INV-WEB-1")
    eventually(lambda: f"Validated by {ANNA}" in words(message), "Slack to say who decided")
    later = anna.get(page).text

    assert "Three of ten boxes" in content
    assert "What happened" in content
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, page)
    assert ANNA in later
    audit = here.service.command("audit", "--format", "jsonl").stdout
    assert '"via": "web"' in audit


def test_messages_in_slack_and_mail_lead_to_the_item_s_page(here: World) -> None:
    page = here.service.url + item_page_of(here, "INV-WEB-6")
    mails = eventually(lambda: mails_about(here, "INV-WEB-6"), "the mail")

    assert page in json.dumps(posted(here, "C0DISPUTES", "INV-WEB-6").blocks)
    assert page in mails[0]


def test_a_note_and_a_release_are_taken_too(here: World, anna: httpx.Client) -> None:
    page = item_page_of(here, "INV-WEB-2")
    choose(anna, page, verb="note", note="Asked the warehouse.")
    choose(anna, page, verb="claim")
    eventually(lambda: 'value="release"' in anna.get(page).text, "the claim")
    choose(anna, page, verb="release")

    eventually(lambda: 'value="claim"' in anna.get(page).text, "the release")
    assert "Asked the warehouse." in anna.get(page).text


def test_a_page_that_is_not_one_s_own_decides_nothing(here: World, anna: httpx.Client) -> None:
    page = item_page_of(here, "INV-WEB-3")
    nonce = nonce_in(anna.get(page).text)
    with httpx.Client(base_url=here.service.url, trust_env=False) as other:
        other.post(here.service.command("login", OPS).stdout.strip())
        stolen = other.post(page, data={"nonce": nonce, "verb": "validate"})
    blind = anna.post(page, data={"verb": "validate"})

    assert (stolen.status_code, blind.status_code) == (403, 403)
    assert "opened again somewhere else" in stolen.text
    assert next(i for i in here.service.items() if page.endswith(i["id"]))["state"] == "open"


def test_an_item_that_is_not_there_says_so(anna: httpx.Client) -> None:
    assert anna.get("/items/nothinghere1").status_code == 404
    assert anna.get("/items/%F0%9F%92%A9").status_code == 404


def test_deliveries_are_for_admins_who_can_try_again(here: World, anna: httpx.Client) -> None:
    here.slack.channels["C0DISPUTES"]["is_archived"] = True
    here.dispute(reference="INV-WEB-4")
    with httpx.Client(base_url=here.service.url, trust_env=False) as admin:
        admin.post(here.service.command("login", OPS).stdout.strip())
        eventually(lambda: "is_archived" in admin.get("/deliveries").text, "the dead delivery", every_s=0.1)
        content = admin.get("/deliveries").text
        here.slack.channels["C0DISPUTES"]["is_archived"] = False
        ids, nonce = re.findall(r'name="id" value="(\d+)"', content), nonce_in(content)
        without = admin.post("/deliveries", data={"id": ids[0]})
        by_anna = anna.post("/deliveries", data={"nonce": nonce, "id": ids[0]})
        tried = admin.post("/deliveries", data={"nonce": nonce, "id": ids})

    posted(here, "C0DISPUTES", "INV-WEB-4")
    assert (without.status_code, by_anna.status_code, tried.status_code) == (403, 403, 303)
    assert anna.get("/deliveries").status_code == 403


def test_the_sources_page_names_every_account(anna: httpx.Client) -> None:
    content = anna.get("/sources").text

    assert "Getbill main" in content
    assert "Debitura main" in content


def test_signing_out_ends_it(here: World, visitor: httpx.Client) -> None:
    visitor.post(here.service.command("login", OPS).stdout.strip())
    before = visitor.get("/").status_code
    visitor.post("/logout")

    assert (before, visitor.get("/").status_code) == (200, 303)


def test_a_long_list_comes_a_page_at_a_time(here: World, anna: httpx.Client) -> None:
    for n in range(60):
        here.debitura.add_task("Generic", f"Long list {n:02}", reference=f"INV-LONG-{n:02}")
    here.service.command("reconcile")
    seen: list[str] = []
    page = "/?q=inv-long"
    while page:
        content = anna.get(page).text
        seen += re.findall(r'href="(/items/\w+)"', content)
        more = re.search(r'href="([^"]+)" rel="next"', content)
        page = html.unescape(more[1]) if more else ""

    assert (len(seen), len(set(seen))) == (60, 60)
