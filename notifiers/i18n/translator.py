"""Translates sentences with gettext catalogs; each .po file in locale/ is read once.

An unknown language and an untranslated sentence give English. Translating never raises, because a sentence may come
from a source and contain anything.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from notifiers.i18n.formats import Formats, zone_of
from notifiers.story import build
from notifiers.story.context import StoryContext
from notifiers.text import one_line
from receiver.domain.notice import Notice, Reminder, Story
from receiver.domain.refusal import N_

CATALOGS = Path(__file__).parent / "locale"
SOURCE_LOCALE = "en"
MAX_VALUE = 4_000
_PLACEHOLDER = re.compile(r"\{(\w+)\}", re.ASCII)


# Verbs and outcomes as values of a sentence of domain/refusal.py.
VERBS_AND_OUTCOMES = {
    "validate": N_("validate"),
    "reject": N_("reject"),
    "reopen": N_("reopen"),
    "reply": N_("reply"),
    "undo": N_("undo"),
    "update_plan": N_("change the plan"),
    "validated": N_("validated"),
    "rejected": N_("rejected"),
    "solved": N_("solved"),
    "completed": N_("completed"),
    "paid": N_("paid"),
    "agreed": N_("the systems agree"),
    "gone": N_("no longer at the source"),
}


class Translator:
    """Implements ``ports.Translator``. It has no state, so creating one costs nothing."""

    def say(self, locale: str, message: str, **values: object) -> str:
        """One translated sentence. ``{name}`` placeholders are filled from ``values``; without a value they stay.

        The values ``verb`` and ``outcome`` are translated too.
        """
        return _fill(_translate(locale, message), self._translate_values(locale, values))

    def plural(self, locale: str, one: str, many: str, n: int, **values: object) -> str:
        """The translated plural form for ``n``, which also fills ``{n}``."""
        return _fill(catalog(locale).ngettext(one, many, abs(n)), self._translate_values(locale, values | {"n": n}))

    def story(self, notice: Notice) -> Story:
        """The notice in the language and the timezone of its route."""
        return build.build_story(self._context(notice))

    def format_reminder(self, notice: Notice, reminder: Reminder) -> str:
        """The reminder in one sentence, in the language of the notice's route."""
        return build.format_reminder(self._context(notice), reminder)

    @staticmethod
    def _context(notice: Notice) -> StoryContext:
        return StoryContext(notice, formats_for(notice.route.locale, notice.route.timezone, notice.now))

    @staticmethod
    def _translate_values(locale: str, values: Mapping[str, object]) -> dict[str, object]:
        known = {name: VERBS_AND_OUTCOMES.get(str(values[name])) for name in ("verb", "outcome") if name in values}
        return {**values, **{name: _translate(locale, text) for name, text in known.items() if text}}


@lru_cache(maxsize=256)
def language_of(locale: str) -> str:
    """The language whose catalog a locale uses: "fr_CA" gives "fr", an unknown locale gives "en"."""
    language = re.split("[-_]", locale, maxsplit=1)[0].lower()
    is_known = language.isascii() and language.isalpha() and (CATALOGS / f"{language}.po").is_file()
    return language if is_known else SOURCE_LOCALE


def formats_for(locale: str, timezone: str, now: datetime) -> Formats:
    """Formats in the language of ``locale`` and the timezone of that name."""
    return Formats(Translator(), language_of(locale), zone_of(timezone), now)


def catalog(locale: str) -> NullTranslations:
    """The catalog of a locale's language, without its fuzzy translations."""
    return _catalog(language_of(locale))


@lru_cache(maxsize=32)
def _catalog(language: str) -> NullTranslations:
    path = CATALOGS / f"{language}.po"
    if not path.is_file():
        return NullTranslations()
    with path.open("rb") as file:
        read = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return GNUTranslations(compiled)


def _translate(locale: str, message: str) -> str:
    return catalog(locale).gettext(message) if message else ""  # gettext("") returns the catalog's header


def _fill(template: str, values: Mapping[str, object]) -> str:
    """Unlike ``str.format``, this follows no attributes: the template may come from outside."""

    def value_of(placeholder: re.Match[str]) -> str:
        name = placeholder[1]
        return one_line(str(values[name]))[:MAX_VALUE] if name in values else placeholder[0]

    return _PLACEHOLDER.sub(value_of, template)
