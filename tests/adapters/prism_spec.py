"""Debitura's OpenAPI document reduced to the operations that Casebell calls, with examples, for the Prism mock.

Only application/json remains: with other media types Prism answers 500 to an invalid request
(docs/vendors/debitura.md#the-specification-as-a-mock). The rules for requests are unchanged. The examples are
Casebell's own, because the document has none.
"""

import json
import sys
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parents[1] / "payloads" / "debitura"
JSON = "application/json"
USED = {
    "/tasks": ("get",),
    "/cases": ("get",),
    "/cases/{id}": ("get",),
    "/cases/{id}/tasks": ("get",),
    "/cases/{id}/chats": ("get", "post"),
    "/users": ("get",),
    "/me": ("get",),
    "/webhooks": ("get",),
}

Json = dict[str, Any]


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))


def trimmed() -> Json:
    """The document for ``prism mock``."""
    document: Json = payload("customer-api")
    document["paths"] = {path: _operations(document["paths"][path], methods) for path, methods in USED.items()}
    for (path, method, status), examples in _examples().items():
        responses = document["paths"][path][method]["responses"]
        answer = responses.setdefault(status, {"description": "Documented outside the specification"})
        content = answer.setdefault("content", {JSON: {"schema": {}}})
        content[JSON]["examples"] = {name: {"value": value} for name, value in examples.items()}
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(_reachable(document["paths"], schemas))}
    return document


def _operations(item: Json, methods: tuple[str, ...]) -> Json:
    kept = {method: item[method] for method in methods}
    for operation in kept.values():
        for part in (operation.get("requestBody"), *operation["responses"].values()):
            if part and "content" in part:
                part["content"] = {JSON: part["content"][JSON]}
    return kept


def _reachable(part: Any, schemas: Json) -> set[str]:
    """The names of the schemas that ``part`` refers to, directly or indirectly."""
    found: set[str] = set()
    left = [part]
    while left:
        match left.pop():
            case {"$ref": str(reference)}:
                name = reference.rpartition("/")[2]
                if name not in found:
                    found.add(name)
                    left.append(schemas[name])
            case dict() as inner:
                left.extend(inner.values())
            case list() as inner:
                left.extend(inner)
    return found


def _examples() -> dict[tuple[str, str, str], dict[str, Any]]:
    """Examples by path, method and status. Prism answers with the first unless a request prefers another."""
    chat_task, account_task = payload("task__reply_to_chat"), payload("task__assign_bank_account")
    case, chats = payload("case__with_everything"), payload("chats__two_questions_after_our_last_word")
    users = [{"id": case["id"], "name": "Anna Krogh", "email": "anna.k@creditor.example"}]
    profile = {"id": case["id"], "companyName": "Creditor A/S", "country": "Denmark"}
    subscription = {"id": case["id"], "url": "https://casebell.example.com/", "isActive": True, "isTestMode": False}
    too_many = {"limited": payload("error__rate_limited")}
    listed = {
        "some": {"page": _page(2), "tasks": [chat_task, account_task]},
        "empty": {"page": _page(0), "tasks": []},
        "null": {"page": _page(0), "tasks": None},
    }
    return {
        ("/tasks", "get", "200"): listed,
        ("/tasks", "get", "429"): too_many,
        ("/cases", "get", "200"): {"one": {"page": _page(1), "cases": [case]}},
        ("/cases/{id}", "get", "200"): {"all": case},
        ("/cases/{id}/tasks", "get", "200"): {"one": [chat_task], "empty": []},
        ("/cases/{id}/chats", "get", "200"): {"some": chats, "empty": []},
        ("/cases/{id}/chats", "post", "200"): {"sent": chats[1]},
        ("/cases/{id}/chats", "post", "400"): {"unknown": payload("error__business_and_legacy")},
        ("/cases/{id}/chats", "post", "429"): too_many,
        ("/cases/{id}/chats", "post", "500"): {"unhandled": payload("error__business_only")},
        ("/users", "get", "200"): {"one": {"page": _page(1), "users": users}},
        ("/users", "get", "401"): {"problem": payload("error__problem_details")},
        ("/me", "get", "200"): {"me": profile},
        ("/webhooks", "get", "200"): {"one": [subscription]},
    }


def _page(count: int) -> Json:
    return {"totalResults": count, "pageSize": 100, "currentPage": 1, "responseCount": count, "totalPages": 1}


if __name__ == "__main__":
    json.dump(trimmed(), sys.stdout, indent=2)
