"""Bills under kills, replays and retries; `python -m benchmarks.billing` does the same with ten thousand films."""

from __future__ import annotations

import pytest
from rich.progress import Progress

from benchmarks.billing import run

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgres"])
def address(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    return request.getfixturevalue("mortal").address()


def test_statements_equal_what_clients_agreed_to_whatever_was_killed_or_sent_twice(address):
    with Progress(disable=True) as progress:
        found = run(address, jobs=400, seed=7, progress=progress)

    assert found.owed == found.stated > 0
    assert found.billed == found.delivered > 300
    assert found.findings == 0
    assert found.killed >= 3
    assert found.sent > 400
    assert found.tries > 400
