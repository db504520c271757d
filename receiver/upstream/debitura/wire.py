"""Debitura's JSON as types: a field of a wrong type becomes None. docs/vendors/debitura.md

Nothing here raises for what a vendor may send. Personal data beyond a name is not parsed.
"""

import re
from functools import partial
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic.alias_generators import to_camel

from receiver.domain.words import trim
from receiver.upstream import lenient

PARTNER, CREDITOR, MANAGED_BY_PARTNER = 0, 1, 2  # ChatRole
CHAT_TYPES = frozenset({"ReplyToChat", "ClientInputRequired", "MoreInfoNeeded"})
TYPES = CHAT_TYPES | {
    *("SelectQuoteWinner", "ReviewPartner", "SignContract", "AssignBankAccount", "CaseValidationNeedsInfo", "Generic")
}

MAX_ROWS = 10_000

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)

objects_in = partial(lenient.json_objects, limit=MAX_ROWS)
_known_type = lenient.one_of(TYPES)


def catalogue_type(value: Any) -> str | None:
    """The type of a task in the catalogue's spelling; an unknown type unchanged."""
    return _known_type(value) if isinstance(value, str) else None


def uuid(value: Any) -> str | None:
    """``value`` as a lower-case UUID with hyphens; None for anything else."""
    lower = trim(value).lower() if isinstance(value, str) else ""
    return lower if _UUID.fullmatch(lower) else None


def identifier(value: Any) -> str | None:
    """A task's id: a UUID by the specification; any short printable ASCII text is accepted too."""
    text = uuid(value) or (value if isinstance(value, str) else None)
    return text if text and len(text) <= lenient.MAX_WORD and text.isascii() and text.isprintable() else None


Id = Annotated[str | None, lenient.or_none(identifier)]
Uuid = Annotated[str | None, lenient.or_none(uuid)]
Type = Annotated[str | None, lenient.or_none(catalogue_type)]


class Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Action(Wire):
    """How the API resolves a task; ``path`` contains the case's id or its placeholder.

    docs/vendors/debitura.md#resolving-chat-tasks
    """

    method: lenient.Code = None
    path: lenient.Word = None


class Task(Wire):
    id: Id = None
    type: Type = None
    case_id: Uuid = None
    type_label: lenient.Word = None
    title: lenient.Text = None
    description: lenient.Text = None
    status: lenient.Code = None
    case_reference: lenient.Word = None
    deadline: lenient.Instant = None
    date_created: lenient.Instant = None
    date_solved: lenient.Instant = None
    solution_url: lenient.Link = None
    action: Annotated[Action | None, lenient.or_none(lenient.json_object)] = None


class Page(Wire):
    """The position of a page in its list. A missing total is None."""

    total_results: lenient.Integer = None
    current_page: lenient.Integer = None
    total_pages: lenient.Integer = None


class Listing(Wire):
    """One page with its raw rows. An older page of the documentation calls ``page`` ``pageData``."""

    page: Annotated[Page, BeforeValidator(lambda value: lenient.json_object(value) or {})] = Field(
        default_factory=Page, validation_alias=AliasChoices("page", "pageData")
    )
    rows: Annotated[list[dict[Any, Any]], PlainValidator(objects_in)] = Field(
        default_factory=list, validation_alias=AliasChoices("tasks", "users", "cases")
    )


class Named(Wire):
    """A debtor or a partner; only the name is parsed."""

    name: lenient.Word = None


class Case(Wire):
    id: Uuid = None
    reference: lenient.Word = None
    creditor_reference: lenient.Word = None
    gross_amount: lenient.Number = None
    remainder: lenient.Number = None
    currency: lenient.CurrencyCode = None
    lifecycle: lenient.Word = None
    close_code: lenient.Code = None
    dispute_status: lenient.Code = None
    is_test_case: lenient.Flag = None
    debtor: Annotated[Named | None, lenient.or_none(lenient.json_object)] = None
    collection_partner: Annotated[Named | None, lenient.or_none(lenient.json_object)] = None


class Author(Wire):
    first_name: lenient.Word = None
    last_name: lenient.Word = None
    email: lenient.Word = None


class Chat(Wire):
    date_created: lenient.Instant = None
    role: lenient.Integer = None
    role_label: lenient.Word = None
    message: lenient.Text = None
    user: Annotated[Author | None, lenient.or_none(lenient.json_object)] = None


class User(Wire):
    name: lenient.Word = None
    email: lenient.Word = None


class Profile(Wire):
    """The creditor that a key belongs to (GET /me)."""

    company_name: lenient.Word = None


class Subscription(Wire):
    """A webhook subscription: docs/vendors/debitura.md#webhooks"""

    id: Id = None
    url: lenient.Link = None
    is_active: lenient.Flag = None
    disabled_reason: lenient.Word = None
