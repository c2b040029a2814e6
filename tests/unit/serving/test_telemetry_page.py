"""The reference page is what the code tells."""

from __future__ import annotations

from serving.telemetry.allowed import ATTRIBUTES
from serving.telemetry.foreign import FOREIGN
from serving.telemetry.metrics import METRICS
from serving.telemetry.page import PAGE, page


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m serving.telemetry.page"


def test_the_page_names_everything_that_can_leave():
    names = {metric.prometheus for metric in METRICS.values()} | set(ATTRIBUTES)
    names |= {row.prometheus for row in FOREIGN.values()}

    assert [name for name in sorted(names) if f"`{name}`" not in page()] == []
