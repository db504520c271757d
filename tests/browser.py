"""A real Chromium for tests that press what a person would press; they are skipped where none is installed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 90_000


@contextmanager
def browser() -> Iterator[Browser]:
    """The machine's own Chromium, else the one playwright brought; ``.ci/tools`` installs one."""
    with sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(
                executable_path=next(filter(None, map(shutil.which, NAMES)), None),
                args=["--no-sandbox", "--disable-dev-shm-usage"],  # CI runs as root, with a small /dev/shm
            )
        except Error as error:
            pytest.skip(f"no Chromium here (.ci/tools installs one): {error.message.splitlines()[0]}")
        yield opened
        opened.close()


@contextmanager
def somebody(chromium: Browser, *, locale: str = "en-GB", base_url: str | None = None) -> Iterator[BrowserContext]:
    """A person's own browser: no cookies of others, and every request outside this machine is refused."""
    context = chromium.new_context(locale=locale, timezone_id="Europe/Paris", base_url=base_url)
    context.set_default_timeout(PATIENCE_MS)
    context.route(lambda url: "//127.0.0.1:" not in url, lambda route: route.abort())
    yield context
    context.close()
