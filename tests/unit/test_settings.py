"""Reading the configuration: every fault is reported with a correction, and every key is read."""

import tomllib
from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import ConfigError
from receiver.settings import Settings, load, parse, to_masked_toml
from receiver.settings.document import INLINE, keys_of, table_in
from receiver.settings.toml_text import toml_value
from tests.unit.settings_text import ENVIRON, GETBILL, ROUTE, SLACK, TOP, read

EMAIL = """
[email]
smtp_url = "smtp+starttls://casebell%40example.com@smtp.example.com"
password = "env:TOKEN"
sender = "Casebell <casebell@creditor.example>"
"""

RULE = '[[automations]]\nname = "a"\nverb = "validate"\n'


def faults(*parts: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(*parts, environ=environ)
    return caught.value.message.splitlines()


def test_a_minimal_configuration_gets_defaults() -> None:
    settings = read(TOP, GETBILL)

    account = settings.getbill[0]
    assert (account.poll_every, account.reads_per_hour, account.writes_per_hour) == (timedelta(minutes=5), 1000, 500)
    assert settings.retention.items == timedelta(days=400)
    assert (settings.slack, settings.email, settings.people.resolvers) == (None, None, ())


def test_one_variable_holds_several_keys_newest_first() -> None:
    keys = [key.get_secret_value() for key in read(TOP).secret_keys]

    assert keys == ["a-newest-key-of-24-chars", "an-older-key-of-24-chars"]


def test_a_secret_is_read_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    (tmp_path / "casebell.toml").write_text(TOP + '[[getbill]]\nname = "main"\napi_token = "file:token"\n')

    token = load(tmp_path / "casebell.toml", ENVIRON).getbill[0].api_token

    assert token is not None
    assert (token.get_secret_value(), token.origin) == ("from-a-file", "file:token")


@pytest.mark.parametrize("token", ["tok\u00a0en", "\u201ctoken\u201d", "two words", "k\u00e9y", "two\nlines", "\x7f"])
def test_a_token_that_no_header_can_hold_is_a_fault(token: str) -> None:
    reported = faults(
        TOP,
        '[[getbill]]\nname = "g"\napi_token = "env:BAD"\n[[debitura]]\nname = "d"\napi_key = "env:BAD"\n',
        '[slack]\nbot_token = "env:BAD"\nsigning_secrets = ["env:BAD"]\n',
        environ=ENVIRON | {"BAD": token},
    )

    cure = "env:BAD has a character that a token cannot have; copy it again"
    assert [fault.removeprefix("casebell.toml: ") for fault in reported] == [
        f"getbill[0].api_token: {cure}", f"debitura[0].api_key: {cure}", f"slack.bot_token: {cure}",
    ]  # fmt: skip


EVERY_FAULT = """\
public_url: "http://casebell.example.com" must begin with https:// (plain http only to localhost or 127.0.0.1)
secret_keys[0]: a key from env:SHORT is 5 characters long, the minimum is 16; make one with: casebell keys new
getbill[0].api_token: a secret is never written in this file; write api_token = "env:GETBILL_API_TOKEN"
getbill[0].poll_every: "5 minutes" is not a duration; write "90s", "5m", "4h" or "2d"
getbill[0].pol_every: unknown key; the nearest known one is "poll_every"
getbill[1].api_token: the environment variable NOT_SET is not set
getbill[1].reads_per_hour: "5" is not a whole number; write reads_per_hour = 1000
getbill[1].name: "main" is used twice; each [[getbill]] needs its own name
routes[0].slack[0]: "disputes" is not a Slack channel id; it looks like "C0123456789"
routes[0].timezone: "Mars" is not a time zone; write "Europe/Paris" or "UTC"
routes[0].slack: needs the section [slack], which is missing
"""


def test_every_fault_is_reported_in_one_run_with_file_key_and_correction() -> None:
    reported = faults(
        'public_url = "http://casebell.example.com"\nsecret_keys = ["env:SHORT"]\n',
        '[[getbill]]\nname = "main"\napi_token = "tok"\npoll_every = "5 minutes"\npol_every = "5m"\n',
        '[[getbill]]\nname = "main"\napi_token = "env:NOT_SET"\nreads_per_hour = "5"\n',
        '[[routes]]\nname = "all"\nslack = ["disputes"]\ntimezone = "Mars"\n',
    )

    assert [fault.removeprefix("casebell.toml: ") for fault in reported] == EVERY_FAULT.splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('public_url = "x"', "public_url"),
        ('public_url = "https://u:p@x.example"', "has no user name"),
        ('public_url = "https://x.example:99999"', "public_url: this is not a web address"),
        ('publik_url = "https://x.example"', 'publik_url: unknown key; the nearest known one is "public_url"'),
        ('database_url = "postgres://db/x"', '"postgresql://", not "postgres://"'),
        ('database_url = "mysql://db/x"', "database_url: this is not a database address"),
        ('database_url = "sqlite://casebell.db"', "needs a third slash"),
        ('drain_grace = "0s"', '"0s" is not a duration'),
        ("drain_grace = 20", "20 is not a duration"),
        ('retention = { events = "90 d" }', "retention.events"),
        ('[[getbill]]\nname = "a b"\napi_token = "env:TOKEN"', '"a b" cannot be part of a web address'),
        ('[[getbill]]\napi_token = "env:TOKEN"', 'getbill[0].name: is missing; write name = "main"'),
        ('[[getbill]]\nname = "main"', "getbill[0]: has no credentials"),
        ('[[getbill]]\nname = "main"\nclient_id = "x"', "getbill[0].client_secret: is missing beside client_id"),
        ('[[getbill]]\nname = "m"\napi_token = "env:TOKEN"\nclient_id = "x"', "keep one of them"),
        ('[[getbill]]\nname = "m"\napi_token = "env:EMPTY"', "the environment variable EMPTY is empty"),
        ('[[getbill]]\nname = "m"\napi_token = "file:/nowhere"', "the file /nowhere cannot be read: No such file"),
        ('[[getbill]]\nname = "m"\napi_token = 5', "a secret is never written in this file"),
        ('[[getbill]]\nname = "m"\napi_token = "env:TOKEN"\ntodo_url = "https://x.example/"', "must hold {id} once"),
        (
            '[[getbill]]\nname = "m"\napi_token = "env:TOKEN"\nretention = {}',
            "belongs at the top of the file, before the first [section]",
        ),
        ('[[getbill]]\nname = "m"\napi_token = "env:TOKEN"\nmedia_hosts = ["https://x"]', "is not a host name"),
        ('[getbill]\nname = "main"', "getbill: write [[getbill]] with double brackets"),
        ('[[slack]]\nbot_token = "env:TOKEN"', "slack: write [slack] with single brackets"),
        (
            '[[debitura]]\nname = "m"\napi_key = "env:TOKEN"\nwebhook_secrets = ["env:SHORT"]',
            "debitura[0].webhook_secrets[0]: env:SHORT is not base64",
        ),
        ('[slack]\nbot_token = "env:TOKEN"\nsigning_secrets = []', "slack.signing_secrets: is empty"),
        ('[slack]\nbot_token = "env:TOKEN"', "slack.signing_secrets: is missing"),
        ('[email]\nsmtp_url = "smtp://h"\nsender = "somebody"', '"somebody" is not a sender'),
        ('[email]\nsmtp_url = "http://h"\nsender = "a@b.example"', "this is not a mail server's address"),
        ('[email]\nsmtp_url = "smtps://u:pw@h"\nsender = "a@b.example"', "a secret is never written in this file"),
        ('[email]\nsmtp_url = "smtps://u@h"\nsender = "a@b.example"', "email.password: is missing"),
        ('[people]\nresolvers = ["bob"]', '"bob" is not a person'),
        ("[people]\nfour_eyes_above = { EURO = 1 }", '"EURO" is not an ISO 4217 currency'),
        ("[people]\nfour_eyes_above = { EUR = 900, eur = 1 }", '"EUR" and "eur" are one currency; keep one of the two'),
        ('[people]\ndebitura_users = { bob = "x@y.example" }', '"bob" is not an e-mail address'),
        ('[[routes]]\nname = "all"', "routes[0]: has no destination"),
        ('[[routes]]\nname = "all"\nemail = ["a@b.example"]', "routes[0].email: needs the section [email]"),
        ('[[routes]]\nname = "all"\nlocale = "es"', '"es" is not one of "en", "fr", "da" or "de"'),
        ('[[routes]]\nname = "all"\nmatch = { min_amount = 5, max_amount = 2 }', "5 is more than max_amount 2"),
        ('[[routes]]\nname = "all"\nmatch = { source = ["stripe"] }', 'routes[0].match.source[0]: "stripe"'),
        ('[[routes]]\nname = "all"\nmatch = { account = ["mian"] }', 'there is no account "mian"'),
        ('[[routes]]\nname = "all"\nremind_after = ["1d", "4h"]', "longer than the one before"),
        ('[[routes]]\nname = "all"\nquiet_hours = { from = "8", to = "08:00" }', '"8" is not a time of day'),
        ('[[routes]]\nname = "all"\nquiet_hours = { from = "08:00", to = "08:00" }', "starts when it ends"),
        ('[[routes]]\nname = "all"\nescalate_to = { after = "2d" }', "routes[0].escalate_to: has no destination"),
        ('[[routes]]\nname = "all"\nburst = { over = 20 }', 'within: is missing; write within = "1m"'),
        ('[[routes]]\nname = "all"\ncontinue = 1', "continue: 1 is neither true nor false"),
        ('[[routes]]\nname = "all"\nslack = ["#disputes"]', "is a channel's name, which can change; write its id"),
        ('[[digests]]\nname = "d"\nschedule = "30 8 * *"', "is not a cron expression of five fields"),
        ('[[digests]]\nname = "d"\nschedule = "61 8 * * 1"', '"61 8 * * 1" is not a cron expression (bad minute)'),
        ('[[digests]]\nname = "d"\nschedule = "0 8 * * fri-mon"', "(bad day-of-week)"),
        ('[[automations]]\nname = "a"\nverb = "validate"', "automations[0].match: is missing"),
        ('[[automations]]\nname = "a"\nverb = "reject"\nmatch = {}', "automations[0].note: is missing"),
        ('[[automations]]\nname = "a"\nverb = "validate"\nmatch = {}\nnote = "{"', "a brace that is no placeholder"),
        (f'{RULE}match = {{}}\nnote = "{{amount}}"', "the unknown placeholder {amount}; there are {ai_confidence}, "),
        (f'{RULE}match = {{}}\nnote = "{{theme:>9999999}}"', "a brace that is no placeholder"),
        (
            f'{RULE}match = {{ kind = ["ReplyToChat"] }}',
            '"ReplyToChat" does not support "validate"; write "portal_dispute", ',
        ),
        (f'{RULE}match = {{ kind = ["replytochat "] }}', '"replytochat " does not support "validate"'),
        (f'{RULE}match = {{ source = ["debitura"] }}', '"debitura" does not support "validate"; write "getbill"'),
        (f"{RULE}match = {{}}\nat_most = 0", "automations[0].at_most: "),
        ('[[automations]]\nname = "a"\nverb = "reply"\nmatch = {}', 'automations[0].verb: "reply"'),
    ],
)
def test_a_fault_names_its_key_and_what_to_write(line: str, expected: str) -> None:
    top = "" if line.startswith("public_url") else TOP  # a key may not be there twice

    assert any(expected in fault for fault in faults(f"{top}\n{line}\n"))


