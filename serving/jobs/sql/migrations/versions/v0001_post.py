"""From here on, a worker that does not know these tables refuses to start."""

from __future__ import annotations

from alembic import op

from serving.jobs.sql.migrations.script import run

revision = "0001_post"
down_revision = "0001_pre"


def upgrade() -> None:
    """Raise the floor."""
    run(op.get_bind(), revision)
