"""Twenty people decide at the same moment, half in Slack and half by mail: one effect, and everybody is told."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import World, eventually, world
from tests.person import LOOKS_AGAIN_S, buttons, link_in, mails_about, nonce_in, posted, was_too_quick, words

EACH = 10
REFERENCE = "INV-TWENTY-1"


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[World]:
    addresses = ", ".join(f'"mail{n}@creditor.example"' for n in range(EACH))
    with world(tmp_path, is_started=False, database_url=database_url) as made:
        config = made.service.config
        config.write_text(config.read_text().replace('"ar@creditor.example"]', f"{addresses}]"))
        for n in range(EACH):
            mine = {"id": f"U0SLACK{n}", "name": f"slack{n}", "real_name": f"Slack{n} Person"}
            profile = {"real_name": f"Slack{n} Person", "email": f"slack{n}@creditor.example"}
            made.slack.users[mine["id"]] = {**made.slack.users["U0ANNA"], **mine, "profile": profile}
        made.service.start()
        yield made


def links(here: World) -> list[str]:
    """The link of each of the ten mails."""
    eventually(lambda: len(mails_about(here, REFERENCE)) == EACH, "ten mails with a link")
    return [link_in(mail) for mail in mails_about(here, REFERENCE)]


async def at_once(here: World, message: Any, readers: dict[str, httpx.Client], nonces: dict[str, str]) -> list[str]:
    """All twenty press; the pages that those by mail see then."""
    async with AsyncExitStack() as opened:
        slack = [here.slack.click(message.channel, message.ts, "validate", f"U0SLACK{n}") for n in range(EACH)]
        mail = []
        for link, reader in readers.items():
            made = httpx.AsyncClient(cookies=reader.cookies, trust_env=False, follow_redirects=True)
            client = await opened.enter_async_context(made)
            mail.append(client.post(link, data={"nonce": nonces[link], "verb": "validate"}))
        answers = await asyncio.gather(*slack, *mail)
    assert [answer.status_code for answer in answers[:EACH]] == [200] * EACH
    return [answer.text for answer in answers[EACH:]]


def decide(here: World, message: Any) -> list[str]:
    with ExitStack() as opened:
        readers = {link: opened.enter_context(httpx.Client(trust_env=False)) for link in links(here)}
        nonces = {link: nonce_in(reader.get(link).text) for link, reader in readers.items()}
        last, reader = next(reversed(readers.items()))
        eventually(
            lambda: not was_too_quick(reader.post(last, data={"nonce": nonces[last]})),
            "the page that was opened last to be old enough",
            every_s=LOOKS_AGAIN_S,
        )
        return asyncio.run(at_once(here, message, readers, nonces))


def told(here: World) -> dict[str, list[str]]:
    """What each person in Slack was told alone."""
    found: dict[str, list[str]] = {f"U0SLACK{n}": [] for n in range(EACH)}
    for message in list(here.slack.ephemerals):
        found[str(message.ephemeral_to)].append(words(message))
    return found


def test_of_twenty_in_slack_and_by_mail_at_once_one_decides_and_the_others_are_told_who(here: World) -> None:
    todo = here.dispute(reference=REFERENCE)
    message = posted(here, "C0DISPUTES", REFERENCE)

    pages = decide(here, message)
    eventually(lambda: here.getbill.todos[todo["id"]]["status"] == "validated", "Getbill to be told")
    eventually(lambda: "Validated by" in words(message) and not buttons(message), "the message to say who it was")
    eventually(lambda: all(told(here).values()), "everybody in Slack to be told")
    (item,) = here.service.items()
    winner = item["resolved_by"]

    assert [call.method for call in here.getbill.faults.calls].count("PUT") == 1
    assert [winner in page for page in pages] == [True] * EACH
    assert {len(sentences) for sentences in told(here).values()} == {1}
    assert [winner in sentences[0] for sentences in told(here).values()] == [True] * EACH
    late = [sentence for sentences in told(here).values() for sentence in sentences if "was faster" in sentence]
    assert len(late) == EACH - winner.startswith("Slack")
    # a press that finds it over is shown how it stands, one that was still on its way who was faster
    assert [f"{winner} was faster" in page or 'name="verb"' not in page for page in pages] == [True] * EACH
