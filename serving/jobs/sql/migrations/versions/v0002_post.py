"""Jobs are claimed by when they are due. A worker that claims in another order would break promises."""

from __future__ import annotations

from alembic import op

from serving.jobs.sql.migrations.script import run

revision = "0002_post"
down_revision = "0002_pre"


def upgrade() -> None:
    """Drop the index of the old order, and raise the floor."""
    run(op.get_bind(), revision)
