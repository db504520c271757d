"""Faults between keys and sections, and warnings: what is valid but probably a mistake.

Faults are searched for in the raw table, so that they are reported together with the faults of single values.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from receiver.settings.document import Location, Settings
from receiver.settings.rules import Match
from receiver.settings.toml_text import quoted
from receiver.settings.values import Resolved, is_local

Fault = tuple[Location, str]
Table = Mapping[str, Any]

KINDS = (
    *("agreement", "portal_dispute", "hardship", "payment_plan", "ai_dispute", "objection"),
    *("ReplyToChat", "ClientInputRequired", "MoreInfoNeeded", "SelectQuoteWinner", "ReviewPartner", "SignContract"),
    *("AssignBankAccount", "CaseValidationNeedsInfo", "Generic"),
    *("overdue_installment", "check_in", "webhook_disabled", "conflict"),
)
"""Known kinds (docs/vendors/getbill.md#todos, docs/vendors/debitura.md#type-catalogue); Casebell's own come last."""

_BY_LOWER = {kind.casefold(): kind for kind in KINDS}

DECIDABLE = ("portal_dispute", "hardship", "payment_plan", "ai_dispute", "objection")
"""Kinds that Getbill validates or rejects (docs/vendors/getbill.md#todos)."""

WITH_CONFIDENCE = ("portal_dispute", "ai_dispute", "objection")
"""Kinds with a confidence of Getbill's AI (docs/vendors/getbill.md#todos)."""

SOURCES = ("getbill", "debitura", "casebell")


def nearest(word: str, words: list[str]) -> str | None:
    """The most similar word; None if ``words`` is empty."""
    by_lower = {known.lower(): known for known in words}
    similar = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.0)
    return by_lower[similar[0]] if similar else None


def find_cross_faults(raw: Table) -> Iterator[Fault]:
    """Every fault between keys or sections of the file, each with its location."""
    for section in ("getbill", "debitura", "routes", "digests", "reply_templates", "automations"):
        yield from _duplicate_names(raw, section)
    for at, account in _tables(raw, "getbill"):
        yield from _getbill_credentials(at, account)
    yield from _mail_credentials(raw.get("email"))
    for at, route in _tables(raw, "routes"):
        yield from _route_faults(raw, at, route)
    for at, digest in _tables(raw, "digests"):
        yield from _destination_faults(raw, at, digest, "slack", "to")
        yield from _match_faults(raw, at, digest)
    for at, automation in _tables(raw, "automations"):
        if automation.get("verb") == "reject" and not automation.get("note"):
            yield (*at, "note"), 'is missing; "reject" needs a reason'
        yield from _match_faults(raw, at, automation)
        yield from _undecidable_matches(at, automation)


def _tables(raw: Table, section: str) -> Iterator[tuple[Location, Table]]:
    entries = raw.get(section)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, Mapping):
            yield (section, index), entry


