"""The log hears of every end. A house that does not look would leave out those that no studio tells."""

from __future__ import annotations

from alembic import op

from serving.jobs.sql.migrations.script import run

revision = "0005_post"
down_revision = "0005_pre"


def upgrade() -> None:
    """Raise the floor."""
    run(op.get_bind(), revision)
