"""Twenty people decide at the same moment, half in Slack and half by mail: one effect, and everybody is told."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import World, eventually, world
from tests.system.test_main_job import buttons, nonce_of, posted, words

EACH = 10
REFERENCE = "INV-TWENTY-1"
READ_S = 2.1  # the page is for people, who read before they press


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

    def found() -> list[str]:
        mails = [m.message for m in here.mail.messages if REFERENCE in str(m.message["subject"])]
        bodies = [part.get_content() for mail in mails if (part := mail.get_body(("plain",))) is not None]
        return [link[0] for body in bodies if (link := re.search(r"http://127\.0\.0\.1:\d+/act/[\w.\-]+", body))]

    eventually(lambda: len(found()) == EACH, "ten mails with a link")
    return found()


async def at_once(
    here: World, message: Any, clients: list[httpx.AsyncClient], forms: list[dict[str, str]]
) -> list[str]:
    """All twenty press; the pages that those by mail see then."""
    await asyncio.sleep(READ_S)
    slack = [here.slack.press(message.channel, message.ts, "validate", f"U0SLACK{n}") for n in range(EACH)]
    mail = [client.post("", data=form) for client, form in zip(clients, forms, strict=True)]
    answers = await asyncio.gather(*slack, *mail)
    assert [answer.status_code for answer in answers[:EACH]] == [200] * EACH
    return [answer.text for answer in answers[EACH:]]


def decide(here: World, message: Any) -> list[str]:
    async def all_of_them() -> list[str]:
        clients, forms = [], []
        for link in links(here):
            with httpx.Client(trust_env=False) as browser:
                forms.append({"nonce": nonce_of(browser, link), "verb": "validate"})
                clients.append(
                    httpx.AsyncClient(base_url=link, cookies=browser.cookies, trust_env=False, follow_redirects=True)
                )
        pages = await at_once(here, message, clients, forms)
        for client in clients:
            await client.aclose()
        return pages

    return asyncio.run(all_of_them())


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
