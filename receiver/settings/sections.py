"""The sections that name the outside systems and the people: [[getbill]], [[debitura]], [slack], [email], [people].

docs/configuration.md is made from the descriptions and examples of the fields.
"""

from datetime import timedelta
from typing import Annotated, Literal, NamedTuple
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


class Section(BaseModel):
    """A table of the file: unknown keys are refused, values never change after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Getbill(Section):
    """One per Getbill company, with either `api_token`, or `client_id` and `client_secret`."""

    name: Name = Field(
        description="Name of the account; part of its webhook URL, `/webhooks/getbill/main`.", examples=["main"]
    )
    base_url: Url = Field(
        default="https://api.getbill.io/external-api/v1",
        description="Base URL of Getbill's external API.",
        examples=["https://api.getbill.io/external-api/v1"],
    )
    api_token: Token | None = Field(
        default=None, description="Bearer token (secret).", examples=["env:GETBILL_API_TOKEN"]
    )
    token_url: Url = Field(
        default="https://getbill.io/token",
        description="URL that issues a token for `client_id` and `client_secret`.",
        examples=["https://getbill.io/token"],
    )
    client_id: str | None = Field(
        default=None,
        description="OAuth client, created under Company → API Client Management, with the scopes "
        "`debts:read`, `debts:write` and `webhooks:read`.",
        examples=["env:GETBILL_CLIENT_ID"],
    )
    client_secret: AnySecret | None = Field(
        default=None, description="The OAuth client's secret (secret).", examples=["env:GETBILL_CLIENT_SECRET"]
    )
    webhook_secrets: tuple[AnySecret, ...] = Field(
        default=(),
        description="Secrets that sign the webhooks; list several during a rotation. Without one every webhook is "
        "rejected and changes are only found by polling (secret).",
        examples=[["env:GETBILL_WEBHOOK_SECRET"]],
    )
    poll_every: Duration = Field(
        default=timedelta(minutes=5), description="Time between two reconciliations of the open todos.", examples=["5m"]
    )
    reads_per_hour: Count = Field(
        default=1000,
        description="Reads an hour that your plan allows; Getbill's rate-limit headers take precedence.",
        examples=[1000],
    )
    writes_per_hour: Count = Field(
        default=500,
        description="Writes an hour that your plan allows; Getbill's rate-limit headers take precedence.",
        examples=[500],
    )
    todo_url: TodoUrl | None = Field(
        default=None,
        description="Page of a todo in Getbill's web app, with `{id}` for its id. If set, alerts link to it.",
        examples=["https://app.getbill.io/todos/{id}"],
    )
    plan_status_id: ShortText | None = Field(
        default=None,
        description="Getbill's id of the status that a debt gets when its plan is changed in Casebell. Without it "
        "the status stays as it is.",
        examples=["enc_5"],
    )
    media_hosts: tuple[Host, ...] = Field(
        default=("amazonaws.com", "getbill.io"),
        description="Hosts, with their subdomains, that recordings and proofs may be opened from.",
        examples=[["amazonaws.com", "getbill.io"]],
    )


class Debitura(Section):
    """One per Debitura creditor account."""

    name: Name = Field(
        description="Name of the account; part of its webhook URL, `/webhooks/debitura/main`.", examples=["main"]
    )
    base_url: Url = Field(
        default="https://customer-api.debitura.com",
        description="Base URL of Debitura's customer API; the test host is `https://testcustomer-api.debitura.com`.",
        examples=["https://customer-api.debitura.com"],
    )
    api_key: Token = Field(description="The creditor's API key (secret).", examples=["env:DEBITURA_API_KEY"])
    webhook_secrets: tuple[Base64Secret, ...] = Field(
        default=(),
        description="Secrets that sign the webhooks, base64 as Debitura shows them; list several during a rotation. "
        "Optional: a webhook only makes the next reconciliation sooner (secret).",
        examples=[["env:DEBITURA_WEBHOOK_SECRET"]],
    )
    poll_every: Duration = Field(
        default=timedelta(seconds=60),
        description="Time between two reconciliations of the open tasks.",
        examples=["60s"],
    )
    reply_as: Address | None = Field(
        default=None,
        description="Team member that replies are sent as, unless `people.debitura_users` maps the person who replied.",
        examples=["ar@creditor.example"],
    )
    case_url: TodoUrl | None = Field(
        default=None,
        description="Page of a case in Debitura's portal, with `{id}` for its id. If set, messages about a case link "
        "to it.",
        examples=["https://app.debitura.com/cases/{id}"],
    )
    solution_hosts: tuple[Host, ...] = Field(
        default=("debitura.com",),
        description="Hosts, with their subdomains, that a task's own link may lead to.",
        examples=[["debitura.com"]],
    )


class Slack(Section):
    """One Slack workspace. Without this section nothing goes to Slack."""

    bot_token: Token = Field(
        description="Bot token, `xoxb-…`, with the scopes `chat:write`, `users:read` and `users:read.email` (secret).",
        examples=["env:SLACK_BOT_TOKEN"],
    )
    signing_secrets: tuple[AnySecret, ...] = Field(
        min_length=1,
        description="Signing secret of the app; list several during a rotation (secret).",
        examples=[["env:SLACK_SIGNING_SECRET"]],
    )
    base_url: Annotated[Url, AfterValidator(lambda url: f"{url}/")] = Field(
        default="https://slack.com/api/",
        description="Base URL of Slack's Web API.",
        examples=["https://slack.com/api/"],
    )
    posts_per_second: Rate = Field(
        default=1.0,
        description="New alerts a second for each channel, after the first five; Slack accepts about one. Updates of "
        "messages are not limited by it.",
        examples=[1.0],
    )
    team_id: TeamId | None = Field(
        default=None, description="Accept clicks only from this workspace.", examples=["T0123ABCD"]
    )
    app_id: AppId | None = Field(
        default=None, description="Accept clicks only from this Slack app.", examples=["A0123ABCD"]
    )


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

    smtp_url: Annotated[str, AfterValidator(_check_smtp_url)] = Field(
        description="`smtps://` (port 465), `smtp+starttls://` (587) or `smtp://` (25, not encrypted). A user name "
        "stands before the `@`; write an `@` in it as `%40`.",
        examples=["smtp+starttls://casebell@smtp.example.com:587"],
    )
    password: AnySecret | None = Field(
        default=None, description="Password of the user in `smtp_url` (secret).", examples=["env:SMTP_PASSWORD"]
    )
    sender: Sender = Field(description="Sender of all mails.", examples=["Casebell <casebell@creditor.example>"])
    mails_per_second: Rate = Field(
        default=10.0,
        description="New alerts a second for the mail server, after a burst of five seconds' worth.",
        examples=[10.0],
    )

    @property
    def server(self) -> SmtpServer:
        return read_smtp_url(self.smtp_url)


class People(Section):
    """Who may decide. Nobody may, unless named here."""

    resolvers: tuple[PersonEntry, ...] = Field(
        default=(),
        description="People who may decide: an email address, `@domain` for all its addresses, or a Slack user id. A "
        "full address counts as one person, even if several people read the mailbox.",
        examples=[["@creditor.example", "U0123ABCD"]],
    )
    admins: tuple[PersonEntry, ...] = Field(
        default=(),
        description="People who may decide and who get alerts about Casebell itself, such as a destination that fails.",
        examples=[["ops@creditor.example"]],
    )
    four_eyes_above: Limits = Field(
        default_factory=dict,
        description="Amount for each currency above which a second resolver must confirm; it applies to credits too. "
        "The smallest number applies to currencies not listed here. An unknown amount always needs two people. Two "
        "Slack users are two people, as are two addresses that `resolvers` or `admins` list in full.",
        examples=[{"EUR": 10000}],
    )
    debitura_users: dict[LowerAddress, Address] = Field(
        default_factory=dict,
        description="The Debitura team member that each person replies as.",
        examples=[{"anna@creditor.example": "anna.k@creditor.example"}],
    )