def test_faults_never_show_a_secret() -> None:
    reported = faults(TOP, '[[debitura]]\nname = "m"\napi_key = "hunter2-literal"\nwebhook_secrets = ["env:SHORT"]\n')

    assert not any("hunter2" in fault or "short" in fault for fault in reported)


def test_a_syntax_error_names_its_line() -> None:
    assert faults(TOP, "[slack\n") == [
        "casebell.toml: line 4, column 7: not TOML: Expected ']' at the end of a table declaration"
    ]
    assert faults('a = "\n') == ["casebell.toml: line 1, column 6: not TOML: Illegal character '\\n'"]
    assert faults("a = [1,\n") == ["casebell.toml: line 2, column 1: not TOML: Invalid value"]


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"copy deploy/casebell\.example\.toml .* casebell demo"):
        load(tmp_path / "casebell.toml", {})


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["not UTF-8", "a folder"])
def test_an_unreadable_file_is_a_fault_and_no_traceback(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "casebell.toml"
    path.mkdir() if content is None else path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"casebell\.toml"):
        load(path, {})


def test_every_key_of_a_full_configuration_is_read() -> None:
    settings = read(
        TOP,
        GETBILL,
        SLACK,
        EMAIL,
        """
[[routes]]
name = "disputes"
match = { source = ["getbill"], kind = ["hardship"],   # several lines
          reference = ["INV-*"], currency = ["eur"], }
slack = ["C0123456789"]
deliver = "both"
escalate_to = { slack = ["C0ESCALATE"], after = "2d" }
quiet_hours = { from = "19:00", to = "08:00", except = ["blocking"] }
burst = { over = 20, within = "1m" }
remind_after = ["4h", "1d"]
continue = true
[[digests]]
name = "daily"
to = ["cfo@creditor.example"]
schedule = "30 8 * * mon-fri"
[[automations]]
name = "confident"
match = { kind = ["ai_dispute"], min_confidence = 90 }
verb = "validate"
""",
    )

    route = settings.routes[0]
    assert (route.match.reference, route.match.currency, route.is_continued) == (("INV-*",), ("EUR",), True)
    assert route.quiet_hours is not None
    assert (route.quiet_hours.starts, route.quiet_hours.exceptions) == (time(19), ("blocking",))
    assert route.remind_after == (timedelta(hours=4), timedelta(days=1))
    assert settings.automations[0].dry_run
    assert settings.email is not None
    assert settings.email.server == ("smtp.example.com", 587, "starttls", "casebell@example.com")


