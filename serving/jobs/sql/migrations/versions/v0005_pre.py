"""Ends that the residency log has not heard of yet; and what a job without a film has stored goes at once."""

from __future__ import annotations

from alembic import op

from serving.jobs.sql.migrations.script import run

revision = "0005_pre"
down_revision = "0004_post"


def upgrade() -> None:
    """Add a table that the database fills by itself; what older studios have told the log is told once more."""
    run(op.get_bind(), revision)
