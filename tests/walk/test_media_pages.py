"""Links to recordings and files on a real socket: valid for thirty days, else a page with the reason."""

from collections.abc import AsyncIterator

import pytest

from receiver.domain.item import Medium
from receiver.errors import PermanentError, RetryLaterError
from tests.act_site import FILE, SAFE, FakeActionService, Visitor, site
from tests.factories import make_item, make_snapshot

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


CALL, PROOF = Medium("recording", "call.mp3"), Medium("proof", "odd")


@pytest.fixture
def with_media(service: FakeActionService) -> FakeActionService:
    service.item = make_item(make_snapshot(media=(CALL, PROOF)))
    return service


def media_path(service: FakeActionService, payload: list[str | int]) -> str:
    return "/media/" + service.tokens.make("media.v1", payload)


async def test_a_media_link_leads_to_a_freshly_signed_one(visitor: Visitor, with_media: FakeActionService) -> None:
    answer = await visitor.open(media_path(with_media, [with_media.item.id, 0]))

    assert (answer.status_code, answer.headers["location"]) == (302, FILE)
    assert answer.headers.items() >= SAFE.items()


async def test_a_media_link_lasts_thirty_days(visitor: Visitor, with_media: FakeActionService) -> None:
    path = media_path(with_media, [with_media.item.id, 0])
    with_media.later(days=30)
    assert (await visitor.open(path)).status_code == 302

    with_media.later(seconds=1)
    answer = await visitor.open(path)
    assert answer.status_code == 410
    assert "expired" in answer.text


@pytest.mark.parametrize("payload", [["gone", 0], ["k7f3q9x2m4ab", 9], ["k7f3q9x2m4ab", -1], ["k7f3q9x2m4ab", 1]])
async def test_a_file_that_is_not_there_says_so(
    payload: list[str | int], visitor: Visitor, with_media: FakeActionService
) -> None:
    answer = await visitor.open(media_path(with_media, payload))

    assert answer.status_code == 404
    assert "not there any more" in answer.text


async def test_a_file_the_source_dropped_says_so(visitor: Visitor, with_media: FakeActionService) -> None:
    with_media.media_error = PermanentError("gone", "deleted by <b>Eve</b>")
    answer = await visitor.open(media_path(with_media, [with_media.item.id, 0]))

    assert answer.status_code == 404
    assert "Eve" not in answer.text


async def test_a_source_that_is_down_asks_to_come_again(visitor: Visitor, with_media: FakeActionService) -> None:
    with_media.media_error = RetryLaterError("upstream_503", after_s=90)
    answer = await visitor.open(media_path(with_media, [with_media.item.id, 0]))

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "90")


@pytest.mark.parametrize("payload", [["only one"], [1, 2], ["a", "b"]])
async def test_a_media_link_of_another_shape_leads_nowhere(
    payload: list[str | int], visitor: Visitor, with_media: FakeActionService
) -> None:
    assert (await visitor.open(media_path(with_media, payload))).status_code == 404
    assert (await visitor.open("/media/rubbish")).status_code == 404
