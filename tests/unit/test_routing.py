"""Which routes an item takes, and which route gives a destination its language and masking."""

from datetime import timedelta

import pytest

from receiver.domain.item import Snapshot
from receiver.domain.routing import DEFAULT_ROUTE, Escalation, Match, Route, first_route_at, route_at
from tests.factories import make_snapshot

OPEN = Route("open", slack=("C1",), is_continued=True)
MASKED = Route(
    "masked", Match(kind=("hardship",)), slack=("C2",), email=("ar@x.example",), mask_debtor=True, locale="fr"
)
REST = Route("rest", slack=("C3",), locale="da", timezone="Europe/Copenhagen")
BOTH = (OPEN, MASKED, REST)
DISPUTE, HARDSHIP = make_snapshot(), make_snapshot(kind="hardship")


@pytest.mark.parametrize(
    ("place", "said", "name", "is_masked"),
    [
        pytest.param("slack:C1", HARDSHIP, "open", False, id="the channel's own"),
        pytest.param("slack:C2", HARDSHIP, "masked", True, id="the masked channel's own"),
        pytest.param("mail:ar@x.example", HARDSHIP, "masked", True, id="the mail's own"),
        pytest.param("mail:AR@X.example", DISPUTE, "masked", True, id="an address in any case"),
        pytest.param("slack:C2", DISPUTE, "masked", True, id="a channel that hears nothing of it"),
        pytest.param("slack:U1", HARDSHIP, "open", True, id="a person's own page, where one of its routes masks"),
        pytest.param("slack:U1", DISPUTE, "open", False, id="a person's own page"),
        pytest.param("", HARDSHIP, "open", True, id="the inbox"),
    ],
)
def test_a_place_is_told_of_an_item_by_its_own_route_else_by_the_strictest(
    place: str, said: Snapshot, name: str, is_masked: bool
) -> None:
    route = route_at(place, said, BOTH)

    assert (route.name, route.mask_debtor) == (name, is_masked)


def test_of_two_routes_to_one_channel_one_that_masks_is_enough() -> None:
    also = Route("also", slack=("C1",), mask_debtor=True)

    assert route_at("slack:C1", DISPUTE, (OPEN, also)).mask_debtor


def test_a_channel_that_is_only_escalated_to_is_told_by_the_route_that_does() -> None:
    late = Route("late", slack=("C1",), escalate_to=Escalation(timedelta(days=1), ("C9",)))

    assert route_at("slack:C9", DISPUTE, (REST, late)).name == "late"


def test_what_no_route_takes_is_told_calmly() -> None:
    none = Route("none", Match(kind=("hardship",)), slack=("C1",), mask_debtor=True)

    assert route_at("slack:U1", DISPUTE, (none,)).mask_debtor
    assert route_at("slack:U1", DISPUTE, ()) == DEFAULT_ROUTE


def test_a_place_is_spoken_to_in_the_language_of_a_route_that_names_it() -> None:
    assert [first_route_at(place, BOTH).locale for place in ("slack:C2", "slack:C3", "slack:U1")] == ["fr", "da", "en"]
    assert first_route_at("slack:C1", ()).locale == "en"
