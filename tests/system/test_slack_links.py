"""Previews of posted item links, with the real service and the Slack stand-in."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.harness import World, eventually, world
from tests.person import posted

CHANNEL = "C0DISPUTES"
FURTHER = ",links:read,links:write"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("links"), getbill_poll="1h", debitura_poll="1h") as one:
        one.slack.scopes += FURTHER
        yield one


def link_to(here: World, reference: str) -> str:
    """The URL of the item's page, below the configured public_url."""
    here.dispute(reference=reference)
    posted(here, CHANNEL, reference)
    found = next(one for one in here.service.items() if one["snapshot"]["reference"] == reference)
    return f"{public_url(here)}/items/{found['id']}"


def public_url(here: World) -> str:
    text = here.service.config.read_text()
    return next(line.split('"')[1] for line in text.splitlines() if line.startswith("public_url"))


def share(here: World, url: str, user: str = "U0ANNA") -> None:
    assert asyncio.run(here.slack.share_link(CHANNEL, url, user)).status_code == 200


def shown(here: World, url: str) -> Any:
    return here.slack.previews.get(url)


def test_a_link_shows_how_its_item_stands_without_any_button(here: World) -> None:
    url = link_to(here, "INV-L-1")

    share(here, f"{url}?from=mail")

    preview = eventually(lambda: shown(here, f"{url}?from=mail"), "the preview")
    assert "INV-L-1" in json.dumps(preview)
    assert "As of" in json.dumps(preview)
    assert "actions" not in {block["type"] for block in preview["blocks"]}


def test_a_link_of_somebody_without_access_and_a_strangers_address_show_nothing(here: World) -> None:
    secret, open_one = link_to(here, "INV-L-2"), link_to(here, "INV-L-3")
    before = set(here.slack.previews)

    share(here, secret, "U0GUEST")
    share(here, open_one.replace(public_url(here), "https://evil.example"))
    share(here, f"{public_url(here)}/items/no-such-item")
    share(here, open_one)

    eventually(lambda: shown(here, open_one), "the preview of the one that may be seen")
    assert set(here.slack.previews) - before == {open_one}


def test_nothing_is_shown_where_another_company_reads_along(here: World) -> None:
    ours, theirs = link_to(here, "INV-L-6"), link_to(here, "INV-L-7")
    here.slack.channels[CHANNEL]["is_ext_shared"] = True
    share(here, theirs)
    here.slack.channels[CHANNEL]["is_ext_shared"] = False
    share(here, ours)

    eventually(lambda: shown(here, ours), "the preview among ourselves")
    assert shown(here, theirs) is None


def test_the_sandbox_draws_the_preview_below_what_somebody_wrote(here: World) -> None:
    url = link_to(here, "INV-L-5")
    typed = {"channel": CHANNEL, "as": "U0BEN", "text": f"<script> & look: {url}"}

    with httpx.Client(base_url=here.sandbox_url, trust_env=False, follow_redirects=True) as browser:
        said = browser.post("/slack/command", data=typed, headers={"Origin": here.sandbox_url}).text

    message = said[said.index("Ben Holm</b>") :]
    assert "&lt;script&gt; &amp; look:" in message
    assert "INV-L-5" in message[message.index('class="preview"') :]


def test_without_the_scope_nothing_is_shown_and_alerts_go_on(here: World) -> None:
    url = link_to(here, "INV-L-4")
    here.slack.scopes = here.slack.scopes.removesuffix(FURTHER)
    try:
        for _ in range(12):  # more failures than open a breaker
            share(here, url)
        eventually(lambda: here.service.log.read_text().count("link preview failed") >= 12, "the refusals to be noted")
        link_to(here, "INV-L-5")
    finally:
        here.slack.scopes += FURTHER

    assert shown(here, url) is None
