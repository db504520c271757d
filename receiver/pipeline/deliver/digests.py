"""Step 7 for digests: one leaves from the outbox, with the links of the address it goes to."""

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

DOCUMENT = TypeAdapter(Digest)  # as it lies in the outbox


async def deliver_digest(attempt: Attempt) -> None:
    """Send one from the outbox. Raises DeliveryError, but for one thing: what perhaps arrived is not sent again.

    The next digest tells of all that is still open, so a lost one costs less than two of the same.
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
        told = DOCUMENT.validate_json(payload.document)
        try:
            await notifier.deliver_digest(await edition_for(adapters, told, channel, address), address)
        except UncertainError as error:
            log.warning("digest.uncertain", name=name, reason=error.code)
    await attempt.finish()


async def edition_for(adapters: Adapters, told: Digest, channel: str, address: str) -> Edition:
    """With links: to decide by, for people who may and by mail alone (Slack's link expanders open what they see)."""
    told = replace(
        told, parts=tuple(_masked_at(f"{channel}:{address}", part, adapters.rules.routes) for part in told.parts)
    )
    shown = [entry.item for part in told.parts for entry in part.entries]
    source_links = {item.id: item.snapshot.solution_url for item in shown if item.snapshot.solution_url}
    if channel != "mail":
        return Edition(told, {}, source_links, inbox_url=f"{adapters.rules.public_url}/")
    may_decide = adapters.rules.people.may_resolve(Person(email=address))
    decide_links = await _decide_links(adapters, told, address) if may_decide else {}
    token = adapters.rules.tokens.make("unsubscribe.v1", subscription_id(told.name, address))
    inbox_url = f"{adapters.rules.public_url}/" if may_decide else None
    return Edition(told, decide_links, source_links, f"{adapters.rules.public_url}/unsubscribe/{token}", inbox_url)


def _masked_at(place: str, part: Part, routes: tuple[Route, ...]) -> Part:
    """A name that this place must not see is hidden, though no route of the item hides it."""
    entries = (
        replace(one, is_masked=one.is_masked or route_at(place, one.item.snapshot, routes).mask_debtor)
        for one in part.entries
    )
    return replace(part, entries=tuple(entries))


async def _decide_links(adapters: Adapters, told: Digest, address: str) -> dict[str, str]:
    rule = next((rule for rule in adapters.rules.digests if rule.name == told.name), None)
    if rule is None:
        return {}
    decidable = [
        entry.item for part in told.parts if part.is_to_decide for entry in part.entries if _can_be(entry.item)
    ]
    tokens = {item.id: decide_token(item, rule.as_route(), address, adapters.now()) for item in decidable}
    await adapters.database.write(_remember_tokens, list(tokens.values()))
    return {
        id_: f"{adapters.rules.public_url}/act/{adapters.rules.tokens.make('act.v1', token.id)}"
        for id_, token in tokens.items()
    }


def _can_be(item: Item) -> bool:
    return item.state == "open" and bool(SOURCE_VERBS & set(item.snapshot.verbs))


def _remember_tokens(connection: Connection, tokens: list[actions.Token]) -> None:
    for token in tokens:
        actions.add_token_once(connection, token)


def subscription_id(name: str, address: str) -> str:
    """Names a recipient of a digest without saying who (RFC 8058: opaque)."""
    return hashlib.blake2b(f"{name}\n{address.lower()}".encode(), digest_size=12).hexdigest()
