"""What people did: who, which verb, through what, and what came of it. Never erased by a refusal."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, exists, func, insert, select, update

from receiver.domain.action import ActionInput, Click
from receiver.domain.people import Person
from receiver.store import upsert
from receiver.store.schema import action, token

_person = TypeAdapter(Person)
_terms = TypeAdapter(ActionInput)
_UNDECIDED = ("proposed", "asked")
_NOTHING = ("refused", "dry_run")


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
    """A single-use link that was sent. ``used_verb`` says what it was used for."""

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
    """Record the press of a verb; the action's id."""
    row = connection.execute(
        insert(action)
        .values(
            identity=click.identity,
            item_id=click.item_id,
            verb=click.verb,
            version=click.version,
            person=_person.dump_json(click.person).decode(),
            via=click.via,
            note=click.note,
            text=click.text,
            answer_to=click.answer_to,
            state=state,
            reason=reason,
            at=now,
            finished_at=None if state in _UNDECIDED else now,
            terms=None if click.terms == ActionInput() else _terms.dump_json(click.terms, exclude_none=True).decode(),
        )
        .returning(action.c.id)
    )
    return int(row.scalar_one())


def find(connection: Connection, action_id: int) -> ActionRow | None:
    return _one(connection, action.c.id == action_id)


def by_identity(connection: Connection, identity: str) -> ActionRow | None:
    """The action this very press led to, if it came before."""
    return _one(connection, action.c.identity == identity)


def is_anybodys(connection: Connection, item_id: str) -> bool:
    """Whether anybody, a rule included, has done or tried anything with the item; dry runs and refusals are nothing."""
    chosen = exists().where(action.c.item_id == item_id, action.c.state.not_in(_NOTHING))
    return bool(connection.execute(select(chosen)).scalar_one())


def count(connection: Connection, identities: str, since: datetime) -> int:
    """How often a rule has acted since then. ``identities``: what its actions' identities begin with."""
    chosen = select(func.count()).where(
        action.c.via == "automation",
        action.c.at > since,
        action.c.state.not_in(_NOTHING),
        action.c.identity.startswith(identities, autoescape=True),
    )
    return int(connection.execute(chosen).scalar_one())


def finish(connection: Connection, action_id: int, state: str, reason: str | None, now: datetime) -> None:
    """What came of it: done, or failed with the reason."""
    connection.execute(
        update(action)
        .where(action.c.id == action_id, action.c.state.in_(_UNDECIDED))
        .values(state=state, reason=reason, finished_at=now)
    )


def ask(connection: Connection, action_id: int) -> None:
    """A proposal was confirmed: from now on the source is asked for it."""
    connection.execute(update(action).where(action.c.id == action_id).values(state="asked"))


def add_token_once(connection: Connection, fresh: Token) -> None:
    """Remember a link that is about to be sent; the same one may be sent again."""
    values = {name: getattr(fresh, name) for name in Token.__slots__}
    connection.execute(upsert.insert(connection, token).values(values).on_conflict_do_nothing())


def find_token(connection: Connection, token_id: str) -> Token | None:
    columns = (token.c[name] for name in Token.__slots__)
    row = connection.execute(select(*columns).where(token.c.id == token_id)).first()
    return None if row is None else Token(*row)


def route_of_links(connection: Connection, item_id: str, address: str) -> str:
    """By which route this address was last given a link for this item; empty when never."""
    chosen = select(token.c.route).where(token.c.item_id == item_id, token.c.address == address)
    return connection.execute(chosen.order_by(token.c.created_at.desc()).limit(1)).scalar() or ""


def spend_token(connection: Connection, token_id: str, who: str, verb: str, now: datetime) -> bool:
    """Use the link up, in the transaction of what it does. False: it was used before."""
    spent = connection.execute(
        update(token)
        .where(token.c.id == token_id, token.c.used_at.is_(None))
        .values(used_at=now, used_by=who, used_verb=verb)
    )
    return spent.rowcount == 1


def _one(connection: Connection, condition: object) -> ActionRow | None:
    columns = (action.c[name] for name in ActionRow.__slots__)
    row = connection.execute(select(*columns).where(condition)).first()  # type: ignore[arg-type]
    if row is None:
        return None
    terms = _terms.validate_json(row.terms) if row.terms else ActionInput()
    return ActionRow(**{**row._asdict(), "person": _person.validate_json(row.person), "terms": terms})
