"""A Getbill that answers a type it does not know with an empty list instead of a refusal (review 5)."""

import pytest

from receiver.ports import Hint
from tests.getbill_side import Watch, client_of, page, plain, serving

pytestmark = pytest.mark.anyio


async def test_a_filter_that_shows_none_of_what_events_named_is_not_believed() -> None:
    todos = [plain(f"t{n}", type="debtor_request", status="suggested") for n in range(80)]

    def listed(request):
        found = todos if request.query_params.get("type") in {None, "blocking_dispute"} else []
        return page(found, page=1, limit=100, total=len(found), pages=1)

    facts = await client_of(serving(listed), Watch()).look({Hint("debtor_request", f"t{n}") for n in range(80)}, [])

    assert len(facts) == 80
