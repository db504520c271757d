"""The shape of a cron expression: five fields, ``30 8 * * 1-5`` (crontab(5)).

When it is due is decided in ``domain/schedule.py``.
"""

import re
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from receiver.settings.toml_text import quoted

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_DAYS = "sun mon tue wed thu fri sat"
_FIELDS = (
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day of the month", 1, 31, ""),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?")


def check_cron(expression: str) -> str:
    """The expression as given. Raises ValueError naming the field that is wrong."""
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f'{quoted(expression)} is not a cron expression of five fields; write "30 8 * * 1-5" for weekdays at 08:30'
        )
    for text, (name, lowest, highest, words) in zip(fields, _FIELDS, strict=True):
        if not all(_is_part(part, lowest, highest, words.split()) for part in text.split(",")):
            raise ValueError(f"{quoted(expression)}: {quoted(text)} is not a {name} from {lowest} to {highest}")
    if _is_never_due(expression):
        raise ValueError(f"{quoted(expression)} is never due: no month it names has such a day")
    return expression


def _is_never_due(expression: str) -> bool:
    try:
        return next(CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)), None) is None
    except CronSimError:
        return True


def _is_part(part: str, lowest: int, highest: int, words: list[str]) -> bool:
    found = _PART.fullmatch(part)
    if not found or (found["step"] is not None and not int(found["step"])):
        return False
    ends = [_number(end, lowest, words) for end in (found["first"], found["last"]) if end]
    numbers = [end for end in ends if end is not None and lowest <= end <= highest]
    return len(numbers) == len(ends) and numbers == sorted(numbers)


def _number(text: str, lowest: int, words: list[str]) -> int | None:
    if text.lower() in words:
        return words.index(text.lower()) + lowest
    return int(text) if text.isascii() and text.isdigit() else None