def _duplicate_names(raw: Table, section: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for at, entry in _tables(raw, section):
        name = entry.get("name")
        if isinstance(name, str) and name in seen:
            yield (*at, "name"), f"{quoted(name)} is used twice; each [[{section}]] needs its own name"
        seen.add(str(name))


def _getbill_credentials(at: Location, account: Table) -> Iterator[Fault]:
    client = [key for key in ("client_id", "client_secret") if key in account]
    if "api_token" in account and client:
        yield at, f"has api_token and {client[0]}; keep one of them"
    elif "api_token" not in account and len(client) == 1:
        other = "client_secret" if client == ["client_id"] else "client_id"
        yield (*at, other), f'is missing beside {client[0]}; write {other} = "env:GETBILL_{other.upper()}"'
    elif "api_token" not in account and not client:
        yield at, 'has no credentials; write api_token = "env:GETBILL_API_TOKEN", or client_id and client_secret'


def _mail_credentials(email: Any) -> Iterator[Fault]:
    url = email.get("smtp_url") if isinstance(email, Mapping) else None
    if not isinstance(url, str) or not isinstance(email, Mapping):
        return
    try:
        username = urlsplit(url).username
    except ValueError:
        return  # the field itself reports it
    if username and "password" not in email:
        yield ("email", "password"), 'is missing, smtp_url names a user; write password = "env:SMTP_PASSWORD"'
    if "password" in email and not username:
        yield ("email", "smtp_url"), "names no user for the password; write smtps://user@host"


def _route_faults(raw: Table, at: Location, route: Table) -> Iterator[Fault]:
    if route.get("deliver") != "digest":
        yield from _destination_faults(raw, at, route, "slack", "email")
    else:
        yield from _missing_sections(raw, at, route, "email")
    escalation = route.get("escalate_to")
    if isinstance(escalation, Mapping):
        yield from _destination_faults(raw, (*at, "escalate_to"), escalation, "slack", "email")
    quiet = route.get("quiet_hours")
    if isinstance(quiet, Mapping) and "from" in quiet and quiet.get("from") == quiet.get("to"):
        yield (*at, "quiet_hours"), "starts when it ends; write two different times"
    hours = route.get("business_hours")
    if isinstance(hours, Mapping) and str(hours.get("from", "09:00")) >= str(hours.get("to", "17:00")):
        yield (*at, "business_hours"), 'closes before it opens; write { from = "09:00", to = "17:00" }'
    yield from _match_faults(raw, at, route)


def _destination_faults(raw: Table, at: Location, table: Table, slack: str, mail: str) -> Iterator[Fault]:
    if not table.get(slack) and not table.get(mail):
        yield at, f'has no destination; write {slack} = ["C0123456789"] or {mail} = ["ar@creditor.example"]'
    yield from _missing_sections(raw, at, table, mail)


def _missing_sections(raw: Table, at: Location, table: Table, mail: str) -> Iterator[Fault]:
    for key, section in (("slack", "slack"), (mail, "email")):
        if table.get(key) and section not in raw:
            yield (*at, key), f"needs the section [{section}], which is missing"


def _undecidable_matches(at: Location, automation: Table) -> Iterator[Fault]:
    """Matches of items that can neither be validated nor rejected: the rule would never act on them."""
    match, verb = automation.get("match"), automation.get("verb")
    if not isinstance(match, Mapping) or verb not in ("validate", "reject"):
        return
    for key, right in (("source", ("getbill",)), ("kind", DECIDABLE)):
        words = match.get(key)
        for index, word in enumerate(words if isinstance(words, list) else ()):
            if _known_kind(word) in (*SOURCES, *KINDS) and _known_kind(word) not in right:
                rights = ", ".join(map(quoted, right))
                yield (*at, "match", key, index), f"{quoted(word)} does not support {quoted(verb)}; write {rights}"


def _match_faults(raw: Table, at: Location, table: Table) -> Iterator[Fault]:
    match = table.get("match")
    if not isinstance(match, Mapping):
        return
    least, most = match.get("min_amount"), match.get("max_amount")
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        yield (*at, "match", "min_amount"), f"{quoted(least)} is more than max_amount {quoted(most)}"
    names = [str(entry.get("name")) for source in ("getbill", "debitura") for _, entry in _tables(raw, source)]
    accounts = match.get("account")
    for index, name in enumerate(accounts if isinstance(accounts, list) else ()):
        if isinstance(name, str) and name not in names:
            known = f"; the nearest is {quoted(nearest(name, names))}" if names else ""
            yield (*at, "match", "account", index), f"there is no account {quoted(name)}{known}"


def find_warnings(settings: Settings, raw: Table) -> Iterator[str]:
    """One sentence for each thing that is valid but probably a mistake."""
    if not settings.getbill and not settings.debitura:
        yield "no [[getbill]] and no [[debitura]]: no source is configured"
    if not settings.people.resolvers and not settings.people.admins:
        yield "[people] names nobody: nobody may click a button"
    if urlsplit(settings.database_url).password and not isinstance(raw["database_url"], Resolved):
        yield 'database_url holds a password; write database_url = "env:DATABASE_URL" and keep it out of the file'
    if is_local(urlsplit(settings.public_url).hostname):
        yield "public_url is this machine: webhooks and links in alerts do not reach it from elsewhere"
    for account in settings.getbill:
        if not account.webhook_secrets:
            refused = "its webhooks are refused, and only polling finds changes"
            yield f"getbill {account.name!r} has no webhook_secrets: {refused}"
    if settings.email and settings.email.password and settings.email.server.security == "plain":
        yield "email.smtp_url has no encryption: the password is sent in clear text"
    yield from _reader_warnings(settings)
    yield from _route_warnings(settings)
    yield from _kind_warnings(settings)
    yield from _automation_warnings(settings)
    yield from _four_eyes_warnings(settings)


def _reader_warnings(settings: Settings) -> Iterator[str]:
    named = {entry.lower() for entry in (*settings.people.resolvers, *settings.people.admins)}
    for route in settings.routes:
        for address in route.email:
            if named and not {address.lower(), f"@{address.lower().rpartition('@')[2]}"} & named:
                what = "so its mails have no links to decide or to open files"
                yield f"route {route.name!r}: [people] does not name {address}, {what}"


def _route_warnings(settings: Settings) -> Iterator[str]:
    catch_all = None
    for route in settings.routes:
        if catch_all:
            yield f"route {route.name!r} is never reached: {catch_all!r} before it matches everything"
        elif route.match.matches_all and not route.is_continued:
            catch_all = route.name
    if not any(route.match.matches_all for route in settings.routes):
        yield "no route matches everything: other items cause no alert; add a last [[routes]] without match"
    if not settings.digests and any(route.deliver == "digest" for route in settings.routes):
        yield "a route delivers by digest, and there is no [[digests]]"


def _kind_warnings(settings: Settings) -> Iterator[str]:
    for where, match in _all_matches(settings):
        for kind in match.kind:
            if _known_kind(kind) not in KINDS:
                yield f'{where} matches the unknown kind "{kind}"; the nearest known is "{nearest(kind, list(KINDS))}"'


def _automation_warnings(settings: Settings) -> Iterator[str]:
    watched, limits = [account.name for account in settings.getbill], settings.people.four_eyes_above
    for rule in settings.automations:
        match, who = rule.match, f"automation {rule.name!r}"
        kinds = map(_known_kind, match.kind)
        never = [kind for kind in kinds if kind in KINDS and kind not in WITH_CONFIDENCE]
        if match.min_confidence is not None and never:
            yield (
                f"{who} never matches {' or '.join(never)}: Getbill reports no confidence for them, "
                "and min_confidence requires one"
            )
        if not set(match.account or watched) & set(watched):
            yield f"{who} never acts: only items of [[getbill]] accounts support {rule.verb!r}"
        judged = [limits[currency] for currency in match.currency or limits if currency in limits]
        if limits and (not judged or (match.min_amount or 0) > max(judged)):
            yield f"{who} never acts: every item it matches needs two people (four_eyes_above in [people])"


def _known_kind(word: Any) -> Any:
    """The known spelling of a kind; matches ignore case and surrounding spaces, as ``domain.words.fold`` does."""
    return _BY_LOWER.get(word.strip().casefold(), word) if isinstance(word, str) else word


def _four_eyes_warnings(settings: Settings) -> Iterator[str]:
    people, limits = settings.people, settings.people.four_eyes_above
    if not limits:
        return
    listed = {entry.lower() for entry in (*people.resolvers, *people.admins) if entry.find("@") > 0}
    if settings.slack is None and len(listed) < 2:  # noqa: PLR2004 - a second person is needed
        yield "four_eyes_above: without Slack nobody can confirm; list two full addresses in [people]"
    named = [(where, match) for where, match in _all_matches(settings) if not where.startswith("digest")]
    for currency in sorted({currency for _, match in named for currency in match.currency} - set(limits)):
        wheres = ", ".join(where for where, match in named if currency in match.currency)
        yield (
            f"four_eyes_above has no limit for {currency} ({wheres}): above its smallest limit, "
            f"{min(limits.values()):.15g}, a second person must confirm, and automations never act"
        )


def _all_matches(settings: Settings) -> list[tuple[str, Match]]:
    return [
        *((f"route {route.name!r}", route.match) for route in settings.routes),
        *((f"digest {digest.name!r}", digest.match) for digest in settings.digests),
        *((f"automation {automation.name!r}", automation.match) for automation in settings.automations),
    ]
