"""Delivers a digest from the outbox to one address, with links that are made for this address.

The digest was built when it was queued; it is not built again.
"""

import hashlib
from dataclasses import replace

from pydantic import TypeAdapter
from sqlalchemy import Connection

from receiver.context import Adapters
from receiver.domain.action import SOURCE_VERBS
from receiver.domain.digest import Digest, Edition, Part
from receiver.domain.item import Item
from receiver.domain.people import Person
from receiver.domain.routing import Route, route_at
from receiver.errors import PermanentError, UncertainError
from receiver.observability import log
from receiver.pipeline.deliver.attempt import Attempt
from receiver.pipeline.notices import decide_token
from receiver.ports import DigestNotifier
from receiver.store import actions, payloads, suppression

DOCUMENT = TypeAdapter(Digest)  # as stored in the outbox


async def deliver_digest(attempt: Attempt) -> None:
    """Send one digest. Raises DeliveryError, except UncertainError: a digest that may have arrived is not sent again.

    The next digest contains all that is still open, so a lost digest costs less than a duplicate.
    """
    adapters, delivery = attempt.adapters, attempt.delivery
    channel, address = attempt.channel, attempt.address
    notifier: object = adapters.notifiers.get(channel)
    if not isinstance(notifier, DigestNotifier):
        raise PermanentError("unknown_channel", f"[{channel}] is not in the configuration any more")
    payload = delivery.payload_as(payloads.Digest)
    name = payload.name
    why = await adapters.database.read(suppression.find, address, name, adapters.now())
    if channel == "mail" and why is not None:
        log.info("digest.suppressed", name=name)  # unsubscribed since it was made
    else:
        digest = DOCUMENT.validate_json(payload.document)
        try:
            await notifier.deliver_digest(await edition_for(adapters, digest, channel, address), address)
        except UncertainError as error:
            log.warning("digest.uncertain", name=name, reason=error.code)
    await attempt.finish()


async def edition_for(adapters: Adapters, digest: Digest, channel: str, address: str) -> Edition:
    """With links: to decide by, for people who may and by mail alone (Slack's link expanders open what they see)."""
    digest = replace(
        digest, parts=tuple(_mask_part(f"{channel}:{address}", part, adapters.rules.routes) for part in digest.parts)
    )
    shown = [entry.item for part in digest.parts for entry in part.entries]
    source_links = {item.id: item.snapshot.solution_url for item in shown if item.snapshot.solution_url}
    if channel != "mail":
        return Edition(digest, {}, source_links, inbox_url=f"{adapters.rules.public_url}/")
    may_decide = adapters.rules.people.may_resolve(Person(email=address))
    decide_links = await _decide_links(adapters, digest, address) if may_decide else {}
    token = adapters.rules.tokens.make("unsubscribe.v1", subscription_id(digest.name, address))
    inbox_url = f"{adapters.rules.public_url}/" if may_decide else None
    return Edition(digest, decide_links, source_links, f"{adapters.rules.public_url}/unsubscribe/{token}", inbox_url)


def _mask_part(destination: str, part: Part, routes: tuple[Route, ...]) -> Part:
    """Mask the debtor where the destination's own route masks it, though no route of the item does."""
    entries = (
        replace(one, is_masked=one.is_masked or route_at(destination, one.item.snapshot, routes).mask_debtor)
        for one in part.entries
    )
    return replace(part, entries=tuple(entries))


async def _decide_links(adapters: Adapters, digest: Digest, address: str) -> dict[str, str]:
    rule = next((rule for rule in adapters.rules.digests if rule.name == digest.name), None)
    if rule is None:
        return {}
    decidable = [
        entry.item for part in digest.parts if part.is_to_decide for entry in part.entries if _is_decidable(entry.item)
    ]
    tokens = {item.id: decide_token(item, rule.as_route(), address, adapters.now()) for item in decidable}
    await adapters.database.write(_remember_tokens, list(tokens.values()))
    return {
        id_: f"{adapters.rules.public_url}/act/{adapters.rules.tokens.make('act.v1', token.id)}"
        for id_, token in tokens.items()
    }


def _is_decidable(item: Item) -> bool:
    return item.state == "open" and bool(SOURCE_VERBS & set(item.snapshot.verbs))


def _remember_tokens(connection: Connection, tokens: list[actions.Token]) -> None:
    for token in tokens:
        actions.add_token_once(connection, token)


def subscription_id(name: str, address: str) -> str:
    """Names a recipient of a digest without saying who (RFC 8058: opaque)."""
    return hashlib.blake2b(f"{name}\n{address.lower()}".encode(), digest_size=12).hexdigest()
