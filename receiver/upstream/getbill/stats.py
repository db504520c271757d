"""Getbill's own counts of todos, for digests and ``casebell doctor``. Pure."""

from receiver.upstream.getbill import wire

NAMES = {"debtor_requests": "debtor requests", "ai_detections": "AI detections", "agreements": "agreements"}


def counts_of(stats: wire.Stats) -> tuple[tuple[str, int], ...]:
    """Return the todos of each type and the overdue agreements, as far as Getbill counts them."""
    counts = [(name, tally.total) for name, tally in _as_tallies(stats).items()]
    counts.append(("agreements_overdue", stats.agreements.overdue if stats.agreements else None))
    return tuple((name, n) for name, n in counts if n is not None)


def summary_of(stats: wire.Stats) -> str:
    """Return the counts on one line for an operator."""
    parts = [f"{tally.total} {NAMES[name]}" for name, tally in _as_tallies(stats).items() if tally.total is not None]
    return ", ".join(parts) or "answers"


def _as_tallies(stats: wire.Stats) -> dict[str, wire.Tally]:
    """Old type names count as their current ones: docs/vendors/getbill.md#todos"""
    counted = {
        "debtor_requests": stats.debtor_requests or stats.blocking_disputes,
        "ai_detections": stats.ai_detections or stats.non_blocking_disputes,
        "agreements": stats.agreements,
    }
    return {name: tally for name, tally in counted.items() if tally}
