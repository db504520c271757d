"""Warnings of `casebell check`: valid but probably a mistake."""

from tests.unit.settings_text import GETBILL, ROUTE, SLACK, TOP, read

DEBITURA = '[[debitura]]\nname = "nordic"\napi_key = "env:TOKEN"\n'


def test_a_probable_mistake_is_a_warning_and_not_a_fault() -> None:
    settings = read(
        TOP.replace("https://casebell.example.com", "http://localhost:8080"),
        GETBILL,
        SLACK,
        ROUTE.replace("all", "first"),
        ROUTE.replace("all", "second") + 'match = { kind = ["portal_disputes"] }\n',
    )

    assert settings.warnings == (
        "[people] names nobody: nobody may click a button",
        "public_url is this machine: webhooks and links in alerts do not reach it from elsewhere",
        "getbill 'main' has no webhook_secrets: its webhooks are refused, and only polling finds changes",
        "route 'second' is never reached: 'first' before it matches everything",
        'route \'second\' matches the unknown kind "portal_disputes"; the nearest known is "portal_dispute"',
    )


def about_rule(match: str, *sections: str) -> list[str]:
    rule = f'[[automations]]\nname = "sure"\nverb = "validate"\nmatch = {{ {match} }}\n'
    return [
        warning
        for warning in read(TOP, GETBILL, SLACK, ROUTE, *sections, rule).warnings
        if warning.startswith("automation")
    ]


def test_a_minimum_confidence_for_kinds_without_one_is_a_warning() -> None:
    kinds = 'kind = ["hardship", "ai_dispute"]'

    for least in (90, 0):
        (warning,) = about_rule(f"{kinds}, min_confidence = {least}")
        assert "'sure' never matches hardship: Getbill reports no confidence" in warning
    assert about_rule(kinds) == []


def test_the_case_of_a_kind_does_not_matter() -> None:
    assert about_rule('kind = ["AI_Dispute "]') == []
    (warning,) = about_rule('kind = ["Hardship"], min_confidence = 90')
    assert "'sure' never matches hardship" in warning


def test_a_rule_for_an_account_without_decisions_is_a_warning() -> None:
    (warning,) = about_rule('account = ["nordic"]', DEBITURA)

    assert "'sure' never acts: only items of [[getbill]]" in warning
    assert about_rule('account = ["nordic", "main"]', DEBITURA) == []


def test_a_rule_whose_items_all_need_two_people_is_a_warning() -> None:
    people = '[people]\nresolvers = ["@creditor.example"]\nfour_eyes_above = { EUR = 500, SEK = 5000 }\n'

    for match in ('currency = ["DKK"]', 'currency = ["EUR"], min_amount = 501', "min_amount = 5001"):
        (warning,) = about_rule(match, people)
        assert "'sure' never acts: every item it matches needs two people" in warning
    for match in ("max_amount = 9000", "min_amount = 501", 'currency = ["DKK", "EUR"], min_amount = 500'):
        assert about_rule(match, people) == []


def test_a_currency_of_a_route_or_a_rule_without_a_limit_is_a_warning() -> None:
    people = '[people]\nresolvers = ["@creditor.example"]\nfour_eyes_above = { EUR = 10000, SEK = 5000 }\n'
    route = ROUTE + 'match = { currency = ["EUR", "DKK"] }\n'
    rule = '[[automations]]\nname = "sure"\nverb = "validate"\nmatch = { currency = ["SEK", "DKK", "JPY"] }\n'
    warnings = [each for each in read(TOP, GETBILL, SLACK, people, route, rule).warnings if "four_eyes_above" in each]

    above = "above its smallest limit, 5000, a second person must confirm, and automations never act"
    assert warnings == [
        f"four_eyes_above has no limit for DKK (route 'all', automation 'sure'): {above}",
        f"four_eyes_above has no limit for JPY (automation 'sure'): {above}",
    ]


def test_four_eyes_without_a_possible_second_person_is_a_warning() -> None:
    mail = '[email]\nsmtp_url = "smtp://localhost"\nsender = "a@creditor.example"\n'
    limits = "four_eyes_above = { EUR = 10000 }\n"
    one = f'[people]\nresolvers = ["@creditor.example", "anna@creditor.example", "U1"]\n{limits}'
    two = f'[people]\nresolvers = ["anna@creditor.example"]\nadmins = ["ben@creditor.example"]\n{limits}'

    assert any("nobody can confirm" in warning for warning in read(TOP, GETBILL, mail, one).warnings)
    assert not any("nobody can confirm" in warning for warning in read(TOP, GETBILL, mail, two).warnings)
    assert not any("nobody can confirm" in warning for warning in read(TOP, GETBILL, SLACK, one).warnings)


def test_an_empty_configuration_is_a_warning() -> None:
    warnings = read(TOP).warnings

    assert any("no source is configured" in warning for warning in warnings)
    assert any("no route matches everything" in warning for warning in warnings)


def test_a_password_in_the_database_url_is_a_warning_unless_it_comes_from_the_environment() -> None:
    literal = read(TOP, 'database_url = "postgresql://u:pw@db.example/x"\n')
    from_environment = read(TOP, 'database_url = "env:DATABASE_URL"\n')

    assert any("database_url holds a password" in warning for warning in literal.warnings)
    assert not any("database_url" in warning for warning in from_environment.warnings)


def test_an_address_of_a_route_outside_people_is_a_warning() -> None:
    mail = '[email]\nsmtp_url = "smtp://mail.creditor.example"\nsender = "casebell@creditor.example"\n'
    route = '[[routes]]\nname = "all"\nemail = ["AR@creditor.example", "law@partner.example"]\n'
    people = '[people]\nresolvers = ["@Creditor.example"]\n'

    warnings = [warning for warning in read(TOP, GETBILL, mail, people, route).warnings if "does not name" in warning]

    assert warnings == [
        "route 'all': [people] does not name law@partner.example, so its mails have no links to decide or to open files"
    ]
