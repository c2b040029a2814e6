"""Objects may be sealed. A worker that cannot open them would hand out what nobody can read."""

from __future__ import annotations

from alembic import op

from serving.jobs.sql.migrations.script import run

revision = "0003_post"
down_revision = "0003_pre"


def upgrade() -> None:
    """Raise the floor."""
    run(op.get_bind(), revision)