def test_people_and_addresses_are_compared_in_lower_case() -> None:
    people = read(
        TOP,
        '[people]\nresolvers = ["Anna@Creditor.Example", "U0ABC"]\ndebitura_users = { "A@b.example" = "C@d.example" }',
    ).people

    assert people.resolvers == ("anna@creditor.example", "U0ABC")
    assert people.debitura_users == {"a@b.example": "C@d.example"}


def test_a_currency_is_written_in_any_case() -> None:
    people = '[people]\nfour_eyes_above = { " eur" = 900 }\n'
    settings = read(TOP, SLACK, people, ROUTE + 'match = { currency = ["dkk "] }\n')

    assert settings.people.four_eyes_above == {"EUR": 900}
    assert settings.routes[0].match.currency == ("DKK",)


def test_the_masked_configuration_is_toml_and_holds_no_secret() -> None:
    settings = read(TOP, 'database_url = "env:DATABASE_URL"\n', GETBILL, SLACK, EMAIL, ROUTE)

    text = to_masked_toml(settings)
    table = tomllib.loads(text)
    assert table["secret_keys"] == ["•••• (env:KEYS)", "•••• (env:KEYS)"]
    assert table["getbill"][0]["api_token"] == "•••• (env:TOKEN)"
    assert table["database_url"] == "postgresql://casebell:••••@db.example/casebell"
    assert not any(secret in text or secret in repr(settings) for secret in (*ENVIRON["KEYS"].split(", "), "t0ken"))


