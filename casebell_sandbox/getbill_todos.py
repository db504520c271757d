"""Getbill's todos and debts as data: new ones, list entries, single todos and statistics. Pure.

Field names and samples are those of Getbill's todos page (docs/vendors/getbill.md#todos).
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

from casebell_sandbox.faults import Json
from casebell_sandbox.invented import ISSUER, Claim

TYPES = ("agreement", "debtor_request", "ai_detection")
LEGACY = {"blocking_dispute": "debtor_request", "non_blocking_dispute": "ai_detection"}
TYPE_OF = {
    "agreement": "agreement",
    "portal_dispute": "debtor_request",
    "hardship": "debtor_request",
    "payment_plan": "debtor_request",
    "ai_dispute": "ai_detection",
    "objection": "ai_detection",
}
STATUSES = ("suggested", "validated", "rejected")
DEBT_STATUS_IDS = {
    "status.default.active": "enc_1",
    "status.default.on_hold": "enc_2",
    "status.default.settled": "enc_3",
    "status.default.in_progress": "enc_4",
    "status.default.pending": "enc_5",
}
PERIODS = {
    "today": 0,
    "since_yesterday": 1,
    "since_last_week": 7,
    "since_last_month": 30,
    "since_last_year": 365,
    "since_beginning": None,
}
# Fields of a single todo that its list entry lacks, except those of LISTED_DETAIL.
DETAIL: Json = {
    "status": "suggested",
    "source": None,
    "admin_notes": None,
    "followup_id": None,
    "call_id": None,
    "audio_url": None,
    "pdf_url": None,
    "reviewed_at": None,
    "updated_at": None,
}
LISTED_DETAIL = {
    "agreement": {"followup_id"},
    "portal_dispute": {"status"},
    "hardship": set[str](),
    "payment_plan": set[str](),
    "ai_dispute": {"status", "source", "audio_url", "followup_id", "call_id"},
    "objection": {"audio_url", "followup_id", "call_id"},
}
# The documented sample of a single dispute lacks these three.
ABSENT_WHEN_SPARSE = ("sub_type", "severity", "proof_files")

DISPUTES = (
    ("Payment Already Made", "Customer claims payment was already made", "Payment Issues",
     "I already paid this bill last month", 85),
    ("Goods Damaged", "Customer says part of the delivery arrived broken", "Delivery",
     "3 of 10 boxes were crushed <see photos> & nobody called back", 64),
    ("Wrong Amount", "Customer disputes the amount invoiced", "Billing Error",
     "We agreed on *half* of that, it is in your offer of 3 May", None),
)  # fmt: skip


def new_debt(claim: Claim, debt_id: str, status: str, now: datetime) -> Json:
    """A debt with the fields of the debts pages."""
    due = now.date() - timedelta(days=40)
    return {
        "id": debt_id, "civility": "Mme", "firstname": claim.firstname, "lastname": claim.lastname,
        "company": ISSUER, "debtor_company": claim.company, "email": claim.email, "phone": "+33 1 99 00 12 34",
        "amount": claim.amount, "amount_text": f"{claim.amount:,.2f} {claim.currency}", "currency": claim.currency,
        "object": f"Outstanding invoice #{claim.reference}",
        "internal_id": claim.reference.replace("INV", "DEBT"), "invoice_reference": claim.reference,
        "debtor_reference": f"CUST-{claim.country}-{claim.reference[-3:]}",
        "invoice_date": str(due - timedelta(days=30)), "due_date": str(due),
        "status": status, "timeline_id": "enc_6", "nb_reminders": 3, "nb_answered": 1,
        "summary": "Reminded by mail and phone.", "iban": "FR7630006000011234567890189",
        "payment_link": f"https://pay.getbill.example/{debt_id}", "payment_plan_active": False,
        "plan_start_date": None, "import_date": iso(now - timedelta(days=20)), "contacts": [],
    }  # fmt: skip


def as_brief_debt(debt: Json) -> Json:
    """The debt as in a todo: without currency and debtor."""
    status = debt["status"]
    return {
        "id": debt["id"],
        "reference": debt["invoice_reference"],
        "amount": debt["amount"],
        "status": status,
        "status_id": DEBT_STATUS_IDS.get(status),
    }


def new_todo(sub_type: str, todo_id: str, debts: list[Json], now: datetime, n: int) -> Json:
    """A todo about the first of ``debts``; several debts make a grouped agreement."""
    kind = TYPE_OF.get(sub_type, "debtor_request")
    todo: Json = {"id": todo_id, "type": kind, "debt": as_brief_debt(debts[0]), "created_at": iso(now)}
    detail = DETAIL | {"updated_at": iso(now)}
    if kind == "agreement":
        detail.pop("status")
        return todo | detail | _plan(debts, now)
    source = "portal" if kind == "debtor_request" else "ai_detection"
    todo |= {"sub_type": sub_type, "collection_paused": kind == "debtor_request"} | detail | {"source": source}
    if kind == "ai_detection":
        todo |= {"followup_id": f"enc_f{n}", "call_id": f"call_{n:06d}", "audio_url": f"call-{todo_id}.wav"}
    return todo | _story(sub_type, debts[0], now, n)


def _story(sub_type: str, debt: Json, now: datetime, n: int) -> Json:
    title, description, theme, words, confidence = DISPUTES[n % len(DISPUTES)]
    fields: Json = {"theme": theme, "detected_content": words, "ai_confidence": confidence}
    match sub_type:
        case "portal_dispute":
            proof = [{"filename": "receipt.pdf", "url": f"proof-{n}.pdf"}]
            return fields | {"severity": "urgent", "title": title, "description": description, "proof_files": proof}
        case "ai_dispute":
            return fields | {"severity": "review", "title": title, "description": description}
        case "objection":
            return fields | {"severity": "review", "objection_type": "wants_callback"}
        case "hardship":
            return {
                "employment_status": "unemployed",
                "is_temporary": True,
                "expected_recovery_period": "3_months",
                "check_in_date": str(now.date() + timedelta(days=30)),
                "check_in_due": False,
            }
        case "payment_plan":
            sixth = round(debt["amount"] / 6, digits_of(debt))
            return {
                "monthly_amount": sixth,
                "start_date": str(now.date() + timedelta(days=14)),
                "number_of_installments": 6,
                "first_payment_amount": sixth,
                "debtor_message": "Cash is short until the season starts; could we pay in six parts?",
            }
    return {}


def _plan(debts: list[Json], now: datetime) -> Json:
    months, digits = 6, digits_of(debts[0])
    total = round(sum(debt["amount"] for debt in debts), digits)
    first = round(total / months, digits)
    plan: Json = {"plan_months": months, "plan_start_date": iso(now), "first_payment_amount": first}
    plan["installments"] = installments(total, months, now.date(), first, digits)
    if len(debts) > 1:
        plan |= {"is_group": True, "debt_count": len(debts), "total_amount": total, "currency": debts[0]["currency"]}
        plan["debts"] = [as_brief_debt(debt) for debt in debts]
    return plan


def installments(total: float, months: int, start: date, first: float, digits: int) -> list[Json]:
    """Monthly payments from the month after ``start``, equal after the ``first``; the last one has the rounding."""
    each = round((total - first) / (months - 1), digits) if months > 1 else 0.0
    amounts = [first, *[each] * (months - 2), round(total - first - each * (months - 2), digits)][:months]
    return [
        {"id": f"enc_i{n}", "amount": amount, "payment_date": f"{_months_later(start, n)}T00:00:00+00:00"}
        | {"paid_at": None, "status": "pending"}
        for n, amount in enumerate(amounts, 1)
    ]


def digits_of(debt: Json) -> int:
    return 0 if debt["currency"] == "JPY" else 2


def _months_later(start: date, months: int) -> date:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, 28))


def iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def kind_of(todo: Json) -> str:
    return str(todo.get("sub_type") or todo["type"])


def debt_ids(todo: Json) -> set[str]:
    return {debt["id"] for debt in [todo["debt"], *todo.get("debts", [])]}


def as_list_entry(todo: Json, sign: Callable[[str], str]) -> Json:
    """The todo as a list entry."""
    shown = LISTED_DETAIL.get(kind_of(todo), {"status"})
    return _with_signed_links({key: value for key, value in todo.items() if key not in DETAIL or key in shown}, sign)


def as_single(todo: Json, sign: Callable[[str], str], expires_at: str, *, is_sparse: bool) -> Json:
    """The todo as in ``GET /todos/{type}/{id}``; ``is_sparse``: only with the fields of the documented sample."""
    dropped = ABSENT_WHEN_SPARSE if is_sparse else ()
    shown = _with_signed_links({key: value for key, value in todo.items() if key not in dropped}, sign)
    has_media = bool(shown.get("audio_url") or shown.get("pdf_url"))
    return shown | {"media_urls_expire_at": expires_at if has_media else None}


def _with_signed_links(todo: Json, sign: Callable[[str], str]) -> Json:
    def link(name: Any) -> Any:
        return sign(name) if isinstance(name, str) and not name.startswith(("http:", "https:")) else name

    links: Json = {key: link(todo[key]) for key in ("audio_url", "pdf_url") if key in todo}
    if isinstance(files := todo.get("proof_files"), list):
        links["proof_files"] = [file | {"url": link(file.get("url"))} for file in files]
    return todo | links


def statistics(todos: Iterable[Json], now: datetime) -> Json:
    """The answer of ``GET /todos/stats``, with its keys for old clients."""
    by_type: dict[str, list[Json]] = {name: [] for name in TYPES}
    for todo in todos:
        by_type[todo["type"]].append(todo)
    plans = Counter(_plan_state(todo, now) for todo in by_type["agreement"])
    stats: Json = {"agreements": {"total": plans.total()} | {key: plans[key] for key in PLAN_STATES}}
    for name, old, new in (
        ("debtor_request", "blocking_disputes", "debtor_requests"),
        ("ai_detection", "non_blocking_disputes", "ai_detections"),
    ):
        kinds = Counter(kind_of(todo) for todo in by_type[name])
        states = Counter(todo.get("status") for todo in by_type[name])
        known = [kind for kind, kind_type in TYPE_OF.items() if kind_type == name]
        stats[new] = {"total": kinds.total(), "by_type": {kind: kinds[kind] for kind in known}}
        stats[old] = {"total": kinds.total(), "by_status": {state: states[state] for state in STATUSES}}
    return stats | {"total": {"all": sum(map(len, by_type.values()))}}


PLAN_STATES = ("active", "pending", "overdue")


def _plan_state(todo: Json, now: datetime) -> str:
    if any(part["paid_at"] is None and part["payment_date"] < iso(now) for part in todo["installments"]):
        return "overdue"
    return "pending" if todo["plan_start_date"] > iso(now) else "active"
