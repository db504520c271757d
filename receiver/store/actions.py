"""The actions of people: who used which verb through which channel, and the result. Refused ones are kept too."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, exists, func, insert, select, update

from receiver.domain.action import ActionInput, Click
from receiver.domain.people import Person
from receiver.store import upsert
from receiver.store.schema import action, token

_person = TypeAdapter(Person)
_input = TypeAdapter(ActionInput)
_FROM_CLICK = ("identity", "item_id", "verb", "version", "via", "note", "text", "answer_to")
_UNFINISHED = ("proposed", "asked")
_WITHOUT_EFFECT = ("refused", "dry_run")


@dataclass(frozen=True, slots=True)
class ActionRow:
    id: int
    identity: str
    item_id: str
    verb: str
    version: int
    person: Person
    via: str
    note: str | None
    text: str | None
    answer_to: str | None
    state: str
    reason: str | None
    at: datetime
    terms: ActionInput


@dataclass(frozen=True, slots=True)
class Token:
    """A single-use link that was sent. ``used_verb``: the verb it was used for."""

    id: str
    item_id: str
    version: int
    address: str
    route: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    used_by: str | None = None
    used_verb: str | None = None


def add(connection: Connection, click: Click, state: str, reason: str | None, now: datetime) -> int:
    """Record a click on a verb; the id of the action."""
    values = {name: getattr(click, name) for name in _FROM_CLICK}
    values |= {"state": state, "reason": reason, "at": now, "finished_at": None if state in _UNFINISHED else now}
    values["person"] = _person.dump_json(click.person).decode()
    if click.terms != ActionInput():
        values["terms"] = _input.dump_json(click.terms, exclude_none=True).decode()
    return int(connection.execute(insert(action).values(values).returning(action.c.id)).scalar_one())


def find(connection: Connection, action_id: int) -> ActionRow | None:
    return _find(connection, action.c.id == action_id)


def find_by_identity(connection: Connection, identity: str) -> ActionRow | None:
    """The action that was recorded for this click, if it arrived before."""
    return _find(connection, action.c.identity == identity)


def has_any(connection: Connection, item_id: str) -> bool:
    """Whether a person or a rule has acted on the item. Refused actions and dry runs do not count."""
    acted = exists().where(action.c.item_id == item_id, action.c.state.not_in(_WITHOUT_EFFECT))
    return bool(connection.execute(select(acted)).scalar_one())


def count_by_rule(connection: Connection, prefix: str, since: datetime) -> int:
    """How often a rule has acted since then. ``prefix``: the start of the identities of its actions."""
    chosen = select(func.count()).where(
        action.c.via == "automation",
        action.c.at > since,
        action.c.state.not_in(_WITHOUT_EFFECT),
        action.c.identity.startswith(prefix, autoescape=True),
    )
    return int(connection.execute(chosen).scalar_one())


def finish(connection: Connection, action_id: int, state: str, reason: str | None, now: datetime) -> None:
    """Set the result: done, or failed with the reason. Finished actions stay as they are."""
    unfinished = (action.c.id == action_id, action.c.state.in_(_UNFINISHED))
    connection.execute(update(action).where(*unfinished).values(state=state, reason=reason, finished_at=now))


def mark_asked(connection: Connection, action_id: int) -> None:
    """A proposal was confirmed: the source is asked now."""
    connection.execute(update(action).where(action.c.id == action_id).values(state="asked"))


def add_token_once(connection: Connection, new: Token) -> None:
    """Record a link that is about to be sent. The same one may be sent again."""
    values = {name: getattr(new, name) for name in Token.__slots__}
    connection.execute(upsert.insert(connection, token).values(values).on_conflict_do_nothing())


def find_token(connection: Connection, token_id: str) -> Token | None:
    columns = (token.c[name] for name in Token.__slots__)
    row = connection.execute(select(*columns).where(token.c.id == token_id)).first()
    return None if row is None else Token(*row)


def find_link_route(connection: Connection, item_id: str, address: str) -> str:
    """The route of the last link for this item to this address; empty without one."""
    chosen = select(token.c.route).where(token.c.item_id == item_id, token.c.address == address)
    return connection.execute(chosen.order_by(token.c.created_at.desc()).limit(1)).scalar() or ""


def spend_token(connection: Connection, token_id: str, who: str, verb: str, now: datetime) -> bool:
    """Mark the link as used, in the transaction of what it does. False: it was used before."""
    unused = update(token).where(token.c.id == token_id, token.c.used_at.is_(None))
    return connection.execute(unused.values(used_at=now, used_by=who, used_verb=verb)).rowcount == 1


def _find(connection: Connection, condition: object) -> ActionRow | None:
    columns = (action.c[name] for name in ActionRow.__slots__)
    row = connection.execute(select(*columns).where(condition)).first()  # type: ignore[arg-type]
    if row is None:
        return None
    terms = _input.validate_json(row.terms) if row.terms else ActionInput()
    return ActionRow(**{**row._asdict(), "person": _person.validate_json(row.person), "terms": terms})
