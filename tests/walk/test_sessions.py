"""Sessions are rows: a session that ended is invalid in every replica at once. On both databases."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import httpx
import pytest
from sqlalchemy import Connection, event, select

from receiver.context import Adapters
from receiver.domain.people import People
from receiver.domain.token import Tokens
from receiver.errors import PermanentError
from receiver.observability import Metrics
from receiver.operations.retention import SESSIONS, purge
from receiver.store import logins, sessions
from receiver.store.database import Database
from receiver.store.schema import login, session
from receiver.web.app import build_app
from receiver.web.login import make_link
from tests.act_site import PlainTranslator
from tests.factories import NOW, make_rules

pytestmark = pytest.mark.anyio
ANNA, BEA = "anna@creditor.example", "bea@creditor.example"
SITE = "http://127.0.0.1:9"


@dataclass
class Site:
    """A database for several replicas. Each browser talks to a new one, so no state may stay in a process."""

    adapters: Adapters
    at: datetime = NOW

    @asynccontextmanager
    async def browser(self, cookie: str = "") -> AsyncIterator[httpx.AsyncClient]:
        """A browser at a new replica; ``cookie``: a copy of the cookie of another browser."""
        cookies = {"casebell_session": cookie} if cookie else {}
        transport = httpx.ASGITransport(app=build_app(replace(self.adapters)))
        async with httpx.AsyncClient(transport=transport, base_url=SITE, cookies=cookies) as browser:
            yield browser

    async def sign_in(self, address: str, old_cookie: str = "") -> str:
        """Sign in; the cookie of the session."""
        async with self.browser(old_cookie) as browser:
            answer = await browser.post(await make_link(self.adapters, address))
            assert answer.status_code == 303, answer.text
            return answer.cookies["casebell_session"]

    async def is_signed_in(self, cookie: str) -> bool:
        async with self.browser(cookie) as browser:
            answer = await browser.get("/sources")
        assert (answer.status_code, answer.headers.get("location", "/login")[:6]) in {(200, "/login"), (303, "/login")}
        return answer.status_code == 200

    async def end_session(self, cookie: str, end: str, page_of: str | None = None) -> httpx.Response:
        """Send the form of ``/sessions``; with the nonce of ``page_of``'s page if that is another browser."""
        async with self.browser(page_of or cookie) as browser:
            nonce = re.search(r'name="nonce" value="([^"]+)"', (await browser.get("/sessions")).text)
        assert nonce is not None
        async with self.browser(cookie) as browser:
            return await browser.post("/sessions", data={"nonce": nonce[1], "end": end})


@pytest.fixture
def site(database: Database) -> Site:
    people = People(resolvers=frozenset({ANNA, BEA}))

    def seconds() -> float:
        return created.at.timestamp()

    tokens = Tokens(["a key of sixteen characters"], seconds)
    created = Site(
        Adapters(
            database,
            make_rules(people=people, tokens=tokens, public_url=SITE),
            PlainTranslator(),
            Metrics(),
            now=lambda: created.at,
        )
    )
    return created


async def test_who_signed_out_is_out_with_every_copy_of_the_cookie(site: Site) -> None:
    ended, other = await site.sign_in(ANNA), await site.sign_in(ANNA)
    async with site.browser(ended) as browser:
        left = await browser.post("/logout")

    assert left.headers["location"] == "/login"
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert (await site.is_signed_in(ended), await site.is_signed_in(other)) == (False, True)


async def test_a_form_of_another_site_that_signs_out_ends_nothing(site: Site) -> None:
    cookie = await site.sign_in(ANNA)
    async with site.browser() as stranger:  # a browser sends no SameSite=Lax cookie with it
        left = await stranger.post("/logout")

    assert "set-cookie" not in left.headers
    assert await site.is_signed_in(cookie)


async def test_signing_out_everywhere_ends_all_of_one_s_sessions_and_no_other(site: Site) -> None:
    first, second, bea = await site.sign_in(ANNA), await site.sign_in(ANNA), await site.sign_in(BEA)
    answer = await site.end_session(first, "all")

    assert answer.status_code == 303
    assert [await site.is_signed_in(cookie) for cookie in (first, second, bea)] == [False, False, True]


async def test_one_session_of_another_browser_can_be_ended(site: Site) -> None:
    lost, here = await site.sign_in(ANNA), await site.sign_in(ANNA)
    await site.end_session(here, sessions.hash_secret(lost))

    assert (await site.is_signed_in(lost), await site.is_signed_in(here)) == (False, True)


