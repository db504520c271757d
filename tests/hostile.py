"""Words that strangers may write, and the items and stories they stand in."""

from hypothesis import strategies as st

from receiver.domain.notice import Story
from tests.factories import make_item
from tests.slack_cases import (
    acting,
    chat_item,
    resolved,
)

HOSTILE = st.one_of(
    st.text(max_size=300),
    st.text(st.characters(codec=None), max_size=100),
    st.builds(
        lambda piece, count: piece * count,
        st.sampled_from(["&", "<!channel>", "\u202e", "\u200b", "\x00", "👩‍👩‍👧", "é\n", "\n", "a", "\ud800", ">"]),
        st.sampled_from([1, 149, 150, 2_800, 100_000]),
    ),
)


MAYBE = st.none() | HOSTILE


STORIES = st.builds(
    Story,
    headline=HOSTILE,
    sentence=HOSTILE,
    question=MAYBE,
    quote=MAYBE,
    facts=st.lists(st.tuples(HOSTILE, HOSTILE), max_size=14).map(tuple),
    conversation=st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), max_size=10).map(tuple),
    status=MAYBE,
    problem=MAYBE,
    footer=HOSTILE,
)


ITEMS = st.sampled_from([make_item(), acting(), resolved(), make_item(problem="no"), chat_item()])
