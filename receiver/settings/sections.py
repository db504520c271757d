"""The sections that name the outside systems and the people: [[getbill]], [[debitura]], [slack], [email], [people].

docs/configuration.md is made from the descriptions and examples of the fields.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from receiver.settings.values import (
    Address,
    AnySecret,
    AppId,
    Base64Secret,
    Count,
    Duration,
    Host,
    Limits,
    LowerAddress,
    Name,
    PersonEntry,
    Rate,
    Sender,
    ShortText,
    TeamId,
    TodoUrl,
    Token,
    Url,
)


def option(description: str, example: Any = None, **field: Any) -> Any:
    """A field with its text for docs/configuration.md and an example for messages too; by default, its default."""
    return Field(description=description, examples=[field["default"] if example is None else example], **field)


class Section(BaseModel):
    """A table of the file: unknown keys are refused, values never change after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Getbill(Section):
    """One per Getbill company, with either `api_token`, or `client_id` and `client_secret`."""

    name: Name = option("Name of the account; part of its webhook URL, `/webhooks/getbill/main`.", "main")
    base_url: Url = option("Base URL of Getbill's external API.", default="https://api.getbill.io/external-api/v1")
    api_token: Token | None = option("Bearer token (secret).", "env:GETBILL_API_TOKEN", default=None)
    token_url: Url = option(
        "URL that issues a token for `client_id` and `client_secret`.", default="https://getbill.io/token"
    )
    client_id: str | None = option(
        "OAuth client, created under Company → API Client Management, with the scopes `debts:read`, `debts:write` and "
        "`webhooks:read`.",
        "env:GETBILL_CLIENT_ID",
        default=None,
    )
    client_secret: AnySecret | None = option(
        "The OAuth client's secret (secret).", "env:GETBILL_CLIENT_SECRET", default=None
    )
    webhook_secrets: tuple[AnySecret, ...] = option(
        "Secrets that sign the webhooks; list several during a rotation. Without one every webhook is rejected and "
        "changes are only found by polling (secret).",
        ["env:GETBILL_WEBHOOK_SECRET"],
        default=(),
    )
    poll_every: Duration = option("Time between two reconciliations of the open todos.", default=timedelta(minutes=5))
    reads_per_hour: Count = option(
        "Reads an hour that your plan allows; Getbill's rate-limit headers take precedence.", default=1000
    )
    writes_per_hour: Count = option(
        "Writes an hour that your plan allows; Getbill's rate-limit headers take precedence.", default=500
    )
    todo_url: TodoUrl | None = option(
        "Page of a todo in Getbill's web app, with `{id}` for its id. If set, alerts link to it.",
        "https://app.getbill.io/todos/{id}",
        default=None,
    )
    plan_status_id: ShortText | None = option(
        "Getbill's id of the status that a debt gets when its plan is changed in Casebell. Without it the status stays "
        "as it is.",
        "enc_5",
        default=None,
    )
    media_hosts: tuple[Host, ...] = option(
        "Hosts, with their subdomains, that recordings and proofs may be opened from.",
        default=("amazonaws.com", "getbill.io"),
    )


class Debitura(Section):
    """One per Debitura creditor account."""

    name: Name = option("Name of the account; part of its webhook URL, `/webhooks/debitura/main`.", "main")
    base_url: Url = option(
        "Base URL of Debitura's customer API; the test host is `https://testcustomer-api.debitura.com`.",
        default="https://customer-api.debitura.com",
    )
    api_key: Token = option("The creditor's API key (secret).", "env:DEBITURA_API_KEY")
    webhook_secrets: tuple[Base64Secret, ...] = option(
        "Secrets that sign the webhooks, base64 as Debitura shows them; list several during a rotation. Optional: a "
        "webhook only makes the next reconciliation sooner (secret).",
        ["env:DEBITURA_WEBHOOK_SECRET"],
        default=(),
    )
    poll_every: Duration = option(
        "Time between two reconciliations of the open tasks.", "60s", default=timedelta(seconds=60)
    )
    reply_as: Address | None = option(
        "Team member that replies are sent as, unless `people.debitura_users` maps the person who replied.",
        "ar@creditor.example",
        default=None,
    )
    case_url: TodoUrl | None = option(
        "Page of a case in Debitura's portal, with `{id}` for its id. If set, messages about a case link to it.",
        "https://app.debitura.com/cases/{id}",
        default=None,
    )
    solution_hosts: tuple[Host, ...] = option(
        "Hosts, with their subdomains, that a task's own link may lead to.", default=("debitura.com",)
    )


