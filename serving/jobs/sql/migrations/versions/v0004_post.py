"""What a tenant stores is bounded. A gateway that does not count would let it through."""

from __future__ import annotations

from alembic import op

from serving.jobs.sql.migrations.script import run

revision = "0004_post"
down_revision = "0004_pre"


def upgrade() -> None:
    """Raise the floor."""
    run(op.get_bind(), revision)