def test_the_redaction_of_logs_gets_every_secret() -> None:
    settings = read(TOP, 'database_url = "env:DATABASE_URL"\n', GETBILL, SLACK)

    assert settings.secrets() >= {"t0ken-of-getbill", "an-older-key-of-24-chars", "p4ss%2Fword", "p4ss/word"}


def test_every_documented_example_is_accepted() -> None:
    """Each field's example, put where the documentation shows it, makes one configuration without a fault."""
    lines: list[str] = []
    sections: list[str] = []
    for key, field in keys_of(Settings).items():
        table, is_list = table_in(field.annotation)
        if table is None or key in INLINE:
            lines.append(f"{key} = {toml_value(field.examples[0])}" if field.examples else "")
            continue
        left_out = {"client_id", "client_secret"}  # the other way to authenticate
        sections.append(f"[[{key}]]" if is_list else f"[{key}]")
        sections += [
            f'"{name}" = {toml_value(inner.examples[0])}'
            for name, inner in keys_of(table).items()
            if inner.examples and name not in left_out
        ]
    text = "\n".join([*lines, *sections])
    variables = {word.strip("\"'[], ")[4:] for word in text.split() if "env:" in word}

    settings = parse(text, "examples", dict.fromkeys(variables, ENVIRON["B64"]))

    assert [warning.partition(":")[0] for warning in settings.warnings] == ["no route matches everything"]


def test_the_example_file_is_a_good_configuration() -> None:
    text = (Path(__file__).parents[2] / "deploy/casebell.example.toml").read_text(encoding="utf-8")
    names = ("CASEBELL_SECRET_KEYS", "GETBILL_API_TOKEN", "GETBILL_WEBHOOK_SECRET", "DEBITURA_API_KEY")
    more = ("DEBITURA_WEBHOOK_SECRET", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SMTP_PASSWORD")

    settings = parse(text, "example", dict.fromkeys((*names, *more), ENVIRON["B64"]))

    assert (settings.warnings, len(settings.routes)) == ((), 2)


@pytest.mark.parametrize(
    "junk", ['"x"', "5", "-1.5", "true", "nan", "[]", "[5]", "{}", "[{}]", "1979-05-27", '"\\u0000"']
)
def test_a_value_of_any_type_causes_a_fault_and_no_traceback(junk: str) -> None:
    for section, field in keys_of(Settings).items():
        table, is_list = table_in(field.annotation)
        header = f"[[{section}]]" if is_list else f"[{section}]"
        for text in (f"{section} = {junk}\n", *(f"{header}\n{key} = {junk}\n" for key in keys_of(table or Settings))):
            assert faults(text)


def test_an_inline_table_may_run_over_several_lines() -> None:
    settings = read(TOP, "retention = {\n  events = '7d', # a comment\n  items = '8d',\n}\n")

    assert (settings.retention.events, settings.retention.items) == (timedelta(days=7), timedelta(days=8))


@given(st.integers(min_value=1, max_value=10**7))
def test_a_duration_survives_writing_and_reading(seconds: int) -> None:
    settings = read(TOP, f"drain_grace = {toml_value(timedelta(seconds=seconds))}\n")

    assert settings.drain_grace == timedelta(seconds=seconds)
