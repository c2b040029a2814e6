"""How long a store waits for whom: every number with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The patience of a job store. All are durations in milliseconds unless they say otherwise."""

    lease_ms: int = 30_000
    """A studio that is silent for this long has lost its job. Take-over comes at most one `reap` later."""

    most_attempts: int = 5
    """Claims of one job before it fails with `attempts`. A job that is handed back does not count."""

    keep_key_ms: int = 24 * 3_600_000
    """How long an idempotency key is remembered."""

    keep_failed_ms: int = 24 * 3_600_000
    """How long a failed or cancelled job says what was asked for; then it expires like a film."""

    orphan_ms: int = 24 * 3_600_000
    """How long an artefact that its job did not deliver is kept: the film of a studio that lost its lease. Those of a
    job that failed or was cancelled go when it ends."""

    webhook_base_ms: int = 5_000
    """Wait before the second try of a webhook; each further wait is twice as long."""

    webhook_tries: int = 8
    """Tries of a webhook before it is given up; with 5 s at first, they spread over ten minutes."""

    patience_ms: int = 3_000
    """How long a call tries again when the database has gone away; 0 fails at once."""

    poll_ms: int = 2_000
    """How long a waiter trusts that it would have been woken, before it looks for itself."""
