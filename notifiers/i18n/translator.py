"""Speaks the route's language (step 6): gettext catalogs, read once a language from the .po files beside this.

An unknown language is answered in English; a sentence nobody has translated, too. It never raises for what it is asked
to say: that may be a source's own sentence.
"""

import re
from collections.abc import Mapping
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

CATALOGS = Path(__file__).parent / "locale"
SOURCE_LOCALE = "en"
MOST_OF_A_VALUE = 4_000
_PLACE = re.compile(r"\{(\w+)\}", re.ASCII)


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translate this later"
    return message


# Casebell's own words for what was pressed and what came of it, as values of a sentence (domain/refusal.py).
OWN_WORDS = {
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
    """Fulfils ``ports.Translator``; holds nothing, so every place may make its own."""

    def say(self, locale: str, message: str, **values: object) -> str:
        """One translated sentence; ``{name}`` is filled from ``values``, of which ``verb`` and ``outcome`` are
        translated too. A place without a value stays as it is."""
        return _filled(_translated(locale, message), self._own(locale, values))

    def plural(self, locale: str, one: str, many: str, n: int, **values: object) -> str:
        """The form that the language uses for ``n``, which fills ``{n}``."""
        return _filled(catalog(locale).ngettext(one, many, abs(n)), self._own(locale, values | {"n": n}))

    def story(self, notice: Notice) -> Story:
        """The notice in the language and the timezone of its route."""
        return build.tell(self._context(notice))

    def nudge(self, notice: Notice, said: Reminder) -> str:
        """A word below what is shown already, in one sentence."""
        return build.nudge(self._context(notice), said)

    def _context(self, notice: Notice) -> StoryContext:
        route = notice.route
        voice = Formats(self, language_of(route.locale), zone_of(route.timezone), notice.now)
        return StoryContext(notice, voice)

    @staticmethod
    def _own(locale: str, values: Mapping[str, object]) -> dict[str, object]:
        own = {name: OWN_WORDS.get(str(values[name])) for name in ("verb", "outcome") if name in values}
        return {**values, **{name: _translated(locale, word) for name, word in own.items() if word}}


@lru_cache(maxsize=256)
def language_of(locale: str) -> str:
    """The language of a locale that we have words for: "fr_CA" is "fr", what we do not know is "en"."""
    language = re.split("[-_]", locale, maxsplit=1)[0].lower()
    is_known = language.isascii() and language.isalpha() and (CATALOGS / f"{language}.po").is_file()
    return language if is_known else SOURCE_LOCALE


def catalog(locale: str) -> NullTranslations:
    """The words of a locale's language; fuzzy ones are left out."""
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


def _translated(locale: str, message: str) -> str:
    return catalog(locale).gettext(message) if message else ""  # gettext answers "" with the catalog's header


def _filled(template: str, values: Mapping[str, object]) -> str:
    """Only whole names are places: ``str.format`` would follow attributes in a stranger's sentence."""

    def value_of(place: re.Match[str]) -> str:
        name = place[1]
        return one_line(str(values[name]))[:MOST_OF_A_VALUE] if name in values else place[0]

    return _PLACE.sub(value_of, template)
