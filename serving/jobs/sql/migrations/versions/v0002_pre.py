"""What a job was promised and what it costs; limits of tenants, requests that were turned away, erasures."""

from __future__ import annotations

from alembic import op

from serving.jobs.sql.migrations.script import run

revision = "0002_pre"
down_revision = "0001_post"


def upgrade() -> None:
    """Add columns with defaults, which older workers leave alone."""
    run(op.get_bind(), revision)