async def test_nobody_ends_a_session_of_somebody_else(site: Site) -> None:
    anna, bea = await site.sign_in(ANNA), await site.sign_in(BEA)
    named = await site.end_session(anna, sessions.hash_secret(bea))
    stolen = await site.end_session(bea, "all", page_of=anna)

    assert (named.status_code, stolen.status_code) == (303, 403)
    assert (await site.is_signed_in(anna), await site.is_signed_in(bea)) == (True, True)


async def test_the_page_lists_one_s_own_sessions_and_marks_this_one(site: Site) -> None:
    await site.sign_in(BEA)
    await site.sign_in(ANNA)
    async with site.browser(await site.sign_in(ANNA)) as browser:
        page = html.unescape((await browser.get("/sessions")).text)

    assert page.count('name="end"') == 2 + 1  # one a session, and one for all
    assert page.count("this browser") == 1


async def test_who_is_removed_from_people_is_out_and_stays_out(site: Site) -> None:
    cookie, bea = await site.sign_in(ANNA), await site.sign_in(BEA)
    site.adapters.rules = replace(site.adapters.rules, people=People(resolvers=frozenset({BEA})))
    assert (await site.is_signed_in(cookie), await site.is_signed_in(bea)) == (False, True)
    with pytest.raises(PermanentError):
        await make_link(site.adapters, ANNA)

    counted, _ = await purge(site.adapters)
    site.adapters.rules = replace(site.adapters.rules, people=People(resolvers=frozenset({ANNA, BEA})))

    assert counted[SESSIONS] == 1
    assert (await site.is_signed_in(cookie), await site.is_signed_in(bea)) == (False, True)


async def test_a_link_of_somebody_removed_meanwhile_begins_no_session(site: Site) -> None:
    link = await make_link(site.adapters, ANNA)
    site.adapters.rules = replace(site.adapters.rules, people=People(resolvers=frozenset({BEA})))
    async with site.browser() as browser:
        answers = [await browser.get(link), await browser.post(link)]

    assert [answer.status_code for answer in answers] == [410, 410]
    assert not any("set-cookie" in answer.headers for answer in answers)


async def test_a_session_is_over_after_twelve_hours_and_its_row_is_erased(site: Site) -> None:
    cookie = await site.sign_in(ANNA)
    site.at += timedelta(hours=12) - timedelta(seconds=1)
    assert await site.is_signed_in(cookie)
    site.at += timedelta(seconds=1)
    assert not await site.is_signed_in(cookie)

    await purge(site.adapters)

    assert await site.adapters.database.read(_rows) == (0, 0)


async def test_signing_in_again_ends_what_the_browser_had(site: Site) -> None:
    before = await site.sign_in(ANNA)
    after = await site.sign_in(BEA, before)

    assert (await site.is_signed_in(before), await site.is_signed_in(after)) == (False, True)


async def test_a_link_that_was_copied_begins_one_session_whoever_comes_second(site: Site) -> None:
    link = await make_link(site.adapters, ANNA)
    async with site.browser() as one, site.browser() as other:
        answers = [await one.post(link), await other.post(link), await other.get(link)]

    assert [answer.status_code for answer in answers] == [303, 410, 410]
    assert await site.adapters.database.read(_rows) == (1, 1)


async def test_the_store_knows_no_secret_that_lets_anybody_in(site: Site) -> None:
    cookie = await site.sign_in(ANNA)
    rows = await site.adapters.database.read(lambda connection: connection.execute(select(session)).all())
    (row,) = rows

    assert cookie not in map(str, row)
    assert not await site.is_signed_in(row.id)
    assert await site.adapters.database.write(logins.delete_expired, NOW + timedelta(hours=1)) == 1


async def test_a_request_costs_one_look_at_the_session(site: Site) -> None:
    cookie = await site.sign_in(ANNA)
    queries: list[str] = []

    def record(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        if "FROM session" in statement:
            queries.append(statement)

    def watch(connection: Connection) -> None:
        event.listen(connection.engine, "before_cursor_execute", record)

    await site.adapters.database.read(watch)
    async with site.browser(cookie) as browser:
        for path in ("/", "/items/nothinghere1", "/sources"):
            queries.clear()
            await browser.get(path)
            assert len(queries) == 1, path
            assert "WHERE session.id = " in queries[0]


def _rows(connection: Connection) -> tuple[int, int]:
    return len(connection.execute(select(session)).all()), len(connection.execute(select(login)).all())
