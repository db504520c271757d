"""Step 4 for Getbill: a todo and its debt become a snapshot. Getbill's words stop here; pure (getbill.md, Todos)."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from urllib.parse import quote, unquote

from receiver.domain.item import Detail, Installment, Medium, Snapshot, Urgency, urgency_of
from receiver.domain.money import Money
from receiver.upstream.getbill import wire

SOURCE = "getbill"
DECIDED = frozenset({"validated", "rejected"})
MOST_LISTED = 200
MOST_NAMED = 20
MOST_CONFIDENCE = 100
UNKNOWN_TYPE = "unknown"


def key_of(account: str, what: str, todo_id: str) -> str:
    """The item's key (interfaces.md, Items). A type is quoted so that the key splits again."""
    return f"{SOURCE}:{account}:{quote(what, safe='')}:{todo_id}"


def split_key(key: str, account: str) -> tuple[str, str] | None:
    """Type and id in a key of this account; None for a key of anybody else."""
    prefix = f"{SOURCE}:{account}:"
    what, colon, todo_id = key.removeprefix(prefix).partition(":")
    return (unquote(what), todo_id) if key.startswith(prefix) and colon and todo_id else None


def type_of(todo: wire.Todo) -> str:
    return todo.type or wire.TYPE_OF.get(todo.sub_type or "", UNKNOWN_TYPE)


def id_of(todo: wire.Todo) -> str | None:
    """The id a path and a key carry: an agreement's is its debt's."""
    debt_id = todo.debt.id if todo.debt else None
    return (debt_id or todo.id) if type_of(todo) == "agreement" else todo.id


def kind_of(todo: wire.Todo) -> str:
    """The sub-type; where a single todo leaves it out, as the documented sample does, what its fields show."""
    what = type_of(todo)
    if what == "agreement" or todo.sub_type:
        return "agreement" if what == "agreement" else str(todo.sub_type)
    if what == "debtor_request":
        if todo.employment_status or todo.expected_recovery_period or todo.is_temporary is not None:
            return "hardship"
        is_plan = todo.number_of_installments is not None or todo.monthly_amount is not None
        return "payment_plan" if is_plan or todo.debtor_message else "portal_dispute"
    if what == "ai_detection":
        return "objection" if todo.objection_type else "ai_dispute"
    return what


def outcome_of(todo: wire.Todo) -> str | None:
    """How the todo ended; None while it is open or says nothing we know."""
    if type_of(todo) == "agreement":
        return "completed" if todo.installments and not unpaid(todo) else None
    return todo.status if todo.status in DECIDED else None


def is_paid(part: wire.Installment) -> bool:
    return _installment(part, None).is_paid


def unpaid(todo: wire.Todo) -> list[wire.Installment]:
    return [part for part in todo.installments if not is_paid(part)]


def snapshot(todo: wire.Todo, debt: wire.Debt | None, account: str, *, todo_url: str | None = None) -> Snapshot:
    """What the todo says. ``debt``: read beside it, for what a todo does not carry; ``todo_url`` as configured.

    The todo must have an id (``id_of``); everything else may be missing.
    """
    todo_id = id_of(todo)
    assert todo_id is not None, "a todo without an id has no key"
    what, kind, outcome = type_of(todo), kind_of(todo), outcome_of(todo)
    brief, whole = todo.debt or wire.Debt(), debt or wire.Debt()
    currency = todo.currency or brief.currency or whole.currency
    reference = brief.reference or whole.invoice_reference
    return Snapshot(
        key=key_of(account, what, todo_id),
        source=SOURCE,
        account=account,
        kind=kind,
        urgency=_urgency(todo, what, kind),
        is_open=outcome is None,
        outcome=outcome,
        title=todo.title,
        question=todo.description,
        quote=todo.detected_content or todo.debtor_message,
        reference=reference,
        case_reference=whole.internal_id,
        debtor=debtor_of(whole),
        amount=_money(_owed(todo, brief, whole), currency),
        is_collection_paused=todo.collection_paused,
        severity=todo.severity,
        theme=todo.theme,
        confidence=_confidence(todo.ai_confidence),
        created_at=todo.created_at,
        solution_url=page_of(todo, todo_url),
        media=_media(todo),
        installments=tuple(_installment(part, currency) for part in todo.installments[:MOST_LISTED]),
        details=tuple(_details(todo, currency)),
        verbs=_verbs(what, outcome),
        status=todo.status,
        debt_id=brief.id,
    )


