"""Checked settings become ``Rules``: the domain's routes, digests, automations, people and paces."""

from collections.abc import Sequence

from receiver.context import Rules
from receiver.domain.automation import Automation
from receiver.domain.business_time import Calendar, QuietHours, country_of
from receiver.domain.digest import DigestRule
from receiver.domain.pace import Pace, Paces
from receiver.domain.people import People
from receiver.domain.routing import Escalation, Match, Route
from receiver.domain.schedule import Schedule
from receiver.domain.token import Tokens
from receiver.settings import Settings, rules, sections
from receiver.store.retention import RetentionPolicy


def rules_of(settings: Settings) -> Rules:
    """The configuration as plain data."""
    channels = (("slack", settings.slack), ("mail", settings.email))
    accounts = (("getbill", settings.getbill), ("debitura", settings.debitura))
    return Rules(
        people=people_of(settings.people),
        tokens=Tokens([key.get_secret_value() for key in settings.secret_keys]),
        public_url=settings.public_url.rstrip("/"),
        routes=tuple(route_of(route) for route in settings.routes),
        digests=tuple(digest_rule_of(rule) for rule in settings.digests),
        automations=tuple(automation_of(rule) for rule in settings.automations),
        channels=frozenset(name for name, section in channels if section),
        accounts={(source, one.name): one.poll_every for source, sections in accounts for one in sections},
        paces=paces_of(settings),
        retention=RetentionPolicy(events=settings.retention.events, items=settings.retention.items),
    )


def paces_of(settings: Settings) -> Paces:
    """The pace of each destination; after a pause a channel accepts at least five messages at once."""
    default = Paces()
    slack = (
        Pace(settings.slack.posts_per_second, max(5, round(settings.slack.posts_per_second)))
        if settings.slack
        else default.slack
    )
    mail = (
        Pace(settings.email.mails_per_second, max(1, round(5 * settings.email.mails_per_second)))
        if settings.email
        else default.mail
    )
    return Paces(slack, mail, bursts_of(settings))


def bursts_of(settings: Settings) -> dict[str, Pace]:
    """How many alerts each channel gets as messages of their own; the smallest limit of the routes that name it."""
    found: dict[str, Pace] = {}
    for route in settings.routes:
        if route.burst is None:
            continue
        burst = Pace(route.burst.over / route.burst.within.total_seconds(), route.burst.over)
        for channel in (*route.slack, *(route.escalate_to.slack if route.escalate_to else ())):
            known = found.setdefault(f"slack:{channel}", burst)
            found[f"slack:{channel}"] = min(known, burst, key=lambda one: one.burst)
    return found


def people_of(people: sections.People) -> People:
    """The rules of [people], addresses in lower case."""
    return People(
        resolvers=_entries(people.resolvers),
        admins=_entries(people.admins),
        debitura_users=dict(people.debitura_users),
        four_eyes_above=dict(people.four_eyes_above),
    )


def _entries(entries: Sequence[str]) -> frozenset[str]:
    return frozenset(entry.lower() if "@" in entry else entry for entry in entries)


def route_of(route: rules.Route) -> Route:
    """One [[routes]] section as the domain's Route."""
    made = {"match", "escalate_to", "quiet_hours", "calendar"}
    plain = {name: getattr(route, name) for name in Route.__slots__ if name not in made}
    away, quiet, hours = route.escalate_to, route.quiet_hours, route.business_hours
    return Route(
        match=_match_of(route.match),
        escalate_to=Escalation(away.after, away.slack, away.email) if away else None,
        quiet_hours=QuietHours(quiet.starts, quiet.ends, quiet.weekends, quiet.exceptions) if quiet else None,
        calendar=Calendar(route.timezone, route.country or country_of(route.timezone), hours.opens, hours.closes),
        **plain,
    )


def digest_rule_of(rule: rules.Digest) -> DigestRule:
    """One [[digests]] section as the domain's DigestRule."""
    return DigestRule(
        rule.name,
        Schedule(rule.schedule, rule.timezone),
        to=rule.to,
        slack=rule.slack,
        locale=rule.locale,
        match=_match_of(rule.match),
        skip_empty=rule.skip_empty,
    )


def automation_of(rule: rules.Automation) -> Automation:
    """One [[automations]] section as the domain's Automation."""
    plain = {name: getattr(rule, name) for name in Automation.__slots__ if name not in {"match", "min_confidence"}}
    return Automation(match=_match_of(rule.match), min_confidence=rule.match.min_confidence, **plain)


def _match_of(given: rules.Match) -> Match:
    match = {name: getattr(given, name) for name in Match.__slots__}
    for bound in ("min_amount", "max_amount"):
        match[bound] = None if match[bound] is None else float(match[bound])
    return Match(**match)
