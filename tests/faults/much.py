"""How much of a fault a run takes: a short cut in ``make test``, all of it in ``make faults``."""

import os

IS_LONG = os.environ.get("CASEBELL_FAULTS") == "long"


def times(short: int, long: int) -> int:
    return long if IS_LONG else short
