"""Debitura's tasks, cases, chats and team as data, with the fields of its OpenAPI document. Pure.

Times of tasks and cases are UTC without a zone, those of chats have .NET's seven decimals
(docs/vendors/debitura.md#times-and-numbers).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from casebell_sandbox.faults import Json
from casebell_sandbox.invented import ISSUER, Claim

PORTAL = "https://app.debitura.com"
CHAT_TYPES = frozenset({"ReplyToChat", "ClientInputRequired", "MoreInfoNeeded"})
ROLES = {0: "Partner", 1: "Creditor", 2: "Managed by partner"}
PARTNER: Json = {"id": 71, "firstName": "Kerstin", "lastName": "Lindqvist", "email": "kerstin@inkasso-nord.example"}
TEAM = (("Anna Krogh", "anna.k@creditor.example"), ("Accounts Receivable", "ar@creditor.example"))


@dataclass(frozen=True, slots=True)
class TaskType:
    """The texts of a task type. ``lifecycle``: that of its case; ``page``: where people solve it in the portal."""

    label: str
    description: str
    lifecycle: str = "Active"
    page: str = "/Task"
    has_case: bool = True


TYPES = {
    "ReplyToChat": TaskType("Reply to chat", "Your collection partner is waiting for an answer in the chat."),
    "ClientInputRequired": TaskType("Client input required", "The partner needs your input to go on.", "Paused"),
    "MoreInfoNeeded": TaskType("More information needed", "The partner asked for details.", "More Info Required"),
    "SelectQuoteWinner": TaskType("Select a quote", "Two partners sent a quote.", "Pending Quote Selection"),
    "ReviewPartner": TaskType("Review partner", "The case is closed: how was the partner?", "Closed"),
    "SignContract": TaskType("Sign contract", "The power of attorney must be signed again.", has_case=False),
    "AssignBankAccount": TaskType(
        "Assign bank account",
        "A payout account is missing.",
        page="/Invoices/Index?bankAccountId=-1",
        has_case=False,
    ),
    "CaseValidationNeedsInfo": TaskType(
        "Case needs information", "The debtor's registration number is missing.", "Pending Verification"
    ),
    "Generic": TaskType("Task", "Please call your account manager about this case."),
}
# Not in the documented catalogue: an example of a type that Debitura adds later.
LATER_TYPES = {
    "UploadKycDocument": TaskType("Upload KYC document", "A copy of the director's passport is needed.", has_case=False)
}
QUESTIONS = {
    "ReplyToChat": "The debtor says the invoice was credited in May. Can you confirm, and send the credit note?",
    "ClientInputRequired": "Debtor offers 60 % at once against waiving the rest.\r\nDo you accept? <by Friday please>",
    "MoreInfoNeeded": "Please send the signed order & the delivery note, we need both before court.",
}


def about(type_code: str) -> TaskType:
    return (TYPES | LATER_TYPES).get(type_code, TaskType(type_code, ""))


def naive(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S")


def business_days_later(at: datetime, days: int) -> datetime:
    while days:
        at += timedelta(days=1)
        days -= at.weekday() < 5
    return at


def new_task(type_code: str, case: Json | None, now: datetime, *, has_template: bool) -> Json:
    """An open task. ``has_template``: the path of its action is "/cases/{caseId}/chats", without the id."""
    kind, task_id = about(type_code), str(uuid4())
    action = None
    if case is not None and type_code in CHAT_TYPES:
        case_id = "{caseId}" if has_template else case["id"]
        action = {"method": "POST", "path": f"/cases/{case_id}/chats"}
    return {
        "id": task_id,
        "type": type_code,
        "typeLabel": kind.label,
        "title": kind.label if case is None else f"{kind.label}: {case['debtor']['name']}",
        "description": kind.description,
        "status": "Open",
        "caseId": case["id"] if case else None,
        "caseReference": case["creditorReference"] if case else None,
        "leadId": str(uuid4()) if type_code == "SelectQuoteWinner" else None,
        "deadline": naive(business_days_later(now, 2)),
        "dateCreated": naive(now),
        "dateSolved": None,
        "solutionUrl": PORTAL + kind.page if "?" in kind.page else f"{PORTAL}{kind.page}?id={task_id}",
        "action": action,
    }


def new_case(claim: Claim, own_reference: str, lifecycle: str, now: datetime) -> Json:
    """A collection case (InvoiceDto)."""
    fees = round(claim.amount * 0.06, 2)
    is_closed = lifecycle == "Closed"
    return {
        "id": str(uuid4()),
        "dateCreated": naive(now - timedelta(days=30)),
        "dateUpdated": naive(now),
        "reference": own_reference,
        "creditorReference": claim.reference,
        "creditorComments": None,
        "claimDescription": f"Goods delivered, invoice {claim.reference}",
        "grossAmount": claim.amount,
        "remainder": 0.0 if is_closed else round(claim.amount + fees, 2),
        "interestFees": 0.0,
        "reminderFees": 0.0,
        "collectionFees": fees,
        "totalAddedFees": fees,
        "currency": claim.currency,
        "isTestCase": False,
        "lifecycle": lifecycle,
        "dueDate": naive(now - timedelta(days=60)),
        "date": naive(now - timedelta(days=90)),
        "dateFinished": naive(now) if is_closed else None,
        "dateCollectionStarted": naive(now - timedelta(days=28)),
        "closeCode": "Paid" if is_closed else None,
        "claimType": "Unpaid Invoice",
        "creditorDivisionId": None,
        "debtor": _debtor(claim),
        "collectionPartner": {
            "name": "Inkasso Nord AB",
            "officeEmail": "office@inkasso-nord.example",
            "officePhone": "+46 8 555 010 10",
            "publicSite": "https://inkasso-nord.example",
            "surveyCadenceMode": 0,
        },
        "bankAccount": {"iban": "DK5000400440116243", "accountHolderName": ISSUER},
        "preLegalSuccessFee": 12.5,
        "solutionUrl": None,
        "disputeStatus": "No, the claim is not disputed",
        "validation": {"needsInfo": lifecycle == "Pending Verification"},
        "assignedUser": {"email": TEAM[0][1], "name": TEAM[0][0]},
        "allocationOutstanding": None,
    }


def _debtor(claim: Claim) -> Json:
    return {
        "type": "Company" if claim.company else "Person",
        "name": claim.debtor,
        "contactPerson": f"{claim.firstname} {claim.lastname}" if claim.company else None,
        "companyRegistrationNumber": None,
        "address": "1 Harbour Road",
        "zipCode": "1000",
        "city": claim.city,
        "countryAlpha2": claim.country,
        "email": claim.email,
        "phone": "+44 20 7946 0000",
    }


def new_chat(role: int, message: str, author: Json, now: datetime) -> Json:
    """A chat message (ChatDto); role 0 partner, 1 creditor, 2 managed by partner."""
    return {
        "id": str(uuid4()),
        "dateCreated": now.strftime("%Y-%m-%dT%H:%M:%S.%f0"),
        "dateUpdated": None,
        "role": role,
        "roleLabel": ROLES.get(role),
        "message": message,
        "isSeen": role != 0,
        "user": author,
    }


def author_of(user: Json, number: int) -> Json:
    """A member of the team as in chats: with an integer id, which is not the id of the team list."""
    first, _, last = user["name"].partition(" ")
    return {"id": 400 + number, "firstName": first, "lastName": last, "email": user["email"]}


def new_team() -> list[Json]:
    return [{"id": str(uuid4()), "name": name, "email": email} for name, email in TEAM]


def new_profile() -> Json:
    """The creditor of the key (GET /me)."""
    return {
        "id": str(uuid4()),
        "companyName": ISSUER,
        "companyRegistrationNumber": "DK12345678",
        "address": "Havnegade 1",
        "zipCode": "8000",
        "city": "Aarhus",
        "state": None,
        "country": "Denmark",
        "officeEmail": "ar@creditor.example",
        "officePhone": None,
    }


def new_subscription(now: datetime) -> Json:
    return {
        "id": str(uuid4()),
        "url": "https://casebell.example.com/webhooks/debitura/main",
        "events": ["case.created", "case.updated", "case.closed", "chat.created"],
        "isActive": True,
        "createdUtc": f"{naive(now)}Z",
        "updatedUtc": f"{naive(now)}Z",
        "disabledReason": None,
        "secret": None,
        "isTestMode": False,
    }
