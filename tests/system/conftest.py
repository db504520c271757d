"""The real service and its outside world, started once a worker for all tests that only use them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import browser
from tests.harness import World, world

MANY = 100_000
DEAR = 10_000_000  # more than any invented claim is about
LISTED = ", ".join(f'"{name}@creditor.example"' for name in ("anna", "ben", "ar"))  # two of them are surely two people
# A currency that no invented claim has, and templates that only a reply shows: they are in nobody's way.
MORE = """
[[reply_templates]]
name = "Ordre"
text = "Ordren for {reference} ligger på sagen."
locale = "da"

[[reply_templates]]
name = "Order"
text = "The order for {reference} of {debtor} is on the case."

[[reply_templates]]
name = "Wait"
text = "Please wait."
"""


def ready(made: World) -> World:
    """Start it with what several tests need, and without the allowance of one creditor an hour."""
    config = made.service.config
    text = config.read_text().replace("[people]\n", f"[people]\nfour_eyes_above = {{ CHF = {DEAR} }}\n")
    text = text.replace('resolvers = ["@creditor.example"', f'resolvers = ["@creditor.example", {LISTED}')
    config.write_text(text + MORE)
    made.getbill.access.reads.limit = made.getbill.access.writes.limit = MANY
    made.service.start()
    return made


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """It looks at its sources every other second. Tests use references of their own."""
    with world(tmp_path_factory.mktemp("here"), is_started=False) as made:
        yield ready(made)


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """It looks at its sources once an hour: what it knows, an event has told."""
    with world(tmp_path_factory.mktemp("quiet"), is_started=False, getbill_poll="1h", debitura_poll="1h") as made:
        yield ready(made)


@pytest.fixture(autouse=True)
def healed(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test broke in a world that others use is whole again afterwards."""
    made: World | None = request.getfixturevalue("here") if "here" in request.fixturenames else None
    yield
    if made is not None:
        made.heal()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A module's own: while it is open, nothing else in this process may run an event loop."""
    with browser() as opened:
        yield opened
