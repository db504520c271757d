"""Step 4 for Debitura: a task, its case and its chat become a snapshot. Debitura's words stop here; pure.

Rules are from debitura.md, sections 4 to 7. Bank accounts and a debtor's addresses never get as far as this.
"""

import re
from collections.abc import Collection, Iterator, Sequence

from receiver.domain.item import Detail, Line, Snapshot, Urgency
from receiver.domain.money import Money
from receiver.domain.words import fold
from receiver.upstream.debitura import wire

SOURCE = "debitura"
HOST = "debitura.com"
UNNAMED = "Generic"
SOLVED = "solved"

MOST_OF_A_KIND = 64
MOST_LINES = 10
MOST_OF_A_QUESTION = 10_000

_URGENCY: dict[str, Urgency] = {
    **dict.fromkeys(wire.CHAT_TYPES | {"SignContract", "AssignBankAccount", "CaseValidationNeedsInfo"}, "blocking"),
    "SelectQuoteWinner": "review",
    "ReviewPartner": "info",
}
_SIDES = {wire.PARTNER: "partner", wire.CREDITOR: "creditor", wire.MANAGED_BY_PARTNER: "partner"}


def key_of(account: str, task_id: str) -> str:
    """The item's key (interfaces.md, Items)."""
    return f"{SOURCE}:{account}:task:{task_id}"


def task_id_in(key: str, account: str) -> str | None:
    """The task's id in a key of this account; None for a key of anybody else."""
    prefix = key_of(account, "")
    return key.removeprefix(prefix) or None if key.startswith(prefix) else None


def is_open(task: wire.Task) -> bool:
    """Whether a task still waits; one of an unknown status does, for it was listed as open."""
    return task.date_solved is None if task.status is None else task.status != SOLVED


def snapshot(
    task: wire.Task,
    case: wire.Case | None,
    chats: Sequence[wire.Chat],
    account: str,
    solution_hosts: Collection[str] = (),
) -> Snapshot:
    """What the task says. ``case`` and ``chats``: as far as they could be read; oldest message first.

    The task must have an id; everything else may be missing. ``solution_hosts``: where its link may lead besides
    debitura.com.
    """
    assert task.id is not None, "a task without an id has no key"
    case = case or wire.Case()
    kind, is_waiting = kind_of(task.type), is_open(task)
    said = in_order(chats)
    link = task.solution_url
    is_safe = link is not None and _is_allowed(link, {HOST, *solution_hosts})
    return Snapshot(
        key=key_of(account, task.id),
        source=SOURCE,
        account=account,
        kind=kind,
        urgency=_URGENCY.get(kind, "review"),
        is_open=is_waiting,
        outcome=None if is_waiting else SOLVED,
        title=task.title or task.type_label,
        question=(_question(said) if kind in wire.CHAT_TYPES else None) or task.description,
        reference=case.creditor_reference,
        case_reference=case.reference or task.case_reference,
        debtor=case.debtor.name if case.debtor else None,
        amount=None if case.remainder is None else Money(case.remainder, case.currency),
        created_at=task.date_created,
        deadline_at=task.deadline,
        solution_url=link if is_safe else None,
        conversation=tuple(_line(chat) for chat in said[-MOST_LINES:]),
        details=tuple(_details(task, case, None if is_safe else link)),
        verbs=("reply",) if is_waiting and _takes_reply(task) else (),
        status=task.status,
        case_id=task.case_id,
    )


def page_of(case_id: str, template: str | None) -> str | None:
    """The configured page of a case; Debitura names none (debitura.md, section 7)."""
    return template.replace("{id}", case_id) if template else None


def kind_of(type_: object) -> str:
    """Debitura's own word for the type of a task, an unknown one included."""
    named = wire.type_word(type_) or UNNAMED
    if not named.isprintable():
        named = "".join(char for char in named if char.isprintable())
    return named[:MOST_OF_A_KIND].strip() or UNNAMED


def _takes_reply(task: wire.Task) -> bool:
    """Whether the task's action is exactly the chat of its own case; nothing else is ever called (section 4)."""
    if task.action is None or task.case_id is None or task.action.method != "post":
        return False
    path = (task.action.path or "").replace("{caseId}", task.case_id)
    return fold(path) == f"/cases/{task.case_id}/chats"


def in_order(chats: Sequence[wire.Chat]) -> list[wire.Chat]:
    """What was said, oldest first; as it came when a date is missing (chronological by prose only, section 5)."""
    said = [chat for chat in chats if chat.message]
    dated = [(chat.date_created, chat) for chat in said if chat.date_created]
    if len(dated) < len(said):
        return said
    return [chat for _, chat in sorted(dated, key=lambda pair: pair[0])]


def _question(said: Sequence[wire.Chat]) -> str | None:
    """What the partner wrote since our last word."""
    asked: list[str] = []
    for chat in reversed(said):
        if chat.role == wire.CREDITOR:
            break
        if chat.role == wire.PARTNER and chat.message:
            asked.insert(0, chat.message)
    return "\n\n".join(asked)[-MOST_OF_A_QUESTION:].strip() or None


def _line(chat: wire.Chat) -> Line:
    user = chat.user or wire.Author()
    name = " ".join(filter(None, (user.first_name, user.last_name)))
    side = _SIDES.get(chat.role, "system") if chat.role is not None else "system"
    return Line(side, name or chat.role_label, chat.message or "", chat.date_created)


def _details(task: wire.Task, case: wire.Case, odd_link: str | None) -> Iterator[Detail]:
    partner = case.collection_partner.name if case.collection_partner else None
    named = {
        "lifecycle": case.lifecycle,
        "partner": partner,
        "type_label": task.type_label,
        "solution_link": odd_link,
    }
    for name, value in named.items():
        if value:
            yield Detail(name, text=value)


_LINK = re.compile(r"https://([a-z0-9.-]+)(?:[/?#][!#-;=?-\[\]-~]*)?", re.ASCII | re.IGNORECASE)


def _is_allowed(link: str, hosts: Collection[str]) -> bool:
    """https, on one of ``hosts`` or below, without user or port, and nothing in it that a browser reads otherwise."""
    found = _LINK.fullmatch(link)
    place = found[1].lower() if found else ""
    return any(place == host.lower() or place.endswith(f".{host.lower()}") for host in hosts)
