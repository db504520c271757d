"""The sections that name the outside systems and the people: [[getbill]], [[debitura]], [slack], [email], [people].

Each field's description and example are what docs/configuration.md prints.
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
    TeamId,
    TodoUrl,
    Token,
    Url,
    Words,
)


class Section(BaseModel):
    """A table of the file: nothing unknown in it, never changed after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Getbill(Section):
    """One per Getbill company. Either `api_token`, or `client_id` and `client_secret`."""

    name: Name = Field(
        description="Name of the account, part of its webhook's address: `/webhooks/getbill/main`.", examples=["main"]
    )
    base_url: Url = Field(
        default="https://api.getbill.io/external-api/v1",
        description="Where Getbill's external API answers.",
        examples=["https://api.getbill.io/external-api/v1"],
    )
    api_token: Token | None = Field(
        default=None, description="A ready bearer token (secret).", examples=["env:GETBILL_API_TOKEN"]
    )
    token_url: Url = Field(
        default="https://getbill.io/token",
        description="Where a token is fetched with `client_id` and `client_secret`.",
        examples=["https://getbill.io/token"],
    )
    client_id: str | None = Field(
        default=None,
        description="OAuth client, made under Company → API Client Management, with the scopes "
        "`debts:read`, `debts:write` and `webhooks:read`.",
        examples=["env:GETBILL_CLIENT_ID"],
    )
    client_secret: AnySecret | None = Field(
        default=None, description="The OAuth client's secret (secret).", examples=["env:GETBILL_CLIENT_SECRET"]
    )
    webhook_secrets: tuple[AnySecret, ...] = Field(
        default=(),
        description="Secrets webhooks are signed with; several while rotating. Without one every webhook is refused "
        "and only polling brings news (secret).",
        examples=[["env:GETBILL_WEBHOOK_SECRET"]],
    )
    poll_every: Duration = Field(
        default=timedelta(minutes=5), description="Time between two looks at the open todos.", examples=["5m"]
    )
    reads_per_hour: Count = Field(
        default=1000, description="Reads the plan allows an hour; Getbill's own headers win.", examples=[1000]
    )
    writes_per_hour: Count = Field(
        default=500, description="Writes the plan allows an hour; Getbill's own headers win.", examples=[500]
    )
    todo_url: TodoUrl | None = Field(
        default=None,
        description="Page of a todo in Getbill's web app, `{id}` where its id goes; alerts then link to it.",
        examples=["https://app.getbill.io/todos/{id}"],
    )
    plan_status_id: Words | None = Field(
        default=None,
        description="Id that Getbill gives the status a debt gets when somebody changes its plan here; without it the "
        "status stays.",
        examples=["enc_5"],
    )
    media_hosts: tuple[Host, ...] = Field(
        default=("amazonaws.com", "getbill.io"),
        description="Hosts (and all below them) that recordings and proofs may be opened from.",
        examples=[["amazonaws.com", "getbill.io"]],
    )


class Debitura(Section):
    """One per Debitura creditor account."""

    name: Name = Field(
        description="Name of the account, part of its webhook's address: `/webhooks/debitura/main`.", examples=["main"]
    )
    base_url: Url = Field(
        default="https://customer-api.debitura.com",
        description="Where Debitura's customer API answers; the test host is `https://testcustomer-api.debitura.com`.",
        examples=["https://customer-api.debitura.com"],
    )
    api_key: Token = Field(description="The creditor's API key (secret).", examples=["env:DEBITURA_API_KEY"])
    webhook_secrets: tuple[Base64Secret, ...] = Field(
        default=(),
        description="Secrets webhooks are signed with, base64 as Debitura shows them; several while rotating. "
        "Optional: webhooks only make the poll sooner (secret).",
        examples=[["env:DEBITURA_WEBHOOK_SECRET"]],
    )
    poll_every: Duration = Field(
        default=timedelta(seconds=60), description="Time between two looks at the open tasks.", examples=["60s"]
    )
    reply_as: Address | None = Field(
        default=None,
        description="Team member a reply is sent as, unless `people.debitura_users` maps the person who clicked.",
        examples=["ar@creditor.example"],
    )
    case_url: TodoUrl | None = Field(
        default=None,
        description="Page of a case in Debitura's portal, `{id}` where its id goes; what is told of a case then links "
        "to it.",
        examples=["https://app.debitura.com/cases/{id}"],
    )
    solution_hosts: tuple[Host, ...] = Field(
        default=("debitura.com",),
        description="Hosts (and all below them) that a task's own link may lead to.",
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
        description="The app's signing secret; several while rotating (secret).",
        examples=[["env:SLACK_SIGNING_SECRET"]],
    )
    base_url: Annotated[Url, AfterValidator(lambda url: f"{url}/")] = Field(
        default="https://slack.com/api/", description="Slack's Web API.", examples=["https://slack.com/api/"]
    )
    posts_per_second: Rate = Field(
        default=1.0,
        description="How many first-time alerts each channel gets a second, after a burst of five; Slack itself takes "
        "about one. Redraws after a click are not held back.",
        examples=[1.0],
    )
    team_id: TeamId | None = Field(
        default=None, description="The only workspace clicks are accepted from.", examples=["T0123ABCD"]
    )
    app_id: AppId | None = Field(
        default=None, description="The only Slack app clicks are accepted from.", examples=["A0123ABCD"]
    )


class SmtpServer(NamedTuple):
    """``security``: "tls" from the first byte, "starttls" demanded, or "plain"."""

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
    """The parts of ``smtp_url``. Raises ValueError saying what would be right."""
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
        description="`smtps://` (465), `smtp+starttls://` (587), or `smtp://` (25, without encryption, only if asked "
        "for so); a user name before the `@`, its own `@` written `%40`.",
        examples=["smtp+starttls://casebell@smtp.example.com:587"],
    )
    password: AnySecret | None = Field(
        default=None, description="Password of the user in `smtp_url` (secret).", examples=["env:SMTP_PASSWORD"]
    )
    sender: Sender = Field(description="From whom the mails come.", examples=["Casebell <casebell@creditor.example>"])
    mails_per_second: Rate = Field(
        default=10.0,
        description="How many alerts the mail server is handed a second, after a burst of five seconds' worth.",
        examples=[10.0],
    )

    @property
    def server(self) -> SmtpServer:
        return read_smtp_url(self.smtp_url)


class People(Section):
    """Who may press a button. Nobody, unless named."""

    resolvers: tuple[PersonEntry, ...] = Field(
        default=(),
        description="Who may decide: an e-mail address, `@domain` for all its addresses, or a Slack user id. An "
        "address in full stands for one person, also where several read the mailbox.",
        examples=[["@creditor.example", "U0123ABCD"]],
    )
    admins: tuple[PersonEntry, ...] = Field(
        default=(),
        description="Who may decide and is told when a destination or an account stops working.",
        examples=[["ops@creditor.example"]],
    )
    four_eyes_above: Limits = Field(
        default_factory=dict,
        description="Amount by currency above which a second resolver must confirm, a credit like a debt. The smallest "
        "number counts in a currency that has none here; an unknown amount always needs two people. Two Slack users "
        "are two people, and two addresses that `resolvers` or `admins` list in full.",
        examples=[{"EUR": 10000}],
    )
    debitura_users: dict[LowerAddress, Address] = Field(
        default_factory=dict,
        description="The Debitura team member each person replies as.",
        examples=[{"anna@creditor.example": "anna.k@creditor.example"}],
    )
