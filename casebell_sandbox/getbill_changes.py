"""Validates changes of todos at Getbill's stand-in; its errors are Getbill's (docs/vendors/getbill.md#errors)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from casebell_sandbox.faults import Json
from casebell_sandbox.getbill_todos import DEBT_STATUS_IDS, STATUSES

Rule = tuple[Callable[[Any], bool], str]


class RefusedCallError(Exception):
    """A call answered with Getbill's error body."""

    def __init__(self, status: int, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"error": True, "message": message, "code": status}
        if details is not None:
            self.body["details"] = details


def _is_date(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_months(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 120


AGREEMENT: dict[str, Rule] = {
    "debt_status_id": (lambda value: value in DEBT_STATUS_IDS.values(), "The debt status does not exist."),
    "plan_months": (_is_months, "The number of months must be an integer from 1 to 120."),
    "plan_start_date": (_is_date, "The start date is not a valid ISO 8601 date."),
    "first_payment_amount": (_is_number, "The first payment must be greater than 0."),
}
DISPUTE: dict[str, Rule] = {
    "status": (lambda value: value in STATUSES, f"The status must be one of: {', '.join(STATUSES)}."),
    "admin_notes": (lambda value: value is None or isinstance(value, str), "The notes must be a string."),
}


def valid_changes(body: Any, rules: dict[str, Rule]) -> Json:
    """The fields of ``body`` that ``rules`` know. Raises RefusedCallError: 400 for none, 422 for a bad value."""
    if not isinstance(body, dict):
        raise RefusedCallError(400, "Invalid JSON body")
    changes = {key: value for key, value in body.items() if key in rules}
    if not changes:
        raise RefusedCallError(400, f"Nothing to update, expected one of: {', '.join(rules)}")
    wrong = {key: [rules[key][1]] for key, value in changes.items() if not rules[key][0](value)}
    if wrong:
        raise RefusedCallError(422, "Validation failed", wrong)
    return changes
