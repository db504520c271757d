"""Every page passes html-validate in every language, and axe-core in Chromium in light and dark mode."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import somebody
from tests.checkers import checked, tools, violations
from tests.harness import World, eventually
from tests.person import link_in, mails_about, posted

__all__ = ["tools"]  # a fixture
LOCALES = ("en", "fr", "da", "de")
ANNA, OPS = "anna@creditor.example", "ops@creditor.example"


@pytest.fixture(scope="session")
def here(quiet: World) -> World:
    return quiet


@pytest.fixture(scope="module")
def paths(here: World) -> dict[str, str]:
    """The path of every page, by name."""
    here.dispute(reference="INV-9001")
    posted(here, "C0DISPUTES", "INV-9001")
    item = next(i for i in here.service.items() if i["snapshot"].get("reference") == "INV-9001")
    mail = eventually(lambda: mails_about(here, "INV-9001"), "the mail of INV-9001")[0]
    enter = here.service.command("login", ANNA).stdout.strip()
    return {
        "inbox": "/",
        "nothing found": "/?q=nothing-of-that-name",
        "item": f"/items/{item['id']}",
        "no item": "/items/nothing",
        "sources": "/sources",
        "sessions": "/sessions",
        "deliveries": "/deliveries?state=done",
        "act": link_in(mail).removeprefix(here.service.url),
        "no link": "/act/nothing",
        "enter": enter.removeprefix(here.service.url),
        "nowhere": "/nowhere",
    }


def browser_context(here: World, chromium: Browser, locale: str) -> Any:
    return somebody(chromium, base_url=here.service.url, locale=locale)


def sign_in(here: World, person: Any) -> Any:
    """Sign in as an admin; the page of the inbox."""
    page = person.new_page()
    page.goto(here.service.command("login", OPS).stdout.strip())
    page.get_by_role("button").click()
    page.wait_for_url(f"{here.service.url}/")
    return page


@pytest.mark.parametrize("locale", LOCALES)
def test_html_validate_finds_nothing_in_any_page(
    here: World, chromium: Browser, tools: Path, paths: dict[str, str], locale: str
) -> None:
    with browser_context(here, chromium, locale) as person:
        pages = {"login": person.request.get("/login").text()}
        sign_in(here, person)
        pages |= {name: person.request.get(path).text() for name, path in paths.items()}

    found = checked(tools, pages)

    assert {name: answer["valid"] for name, answer in found.items() if answer["valid"]} == {}
    assert len(found) == len(paths) + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_in_any_page_by_day_and_by_night(
    here: World, chromium: Browser, tools: Path, paths: dict[str, str], scheme: str, width: int
) -> None:
    found, wide = {}, {}
    with browser_context(here, chromium, "en") as person:
        page = sign_in(here, person)
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        for name, path in paths.items():
            page.goto(path)
            found[name] = violations(page, tools)
            wide[name] = page.evaluate("document.documentElement.scrollWidth")

    assert {name: faults for name, faults in found.items() if faults} == {}
    assert {name: px for name, px in wide.items() if px > width} == {}, "wider than the screen"
