"""Translates a task, its case and its chat into a snapshot. Pure; Debitura's terms do not leave this package.

Bank accounts and a debtor's contact data are not even parsed: docs/vendors/debitura.md#cases
"""

import re
from collections.abc import Collection, Iterator, Sequence

from receiver.domain.item import Detail, Line, Snapshot, Urgency
from receiver.domain.money import Money
from receiver.domain.words import fold
from receiver.upstream.debitura import wire

SOURCE = "debitura"
HOST = "debitura.com"
DEFAULT_KIND = "Generic"
SOLVED = "solved"

MAX_KIND = 64
MAX_LINES = 10
MAX_QUESTION = 10_000

_URGENCY: dict[str, Urgency] = {
    **dict.fromkeys(wire.CHAT_TYPES | {"SignContract", "AssignBankAccount", "CaseValidationNeedsInfo"}, "blocking"),
    "SelectQuoteWinner": "review",
    "ReviewPartner": "info",
}
_SIDES = {wire.PARTNER: "partner", wire.CREDITOR: "creditor", wire.MANAGED_BY_PARTNER: "partner"}


def key_of(account: str, task_id: str) -> str:
    """Return the item's key: ``debitura:<account>:task:<task id>``."""
    return f"{SOURCE}:{account}:task:{task_id}"


def task_id_in(key: str, account: str) -> str | None:
    """Return the task's id in a key of this account; None for any other key."""
    prefix = key_of(account, "")
    return key.removeprefix(prefix) or None if key.startswith(prefix) else None


def is_open(task: wire.Task) -> bool:
    """Whether the task is open. One without a status is open unless it has a solution date."""
    return task.date_solved is None if task.status is None else task.status != SOLVED


def snapshot(
    task: wire.Task,
    case: wire.Case | None,
    chats: Sequence[wire.Chat],
    account: str,
    solution_hosts: Collection[str] = (),
) -> Snapshot:
    """Translate a task. ``case`` and ``chats`` as far as they could be read, the oldest message first.

    The task must have an id; any other field may be missing. ``solution_hosts``: hosts besides debitura.com to which
    its link may lead.
    """
    assert task.id is not None, "a task without an id has no key"
    case = case or wire.Case()
    kind, is_pending = kind_of(task.type), is_open(task)
    messages = sort_chats(chats)
    link = task.solution_url
    is_safe = link is not None and _is_allowed(link, {HOST, *solution_hosts})
    return Snapshot(
        key=key_of(account, task.id),
        source=SOURCE,
        account=account,
        kind=kind,
        urgency=_URGENCY.get(kind, "review"),
        is_open=is_pending,
        outcome=None if is_pending else SOLVED,
        title=task.title or task.type_label,
        question=(_question(messages) if kind in wire.CHAT_TYPES else None) or task.description,
        reference=case.creditor_reference,
        case_reference=case.reference or task.case_reference,
        debtor=case.debtor.name if case.debtor else None,
        amount=None if case.remainder is None else Money(case.remainder, case.currency),
        created_at=task.date_created,
        deadline_at=task.deadline,
        solution_url=link if is_safe else None,
        conversation=tuple(_line(chat) for chat in messages[-MAX_LINES:]),
        details=tuple(_details(task, case, None if is_safe else link)),
        verbs=("reply",) if is_pending and _accepts_reply(task) else (),
        status=task.status,
        case_id=task.case_id,
    )


def page_of(case_id: str, template: str | None) -> str | None:
    """Return the case's page from the configured template; the API has no link (docs/vendors/debitura.md#cases)."""
    return template.replace("{id}", case_id) if template else None


def kind_of(type_: object) -> str:
    """Return the task's type as the kind of the item, including an unknown type."""
    kind = wire.catalogue_type(type_) or DEFAULT_KIND
    if not kind.isprintable():
        kind = "".join(char for char in kind if char.isprintable())
    return kind[:MAX_KIND].strip() or DEFAULT_KIND


def _accepts_reply(task: wire.Task) -> bool:
    """Whether the task's action is exactly the chat of its own case; no other action is ever called.

    docs/vendors/debitura.md#resolving-chat-tasks
    """
    if task.action is None or task.case_id is None or task.action.method != "post":
        return False
    path = (task.action.path or "").replace("{caseId}", task.case_id)
    return fold(path) == f"/cases/{task.case_id}/chats"


def sort_chats(chats: Sequence[wire.Chat]) -> list[wire.Chat]:
    """Return the messages, oldest first; in the order of the API when one has no date.

    docs/vendors/debitura.md#chats
    """
    messages = [chat for chat in chats if chat.message]
    dated = [(chat.date_created, chat) for chat in messages if chat.date_created]
    if len(dated) < len(messages):
        return messages
    return [chat for _, chat in sorted(dated, key=lambda pair: pair[0])]


def _question(messages: Sequence[wire.Chat]) -> str | None:
    """Return what the partner wrote since the creditor's last message."""
    questions: list[str] = []
    for chat in reversed(messages):
        if chat.role == wire.CREDITOR:
            break
        if chat.role == wire.PARTNER and chat.message:
            questions.insert(0, chat.message)
    return "\n\n".join(questions)[-MAX_QUESTION:].strip() or None


def _line(chat: wire.Chat) -> Line:
    user = chat.user or wire.Author()
    name = " ".join(filter(None, (user.first_name, user.last_name)))
    side = _SIDES.get(chat.role, "system") if chat.role is not None else "system"
    return Line(side, name or chat.role_label, chat.message or "", chat.date_created)


def _details(task: wire.Task, case: wire.Case, unsafe_link: str | None) -> Iterator[Detail]:
    partner = case.collection_partner.name if case.collection_partner else None
    fields = {
        "lifecycle": case.lifecycle,
        "partner": partner,
        "type_label": task.type_label,
        "solution_link": unsafe_link,
    }
    for name, value in fields.items():
        if value:
            yield Detail(name, text=value)


_LINK = re.compile(r"https://([a-z0-9.-]+)(?:[/?#][!#-;=?-\[\]-~]*)?", re.ASCII | re.IGNORECASE)


def _is_allowed(link: str, hosts: Collection[str]) -> bool:
    """Whether it is https on one of ``hosts`` or a subdomain, without user, port or ambiguous characters."""
    match = _LINK.fullmatch(link)
    link_host = match[1].lower() if match else ""
    return any(link_host == host.lower() or link_host.endswith(f".{host.lower()}") for host in hosts)