def _verbs(what: str, outcome: str | None) -> tuple[str, ...]:
    """What `PUT …/status` takes: a decision, "suggested" to take it back, or another plan."""
    if what in wire.DECIDABLE:
        return ("validate", "reject") if outcome is None else ("reopen",)
    return ("update_plan",) if what == "agreement" and outcome is None else ()


def proofs(todo: wire.Todo) -> dict[str, str | None]:
    """Links of the proof files by a name each, also when two files share theirs or one has none."""
    named: dict[str, str | None] = {}
    for number, file in enumerate(todo.proof_files[:MOST_LISTED], 1):
        if file.filename is None and file.url is None:
            continue
        name = file.filename or f"file {number}"
        named[name if name not in named else f"{name} ({number})"] = file.url
    return named


def is_plain(url: str) -> bool:
    """Whether a browser reads ``url`` as we do: a backslash, for one, is a slash to it and none to us."""
    return url.isascii() and url.isprintable() and not set(url) & set(' \\"<>')


def _urgency(todo: wire.Todo, what: str, kind: str) -> Urgency:
    if what == "agreement":
        return "info"
    is_paused = what == "debtor_request" if todo.collection_paused is None else todo.collection_paused
    return urgency_of(kind, is_paused=is_paused)


def _owed(todo: wire.Todo, brief: wire.Debt, whole: wire.Debt) -> Decimal | None:
    is_group = todo.is_group or (todo.debt_count or 0) > 1
    if is_group and todo.total_amount is not None:
        return todo.total_amount
    return whole.amount if brief.amount is None else brief.amount


def _money(amount: Decimal | None, currency: str | None) -> Money | None:
    return None if amount is None else Money(amount, currency)


def debtor_of(debt: wire.Debt) -> str | None:
    """The debtor's name; ``company`` last, for it may be the creditor's (getbill.md does not say)."""
    person = " ".join(filter(None, (debt.firstname, debt.lastname)))
    return debt.debtor_company or person or debt.company


def _confidence(value: Decimal | None) -> int | None:
    """In whole percent, never more than was told; what is none is not told. For a rule may act on it."""
    return int(value) if value is not None and 0 <= value <= MOST_CONFIDENCE else None


def page_of(todo: wire.Todo, template: str | None) -> str | None:
    """The page the API names, else the configured one; never a guess (getbill.md, Todos)."""
    named = (todo.web_url, todo.app_url, todo.link, todo.url)
    found = next((url for url in named if url and url.startswith("https://") and is_plain(url)), None)
    if found or template is None:
        return found
    debt_id = (todo.debt.id if todo.debt else None) or ""
    values = {"{id}": id_of(todo) or "", "{type}": type_of(todo), "{debt_id}": debt_id}
    for place, value in values.items():
        template = template.replace(place, quote(value, safe=""))
    return template


def _media(todo: wire.Todo) -> tuple[Medium, ...]:
    found = [Medium("proof", name) for name in proofs(todo)]
    if todo.audio_url:
        found.append(Medium("recording", "recording"))
    if todo.pdf_url:
        found.append(Medium("document", "document"))
    return tuple(found)


def _installment(part: wire.Installment, currency: str | None) -> Installment:
    return Installment(_money(part.amount, currency), part.payment_date, part.paid_at, part.status)


def _details(todo: wire.Todo, currency: str | None) -> Iterator[Detail]:
    """What else is known, in the order a reader wants it."""
    debt_status = (todo.debt.status or "").rpartition(".")[2] if todo.debt else ""
    named: dict[str, str | int | bool | date | Decimal | None] = {
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
        "debts": ", ".join(filter(None, (debt.reference for debt in todo.debts[:MOST_NAMED]))) or None,
        "debt_status": debt_status or None,
        "source": todo.source,
        "call": todo.call_id,
        "admin_notes": todo.admin_notes,
    }
    for name, value in named.items():
        match value:
            case bool():
                yield Detail(name, flag=value)
            case int():
                yield Detail(name, number=value)
            case Decimal():
                yield Detail(name, money=Money(value, currency))
            case date():
                yield Detail(name, day=value)
            case str():
                yield Detail(name, text=value)
