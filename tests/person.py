"""What people do who have Casebell: they look at a message in Slack, press, fill in a form, open the link in a mail."""

import asyncio
import re
from typing import Any

import httpx

from tests.harness import World, eventually
from tests.office import text_of

ACT = re.compile(r"http://127\.0\.0\.1:\d+/act/[\w.\-]+")
LOOKS_AGAIN_S = 0.2


def words(message: Any) -> str:
    return f"{message.text} {message.blocks}"


def elements(message: Any) -> list[dict[str, Any]]:
    """What can be pressed or chosen on a message, links included."""
    return [e for block in message.blocks if block["type"] == "actions" for e in block["elements"]]


def options(message: Any) -> dict[str, str]:
    """What the menu of a message offers, by verb."""
    found = [o["value"] for e in elements(message) if e["type"] == "overflow" for o in e["options"]]
    return {value.rpartition(".")[2]: value for value in found}


def buttons(message: Any) -> list[str]:
    """Verbs that can be pressed on a message now; links are no verbs."""
    visible = [e["action_id"] for e in elements(message) if e["type"] == "button" and "url" not in e]
    return visible + list(options(message))


def is_about(reference: str, text: str) -> bool:
    """Whether the text names this reference, and not one that only begins like it."""
    return re.search(rf"(?<![\w-]){re.escape(reference)}(?![\w-])", text) is not None


def posted(here: World, channel: str, reference: str) -> Any:
    """The message about it, once it is there."""

    def look() -> Any:
        return next((m for m in here.posts(channel) if is_about(reference, words(m))), None)

    return eventually(look, f"a message about {reference} in {channel}")


def press(here: World, message: Any, verb: str, user: str = "U0ANNA") -> int:
    """Press a verb, be it a button or in the menu; how Casebell answered."""
    option = options(message).get(verb)
    action = "more" if option else verb
    return asyncio.run(here.slack.click(message.channel, message.ts, action, user, option)).status_code


def fill(here: World, user: str, typed: str = "", **values: str) -> dict[str, str]:
    """Send the form in front of this person, ``typed`` into its first field or ``values`` by field; what is wrong."""
    eventually(lambda: here.slack.views.get(user, {}).get("submit"), f"a form in front of {user}")
    view = here.slack.views[user]
    first = next(block["block_id"] for block in view["blocks"] if block["type"] == "input")
    asyncio.run(here.slack.submit(view["id"], values or {first: typed}, user))
    return dict(here.slack.view_errors.get(user, {}))


def mails_about(here: World, reference: str) -> list[str]:
    """The plain words of each mail with the reference in its subject."""
    return [text_of(m.message) for m in list(here.mail.messages) if is_about(reference, str(m.message["subject"]))]


def link_in(mail: str) -> str:
    """The address behind which a mail lets its reader decide."""
    found = ACT.search(mail)
    assert found is not None, mail
    return found[0]


def nonce_in(page: str) -> str:
    found = re.search(r'name="nonce" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def choose(browser: httpx.Client, page: str, **fields: str) -> httpx.Response:
    """Open a page and send its form, again as long as the page says that nobody reads so quickly."""
    nonce = nonce_in(browser.get(page).text)

    def send() -> httpx.Response | None:
        answer = browser.post(page, data={"nonce": nonce, **fields})
        return None if was_too_quick(answer) else answer

    return eventually(send, "the page to be old enough", every_s=LOOKS_AGAIN_S)


def was_too_quick(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.FORBIDDEN and "quicker than anybody reads" in answer.text
