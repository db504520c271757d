"""Translates a todo and its debt into a snapshot. Pure; Getbill's terms do not leave this package.

docs/vendors/getbill.md#todos
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from urllib.parse import quote, unquote

from receiver.domain.item import Detail, Installment, Medium, Snapshot, Urgency, urgency_of
from receiver.domain.money import Money
from receiver.upstream.getbill import wire

SOURCE = "getbill"
DECIDED = frozenset({"validated", "rejected"})
MAX_LISTED = 200
MAX_NAMED = 20
MAX_CONFIDENCE = 100
UNKNOWN_TYPE = "unknown"


def key_of(account: str, todo_type: str, todo_id: str) -> str:
    """Return the item's key, ``getbill:<account>:<type>:<id>``; the type is quoted so that the key can be split."""
    return f"{SOURCE}:{account}:{quote(todo_type, safe='')}:{todo_id}"


def split_key(key: str, account: str) -> tuple[str, str] | None:
    """Return the type and id in a key of this account; None for any other key."""
    prefix = f"{SOURCE}:{account}:"
    todo_type, colon, todo_id = key.removeprefix(prefix).partition(":")
    return (unquote(todo_type), todo_id) if key.startswith(prefix) and colon and todo_id else None


def type_of(todo: wire.Todo) -> str:
    return todo.type or wire.TYPE_OF.get(todo.sub_type or "", UNKNOWN_TYPE)


def id_of(todo: wire.Todo) -> str | None:
    """Return the id for paths and keys; an agreement's is the id of its debt."""
    debt_id = todo.debt.id if todo.debt else None
    return (debt_id or todo.id) if type_of(todo) == "agreement" else todo.id


def kind_of(todo: wire.Todo) -> str:
    """Return the sub-type; where a single todo lacks it, as in the documented sample, derive it from the fields."""
    todo_type = type_of(todo)
    if todo_type == "agreement" or todo.sub_type:
        return "agreement" if todo_type == "agreement" else str(todo.sub_type)
    if todo_type == "debtor_request":
        if todo.employment_status or todo.expected_recovery_period or todo.is_temporary is not None:
            return "hardship"
        is_plan = todo.number_of_installments is not None or todo.monthly_amount is not None
        return "payment_plan" if is_plan or todo.debtor_message else "portal_dispute"
    if todo_type == "ai_detection":
        return "objection" if todo.objection_type else "ai_dispute"
    return todo_type


def outcome_of(todo: wire.Todo) -> str | None:
    """Return the outcome of a decided todo; None while it is open or its status is unknown."""
    if type_of(todo) == "agreement":
        return "completed" if todo.installments and not unpaid(todo) else None
    return todo.status if todo.status in DECIDED else None


def is_paid(part: wire.Installment) -> bool:
    return _installment(part, None).is_paid


def unpaid(todo: wire.Todo) -> list[wire.Installment]:
    return [part for part in todo.installments if not is_paid(part)]


def snapshot(todo: wire.Todo, debt: wire.Debt | None, account: str, *, todo_url: str | None = None) -> Snapshot:
    """Translate a todo. ``debt``: read separately, for fields that a todo lacks; ``todo_url``: as configured.

    The todo must have an id (``id_of``); any other field may be missing.
    """
    todo_id = id_of(todo)
    assert todo_id is not None, "a todo without an id has no key"
    todo_type, kind, outcome = type_of(todo), kind_of(todo), outcome_of(todo)
    brief, whole = todo.debt or wire.Debt(), debt or wire.Debt()
    currency = todo.currency or brief.currency or whole.currency
    reference = brief.reference or whole.invoice_reference
    return Snapshot(
        key=key_of(account, todo_type, todo_id),
        source=SOURCE,
        account=account,
        kind=kind,
        urgency=_urgency(todo, todo_type, kind),
        is_open=outcome is None,
        outcome=outcome,
        title=todo.title,
        question=todo.description,
        quote=todo.detected_content or todo.debtor_message,
        reference=reference,
        case_reference=whole.internal_id,
        debtor=debtor_of(whole),
        amount=_money(_amount_due(todo, brief, whole), currency),
        is_collection_paused=todo.collection_paused,
        severity=todo.severity,
        theme=todo.theme,
        confidence=_confidence(todo.ai_confidence),
        created_at=todo.created_at,
        solution_url=page_of(todo, todo_url),
        media=_media(todo),
        installments=tuple(_installment(part, currency) for part in todo.installments[:MAX_LISTED]),
        details=tuple(_details(todo, currency)),
        verbs=_verbs(todo_type, outcome),
        status=todo.status,
        debt_id=brief.id,
    )


