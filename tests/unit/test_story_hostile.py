"""Property tests of stories: any input gives a short, plain and complete story, in every language."""

from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from notifiers.i18n.translator import Translator
from notifiers.story.sentences import KINDS
from notifiers.text import clean
from receiver.domain.item import Attempt, Detail, Installment, Item, Line, Snapshot
from receiver.domain.money import Money
from receiver.domain.notice import Notice
from receiver.domain.routing import Route
from tests.factories import NOW
from tests.story_cases import texts_of

LOCALES = ("en", "fr", "da", "de")

HOSTILE = st.lists(
    st.characters(exclude_categories=())
    | st.sampled_from(["\u202e", "\u2066", "\x00", "\ud83d", "<!channel>", "{who}", "\n\n\n", "%s", "x" * 3_000]),
    max_size=30,
).map("".join)
INSTANTS = st.datetimes(timezones=st.just(UTC))
AMOUNTS = st.decimals(-(10**60), 10**60, allow_nan=False, allow_infinity=False)
MONEY = st.builds(Money, AMOUNTS, st.none() | st.sampled_from(["EUR", "JPY"]) | HOSTILE)
DETAILS = st.builds(
    Detail,
    st.sampled_from(["plan_months", "monthly_amount", "partner", "type_label", "admin_notes", "objection_type"])
    | HOSTILE,
    text=st.none() | HOSTILE,
    money=st.none() | MONEY,
    day=st.none() | st.dates(),
    flag=st.none() | st.booleans(),
    number=st.none() | st.integers(),
)
SNAPSHOTS = st.builds(
    Snapshot,
    key=HOSTILE,
    source=st.sampled_from(["getbill", "debitura"]) | HOSTILE,
    account=HOSTILE,
    kind=st.sampled_from(list(KINDS)) | HOSTILE,
    urgency=st.sampled_from(["blocking", "review", "info"]),
    is_open=st.booleans(),
    title=st.none() | HOSTILE,
    question=st.none() | HOSTILE,
    quote=st.none() | HOSTILE,
    reference=st.none() | HOSTILE,
    case_reference=st.none() | HOSTILE,
    debtor=st.none() | HOSTILE,
    amount=st.none() | MONEY,
    severity=st.none() | HOSTILE,
    confidence=st.none() | st.integers(),
    created_at=st.none() | INSTANTS,
    deadline_at=st.none() | INSTANTS,
    conversation=st.lists(st.builds(Line, HOSTILE, st.none() | HOSTILE, HOSTILE, st.none() | INSTANTS)).map(tuple),
    installments=st.lists(
        st.builds(Installment, st.none() | MONEY, st.none() | st.dates(), st.none() | INSTANTS, st.none() | HOSTILE)
    ).map(tuple),
    details=st.lists(DETAILS).map(tuple),
)
ITEMS = st.builds(
    Item,
    id=st.just("k7f3q9x2m4ab"),
    snapshot=SNAPSHOTS,
    state=st.sampled_from(["open", "acting", "resolved"]),
    version=st.just(2),
    said_at=INSTANTS,
    opened_at=INSTANTS,
    changed_at=INSTANTS,
    resolved_by=st.none() | HOSTILE,
    resolved_via=st.none() | HOSTILE,
    claimed_by=st.none() | HOSTILE,
    attempt=st.none() | st.builds(Attempt, st.just(1), HOSTILE, HOSTILE, HOSTILE, INSTANTS),
    problem=st.none() | HOSTILE,
    note=st.none() | HOSTILE,
)


@given(ITEMS, st.sampled_from(LOCALES), st.booleans())
def test_any_input_gives_a_short_plain_and_complete_story(item: Item, locale: str, masked: bool) -> None:
    route = Route("r", locale=locale, timezone="Europe/Paris", mask_debtor=masked)

    story = Translator().story(Notice(item, route, (), (), NOW))

    assert story.headline
    assert story.sentence
    assert len(story.headline) <= 140
    assert len(story.sentence) <= 400
    assert max(len(story.question or ""), len(story.quote or "")) <= 2_500
    assert all(len(value) <= 300 for _, value in story.facts)
    assert len(story.conversation) <= 5
    assert all(len(text) <= 1_000 for _, _, text in story.conversation)
    assert all(clean(text) == text.strip() for text in texts_of(story))
    assert not any("\n" in text for text in (story.headline, story.sentence, story.footer))
