"""Slack's stand-in: untrusted texts are rendered as safe HTML."""

import pytest

from casebell_sandbox.slack_text import date_text, mrkdwn, span
from tests.factories import NOW

TEXTS = {
    "escapes": ("a &amp; b &lt;c&gt; &quot;", "a &amp; b &lt;c&gt; &amp;quot;"),
    "tags are words": ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
    "bold and italic": ("*a _b_* ~c~", "<b>a <i>b</i></b> <s>c</s>"),
    "stars inside words": ("2*3*4 _a", "2*3*4 _a"),
    "code is not styled": ("`*a* &lt;`", "<code>*a* &lt;</code>"),
    "a block of code": ("```\n*a*\n```", "<pre>*a*</pre>"),
    "a quote": ("before\n&gt; one\n> two\nafter", "before<br><blockquote>one<br>two</blockquote>after"),
    "a link": (
        "<https://x.example/?a=1&amp;b=2|here &amp; now>",
        '<a href="https://x.example/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">here &amp; now</a>',
    ),
    "a link that runs code": ("<javascript:alert(1)|here>", "&lt;javascript:alert(1)|here&gt;"),
    "a quote in a link": (
        '<https://x.example/"onmouseover="x|a>',
        '<a href="https://x.example/&quot;onmouseover=&quot;x" target="_blank" rel="noopener noreferrer">a</a>',
    ),
    "a mention": ("<@U0ANNA> <!here>", '<span class="mention">@Anna</span> <span class="mention">@here</span>'),
    "a date that cannot be": ("<!date^999999999999999^{date}|then &lt;b&gt;>", "<time>then &lt;b&gt;</time>"),
    "an emoji": (":bell: :nothing:", "🔔 :nothing:"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_markup_is_drawn_and_words_of_strangers_never_become_tags(name: str) -> None:
    text, html = TEXTS[name]

    assert mrkdwn(text, lambda _: "Anna") == html


def test_a_date_is_drawn_by_its_placeholders() -> None:
    shown = date_text(int(NOW.timestamp()), "{date_num} {time} {unknown}", "then")

    assert shown == f"{NOW.astimezone():%Y-%m-%d %H:%M} {{unknown}}"


def test_spans_are_drawn_with_their_style_and_nothing_else() -> None:
    assert (
        span({"type": "text", "text": "<b>", "style": {"bold": True, "code": True}}) == "<b><code>&lt;b&gt;</code></b>"
    )
    assert span({"type": "link", "url": "javascript:x", "text": "a"}) == "a"
    assert span({"type": "emoji", "name": "x", "unicode": "1f514"}) == "🔔"
    assert span({"type": "user", "user_id": "U1"}, lambda _: "<i>") == '<span class="mention">@&lt;i&gt;</span>'
    assert span({"type": "magic"}) == ""