class Slack(Section):
    """One Slack workspace. Without this section nothing goes to Slack."""

    bot_token: Token = option(
        "Bot token, `xoxb-…`, with the scopes `chat:write`, `users:read` and `users:read.email` (secret).",
        "env:SLACK_BOT_TOKEN",
    )
    signing_secrets: tuple[AnySecret, ...] = option(
        "Signing secret of the app; list several during a rotation (secret).",
        ["env:SLACK_SIGNING_SECRET"],
        min_length=1,
    )
    base_url: Annotated[Url, AfterValidator(lambda url: f"{url}/")] = option(
        "Base URL of Slack's Web API.", default="https://slack.com/api/"
    )
    posts_per_second: Rate = option(
        "New alerts a second for each channel, after the first five; Slack accepts about one. Updates of messages are "
        "not limited by it.",
        default=1.0,
    )
    team_id: TeamId | None = option("Accept clicks only from this workspace.", "T0123ABCD", default=None)
    app_id: AppId | None = option("Accept clicks only from this Slack app.", "A0123ABCD", default=None)


class SmtpServer(NamedTuple):
    """``security``: "tls" from the first byte, "starttls" required, or "plain"."""

    host: str
    port: int
    security: Literal["tls", "starttls", "plain"]
    username: str | None


_SMTP: dict[str, tuple[Literal["tls", "starttls", "plain"], int]] = {
    "smtps": ("tls", 465),
    "smtp+starttls": ("starttls", 587),
    "smtp": ("plain", 25),
}


def read_smtp_url(url: str) -> SmtpServer:
    """The parts of ``smtp_url``. Raises ValueError with what to write instead."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"this is not a mail server's address: {error}") from None
    if parts.password is not None:
        raise ValueError('a secret is never written in this file; write password = "env:SMTP_PASSWORD" beside it')
    if parts.scheme not in _SMTP or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "this is not a mail server's address; write smtps://user@host, smtp+starttls://user@host:587, "
            "or smtp://host:25 for one without encryption"
        )
    security, usual_port = _SMTP[parts.scheme]
    return SmtpServer(host, port or usual_port, security, unquote(parts.username) if parts.username else None)


def _check_smtp_url(url: str) -> str:
    read_smtp_url(url)
    return url


class Email(Section):
    """The mail server. Without this section no mail is sent."""

    smtp_url: Annotated[str, AfterValidator(_check_smtp_url)] = option(
        "`smtps://` (port 465), `smtp+starttls://` (587) or `smtp://` (25, not encrypted). A user name stands before "
        "the `@`; write an `@` in it as `%40`.",
        "smtp+starttls://casebell@smtp.example.com:587",
    )
    password: AnySecret | None = option(
        "Password of the user in `smtp_url` (secret).", "env:SMTP_PASSWORD", default=None
    )
    sender: Sender = option("Sender of all mails.", "Casebell <casebell@creditor.example>")
    mails_per_second: Rate = option(
        "New alerts a second for the mail server, after a burst of five seconds' worth.", default=10.0
    )

    @property
    def server(self) -> SmtpServer:
        return read_smtp_url(self.smtp_url)


class People(Section):
    """Who may decide. Nobody may, unless named here."""

    resolvers: tuple[PersonEntry, ...] = option(
        "People who may decide: an email address, `@domain` for all its addresses, or a Slack user id. A full address "
        "counts as one person, even if several people read the mailbox.",
        ["@creditor.example", "U0123ABCD"],
        default=(),
    )
    admins: tuple[PersonEntry, ...] = option(
        "People who may decide and who get alerts about Casebell itself, such as a destination that fails.",
        ["ops@creditor.example"],
        default=(),
    )
    four_eyes_above: Limits = option(
        "Amount for each currency above which a second resolver must confirm; it applies to credits too. The smallest "
        "number applies to currencies not listed here. An unknown amount always needs two people. Two Slack users are "
        "two people, as are two addresses that `resolvers` or `admins` list in full.",
        {"EUR": 10000},
        default_factory=dict,
    )
    debitura_users: dict[LowerAddress, Address] = option(
        "The Debitura team member that each person replies as.",
        {"anna@creditor.example": "anna.k@creditor.example"},
        default_factory=dict,
    )
