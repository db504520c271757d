"""The notice of an invented item, with links that lead nowhere."""

from dataclasses import replace
from datetime import UTC, datetime

from receiver.domain.action import LINK_VERBS
from receiver.domain.item import Item
from receiver.domain.notice import Link, Notice, verbs_for
from receiver.domain.routing import Route
from receiver.pipeline.notices import twin_links


def sample_notice(item: Item, locale: str) -> Notice:
    """What a channel would get for ``item``, in the language ``locale``."""
    route = Route("preview", locale=locale, timezone="Europe/Paris")
    snapshot = item.snapshot
    media = tuple(
        Link("media", f"https://casebell.example.com/media/{n}", m.name) for n, m in enumerate(snapshot.media)
    )
    solution = (Link("solution", snapshot.solution_url),) if snapshot.solution_url else ()
    verbs = verbs_for(item)
    decide = (Link("decide", "https://casebell.example.com/act/preview"),) if set(verbs) & LINK_VERBS else ()
    links = (*decide, *media, *solution, *twin_links(item))
    return replace(Notice(item, route, verbs, (), datetime.now(UTC)), links=links)
