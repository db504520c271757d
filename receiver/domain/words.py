"""Normalizes words of a source for comparison: case, surrounding white space and invisible characters. Pure."""

import unicodedata
from functools import lru_cache

_SPACES = (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), *(0x2028, 0x2029, 0x202F, 0x205F))
_ZERO_WIDTH = (0xAD, 0x180E, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)
BLANK = "".join(map(chr, (*_SPACES, 0x3000, *_ZERO_WIDTH)))


def trim(text: str) -> str:
    """``text`` without white space and zero-width characters around it."""
    return text.strip(BLANK)


@lru_cache(maxsize=1024)
def fold(word: str | None) -> str:
    """The normal form in which equal words are equal: NFKC, case-folded, without format characters."""
    folded = unicodedata.normalize("NFKC", word or "").casefold()
    return " ".join("".join(char for char in folded if unicodedata.category(char) != "Cf").split())
