"""What `casebell check` warns of: allowed, and yet hardly meant."""

from tests.unit.test_settings import GETBILL, ROUTE, SLACK, TOP, read


def test_what_is_hardly_meant_is_a_warning_and_not_a_fault() -> None:
    settings = read(
        TOP.replace("https://casebell.example.com", "http://localhost:8080"),
        GETBILL,
        SLACK,
        ROUTE.replace("all", "first"),
        ROUTE.replace("all", "second") + 'match = { kind = ["portal_disputes"] }\n',
    )

    assert settings.warnings == (
        "[people] names nobody: every button will answer that this person may not",
        "public_url is this machine: neither webhooks nor links in alerts reach it from elsewhere",
        "getbill 'main' has no webhook_secrets: its webhooks are refused, only polling brings news",
        "route 'second' is never reached: 'first' before it takes everything",
        'route \'second\' matches the kind "portal_disputes", unknown today; the nearest known is "portal_dispute"',
    )


def test_a_rule_that_asks_for_a_confidence_that_nobody_tells_is_warned_of() -> None:
    match = 'match = { kind = ["hardship", "ai_dispute"], min_confidence = %s }'
    rule = f'[[automations]]\nname = "kind"\nverb = "validate"\n{match}'

    asking, content = (read(TOP, GETBILL, SLACK, ROUTE, rule % least).warnings for least in (90, 0))

    assert any("'kind' takes no hardship: Getbill tells no confidence" in warning for warning in asking)
    assert not any("'kind'" in warning for warning in content)


def test_nothing_configured_is_warned_of() -> None:
    warnings = read(TOP).warnings

    assert any("nothing to watch" in warning for warning in warnings)
    assert any("no route takes everything" in warning for warning in warnings)


def test_a_password_in_the_database_address_is_warned_of_unless_it_comes_from_the_environment() -> None:
    literal = read(TOP, 'database_url = "postgresql://u:pw@db.example/x"\n')
    from_environment = read(TOP, 'database_url = "env:DATABASE_URL"\n')

    assert any("database_url holds a password" in warning for warning in literal.warnings)
    assert not any("database_url" in warning for warning in from_environment.warnings)