def _verbs(todo_type: str, outcome: str | None) -> tuple[str, ...]:
    """Return the verbs that `PUT …/status` accepts: a decision, "suggested" to undo it, or another plan."""
    if todo_type in wire.DECIDABLE:
        return ("validate", "reject") if outcome is None else ("reopen",)
    return ("update_plan",) if todo_type == "agreement" and outcome is None else ()


def proofs(todo: wire.Todo) -> dict[str, str | None]:
    """Return the links of the proof files by unique names, also when a name is missing or repeated."""
    links: dict[str, str | None] = {}
    for number, file in enumerate(todo.proof_files[:MAX_LISTED], 1):
        if file.filename is None and file.url is None:
            continue
        name = file.filename or f"file {number}"
        links[name if name not in links else f"{name} ({number})"] = file.url
    return links


def is_plain(url: str) -> bool:
    """Whether every URL parser reads ``url`` alike. A backslash, for one, is a slash only to browsers."""
    return url.isascii() and url.isprintable() and not set(url) & set(' \\"<>')


def _urgency(todo: wire.Todo, todo_type: str, kind: str) -> Urgency:
    if todo_type == "agreement":
        return "info"
    is_paused = todo_type == "debtor_request" if todo.collection_paused is None else todo.collection_paused
    return urgency_of(kind, is_paused=is_paused)


def _amount_due(todo: wire.Todo, brief: wire.Debt, whole: wire.Debt) -> Decimal | None:
    is_group = todo.is_group or (todo.debt_count or 0) > 1
    if is_group and todo.total_amount is not None:
        return todo.total_amount
    return whole.amount if brief.amount is None else brief.amount


def _money(amount: Decimal | None, currency: str | None) -> Money | None:
    return None if amount is None else Money(amount, currency)


def debtor_of(debt: wire.Debt) -> str | None:
    """Return the debtor's name. ``company`` comes last: it may be the creditor's (docs/vendors/getbill.md#debts)."""
    person = " ".join(filter(None, (debt.firstname, debt.lastname)))
    return debt.debtor_company or person or debt.company


def _confidence(value: Decimal | None) -> int | None:
    """Whole percent, rounded down, because a rule may act on it; None outside 0 to 100."""
    return int(value) if value is not None and 0 <= value <= MAX_CONFIDENCE else None


def page_of(todo: wire.Todo, template: str | None) -> str | None:
    """Return the page from the API, else from the configured template: docs/vendors/getbill.md#todos"""
    links = (todo.web_url, todo.app_url, todo.link, todo.url)
    link = next((url for url in links if url and url.startswith("https://") and is_plain(url)), None)
    if link or template is None:
        return link
    debt_id = (todo.debt.id if todo.debt else None) or ""
    values = {"{id}": id_of(todo) or "", "{type}": type_of(todo), "{debt_id}": debt_id}
    for placeholder, value in values.items():
        template = template.replace(placeholder, quote(value, safe=""))
    return template


def _media(todo: wire.Todo) -> tuple[Medium, ...]:
    media = [Medium("proof", name) for name in proofs(todo)]
    if todo.audio_url:
        media.append(Medium("recording", "recording"))
    if todo.pdf_url:
        media.append(Medium("document", "document"))
    return tuple(media)


def _installment(part: wire.Installment, currency: str | None) -> Installment:
    return Installment(_money(part.amount, currency), part.payment_date, part.paid_at, part.status)


def _details(todo: wire.Todo, currency: str | None) -> Iterator[Detail]:
    """Return further fields, in the order in which a reader needs them."""
    debt_status = (todo.debt.status or "").rpartition(".")[2] if todo.debt else ""
    fields: dict[str, str | int | date | Decimal | None] = {
        "employment_status": todo.employment_status,
        "is_temporary": todo.is_temporary,
        "expected_recovery_period": todo.expected_recovery_period,
        "check_in_date": todo.check_in_date,
        "check_in_due": todo.check_in_due,
        "plan_months": todo.plan_months,
        "number_of_installments": todo.number_of_installments,
        "plan_start_date": todo.plan_start_date,
        "start_date": todo.start_date,
        "first_payment_amount": todo.first_payment_amount,
        "monthly_amount": todo.monthly_amount,
        "objection_type": todo.objection_type,
        "debt_count": todo.debt_count,
        "debts": ", ".join(filter(None, (debt.reference for debt in todo.debts[:MAX_NAMED]))) or None,
        "debt_status": debt_status or None,
        "source": todo.source,
        "call": todo.call_id,
        "admin_notes": todo.admin_notes,
    }
    return (_detail(name, value, currency) for name, value in fields.items() if value is not None)


def _detail(name: str, value: str | int | date | Decimal, currency: str | None) -> Detail:
    match value:
        case bool():
            return Detail(name, flag=value)
        case int():
            return Detail(name, number=value)
        case Decimal():
            return Detail(name, money=Money(value, currency))
        case date():
            return Detail(name, day=value)
        case str():
            return Detail(name, text=value)
